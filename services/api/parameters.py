"""Query parameters as the API's description shows them. They are texts here: `questions` examines them, for every route alike."""

from __future__ import annotations

from typing import Annotated, Any

from litestar.params import HeaderParameter, PathParameter, QueryParameter


def _query(name: str, description: str, **schema: Any) -> QueryParameter:
    return QueryParameter(name=name, description=description, required=False, schema_extra={"type": "string", **schema})


_CHOICE = ["newest", "soonest"]

Who = Annotated[str, PathParameter(description="A contact's CRM id, or an address.")]
Meeting = Annotated[str, PathParameter(description="A meeting's id.")]

Since = Annotated[str | None, _query("from", "Entries that end after this: a time (RFC 3339) or a date (its midnight in UTC).")]
Until = Annotated[str | None, _query("to", "Entries that start before this; a date stands for its end.")]
Status = Annotated[str | None, _query("status", "Of `confirmed`, `tentative`, `cancelled`, separated by commas; any by default.")]
AsOf = Annotated[str | None, _query("as_of", "The timeline as it was recorded then (our time, inclusive).")]
After = Annotated[str | None, _query("cursor", "`next` or `previous` of an answer, as it is.")]
Limit = Annotated[str | None, _query("limit", "At most so many; 50 by default.", type="integer", minimum=1, maximum=1000)]
Order = Annotated[str | None, _query("order", "By start; `newest` first by default.", enum=_CHOICE)]
WaitFor = Annotated[
    str | None,
    _query("wait_for", "Wait until what was accepted up to this position (of a receipt) is in the answer.", type="integer", minimum=0),
]
Account = Annotated[str | None, _query("account", "Only for tokens of every account, which must say which.")]
DryRun = Annotated[str | None, _query("dry_run", "Examine the events and append nothing.", type="boolean")]
What = Annotated[str | None, _query("what", "A source event's id, a side's id, a meeting's id, a contact's id, or an address.")]
OfEvent = Annotated[str | None, _query("event", "A source event's id.")]
OfMeeting = Annotated[str | None, _query("meeting", "A meeting's id.")]
OfSubject = Annotated[str | None, _query("subject", "The side's id of what the source event was about.")]
LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="Resume after this change; without it, from now on.", required=False),
]
