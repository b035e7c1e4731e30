"""One examination for every home of the read models; the memory twin sits it first."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.memory.views import MemoryViews
from adapters.postgres.view_tables import FORMER, LIVE, NEXT, Tables
from adapters.postgres.views import PostgresViews
from adapters.sqlite import connect
from adapters.sqlite.views import SqliteViews
from domain.errors import Conflict
from projections import bodies, contact_timeline
from projections.bodies import Common, EntryRow, MeetingRow
from projections.contact_timeline import Organizer, Participant, Scrub
from projections.views import Changes, ClockRow, ConnectionRow, ContactRow, DecisionRow, OutOfDate, Page, StoredMeeting, Views
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

A, B = "62515", "7"
BO, CY = "bo".ljust(22, "_"), "cy".ljust(22, "_")
M1, M2 = "0b0e6a5c-8d7f-5e21-a1b2-c3d4e5f60718", "1b0e6a5c-8d7f-5e21-a1b2-c3d4e5f60718"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def views(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Views]:
    if request.param == "memory":
        yield MemoryViews()
    elif request.param == "sqlite":
        sqlite = SqliteViews(tmp_path / "views.db")
        yield sqlite
        sqlite.close()
    else:
        with in_postgres(tmp_path) as postgres:
            yield postgres


@contextlib.contextmanager
def in_postgres(folder: Path) -> Iterator[PostgresViews]:
    """Read models in the schemas that belong to a folder, which are dropped afterwards."""
    opened = database(folder)
    with contextlib.closing(PostgresViews(opened)) as views:
        yield views
    for suffix in (LIVE, NEXT, FORMER):
        Tables(opened, suffix).drop()


def common(meeting: str = M1, account: str = A, title: str = "v1", people: tuple[str, ...] = (BO, CY), **more: Any) -> Common:
    """What entries of an event say alike; it names Bo and Cy."""
    participants = (Participant("bo@client.example", "Bo", "151", "accepted"),) if BO in people else ()
    about = contact_timeline._About(None, False, "confirmed", None, None, Organizer("cy@client.example", "Cy"), participants)
    frame = '"origin":"calendar","links":{},"associations":{"companies":[],"deals":[],"tickets":[]}'
    times: dict[str, Any] = {"position": 1, "recorded_from": 1000, "status": "confirmed", "times": bodies.INSTANTS, "series": False}
    said: dict[str, Any] = {"people": people, "title": f'"{title}"', "about": contact_timeline.fields(about), "frame": frame}
    return Common(account=account, meeting=meeting, **{**times, **said, **more})


def entry(meeting: str = M1, occurrence: int = 100, contact: str = "151", account: str = A, **more: Any) -> EntryRow:
    """A version of an entry, from 100 to 200, naming Bo and Cy; its title is its version."""
    version = more.pop("version", 1)
    own = {key: more.pop(key) for key in ("start", "end", "recorded_to") if key in more}
    of = common(meeting, account, f"v{version}", **more)
    return EntryRow(of, contact, occurrence, **{"start": 100, "end": 200, **own}, version=version)


def ids(views: Views, *meetings: str, contact: str = "151", account: str = A) -> list[int]:
    """By what the store knows a contact's current entries of these meetings."""
    return sorted(row.id for row in views.current(account, meetings or [M1]) if row.contact == contact)


def ends(views: Views, *meetings: str, at: int, entries: list[EntryRow] | None = None) -> int:
    """Contact 151's current entries of these meetings end, and new ones come. Those that do not come again leave."""
    closed = [(id_, at) for id_ in ids(views, *meetings)]
    rows = views.versions(A, [id_ for id_, _ in closed]).values()
    again = {row.full for row in entries or ()}
    return written(views, closed=closed, left=[row.full for row in rows if row.full not in again], entries=entries or [])


def meeting(name: str = M1, account: str = A, series_to: int | None = None, view: bytes = b"{}") -> MeetingRow:
    return MeetingRow(account, name, None, 1, 1000, series_to, view, common(name, account, "Kick-off"), 100, 200, '["151"]', "[]")


def stored(row: MeetingRow) -> StoredMeeting:
    return StoredMeeting(row.meeting, row.series_to, row.view)


