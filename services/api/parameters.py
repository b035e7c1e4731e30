"""Query parameters as the API's description shows them. They are texts here: `questions` examines them, for every route alike.

What must stay true: a route declares every parameter that it understands, because any other is refused (see `door`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_type_hints

from litestar.params import HeaderParameter, PathParameter, QueryParameter

# A parameter that is not there is no parameter: the framework would describe it as text or null, and its type as both at once.
_TEXT: dict[str, Any] = {"type": "string", "one_of": None}


def query(name: str, description: str, **schema: Any) -> QueryParameter:
    """A query parameter that may be left out; text if `schema` says nothing else."""
    return QueryParameter(name=name, description=description, required=False, schema_extra=_TEXT | schema)


@cache
def declared(route: Callable[..., Any]) -> frozenset[str]:
    """The names of the query parameters that a route's function declares."""
    kept = (getattr(hint, "__metadata__", ()) for hint in get_type_hints(route, include_extras=True).values())
    return frozenset(one.name for several in kept for one in several if isinstance(one, QueryParameter) and one.name)


_CHOICE = ["newest", "soonest"]

Who = Annotated[str, PathParameter(description="A contact's CRM id, or an address.")]
Meeting = Annotated[str, PathParameter(description="A meeting's id.")]

Since = Annotated[
    str | None, query("from", "Entries that end after this: a time with its offset (RFC 3339), or a date (its midnight in UTC).")
]
Until = Annotated[str | None, query("to", "Entries that start before this, a time or a date as in `from`; a date stands for its end.")]
Status = Annotated[str | None, query("status", "Of `confirmed`, `tentative`, `cancelled`, separated by commas; any by default.")]
AsOf = Annotated[str | None, query("as_of", "The timeline as it was recorded then (our time, inclusive); a time or a date as in `from`.")]
After = Annotated[str | None, query("cursor", "`next` or `previous` of an answer, as it is.")]
Limit = Annotated[str | None, query("limit", "At most so many; 50 by default.", type="integer", minimum=1, maximum=1000)]
Order = Annotated[str | None, query("order", "By start; `newest` first by default.", enum=_CHOICE)]
WaitFor = Annotated[
    str | None,
    query("wait_for", "Wait until what was accepted up to this position (of a receipt) is in the answer.", type="integer", minimum=0),
]
Account = Annotated[str | None, query("account", "Only for tokens of every account, which must say which.")]
DryRun = Annotated[str | None, query("dry_run", "Examine the events and append nothing.", type="boolean")]
What = Annotated[str | None, query("what", "A source event's id, a side's id, a meeting's id, a contact's id, or an address.")]
OfEvent = Annotated[str | None, query("event", "A source event's id.")]
OfMeeting = Annotated[str | None, query("meeting", "A meeting's id.")]
OfSubject = Annotated[str | None, query("subject", "The side's id of what the source event was about.")]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="Resume after this change; without it, from now on. Whatever became of the change itself, as when it was erased since,"
        " the stream goes on with what followed. A place that these read models have not come to is refused with 400: read the"
        " timelines anew, and begin without it.",
        required=False,
        schema_extra={"type": "integer", "one_of": None, "minimum": 0},
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="`ETag` of an answer: is it still that?", required=False, schema_extra=_TEXT),
]
