"""Whatever is written to it, the Google simulator answers in Google's words: a bug of a client must not look like one of the sandbox."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.google import Google
from services.sandbox.wire import Answer, Request
from services.sandbox.world import World
from tests.sandbox.conftest import NOON

ANA = "ana@acme.example"
TIMES = {
    "start": {"dateTime": "2026-03-09T10:00:00Z", "timeZone": "UTC"},
    "end": {"dateTime": "2026-03-09T11:00:00Z", "timeZone": "UTC"},
}
FIELDS = (
    "id iCalUID summary description location start end recurrence attendees extendedProperties conferenceData status sequence visibility"
    " transparency eventType reminders organizer guestsCanModify guestsCanSeeOtherGuests colorId source attachments address type token"
    " params expiration resourceId timeMin timeMax items"
).split()
VALUES: list[Any] = [
    *(None, "", 0, 1, -1, True, [], {}, "x", ["x"], 1e300, "cancelled", "2026-03-09T10:00:00Z", "http://[", [5], [{}], {"a": 1}),
    *({"dateTime": "2026-03-09T10:00:00Z"}, {"dateTime": 5}, {"dateTime": "9999-12-31T23:59:59Z"}, {"date": "2026-03-09"}),
    *({"date": "0001-01-01"}, {"private": 5}, {"private": {"a": 1}}, {"private": {"a": "1"}}, {"createRequest": 5}),
    *({"createRequest": {}}, {"entryPoints": [{}]}, {"email": "bo@client.example"}, [{"email": "bo@client.example"}]),
    *([{"email": "bo@client.example", "optional": "yes"}], ["RRULE:FREQ=DAILY"], ["RRULE:"], ["RRULE:FREQ=DAILY;UNTIL=99999999"]),
    *(["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Nowhere:20260309T100000"], "RRULE:FREQ=DAILY", ["RDATE:0"], {"ttl": "1"}),
]
PARAMETERS = (
    "conferenceDataVersion sendUpdates fields maxResults syncToken pageToken timeMin timeMax orderBy maxAttendees q updatedMin timeZone"
    " destination singleEvents showDeleted originalStart text"
).split()
WORDS = ["", "0", "1", "true", "x", "primary", "UTC", "2026-03-09T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
PLACES = [
    *(("POST", "events"), ("POST", "events/import"), ("PATCH", "events/series001"), ("PUT", "events/series001"), ("GET", "events")),
    *(("PATCH", "events/series001_20260310T090000Z"), ("DELETE", "events/series001"), ("GET", "events/series001/instances")),
    *(("POST", "events/watch"), ("POST", "events/series001/move"), ("POST", "events/quickAdd"), ("GET", "events/series001_99999999")),
    *(("POST", "../../channels/stop"), ("POST", "../../freeBusy")),
]
CALLS = st.lists(
    st.tuples(
        st.sampled_from(PLACES),
        st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=5),
        st.booleans(),
        st.lists(st.tuples(st.sampled_from(PARAMETERS), st.sampled_from(WORDS)), max_size=2),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(calls=CALLS)
def test_every_answer_is_googles(calls: list[Any]) -> None:
    google = peopled()
    bearer = {"authorization": "Bearer " + google.token(ANA)}
    for (method, place), body, whole, query in calls:
        path = "/calendar/v3/" + (place.removeprefix("../../") if place.startswith("../") else "calendars/primary/" + place)
        said = msgspec.json.encode({**TIMES, **body} if whole else body)
        answer = google.answer(Request(method, "http", "127.0.0.1", path, path, query, bearer, said))
        assert answer.status in (200, 204, 400, 401, 403, 404, 409, 410), answer
        assert refusal_is_worded(answer)
    listed = google.answer(Request("GET", "http", "h", EVENTS, EVENTS, [("showDeleted", "true")], bearer, b""))
    assert listed.status == 200


EVENTS = "/calendar/v3/calendars/primary/events"


def peopled() -> Google:
    """Ana with a series."""
    world = World(seed=5)
    world.freeze(NOON)
    google = Google(world)
    google.user(ANA)
    google.event(ANA, "Series", "2026-03-09T09:00", "2026-03-09T09:30", id="series001", recurrence=["RRULE:FREQ=DAILY;COUNT=5"])
    return google


def refusal_is_worded(answer: Answer) -> bool:
    if answer.status < 400:
        return True
    error = msgspec.json.decode(answer.body)["error"]
    return bool(error["code"] == answer.status and error["errors"][0]["reason"])
