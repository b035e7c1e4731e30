"""Whatever is sent, Graph answers in its own words: nothing a client can write breaks the simulator or half-changes an event."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sandbox.office365_world import BO, CEM, Json, Office, at, guests, plain, repeating, valid

WORDS = st.sampled_from(
    [
        "",
        "2026-03-09T10:00:00",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
        "9999-12-31",
        "UTC",
        "Romance Standard Time",
        "Europe/Paris",
        "tzone://Microsoft/Custom",
        "weekly",
        "absoluteMonthly",
        "relativeYearly",
        "numbered",
        "endDate",
        "noEnd",
        "monday",
        "last",
        "busy",
        "me/events",
        "//[",
        "GET",
        "restId",
        "created",
        "http://127.0.0.1:1/",
        "required",
        "html",
        BO,
        CEM,
        "\ud83d\ude00",
        "x" * 300,
    ]
)
NUMBERS = st.integers(-5, 40) | st.sampled_from([10**6, 2**40])
NAMES = st.sampled_from(
    "dateTime timeZone address name emailAddress type interval daysOfWeek dayOfMonth month index firstDayOfWeek "
    "pattern range startDate endDate "
    "requests url method headers dependsOn inputIds targetIdType resource changeType notificationUrl expirationDateTime clientState "
    "comment "
    "numberOfOccurrences recurrenceTimeZone contentType content displayName id value".split()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    "subject start end isAllDay recurrence attendees body location locations sensitivity showAs importance categories isReminderOn "
    "reminderMinutesBeforeStart singleValueExtendedProperties transactionId isOnlineMeeting onlineMeetingProvider hideAttendees".split()
)
BODIES = st.dictionaries(FIELDS, VALUES, max_size=4)
PATTERNS = st.fixed_dictionaries(
    {
        "pattern": st.fixed_dictionaries(
            {"type": st.sampled_from(["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"])},
            optional={
                "interval": NUMBERS,
                "daysOfWeek": st.lists(st.sampled_from(["monday", "sunday"]), min_size=1),
                "dayOfMonth": NUMBERS,
                "month": NUMBERS,
                "index": st.sampled_from(["first", "last"]),
            },
        ),
        "range": st.fixed_dictionaries(
            {"type": st.sampled_from(["endDate", "noEnd", "numbered"])},
            optional={
                "startDate": st.sampled_from(["2026-03-09", "2030-01-01", "9999-12-30"]),
                "endDate": st.dates().map(str),
                "numberOfOccurrences": NUMBERS,
            },
        ),
    }
)
WINDOW = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-06-01T00:00:00Z"


@settings(max_examples=50, deadline=None)
@given(body=BODIES | PATTERNS.map(lambda pattern: {"recurrence": pattern}), occurrence=st.booleans())
@example(body={"locations": [None]}, occurrence=False)
@example(body={"start": at("9999-12-31T23:00:00", "Hawaiian Standard Time"), "end": at("9999-12-31T23:59:59", "UTC")}, occurrence=False)
@example(body={"start": at("0001-01-01T00:00:00", "Tokyo Standard Time")}, occurrence=True)
@example(body={"recurrence": repeating("absoluteYearly", dayOfMonth=31, month=2)}, occurrence=False)
def test_every_body_is_written_or_refused(body: Json, occurrence: bool) -> None:
    office = Office()
    made = office.post("/me/events", plain(**body))
    assert made.status in (201, 400), made.body
    if made.status == 400:
        valid(made.body, "odataError")
    series = office.event(recurrence=repeating(count=3), attendees=guests(CEM))
    path = f"/me/events/{series['id']}"
    if occurrence:
        path = f"/me/events/{office.get(f'{path}/instances?{WINDOW}').body['value'][1]['id']}"
    before = office.get(path).body
    said = office.patch(path, body)
    assert said.status in (200, 400), said.body
    if said.status == 400:
        assert office.get(path).body == before
    for who in ("ana@acme.example", CEM):
        view = office.get(f"/me/calendarView?{WINDOW}&$top=1000", who=who)
        assert view.status == 200, view.body
        delta = office.get(f"/me/calendarView/delta?{WINDOW}", who=who)
        assert delta.status == 200, delta.body


@settings(max_examples=100, deadline=None)
@given(
    body=VALUES,
    route=st.sampled_from(
        ["/subscriptions", "/$batch", "/me/translateExchangeIds", "/me/calendars", "/me/events/{id}/accept", "/me/events/{id}/cancel"]
    ),
)
@example(body={"requests": [{"id": "1", "method": "GET", "url": "//["}, {"url": 7}]}, route="/$batch")
@example(body={"requests": [7]}, route="/$batch")
@example(
    body={"changeType": "created", "notificationUrl": "http://[", "resource": "me/events", "expirationDateTime": "2026-03-04T12:00:00Z"},
    route="/subscriptions",
)
@example(body={"changeType": "created", "notificationUrl": "x", "resource": "http://[", "expirationDateTime": "x"}, route="/subscriptions")
def test_every_action_answers(body: Any, route: str) -> None:
    office = Office()
    office.event(attendees=guests(CEM))
    (copy,) = office.get("/me/events", who=CEM).body["value"]
    said = office.post(route.format(id=copy["id"]), body, who=CEM)
    assert said.status in (200, 201, 202, 400, 404), said.body


@settings(max_examples=150, deadline=None)
@given(
    query=st.lists(
        st.tuples(
            st.sampled_from(["$filter", "$orderby", "$select", "$top", "$skip", "$expand", "$count", "$skiptoken", "startDateTime"]),
            st.text("a '()/,:=$eqand0123-TZ", max_size=30),
        ),
        max_size=3,
    ),
    prefer=st.text('IdType="Immutableoutlook.timezoneUTC,; odata.maxpagesize=09', max_size=60),
    route=st.sampled_from(["/me/events", f"/me/calendarView?{WINDOW}", f"/me/calendarView/delta?{WINDOW}", "/me/calendars"]),
)
def test_every_query_is_answered(query: list[tuple[str, str]], prefer: str, route: str) -> None:
    office = Office()
    office.event()
    mark = "&" if "?" in route else "?"
    said = office.get(f"{route}{mark}{urlencode(query)}", prefer=prefer)
    assert said.status in (200, 400, 410), said.body
