"""The demo: its data set meets every rule on whatever day it is played, and the command keeps its hands off what is not its own."""

from __future__ import annotations

import io
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from domain.decisions import Outcome, Rule
from domain.errors import BadInput
from domain.source_events import SourceEvent, read
from projections.views import Page
from services import demo_day
from services.demo import DOOR, EVENTS, GUESTS, MARKER, WIDTH, at_the_door, claimed, demo, free_port, told_by
from services.demo_day import ACCOUNT, BO, DUPLICATE_BO, MISSING, VIKTOR, day
from services.publish import Receipt
from tests.engine import Engine

DAYS = [
    pytest.param(date(2026, 5, 18), id="a Monday"),
    pytest.param(date(2026, 5, 20), id="a Wednesday"),
    pytest.param(date(2026, 5, 22), id="a Friday"),
    pytest.param(date(2026, 5, 23), id="a Saturday"),
    pytest.param(date(2026, 5, 24), id="a Sunday"),
    pytest.param(date(2026, 3, 31), id="two days after Europe's clocks went forward"),
    pytest.param(date(2026, 1, 1), id="New Year"),
    pytest.param(date(2028, 2, 29), id="a leap day"),
]
ANY_DAY = date(2026, 5, 20)


class Played:
    """The demo's events of one day, settled by the real engine over the memory twins."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.events = day(today)
        self.engine = Engine()
        self.engine.at = int(datetime(today.year, today.month, today.day, 9, tzinfo=UTC).timestamp() * 1000)
        self.receipts: list[Receipt] = self.engine.publish(self.events)
        self.engine.settle()
        self.rows = [json.loads(row.body) for row in self.engine.views.decisions(ACCOUNT, limit=10**6)]

    def pairs(self) -> set[tuple[str, str]]:
        """Every (rule, outcome), those at the door among them."""
        decided = {(d["rule"], d["outcome"]) for row in self.rows for d in row["decisions"]}
        return decided | {(str(rule), str(outcome)) for rule, outcome in at_the_door(self.receipts)}

    def statuses(self, contact: str, title: str) -> list[str]:
        """The statuses of a contact's entries of this title, soonest first."""
        bodies = [json.loads(hit.body) for hit in self.engine.views.entries(ACCOUNT, contact, Page(limit=10**6))]
        return [body["status"] for body in bodies if body["title"] == title]


@lru_cache(maxsize=len(DAYS))
def played(today: date) -> Played:
    """Each day is played once."""
    return Played(today)


# --- the data set ------------------------------------------------------------------------------------------------------------------


def test_the_same_date_gives_the_same_events_and_another_date_others() -> None:
    assert day(ANY_DAY) == day(ANY_DAY)
    assert day(ANY_DAY) != day(date(2026, 5, 21))


@pytest.mark.parametrize("today", DAYS)
def test_nothing_is_told_after_the_midnight_that_begins_today(today: date) -> None:
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    assert max(datetime.fromisoformat(event["time"]) for event in day(today)) == midnight


@pytest.mark.parametrize("today", DAYS)
def test_every_event_but_two_keeps_the_contract(today: date) -> None:
    refused = [event for event in day(today) if not isinstance(read(json.dumps(event).encode()), SourceEvent)]
    assert [event["type"] for event in refused] == ["rendezvous.meeting.created.v1", "rendezvous.meeting.postponed.v1"]
    assert {event["subject"] for event in refused} == {demo_day.provider_id("office365", "malformed")}


def test_every_address_and_every_link_is_made_up() -> None:
    text = json.dumps(day(ANY_DAY))
    hosts = re.findall(r"(?:@|https?://)([a-z0-9.-]+)", text)
    assert len(hosts) > 1000
    assert {host for host in hosts if not host.endswith(".example")} == set()


def test_it_is_the_size_of_a_sales_team() -> None:
    events = played(ANY_DAY)
    meetings = {row["meeting"] for row in events.rows if row["meeting"]}
    assert len(demo_day.USERS) == 12
    assert len(demo_day.CONTACTS) == 60
    assert 300 <= len(meetings) <= 450


