"""No code of ours can delete or cancel a calendar's event, nor a CRM's meeting (rule crm-delete-keeps-calendar): none asks for it.

The tests of the writers show the same on the wire: their providers fail on any such request.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VENDORS = ("google", "hubspot", "office365")
# What a library or an address calls it; an answer is not given in anybody's name either.
CALLS = {"delete", "cancel", "decline", "accept", "tentativelyAccept", "move", "import_", "quickAdd", "clear", "new_batch_http_request"}
PLACES = ("/cancel", "/decline", "/accept", "/tentativelyAccept", "/forward", "gdpr", "objects/batch/archive", "/quickAdd", "/clear")
# What is ours to end: a subscription to be told. Google's channels end by a POST of their own.
ENDS = ("subscriptions/",)


def texts(node: ast.AST) -> Iterator[str]:
    """Every text in it, those between the fields of an f-string too."""
    return (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def deletions(source: str) -> list[str]:
    """What in this module asks a provider to delete or to cancel, or could."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    ended = [node for node in calls if "DELETE" in list(texts(node)) and any(text.startswith(ENDS) for text in texts(node))]
    named = [f".{node.func.attr}()" for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr in CALLS]
    allowed = sum(list(texts(node)).count("DELETE") for node in ended)
    methods = ["DELETE"] * (sum(text.upper() == "DELETE" for text in texts(tree)) - allowed)
    places = [place for text in texts(tree) for place in PLACES if place in text]
    return named + methods + places


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("events.delete(calendarId='primary', eventId=id)", [".delete()"], id="the library's word"),
        pytest.param("api.call(link, 'DELETE', f'me/events/{id}')", ["DELETE"], id="the method"),
        pytest.param("METHOD = 'delete'", ["DELETE"], id="the method, kept for later"),
        pytest.param("api.call(link, 'POST', f'me/events/{id}/cancel')", ["/cancel"], id="a cancellation"),
        pytest.param("api.call(link, 'DELETE', f'subscriptions/{id}')", [], id="a subscription"),
        pytest.param("api.call(link, 'PATCH', f'me/events/{id}')", [], id="a change"),
    ],
)
def test_what_would_delete_is_found(source: str, found: list[str]) -> None:
    assert deletions(source) == found


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_adapter_deletes_or_cancels_anything_at_its_provider(vendor: str) -> None:
    modules = sorted((ROOT / "adapters" / vendor).glob("*.py"))
    found = {file.name: deletions(file.read_text("utf-8")) for file in modules}
    assert "writer.py" in found
    assert {name: what for name, what in found.items() if what} == {}


def test_no_other_room_knows_how_to_call_a_provider() -> None:
    """Whatever is called, is called by an adapter: services have none of the ways to it."""
    ways = {"googleapiclient", "google", "adapters.http"}
    files = [file for file in (ROOT / "services").rglob("*.py") if "sandbox" not in file.parts and not file.name.startswith("wiring")]
    for file in files:
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        taken = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert not ways & (taken | plain), file.name
