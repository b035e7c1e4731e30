"""`rendezvous dead-letters`, `held` and `tokens`: what waits for a person, and who may ask the API.

What must stay true: a token's text is printed once, when it is made; and what can only be read here of a record that nobody could read is
its own bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from domain.errors import NotFound
from projections.bodies import stamp
from services.sentences import counted

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from domain.ports import DeadLetter, DeadLetters
    from domain.tokens import Token
    from services.wiring import Installation

PAGE = 1000
"""Dead letters that are read at once."""

Account = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
OfAccount = Annotated[str | None, typer.Option("--account", help="Only this account's.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Letter = Annotated[str, typer.Argument(help="A dead letter's id, from `dead-letters list`.")]
Hold = Annotated[str, typer.Argument(help="A hold's id, from `held list`.")]


class State(StrEnum):
    """What became of a dead letter."""

    WAITING = "waiting"
    RETRIED = "retried"
    DROPPED = "dropped"


def add(app: typer.Typer) -> None:
    """The commands."""
    letters = typer.Typer(help="Records that could not be read: list, show, retry, drop.", no_args_is_help=True)
    _add_looking_at_letters(letters)
    _add_settling_letters(letters)
    app.add_typer(letters, name="dead-letters")
    held = typer.Typer(help="Deletions held for a person: list, release, discard.", no_args_is_help=True)
    _add_held(held)
    app.add_typer(held, name="held")
    tokens = typer.Typer(help="Bearer tokens of the API: create, list, revoke.", no_args_is_help=True)
    _add_tokens(tokens)
    app.add_typer(tokens, name="tokens")


# --- dead letters --------------------------------------------------------------------------------------------------------------


def _add_looking_at_letters(group: typer.Typer) -> None:
    @group.command("list")
    def list_(
        data: Data = None,
        json: Json = False,
        account: OfAccount = None,
        state: Annotated[State | None, typer.Option("--state", help="Only those of this state.")] = None,
    ) -> None:
        """List them.

        Example: rendezvous dead-letters list --state waiting
        """
        found = 0
        for one in _all(_installation(data).dead, account, state):
            reasons = "; ".join(f"{e['pointer'] or '(whole)'} {e['reason']}" for e in one.errors[:3])
            _say(_told(one), f"{one.letter}  {one.state}  account {one.account}  {reasons}", json)
            found += 1
        if not json:
            _print(counted(found, "dead letter"))

    @group.command()
    def show(letter: Letter, data: Data = None, json: Json = False) -> None:
        """Print the original bytes of one, and why it was refused (on standard error).

        Example: rendezvous dead-letters show 0-1843
        """
        one = _letter(_installation(data), letter)
        if json:
            _put({**_told(one), **_body(one.body)})
            return
        for error in one.errors:
            _print(f"{error['pointer'] or '(whole)'}: {error['reason']}", stderr=True)
        sys.stdout.buffer.write(one.body + b"\n")


def _add_settling_letters(group: typer.Typer) -> None:
    @group.command()
    def retry(letter: Letter, data: Data = None, json: Json = False) -> None:
        """Publish one again, after what refused it was mended.

        Example: rendezvous dead-letters retry 0-1843
        """
        parts = _installation(data)
        one = _letter(parts, letter)
        (receipt,) = parts.publisher.accept([one.body], ours=True)
        refused = receipt.outcome == "rejected"
        if not refused:
            parts.dead.mark(letter, "retried")
        reasons = "; ".join(f"{e.pointer or '(whole)'} {e.reason}" for e in receipt.errors)
        says = f"{letter} is still refused: {reasons}" if refused else f"{letter} is in the log again, at position {receipt.position}"
        _say({"letter": letter, **msgspec.structs.asdict(receipt)}, says, json)
        raise typer.Exit(1 if refused else 0)

    @group.command()
    def drop(letter: Letter, data: Data = None, json: Json = False) -> None:
        """Mark one as not wanted.

        Example: rendezvous dead-letters drop 0-1843
        """
        parts = _installation(data)
        _letter(parts, letter)
        parts.dead.mark(letter, "dropped")
        _say({"letter": letter, "state": "dropped"}, f"{letter} is dropped", json)


def _all(dead: DeadLetters, account: str | None, state: str | None) -> Iterator[DeadLetter]:
    after, more = "", True
    while more:
        page = dead.list(account, after, PAGE, state)
        yield from page
        more = len(page) == PAGE
        after = page[-1].letter if page else after


def _letter(parts: Installation, letter: str) -> DeadLetter:
    one = parts.dead.get(letter)
    if one is None:
        raise NotFound(f"no dead letter is called {letter}; see `rendezvous dead-letters list`")
    return one


def _told(one: DeadLetter) -> dict[str, Any]:
    return {
        "letter": one.letter,
        "account": one.account,
        "state": one.state,
        "recordedAt": stamp(one.recorded_at),
        "errors": one.errors,
    }


def _body(raw: bytes) -> dict[str, Any]:
    """JSON holds text: bytes that are none stand in it as base64."""
    try:
        return {"body": raw.decode()}
    except UnicodeDecodeError:
        return {"base64": raw}


# --- held deletions ------------------------------------------------------------------------------------------------------------


def _add_held(group: typer.Typer) -> None:
    @group.command("list")
    def list_(account: Account, data: Data = None, json: Json = False) -> None:
        """List them.

        Example: rendezvous held list 62515
        """
        from services.held import holds

        found = holds(_installation(data), account)
        for one in found:
            says = f"{one.hold}  user {one.user}  {one.provider}  {one.deletions} of {one.known} meetings  since {one.since}"
            _say(one, says, json)
        if not json:
            _print(counted(len(found), "hold") if found else "nothing is held")

    @group.command()
    def release(account: Account, hold: Hold, data: Data = None, json: Json = False) -> None:
        """Let the deletions happen.

        Example: rendezvous held release 62515 62515-1f3a
        """
        from services.held import release as settle

        changed = settle(_installation(data), account, hold)
        # Who folds may be another process, or not run at the moment.
        says = f"{counted(changed, 'meeting')} {'is' if changed == 1 else 'are'} cancelled; timelines show it once it is folded"
        _say({"hold": hold, "outcome": "released", "meetings": changed}, says, json)

    @group.command()
    def discard(account: Account, hold: Hold, data: Data = None, json: Json = False) -> None:
        """Drop the deletions: nothing was deleted.

        Example: rendezvous held discard 62515 62515-1f3a
        """
        from services.held import discard as settle

        settle(_installation(data), account, hold)
        _say({"hold": hold, "outcome": "discarded", "meetings": 0}, f"{hold} is discarded: nothing was deleted", json)


# --- tokens --------------------------------------------------------------------------------------------------------------------


def _add_tokens(group: typer.Typer) -> None:
    @group.command()
    def create(
        account: Account,
        scope: Annotated[list[str], typer.Option("--scope", help="timeline:read, events:publish, history:read, ops; repeat for several.")],
        data: Data = None,
        label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
        json: Json = False,
    ) -> None:
        """Make a token. It is shown once and stored hashed.

        Example: rendezvous tokens create 62515 --scope timeline:read --label 'sales dashboard'
        """
        tokens = _installation(data, begins=True).tokens
        text = tokens.create(account, scope, label)
        if not json:
            print(text)  # standard output, for scripts
        elif (made := tokens.check(text)) is not None:
            _put({"token": text, **_of_token(made)})

    @group.command("list")
    def list_(data: Data = None, account: OfAccount = None, json: Json = False) -> None:
        """List tokens, without what they are.

        Example: rendezvous tokens list
        """
        for one in _installation(data).tokens.list(account):
            state = "revoked" if one.revoked else "live"
            _say(_of_token(one), f"{one.id}  account {one.account}  {' '.join(one.scopes)}  {state}  {one.label}", json)

    @group.command()
    def revoke(
        token: Annotated[str, typer.Argument(help="A token's id, from `tokens list`.")], data: Data = None, json: Json = False
    ) -> None:
        """End a token.

        Example: rendezvous tokens revoke 1f3a
        """
        if not _installation(data).tokens.revoke(token):
            raise NotFound(f"no token is called {token}; see `rendezvous tokens list`")
        _say({"id": token, "state": "revoked"}, f"{token} is revoked", json)


def _of_token(one: Token) -> dict[str, Any]:
    return {
        "id": one.id,
        "account": one.account,
        "scopes": one.scopes,
        "state": "revoked" if one.revoked else "live",
        "createdAt": stamp(one.created),
        "label": one.label,
    }


# --- where it goes -------------------------------------------------------------------------------------------------------------


def _installation(data: Path | None, begins: bool = False) -> Installation:
    from services.cli import installation

    return installation(data, begins=begins)


def _say(body: object, line: str, json: bool) -> None:
    if json:
        _put(body)
    else:
        _print(line)


def _put(value: object) -> None:
    from services.cli import put

    put(value)


def _print(line: str, stderr: bool = False) -> None:
    from services.cli import console

    console(stderr).print(line, markup=False)