# --- what the engine makes of it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("today", DAYS)
def test_every_rule_and_every_outcome_is_met(today: date) -> None:
    pairs = played(today).pairs()
    assert {rule for rule, _ in pairs} == {str(rule) for rule in Rule}
    assert {outcome for _, outcome in pairs} == {str(outcome) for outcome in Outcome}


@pytest.mark.parametrize("today", DAYS)
def test_every_event_is_accepted_once_refused_or_recognised(today: date) -> None:
    here = played(today)
    assert Counter(receipt.outcome for receipt in here.receipts) == {"accepted": len(here.events) - 4, "duplicate": 2, "rejected": 2}
    assert len(here.rows) == len(here.events) - 4


def test_nothing_that_was_accepted_ends_among_the_dead_letters() -> None:
    assert [letter.errors for letter in played(ANY_DAY).engine.dead.list(ACCOUNT, "", 10, None)] == []


BOS = [
    pytest.param("Pricing call", ["cancelled"], id="deleted in the calendar: shown as cancelled"),
    pytest.param("Security review, part 1", ["confirmed"], id="three places and an older word: one entry"),
    pytest.param("First demo", ["confirmed"], id="under his old address: came with the merge"),
    pytest.param("Intro to onboarding", ["confirmed"], id="booked and echoed: one entry"),
    pytest.param("Proposal review, with Maja", ["confirmed"], id="changed on both sides: one entry"),
    pytest.param("Proposal review", [], id="its title before that: none"),
    pytest.param("Pilot decision", ["confirmed"], id="deleted in the CRM and restored"),
    pytest.param("Budget call", [], id="deleted in the CRM, spoken of by the calendar later"),
    pytest.param("Lunch with Bo", [], id="made while the calendar was disconnected"),
    pytest.param("Partner introduction", ["confirmed"], id="scheduled by somebody without a calendar"),
    pytest.param("On-site workshop", ["confirmed"], id="all day"),
]


@pytest.mark.parametrize("today", DAYS)
@pytest.mark.parametrize(("title", "statuses"), BOS)
def test_bos_timeline_has_it_as_it_should(today: date, title: str, statuses: list[str]) -> None:
    assert played(today).statuses(BO, title) == statuses


@pytest.mark.parametrize("today", DAYS)
def test_of_bos_weekly_meeting_one_occurrence_is_cancelled_and_one_is_on_a_wednesday(today: date) -> None:
    here = played(today)
    entries = [e for e in here.engine.timeline(BO) if e["title"] == "Weekly check-in"]
    assert len(entries) > 20
    assert [e["status"] for e in entries].count("cancelled") == 1
    moved = [e for e in entries if e["start"] != e["occurrence"]]
    assert [datetime.fromisoformat(e["start"]).strftime("%A") for e in moved] == ["Wednesday"]


OTHERS = [
    pytest.param("155", "Appointment", id="private from the start"),
    pytest.param("163", "Dinner with Wei", id="turned private"),
    pytest.param("160", "Contract review", id="older than the connection"),
    pytest.param("163", "Offsite planning", id="in a second calendar"),
    pytest.param("164", "Tessera extra hour", id="in a refused calendar"),
]


@pytest.mark.parametrize(("contact", "title"), OTHERS)
def test_what_is_never_logged_is_in_nobodys_timeline(contact: str, title: str) -> None:
    here = played(ANY_DAY)
    assert any(event["data"].get("title") == title for event in here.events)
    assert here.statuses(contact, title) == []


def test_the_erased_contact_is_named_to_no_reader() -> None:
    here = played(ANY_DAY)
    erased = here.engine.views.contact(ACCOUNT, VIKTOR)
    assert erased is not None
    assert (erased.state, erased.body) == ("erased", b"")
    bodies = [str(hit.body) for n in demo_day.CONTACTS for hit in here.engine.views.entries(ACCOUNT, n.id, Page(limit=10**6))]
    assert any("Next steps with Maja" in body for body in bodies)
    assert not any("viktor" in body.lower() for body in bodies)


def test_the_merged_contact_leads_to_bo() -> None:
    merged = played(ANY_DAY).engine.views.contact(ACCOUNT, DUPLICATE_BO)
    assert merged is not None
    assert (merged.state, merged.into) == ("merged", BO)