def contact(name: str = "151", state: str = "live", into: str | None = None, key: str | None = BO, account: str = A) -> ContactRow:
    said = b"" if state == "erased" else msgspec.json.encode({"id": name, "email": "bo@client.example", "name": "Bo", "company": "C"})
    return ContactRow(account, name, key, state, into, said)


def decision(position: int, event: str = "e1", subject: str = "s1", meeting: str | None = M1, account: str = A) -> DecisionRow:
    return DecisionRow(account, position, event, subject, meeting, 1000 + position, b'{"position": %d}' % position)


def connection(user: str = "501", calendar: str | None = "ana@acme.example", account: str = A) -> ConnectionRow:
    return ConnectionRow(account, user, msgspec.json.encode({"user": user, "calendar": calendar}))


def written(views: Views, **changes: Any) -> int:
    """Write these, one position ahead; returns it."""
    position = views.position() + 1
    views.apply(Changes(**changes), position, 1000 + position)
    return position


def found(views: Views, **page: Any) -> list[str]:
    """What a question finds of contact 151: the names of the entries, `a:` standing for the first meeting, `b:` for the second."""
    hits = views.entries(A, "151", Page(**page))
    return [hit.name.replace(M1, "a").replace(M2, "b") for hit in hits]


def titles(views: Views, contact: str = "151", **page: Any) -> list[str]:
    return [msgspec.json.decode(hit.body)["title"] for hit in views.entries(A, contact, Page(**page))]


# --- position --------------------------------------------------------------------------------------------------------------------


def test_new_views_are_empty(views: Views) -> None:
    assert (views.position(), views.recorded(), list(views.rows()), set(views.counts().values())) == (0, 0, [], {0})
    assert (views.entries(A, "151", Page()), views.entry_version(A, "151"), views.meeting(A, M1), views.contact(A, "151")) == (
        [],
        0,
        None,
        None,
    )


def test_rows_and_position_are_written_together(views: Views) -> None:
    views.apply(Changes(contacts=[contact()]), 7, 5000)
    assert (views.position(), views.recorded(), views.contact(A, "151")) == (7, 5000, contact())


@pytest.mark.parametrize("position", [6, 7], ids=["behind", "the same"])
def test_a_position_that_is_not_ahead_writes_nothing(views: Views, position: int) -> None:
    views.apply(Changes(), 7, 5000)
    with pytest.raises(Conflict):
        views.apply(Changes(contacts=[contact()], entries=[entry()]), position, 6000)
    assert (views.position(), views.recorded(), list(views.rows())) == (7, 5000, [])
    views.apply(Changes(entries=[entry()]), 8, 6000)
    assert titles(views) == ["v1"]


# --- entries ---------------------------------------------------------------------------------------------------------------------


def test_entries_come_by_start_and_then_by_name_as_text(views: Views) -> None:
    later = entry(M1, 5, start=300, end=400)
    written(views, entries=[later, entry(M2, 100), entry(M1, 99), entry(M1, 100)])
    assert found(views) == ["a:100", "a:99", "b:100", "a:5"]
    assert found(views, newest_first=True) == ["a:5", "b:100", "a:99", "a:100"]


