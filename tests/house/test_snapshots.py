"""A snapshot is what folding comes to, for good: when an `evolve` comes to something else, `desk.FOLDED` must say so.

`folded.ndjson` holds what every stored example comes to, folded alone by its aggregate, and the number it was folded under. An
`evolve` that was changed makes the test fail: raise `desk.FOLDED` and write the file again; the failing test prints it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from adapters.recording import decode
from domain import account, connection, contact, meeting
from services import desk

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE / "stored_events").rglob("*.json"))
KINDS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "account": (account.Account(), account.evolve),
    "connection": (connection.Connection(), connection.evolve),
    "contact": (contact.Contact(), contact.evolve),
    "meeting": (meeting.Meeting(UUID(int=7), ""), meeting.evolve),
}


def event(example: Path) -> Any:
    """An example as it may be recorded: with one revision, of the two it shows."""
    told = decode(example.name.removesuffix(".json"), example.read_bytes())
    sighting = getattr(told, "sighting", None)
    return told if sighting is None else replace(told, sighting=replace(sighting, revisions=sighting.revisions[:1]))


def folded() -> dict[str, Any]:
    """What each example comes to, and the whole life of each kind of aggregate."""
    found: dict[str, Any] = {}
    for example in EXAMPLES:
        kind = example.name.partition(".")[0]
        if kind in KINDS:
            empty, evolve = KINDS[kind]
            state = evolve(empty, event(example))
            found[str(example.relative_to(HERE))] = msgspec.to_builtins(state)
    return found


def test_what_was_folded_before_is_folded_so_still() -> None:
    lines = [{"folded": desk.FOLDED}, *({"example": name, "state": state} for name, state in folded().items())]
    written = "".join(json.dumps(line, sort_keys=True, default=sorted) + "\n" for line in lines)
    assert (HERE / "folded.ndjson").read_text("utf-8") == written, f"raise desk.FOLDED, and let folded.ndjson say:\n{written}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_comes_back_from_its_snapshot_as_it_was(kind: str) -> None:
    empty, evolve = KINDS[kind]
    state = empty
    for example in EXAMPLES:
        if example.name.partition(".")[0] == kind and "absorbed" not in example.name:
            state = evolve(state, event(example))
    assert state != empty
    assert msgspec.json.decode(msgspec.json.encode(state), type=type(empty)) == state


def test_another_form_of_a_state_has_snapshots_of_another_kind() -> None:
    class Contact(contact.Contact, frozen=True):  # of the same name, with a field more
        nickname: str = ""

    assert desk.snapshot_kind(contact.Contact).rpartition(".")[0] == f"Contact.{desk.FOLDED}"
    assert desk.snapshot_kind(Contact) != desk.snapshot_kind(contact.Contact)