def test_the_missing_lunch_has_one_decision_and_it_says_why() -> None:
    rows = [row for row in played(ANY_DAY).rows if row["subject"] == MISSING]
    assert [(d["rule"], d["outcome"]) for row in rows for d in row["decisions"]] == [("active-window", "ignored")]


# --- what is printed -------------------------------------------------------------------------------------------------------------------


def test_every_rule_that_is_printed_has_a_sentence_that_fits_its_line() -> None:
    known = {(str(rule), str(outcome)) for words in (DOOR, EVENTS, GUESTS) for rule, outcome in words}
    assert played(ANY_DAY).pairs() - known == set()
    longest = max((text for words in (DOOR, EVENTS, GUESTS) for text in words.values()), key=len)
    assert len(longest) <= WIDTH - len("   ") - 25 - 10 - 4 - 3 * 2, longest


def test_source_events_are_counted_by_who_told_them() -> None:
    events = [event for event in day(ANY_DAY) if event["type"].startswith(("rendezvous.user", "rendezvous.calendar"))]
    assert told_by(events) == {"users, told by HubSpot": 12, "listings of a whole calendar": 3}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody watches; and what the demo says about logging is for its process only."""
    monkeypatch.setenv("CI", "true")
    yield
    structlog.reset_defaults()


def printed(folder: Path, port: int, serve_after: bool) -> list[str]:
    """The lines that a demo prints."""
    out = io.StringIO()
    demo(folder, serve_after, port, Console(file=out, width=80, highlight=False, soft_wrap=True))
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("quiet")
def test_where_nobody_watches_it_asks_the_api_once_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RENDEZVOUS_STORE", "sqlite:///elsewhere")
    lines = printed(Path("demo"), 0, serve_after=True)
    assert [one.name for one in tmp_path.iterdir()] == ["demo"]
    assert max(len(line) for line in lines) <= WIDTH
    heads = [line[3:] for line in lines if re.match(r"[1-5]  ", line)]
    assert heads == [
        f"What the sides told us: {len(day(ANY_DAY))} source events",
        "What became of it, by rule",
        f"The timeline of Bo Nyberg, contact {BO}",
        "Ben asks: my lunch with Bo is in my calendar, why is it not there?",
        "Ask the API",
    ]
    text = "\n".join(lines)
    answered = re.search(r"The API answered with (\d+) entries", text)
    assert answered is not None
    assert int(answered[1]) > 20  # their number depends on the weekday
    assert len(re.findall(r'curl -sH "Authorization: Bearer \$TOKEN" "http://127\.0\.0\.1:\d+/v1/\S+"', text)) == 2


@pytest.mark.usefixtures("quiet")
def test_a_second_demo_replaces_the_first_and_takes_another_port_if_its_own_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / "left over").write_text("from an earlier demo")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lines = printed(folder, port, serve_after=False)
    assert not (folder / "left over").exists()
    assert any(line.startswith(f"   Port {port} cannot be had, so it is ") for line in lines)
    assert lines[-1].strip().endswith(f"--data {folder}")


# --- whose folder it is ------------------------------------------------------------------------------------------------------------------


def test_a_folder_with_somebodys_files_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    with pytest.raises(BadInput, match="left alone"), claimed(tmp_path):
        pass
    assert kept.read_text() == "years of work"
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(BadInput, match="no folder"), claimed(file):
        pass
    assert file.read_text() == "kept"


def test_a_running_demo_is_not_disturbed(tmp_path: Path) -> None:
    with claimed(tmp_path / "demo") as folder:
        (folder / "store").write_text("in use")
        with pytest.raises(BadInput, match="is running in"), claimed(folder):
            pass
        assert (folder / "store").read_text() == "in use"


def test_an_earlier_demos_folder_is_emptied_and_what_it_links_to_is_not(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with claimed(tmp_path / "demo") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").touch()
        (folder / "link").symlink_to(outside)
    with claimed(folder):
        assert [one.name for one in folder.iterdir()] == [MARKER]
    assert (outside / "kept").exists()


def test_a_free_port_is_taken_as_it_is_and_a_taken_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        assert free_port(port) != port
    assert free_port(port) == port
