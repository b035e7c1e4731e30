"""The story that the demo tells, with either calendar: what each chapter shows is what the rules promise, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from services.live import Live, Town
from services.sandbox.hubspot_types import MEETINGS
from services.story import BO, ZONE, Chapter, Story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

LUNCH, KICK_OFF, REVIEW = ("Lunch, arranged long ago", "confirmed"), ("Kick-off", "confirmed"), ("Review", "confirmed")
CALLED_OFF, PAYROLL = ("Review", "cancelled"), ("Payroll", "confirmed")


class Told(NamedTuple):
    """A story by the titles of its chapters, on which day, and the sandbox it was told in."""

    provider: str
    today: datetime
    chapters: dict[str, Chapter]
    town: Town
    rows: list[str]
    """Titles of the meetings in the CRM."""


@pytest.fixture(scope="module", params=["google", "office365"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    today = datetime.now(UTC)
    folder: Path = tmp_path_factory.mktemp("story")
    with Live(Town(), folder) as live:
        chapters = {chapter.title: chapter for chapter in Story(live, request.param, today).tell()}
        rows = [str(row.get("hs_meeting_title")) for row in live.town.hubspot.portal(62515).listed(MEETINGS)]
        yield Told(request.param, today, chapters, live.town, rows)


class Expected(NamedTuple):
    """What a chapter must show: Bo's entries as (title, day from today, hour, status), of which an hour by Ana's clock is written
    with a minus; Ana's calendar; how often Bo was invited; the rules that are named, and those that must not be."""

    timeline: list[tuple[str, int, int, str]]
    calendar: list[tuple[str, str]]
    invited: int
    rules: set[str]
    never: set[str] = set()  # noqa: RUF012 - a NamedTuple's default, which nobody changes


def review(day: int, status: str = "confirmed") -> tuple[str, int, int, str]:
    return ("Review", day, -14, status)


CHAPTERS = {
    "Connected": Expected([], [LUNCH], 1, {"active-window"}, {"contact-match"}),
    "Scheduled in the CRM": Expected([("Kick-off", 3, 9, "confirmed")], [LUNCH, KICK_OFF], 2, {"crm-schedules", "contact-match"}),
    "Moved in the CRM": Expected([("Kick-off", 3, 11, "confirmed")], [LUNCH, KICK_OFF], 2, {"crm-updates"}),
    "Deleted in the CRM": Expected([], [LUNCH, KICK_OFF], 2, {"crm-delete-keeps-calendar"}),
    "Made in the calendar": Expected([review(4)], [LUNCH, KICK_OFF, REVIEW], 3, {"contact-match", "crm-user"}),
    "Moved in the calendar": Expected([review(5)], [LUNCH, KICK_OFF, REVIEW], 3, {"calendar-updates"}),
    "Cancelled in the calendar": Expected([review(5, "cancelled")], [LUNCH, KICK_OFF, CALLED_OFF], 3, {"calendar-deletes"}),
    "Among colleagues": Expected(
        [review(5, "cancelled")], [LUNCH, KICK_OFF, CALLED_OFF, PAYROLL], 3, {"no-contact", "crm-user"}, {"contact-match"}
    ),
    "One calendar, never both": Expected([review(5, "cancelled")], [LUNCH, KICK_OFF, CALLED_OFF, PAYROLL], 3, set()),
    "Switched": Expected(
        [review(5, "cancelled"), ("Next steps", 7, -14, "confirmed")], [("Next steps", "confirmed")], 4, {"contact-match"}
    ),
}


def test_it_has_these_chapters_in_this_order(told: Told) -> None:
    assert list(told.chapters) == list(CHAPTERS)


@pytest.mark.parametrize("title", CHAPTERS)
def test_a_chapter_shows_what_the_rules_promise(told: Told, title: str) -> None:
    chapter, expected = told.chapters[title], CHAPTERS[title]
    shown = sorted((one.title, one.start, one.status) for one in chapter.timeline)
    assert shown == sorted((name, _at(told.today, day, hour), status) for name, day, hour, status in expected.timeline)
    # Outlook takes a meeting that its organiser cancels out of his calendar; Google keeps it, marked.
    assert sorted(chapter.calendar) == sorted(e for e in expected.calendar if told.provider == "google" or e[1] == "confirmed")
    assert chapter.invited == expected.invited
    assert expected.rules <= chapter.rules
    assert not expected.never & chapter.rules


def _at(today: datetime, day: int, hour: int) -> str:
    zone = UTC if hour >= 0 else ZoneInfo(ZONE)
    local = (today + timedelta(days=day)).replace(hour=abs(hour), minute=0, second=0, microsecond=0, tzinfo=zone)
    return local.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_each_meeting_invites_bo_once(told: Told) -> None:
    invited = Counter(mail.title for mail in told.town.world.invitations(BO))
    assert invited == {LUNCH[0]: 1, "Kick-off": 1, "Review": 1, "Next steps": 1}


def test_the_crm_has_a_row_of_each_meeting_that_stands_in_a_timeline_and_of_no_other(told: Told) -> None:
    assert sorted(told.rows) == ["Next steps", "Review"]  # the kick-off was deleted there


def test_the_other_calendar_is_refused_in_words_that_say_what_to_do(told: Told) -> None:
    called = {"google": "Google Calendar", "office365": "Office 365"}
    refusal = told.chapters["One calendar, never both"].did
    assert f"{called[told.provider]} (ana@acme.example) is connected for this user" in refusal
    assert "disconnect it first" in refusal


def test_what_is_written_outside_is_said_with_the_meeting(told: Told) -> None:
    assert [len(told.chapters[title].writes) for title in ("Scheduled in the CRM", "Moved in the CRM", "Deleted in the CRM")] == [1, 2, 2]
    assert told.chapters["Among colleagues"].writes == ()