@pytest.mark.parametrize("newest_first", [False, True], ids=["soonest first", "newest first"])
def test_pages_put_together_are_the_whole(views: Views, newest_first: bool) -> None:
    written(views, entries=[entry(M1, n, start=n // 3, end=n) for n in range(20)])
    pages: list[str] = []
    after: tuple[int, str] | None = None
    while hits := views.entries(A, "151", Page(after=after, limit=3, newest_first=newest_first)):
        assert len(hits) <= 3
        pages += [hit.name for hit in hits]
        after = hits[-1][:2]
    assert pages == [hit.name for hit in views.entries(A, "151", Page(newest_first=newest_first))]
    assert len(set(pages)) == 20


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        pytest.param(150, None, ["a:1", "a:2", "a:4"], id="what has not ended"),
        pytest.param(None, 150, ["a:1", "a:3"], id="what begins before"),
        pytest.param(150, 151, ["a:1", "a:4"], id="what goes on at the time, and what lasts no time"),
        pytest.param(200, 250, [], id="the end is exclusive"),
        pytest.param(60, 100, [], id="a start at the end is outside"),
    ],
)
def test_entries_that_overlap_a_time(views: Views, low: int | None, high: int | None, names: list[str]) -> None:
    row = entry(M1, 1)
    written(
        views,
        entries=[row, entry(M1, 2, start=300, end=400), entry(M1, 3, start=40, end=60), entry(M1, 4, start=150, end=150)],
    )
    assert sorted(found(views, low=low, high=high)) == names


def test_a_long_entry_overlaps_a_time_long_after_its_start(views: Views) -> None:
    written(views, entries=[entry(M1, 1, start=0, end=10_000), entry(M1, 2), entry(M1, 3, start=9_000, end=9_001)])
    assert found(views, low=8_000) == ["a:1", "a:3"]


def test_entries_of_a_status(views: Views) -> None:
    written(views, entries=[entry(M1, 1), entry(M1, 2, status="cancelled"), entry(M1, 3, status="tentative")])
    assert (found(views, status=("cancelled",)), found(views, status=("tentative", "confirmed"))) == (["a:2"], ["a:1", "a:3"])


def test_a_timeline_is_read_as_it_was_recorded_at_a_time(views: Views) -> None:
    written(views, entries=[entry()])
    in_between = [entry(version=2, position=2, recorded_from=2000, recorded_to=2000), entry(version=3, position=2, recorded_from=2000)]
    ends(views, M1, at=2000, entries=in_between)
    ends(views, M1, at=3000)
    read = {at: titles(views, as_of=at) for at in (999, 1000, 1999, 2000, 2999, 3000)}
    assert read == {999: [], 1000: ["v1"], 1999: ["v1"], 2000: ["v3"], 2999: ["v3"], 3000: []}
    assert (titles(views), [row[8] for row in views.rows()]) == ([], [1, 2, 3])


def test_current_entries_by_meeting_and_by_contact(views: Views) -> None:
    first, other, gone = entry(), entry(contact="152"), entry(M2)
    written(views, entries=[first, other, gone])
    ends(views, M2, at=1500)
    standing = sorted(views.current(A, [M1, M2, "no-such"]), key=lambda row: row.contact)
    assert [row[1:] for row in standing] == [("151", M1, 100, 100, 1), ("152", M1, 100, 100, 1)]
    assert views.versions(A, [row.id for row in standing]) == dict(zip([row.id for row in standing], [first, other], strict=True))
    assert (views.current(A, []), views.current(B, [M1])) == ([], [])
    assert (views.entries_of_contact(A, "151"), views.entries_of_contact(A, "153")) == (standing[:1], [])


def test_no_account_sees_anothers_rows(views: Views) -> None:
    theirs = entry(account=B)
    written(views, entries=[theirs], contacts=[contact(account=B)], meetings=[meeting(account=B, series_to=5)])
    written(views, decisions=[decision(2, account=B)], connections=[connection(account=B)], clocks=[ClockRow(B, 1, 2, 3)])
    answers: dict[str, Callable[[str], object]] = {
        "entries": lambda a: views.entries(a, "151", Page()),
        "as of": lambda a: views.entries(a, "151", Page(as_of=1000)),
        "version": lambda a: views.entry_version(a, "151"),
        "current": lambda a: views.current(a, [M1]),
        "of contact": lambda a: views.entries_of_contact(a, "151"),
        "stored": lambda a: views.stored_meetings([(a, M1)]),
        "meeting": lambda a: views.meeting(a, M1),
        "to extend": lambda a: views.series_to_extend(a, 10),
        "with": lambda a: views.meetings_with(a, BO),
        "contact": lambda a: views.contact(a, "151"),
        "contacts": lambda a: views.stored_contacts([(a, "151")]),
        "by key": lambda a: views.contacts_by_key(a, BO),
        "decisions": lambda a: views.decisions(a),
        "by event": lambda a: views.decisions(a, event="e1"),
        "connections": lambda a: views.connections(a),
        "by calendar": lambda a: views.connections_of_calendars([(a, "ana@acme.example")]),
        "clock": lambda a: views.clocks_of([a]),
        "changes": lambda a: views.changes(a, None, 0, 10),
    }
    assert [what for what, ask in answers.items() if ask(A)] == []
    assert [what for what, ask in answers.items() if not ask(B)] == []


# --- meetings, contacts, decisions, connections ------------------------------------------------------------------------------------


def test_a_meeting_is_as_it_was_written_last(views: Views) -> None:
    written(views, meetings=[meeting(), meeting(M2)])
    newer = MeetingRow(A, M1, M2, 5, 5000)
    written(views, meetings=[newer])
    assert (views.meeting(A, M1), views.meeting(A, M2)) == (newer, meeting(M2))
    found = views.stored_meetings([(A, M1), (A, M2), (A, "x"), (B, M1), (A, M1)])
    assert found == {(A, M1): stored(newer), (A, M2): stored(meeting(M2))}


def test_a_meeting_of_which_only_entries_are_known_has_no_row(views: Views) -> None:
    written(views, entries=[entry()])
    assert (views.meeting(A, M1), views.counts()["meetings"]) == (None, 0)


def test_of_a_meeting_that_is_extended_nothing_else_changes(views: Views) -> None:
    written(views, meetings=[meeting(series_to=10), meeting(M2, series_to=10)])
    written(views, extended=[(A, M1, 30), (A, M2, None)])
    assert (views.meeting(A, M1), views.meeting(A, M2)) == (meeting(series_to=30), meeting(M2))


def test_series_that_are_laid_out_up_to_before_a_time(views: Views) -> None:
    rows = [meeting(M1, series_to=10), meeting(M2, series_to=20), meeting("2" + M1[1:])]
    written(views, meetings=rows)
    assert ([row.meeting for row in views.series_to_extend(A, 20)], views.series_to_extend(A, 10)) == ([M1], [])


def test_meetings_that_name_somebody(views: Views) -> None:
    written(views, entries=[entry(M1)], meetings=[meeting(M2, view=b'{"p": "' + CY.encode() + b'sealed"}')])
    assert (views.meetings_with(A, BO), views.meetings_with(A, CY)) == ([M1], [M1, M2])
    ends(views, M1, at=2000)
    assert views.meetings_with(A, BO) == []


def test_contacts_by_id_and_key_and_survivor(views: Views) -> None:
    rows = [contact("153"), contact("151"), contact("152", "merged", "151"), contact("154", "deleted"), contact("155", key=CY)]
    written(views, contacts=rows)
    assert [row.contact for row in views.contacts_by_key(A, BO)] == ["151", "153"]
    assert views.contacts_merged_into(A, "151") == [contact("152", "merged", "151")]
    assert views.stored_contacts([(A, "152"), (A, "x"), (B, "152")]) == {(A, "152"): contact("152", "merged", "151")}
    written(views, contacts=[contact("151", "deleted")])
    assert (views.contact(A, "151"), [row.contact for row in views.contacts_by_key(A, BO)]) == (contact("151", "deleted"), ["153"])


def test_decisions_are_found_by_event_meeting_and_subject_in_order(views: Views) -> None:
    rows = [decision(1), decision(2, "e2"), decision(3, "e1", "s2"), decision(4, "e3", "s2", M2), decision(5, "e4", "s1", None)]
    views.apply(Changes(decisions=rows), 5, 5000)

    def positions(**asked: Any) -> list[int]:
        return [row.position for row in views.decisions(A, **asked)]

    assert (positions(), positions(after=2), positions(limit=2)) == ([1, 2, 3, 4, 5], [3, 4, 5], [1, 2])
    assert (positions(event="e1"), positions(event="e1", after=1), positions(event="e9")) == ([1, 3], [3], [])
    assert (positions(meeting=M1), positions(meeting=M1, limit=1), positions(subject="s2")) == ([1, 2, 3], [1], [3, 4])
    assert positions(event="e1", subject="s2") == [3]
    assert views.decisions(A, event="e2") == [rows[1]]


def test_connections_by_user_and_by_calendar(views: Views) -> None:
    rows = [connection("502"), connection("501", "bo@acme.example"), connection("503", None)]
    written(views, connections=rows)
    assert [row.user for row in views.connections(A)] == ["501", "502", "503"]
    assert [row.user for row in views.connections_of_calendars([(A, "ana@acme.example"), (A, "x"), (B, "ana@acme.example")])] == ["502"]
    written(views, connections=[connection("502", "bo@acme.example")])
    assert [row.user for row in views.connections_of_calendars([(A, "bo@acme.example")])] == ["501", "502"]


def test_a_clock_is_as_it_was_written_last(views: Views) -> None:
    written(views, clocks=[ClockRow(A, 1, 2, 3)])
    written(views, clocks=[ClockRow(A, 4, 5, 6)])
    assert (views.clocks_of([A, B, A]), views.counts()["clocks"]) == ({A: ClockRow(A, 4, 5, 6)}, 1)


# --- what live readers are told ------------------------------------------------------------------------------------------------------


def told(views: Views, contact: str | None = "151", after: int = 0, limit: int = 100) -> list[tuple[str, str]]:
    """Contact and title of each change, "left" for an entry that left."""
    changes = views.changes(A, contact, after, limit)
    return [(c.contact, msgspec.json.decode(c.body)["title"] if c.body else "left") for c in changes]


def test_live_readers_are_told_of_every_version_and_of_leaving(views: Views) -> None:
    written(views, entries=[entry(), entry(contact="152")])
    seen = views.changes(A, None, 0, 100)[-1].id
    ends(views, M1, at=2000, entries=[entry(version=2, recorded_from=2000)])
    last = ends(views, M1, at=3000)
    assert told(views, None) == [("151", "v1"), ("152", "v1"), ("151", "v2"), ("151", "left")]
    assert (told(views, after=seen), told(views, limit=1), told(views, "152", seen)) == (
        [("151", "v2"), ("151", "left")],
        [("151", "v1")],
        [],
    )
    left = views.changes(A, "151", seen, 100)[-1]
    assert (left.meeting, left.occurrence, left.position, left.body) == (M1, 100, last, b"")


def test_what_came_and_went_in_one_batch_has_left(views: Views) -> None:
    written(views, entries=[entry(recorded_to=1000)], left=[(A, "151", M1, 100)])
    assert (told(views), titles(views)) == ([("151", "v1"), ("151", "left")], [])


def test_ids_of_changes_are_never_given_twice(views: Views) -> None:
    written(views, entries=[entry()])
    before = views.changes(A, None, 0, 9)[-1].id
    written(views, forgotten=[(A, "151")])
    written(views, entries=[entry(M2)])
    ids = [change.id for change in views.changes(A, None, 0, 9)]
    assert ids == sorted(set(ids))
    assert min(ids) > before


def test_the_version_of_a_timeline_changes_with_its_entries_only(views: Views) -> None:
    seen = [views.entry_version(A, "151")]
    steps: list[Callable[[], int]] = [
        lambda: written(views, entries=[entry()]),
        lambda: written(views, entries=[entry(M2)]),
        lambda: ends(views, M2, at=2000),
        lambda: written(views, scrubbed=[(A, BO)]),
        lambda: written(views, purged=[(A, M1)]),
    ]
    for step in steps:
        step()
        seen.append(views.entry_version(A, "151"))
    assert len(set(seen)) == 6
    written(views, entries=[entry(contact="152")], contacts=[contact()])
    assert views.entry_version(A, "151") == seen[-1]


# --- what goes for good --------------------------------------------------------------------------------------------------------------


def test_a_purged_meeting_leaves_no_version(views: Views) -> None:
    written(views, entries=[entry(), entry(M2), entry(contact="152")])
    ends(views, M1, at=2000, entries=[entry(version=2, recorded_from=2000)])
    written(views, purged=[(A, M1)])
    assert ([row[3] for row in views.rows()], found(views), views.current(A, [M1])) == ([M2], ["b:100"], [])
    assert told(views, None)[-2:] in ([("151", "left"), ("152", "left")], [("152", "left"), ("151", "left")])


def test_what_is_purged_is_what_was_stored_before(views: Views) -> None:
    written(views, entries=[entry()])
    written(views, purged=[(A, M1)], entries=[entry(version=7)])
    assert (titles(views), told(views)[-1]) == (["v7"], ("151", "v7"))


def test_what_is_said_of_a_meeting_outlives_neither_its_last_entry_nor_its_purge(tmp_path: Path) -> None:
    """Entries share what they say. Nothing keeps it once no version says it, but for the meeting as it is shown now."""
    views = SqliteViews(tmp_path / "views.db")
    shared = [EntryRow(common(title="shared"), contact, 100, 100, 200) for contact in ("151", "152")]
    alone = EntryRow(common(M2, title="alone"), "151", 100, 100, 200)
    shown = meeting()._replace(common=common(title="shown"))
    written(views, entries=[*shared[:1], *shared[1:], alone], meetings=[shown])
    written(views, forgotten=[(A, "151")])
    assert [kept_in(tmp_path, title) for title in (b"shared", b"alone", b"shown")] == [True, False, True]
    written(views, purged=[(A, M1)])
    assert [kept_in(tmp_path, title) for title in (b"shared", b"shown")] == [False, True]
    assert views.meeting(A, M1) == shown
    written(views, purged=[(A, M1)], meetings=[MeetingRow(A, M1, None, 2, 2000)])
    assert not kept_in(tmp_path, b"shown")
    views.close()


def kept_in(folder: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in folder.iterdir())


def test_a_forgotten_contact_leaves_no_version_in_his_timeline(views: Views) -> None:
    written(views, entries=[entry(), entry(contact="152")])
    ends(views, M1, at=2000)
    written(views, forgotten=[(A, "151")], contacts=[contact(state="erased", key=None)])
    assert ([row[2] for row in views.rows() if row[0] == "entry"], titles(views, as_of=1500)) == (["152"], [])
    assert views.contact(A, "151") == contact(state="erased", key=None)


def test_a_scrubbed_person_is_named_by_no_row(views: Views) -> None:
    theirs = entry(account=B)
    written(views, entries=[entry(), theirs], meetings=[meeting()], contacts=[contact("150"), contact("151", "deleted")])
    ends(views, M1, at=2000, entries=[entry(version=2, recorded_from=2000)])
    written(views, scrubbed=[(A, BO)])
    named = [row for row in views.rows() if any(b"bo@client.example" in x or b'"Bo"' in x for x in row if isinstance(x, bytes))]
    assert [(row[0], row[1]) for row in named] == [("entry", B)]
    assert views.meetings_with(A, BO) == []
    (row,) = views.versions(A, ids(views, M1)).values()
    assert (row.common.people, row) == ((CY,), Scrub([BO]).row(entry(version=2, recorded_from=2000)))
    assert views.contacts_by_key(A, BO) == [contact("150")._replace(body=b'{"id":"150","email":null,"name":null,"company":"C"}')]
    written(views, scrubbed=[(A, CY)])
    assert [row for row in views.rows() if row[1] == A and any(b"cy@client.example" in x for x in row if isinstance(x, bytes))] == []


def test_a_scrubbed_person_is_named_in_no_text(views: Views) -> None:
    """People who stand in a title alone are among those of a common part too."""
    typed = (CY, f"{bodies.TYPED}{BO}", f"{bodies.TYPED}{CY}")
    said = replace(common(people=typed), title='"bo@client.example, cy@client.example"')
    written(views, entries=[replace(entry(), common=said)])
    assert views.meetings_with(A, BO) == []
    written(views, scrubbed=[(A, BO)])
    assert titles(views) == ["[erased], cy@client.example"]
    (row,) = views.versions(A, ids(views, M1)).values()
    assert row.common.people == (CY, f"{bodies.TYPED}{CY}")
    written(views, scrubbed=[(A, CY)])
    assert titles(views) == ["[erased], [erased]"]


# --- a second set ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteViews | PostgresViews]:
    with contextlib.closing(SqliteViews(tmp_path / "views.db")) if request.param == "sqlite" else in_postgres(tmp_path) as made:
        yield made


def test_a_second_set_takes_the_place_of_the_first(lasting: Any) -> None:
    written(lasting, entries=[entry(), entry(M2)], contacts=[contact()])
    beside = lasting.beside()
    written(beside, entries=[entry()])
    written(beside, entries=[entry(M1, 5, start=300, end=400)])
    assert (found(lasting), found(beside), lasting.position(), beside.position()) == (["a:100", "b:100"], ["a:100", "a:5"], 1, 2)
    lasting.become(beside)
    assert (found(lasting), lasting.position(), lasting.contact(A, "151")) == (["a:100", "a:5"], 2, None)
    ends(lasting, M1, at=2000, entries=[entry(version=2)])
    assert (found(lasting), titles(lasting)) == (["a:100"], ["v2"])


def test_of_a_second_set_nothing_is_left_for_the_next(lasting: Any) -> None:
    written(lasting.beside(), entries=[entry()])
    beside = lasting.beside()
    assert (list(beside.rows()), beside.position()) == ([], 0)
    lasting.become(beside)
    assert list(lasting.rows()) == []


def test_of_a_second_set_that_nobody_wants_nothing_is_left(lasting: Any, tmp_path: Path) -> None:
    written(lasting, entries=[entry()])
    beside = lasting.beside()
    written(beside, entries=[entry(), entry(M2)])
    lasting.discard(beside)
    assert found(lasting) == ["a:100"]
    assert [file.name for file in tmp_path.glob("*rebuilt*")] == []
    if isinstance(lasting, PostgresViews):
        assert Tables(lasting._database, NEXT).database.rows("SELECT to_regnamespace(%s)", (Tables(lasting._database, NEXT).schema,)) == [
            (None,)
        ]


def another(lasting: Any) -> Any:
    """The same read models as another process has them."""
    return PostgresViews(lasting._database) if isinstance(lasting, PostgresViews) else SqliteViews(lasting._path)


def beside_it(lasting: Any, folder: Path) -> list[str]:
    """What there is of other sets."""
    if isinstance(lasting, PostgresViews):
        schema = lasting._database.schema
        rows = lasting._database.rows("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", ([schema + NEXT, schema + FORMER],))
        return [name.removeprefix(schema) for (name,) in rows]
    return sorted(file.name for file in folder.glob("*rebuilt*"))


def killed(beside: Any) -> None:
    """Whoever builds it is no more: of his process the kernel, or the server, takes back the lock, and nothing else happens."""
    beside._unlock()


ERASING = [
    pytest.param({"scrubbed": [(A, BO)]}, id="somebody is scrubbed"),
    pytest.param({"purged": [(A, M1)]}, id="a meeting is purged"),
    pytest.param({"forgotten": [(A, "151")]}, id="a contact is forgotten"),
]


def test_a_second_set_whose_builder_was_killed_is_gone_when_somebody_folds_next(lasting: Any, tmp_path: Path) -> None:
    written(lasting, entries=[entry()])
    beside = lasting.beside()
    written(beside, entries=[entry(), entry(M2)])
    killed(beside)
    assert beside_it(lasting, tmp_path) != []
    with contextlib.closing(another(lasting)) as next_one:
        # Who only reads changes nothing.
        assert (found(next_one), next_one.left(), beside_it(lasting, tmp_path) != []) == (["a:100"], True, True)
        written(next_one, contacts=[contact()])
        assert (found(next_one), next_one.left(), beside_it(lasting, tmp_path)) == (["a:100"], False, [])


@pytest.mark.parametrize("erasing", ERASING)
def test_an_erasure_leaves_no_second_set_whose_builder_was_killed(lasting: Any, tmp_path: Path, erasing: dict[str, Any]) -> None:
    written(lasting, entries=[entry()], contacts=[contact()])
    beside = lasting.beside()
    written(beside, entries=[entry()])
    killed(beside)
    written(lasting, contacts=[contact("152")])
    assert beside_it(lasting, tmp_path) != []
    written(lasting, **erasing)
    assert beside_it(lasting, tmp_path) == []


@pytest.mark.parametrize("erasing", ERASING)
def test_a_second_set_that_is_being_built_is_nobody_elses_to_take_away(lasting: Any, tmp_path: Path, erasing: dict[str, Any]) -> None:
    written(lasting, entries=[entry()], contacts=[contact()])
    beside = lasting.beside()
    written(beside, entries=[entry(M2)])
    with contextlib.closing(another(lasting)) as next_one:
        assert not next_one.left()
        written(next_one, **erasing)
    written(lasting, **erasing)
    lasting.become(beside)
    assert (found(lasting), beside_it(lasting, tmp_path)) == (["b:100"], [])


def test_of_two_who_build_each_keeps_the_set_from_being_taken_away(lasting: Any, tmp_path: Path) -> None:
    first, second = lasting.beside(), lasting.beside()
    written(second, entries=[entry()])
    killed(first)
    written(lasting, scrubbed=[(A, BO)])
    lasting.become(second)
    assert (found(lasting), beside_it(lasting, tmp_path)) == (["a:100"], [])


# --- the file ------------------------------------------------------------------------------------------------------------------------


def test_a_file_opened_again_goes_on_where_it_was(tmp_path: Path) -> None:
    before = SqliteViews(tmp_path / "views.db")
    written(before, entries=[entry()], contacts=[contact()], meetings=[meeting()])
    rows = list(before.rows())
    before.close()
    after = SqliteViews(tmp_path / "views.db")
    assert (after.position(), list(after.rows())) == (1, rows)
    ends(after, M1, at=2000, entries=[entry(version=2), entry(M2, contact="160")])
    assert (titles(after), [change.id for change in after.changes(A, None, 0, 9)]) == (["v2"], [1, 2, 3])
    after.close()


def test_a_file_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    before = connect.connect(tmp_path / "views.db")
    before.execute("CREATE TABLE state (one INTEGER PRIMARY KEY)")
    before.close()
    with pytest.raises(OutOfDate, match="run `rendezvous rebuild`"):
        SqliteViews(tmp_path / "views.db")


def test_a_file_of_another_version_can_be_replaced(tmp_path: Path) -> None:
    before = connect.connect(tmp_path / "views.db")
    before.execute("CREATE TABLE state (one INTEGER PRIMARY KEY)")
    before.close()
    views = SqliteViews(tmp_path / "views.db", at_once=False)
    with pytest.raises(OutOfDate):
        views.position()
    beside = views.beside()
    written(beside, entries=[entry()])
    views.become(beside)
    assert titles(views) == ["v1"]
    views.close()


def test_two_writers_of_one_file_do_not_confuse_its_ids(tmp_path: Path) -> None:
    """One that stopped and one that took over: what the first remembers is out of date."""
    one, two = SqliteViews(tmp_path / "views.db"), SqliteViews(tmp_path / "views.db")
    written(one, entries=[entry(M1)])
    written(two, entries=[entry(M2, contact="152")])
    written(one, entries=[entry(M2, 5), entry(M1, 5, contact="152")])
    assert (found(two), sorted(row.meeting for row in two.entries_of_contact(A, "152"))) == (["a:100", "b:5"], [M1, M2])
    one.close()
    two.close()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    views = SqliteViews(tmp_path / "views.db")
    with pytest.raises(msgspec.DecodeError):
        written(views, entries=[entry()], connections=[ConnectionRow(A, "501", b"not JSON")])
    assert (views.position(), list(views.rows())) == (0, [])
    written(views, entries=[entry()])
    assert titles(views) == ["v1"]
    views.close()


def test_other_threads_read_while_one_writes(tmp_path: Path) -> None:
    views = SqliteViews(tmp_path / "views.db")
    written(views, entries=[entry()])
    read: list[list[str]] = []
    threads = [threading.Thread(target=lambda: read.append(titles(views))) for _ in range(4)]
    for thread in threads:
        thread.start()
    written(views, entries=[entry(contact="152")])
    for thread in threads:
        thread.join()
    assert read == [["v1"]] * 4
    views.close()


def test_what_is_scrubbed_while_somebody_reads_is_cleaned_by_a_later_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in the middle of a query needs the former pages: the log that holds them cannot be emptied."""
    monkeypatch.setattr(connect, "BUSY_SECONDS", 0.0)
    views = SqliteViews(tmp_path / "views.db")
    written(views, entries=[entry()])
    reader = connect.connect(tmp_path / "views.db")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM versions").fetchone() == (1,)
    written(views, scrubbed=[(A, BO)])
    assert (named_in(tmp_path), b"bo@client.example" in views.entries(A, "151", Page())[0].body) == (True, False)
    reader.close()
    written(views)
    assert not named_in(tmp_path)
    views.close()


def named_in(folder: Path) -> bool:
    return any(b"bo@client.example" in file.read_bytes() for file in folder.iterdir())


def test_rows_that_moved_between_pages_leave_no_copy_of_who_was_erased(tmp_path: Path) -> None:
    """Rows that grow make SQLite move their neighbours; the old places would keep what they held."""
    views = SqliteViews(tmp_path / "views.db")
    written(views, meetings=[meeting(f"{n:08d}{M1[8:]}") for n in range(200)])
    grown = [meeting(f"{n:08d}{M1[8:]}", view=b" " * 900) for n in range(0, 200, 3)]
    written(views, meetings=grown, entries=[entry(M1, n) for n in range(200)])
    ends(views, M1, at=2000)
    assert named_in(tmp_path)
    written(views, scrubbed=[(A, BO)])
    assert not named_in(tmp_path)
    views.close()
