"""The login's page: who signs in, and whether they allow it. Two buttons, no script; a test posts its form, or follows its links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlencode

from services.sandbox.entra_directory import User

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in (sandbox)</title>
<style>body {{ font: 16px sans-serif; margin: 4em auto; max-width: 36em; }} button {{ font: inherit; }}</style>
</head><body><h1>Sandbox: Microsoft sign-in</h1>
<p>The application <b>{client}</b> asks for: {scopes}.</p>
<form method="post" action="{action}">{hidden}
<p><label>Account <select name="account">{accounts}</select></label></p>
<p><button name="decision" value="accept">Accept</button><button name="decision" value="decline">Decline</button></p>
</form><p>{links}</p></body></html>
"""


def consent(action: str, params: Mapping[str, str], users: Iterable[User], scopes: Iterable[str]) -> str:
    """The page; `params` are those of the request, which the answer repeats."""
    people = list(users)
    hint = params.get("login_hint", "").lower()
    kept = {name: value for name, value in params.items() if name not in ("account", "decision")}
    return _PAGE.format(
        client=escape(params.get("client_id", "")),
        scopes=escape(", ".join(scopes)) or "nothing",
        action=escape(action),
        hidden=_hidden(kept),
        accounts="".join(_option(user, chosen=user.address == hint) for user in people),
        links=" ".join(_link(action, kept, user) for user in people),
    )


def refused(code: int, text: str) -> str:
    """The page for what must not go back to the application: nobody knows whose address it is."""
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title><p>AADSTS{code}: {escape(text)}</p></html>'


def sent_back(where: str, told: Mapping[str, str]) -> str:
    """The page that posts an answer to the application (response_mode form_post)."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Working...</title><form method="post" action="{escape(where)}">'
        f"{_hidden(told)}<button>Continue</button></form></html>"
    )


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items())


def _option(user: User, *, chosen: bool) -> str:
    mark = " selected" if chosen else ""
    return f'<option value="{escape(user.address)}"{mark}>{escape(user.name)} ({escape(user.address)})</option>'


def _link(action: str, kept: Mapping[str, str], user: User) -> str:
    query = urlencode({**kept, "account": user.address, "decision": "accept"})
    return f'<a href="{escape(f"{action}?{query}")}">Accept as {escape(user.name)}</a>'
