"""What stands beside the figures on PostgreSQL: the same rows by COPY, and the `eventsourcing` library's stock way."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from services.settings import Settings
from tests.benchmarks.stock import Meetings

INDEXES = ("identities", "people", "addresses", "likeness")


def time_copied(told: Settings, ends: Sequence[int]) -> float:
    """Seconds for copying, and nothing else, the rows that these batches left in the store into tables like theirs. The rows are
    in the server's own binary form already: nothing but the server and the wire is measured."""
    with psycopg.connect(told.store_url() or "") as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(told.store_schema)))
        batches = [_rows(connection, low, high) for low, high in itertools.pairwise(ends)]
        for table in ("stored_events", *INDEXES):
            connection.execute(f"CREATE TABLE copied_{table} (LIKE {table} INCLUDING ALL)".encode())
        connection.commit()
        began = time.perf_counter()
        for batch in batches:
            for table, rows in batch.items():
                with connection.cursor().copy(f"COPY copied_{table} FROM STDIN (FORMAT binary)".encode()) as copy:
                    copy.write(rows)
            connection.commit()
        return time.perf_counter() - began


def _rows(connection: psycopg.Connection[Any], low: int, high: int) -> dict[str, bytes]:
    """The rows of one batch, by table. An entry of an index belongs to the batch in which its meeting was recorded first."""
    streams = f"SELECT originator_id FROM stored_events GROUP BY 1 HAVING min(notification_id) > {low} AND min(notification_id) <= {high}"
    queries = {"stored_events": f"SELECT * FROM stored_events WHERE notification_id > {low} AND notification_id <= {high}"}
    for table in INDEXES:
        named = f"SELECT replace(s.originator_id::text, '-', '') FROM ({streams}) s"
        queries[table] = f"SELECT i.* FROM {table} i WHERE convert_from(i.v, 'UTF8') IN ({named})"
    found = {}
    for table, query in queries.items():
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
            found[table] = b"".join(bytes(part) for part in copy)
    return found


# --- the library's stock way -----------------------------------------------------------------------------------------------------


def _environment(told: Settings, schema: str) -> dict[str, str]:
    dsn = conninfo_to_dict(told.store_url() or "")
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(dsn.get("dbname", "postgres")),
        "POSTGRES_HOST": str(dsn.get("host", "127.0.0.1")),
        "POSTGRES_PORT": str(dsn.get("port", "5432")),
        "POSTGRES_USER": str(dsn.get("user", "postgres")),
        "POSTGRES_PASSWORD": str(dsn.get("password", "none")),
        "POSTGRES_SCHEMA": schema,
    }


def meetings(told: Settings) -> Meetings:
    """The application of tests/benchmarks/stock.py on PostgreSQL, in a schema that goes with the installation's."""
    schema = f"{told.store_schema}_stock"
    with psycopg.connect(told.store_url() or "", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return Meetings(env=_environment(told, schema))


class Timelines(PostgresTrackingRecorder):
    """Who meets when: a row a guest."""

    def __init__(self, datastore: PostgresDatastore, **more: Any) -> None:
        super().__init__(datastore, **more)
        table = sql.Identifier(datastore.schema)
        self.sql_create_statements.append(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {}.timelines"
                " (guest text, start text, meeting uuid, body text, PRIMARY KEY (guest, start, meeting))"
            ).format(table)
        )
        self.sql_create_statements.append(
            sql.SQL("CREATE INDEX IF NOT EXISTS timelines_by_meeting ON {}.timelines (meeting)").format(table)
        )
        self._delete = sql.SQL("DELETE FROM {}.timelines WHERE meeting = %s").format(table)
        self._insert = sql.SQL("INSERT INTO {}.timelines VALUES (%s, %s, %s, %s)").format(table)

    def show(self, meeting: UUID, told: dict[str, Any], tracking: Tracking) -> None:
        """The meeting in the timelines of its guests, and the position, in one transaction."""
        guests = dict.fromkeys(guest["sealed"].partition(".")[0] for guest in told["participants"].values())
        body = json.dumps(told)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._delete, (meeting,))
            cursor.executemany(self._insert, [(guest, told["start"], meeting, body) for guest in guests])


class Folding(Projection[Timelines]):
    """Takes one event at a time."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Registered or changed: the meeting is told whole."""
        self.view.show(domain_event.originator_id, domain_event.told, tracking)


def time_folding(app: Meetings, told: Settings) -> float:
    """Seconds for folding all that the application recorded, a page of notifications at a time, one event a transaction."""
    env = _environment(told, f"{told.store_schema}_stock")
    datastore = PostgresDatastore(
        dbname=env["POSTGRES_DBNAME"],
        host=env["POSTGRES_HOST"],
        port=env["POSTGRES_PORT"],
        user=env["POSTGRES_USER"],
        password=env["POSTGRES_PASSWORD"],
        schema=env["POSTGRES_SCHEMA"],
    )
    view = Timelines(datastore, tracking_table_name="folding_tracking")
    view.create_table()
    folding = Folding(view)
    last = 0
    began = time.perf_counter()
    while page := app.recorder.select_notifications(last, 500, inclusive_of_start=False):
        for notification in page:
            folding.process_event(app.mapper.to_domain_event(notification), Tracking(app.name, notification.id))
        last = page[-1].id
    seconds = time.perf_counter() - began
    datastore.close()
    return seconds
