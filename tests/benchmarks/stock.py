"""The same work the way the `eventsourcing` library's own documentation does it: a peer, not an opponent.

An `Aggregate` with `@event` methods, an `Application` on SQLite, the JSON transcoder, one event a transaction; then a
`Projection` that is given one event at a time and writes it with its position in one transaction. It validates nothing, knows
no rules, keeps no former versions and lays out no series, so that what it does not do is to its advantage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder


class Meeting(Aggregate):
    """A meeting, as it was last told of."""

    @event("Registered")
    def __init__(self, account: str, subject: str, told: dict[str, Any]) -> None:
        self.account, self.subject, self.told = account, subject, told

    @staticmethod
    def create_id(account: str, subject: str) -> UUID:
        """Made from what it names."""
        return uuid5(NAMESPACE_URL, f"/{account}/meetings/{subject}")

    @event("Changed")
    def change(self, told: dict[str, Any]) -> None:
        """It was told of again."""
        self.told = told


class Meetings(Application[UUID]):
    """Meetings by their ids."""

    def tell(self, account: str, subject: str, told: dict[str, Any]) -> None:
        """Make the meeting or change it."""
        try:
            meeting: Meeting = self.repository.get(Meeting.create_id(account, subject))
        except AggregateNotFoundError:
            meeting = Meeting(account, subject, told)
        else:
            meeting.change(told)
        self.save(meeting)


class Timelines(SQLiteTrackingRecorder):
    """Who meets when: a row a guest."""

    def construct_create_table_statements(self) -> list[str]:
        """The library's and ours."""
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS timelines (guest TEXT, start TEXT, meeting TEXT, body TEXT, PRIMARY KEY (guest, start, meeting))",
            "CREATE INDEX IF NOT EXISTS timelines_by_meeting ON timelines (meeting)",
        ]

    def show(self, meeting: UUID, told: dict[str, Any], tracking: Tracking) -> None:
        """The meeting in the timelines of its guests, and the position, in one transaction."""
        guests = [guest["sealed"].partition(".")[0] for guest in told["participants"].values()]
        body = json.dumps(told)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute("DELETE FROM timelines WHERE meeting = ?", (meeting.hex,))
            cursor.executemany(
                "INSERT INTO timelines VALUES (?, ?, ?, ?)", [(guest, told["start"], meeting.hex, body) for guest in dict.fromkeys(guests)]
            )


class Folding(Projection[Timelines]):
    """Takes one event at a time."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Registered or changed: the meeting is told whole."""
        self.view.show(domain_event.originator_id, domain_event.told, tracking)


def meetings(file: Path) -> Meetings:
    """The application on this file. The library asks for a URI."""
    return Meetings(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": file.resolve().as_uri()})


def time_telling(app: Meetings, bodies: Sequence[bytes]) -> float:
    """Seconds for recording these source events."""
    began = time.perf_counter()
    for body in bodies:
        told = json.loads(body)
        app.tell(told["account"], told["subject"], told["data"])
    return time.perf_counter() - began


def time_folding(app: Meetings, file: Path) -> float:
    """Seconds for folding all that the application recorded into a new file, as `ProjectionRunner` does: it reads a page of
    notifications and hands on one event at a time. The runner itself needs a recorder that can be subscribed to, which the
    library's for SQLite cannot."""
    view = Timelines(SQLiteDatastore(file.resolve().as_uri()))
    view.create_table()
    folding = Folding(view)
    last = 0
    began = time.perf_counter()
    while page := app.recorder.select_notifications(last, 500, inclusive_of_start=False):
        for notification in page:
            folding.process_event(app.mapper.to_domain_event(notification), Tracking(app.name, notification.id))
        last = page[-1].id
    return time.perf_counter() - began
