"""The command line as a whole: what cannot be used is refused in a line, nothing is made by looking, and every answer comes as JSON too."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domain.ports import NewRecord
from services import cli
from services.up import Engine
from tests.examples import ACCOUNT, Event, contact_said, listed, meeting, stage

ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """A command in an empty folder, as its entry point runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "configure_logging", lambda _: None)  # a logger that was made for this test would outlive it

    def ran(*args: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["rendezvous", *args])
        code: Any = 0
        with suppress(SystemExit):
            try:
                cli.main()
            except SystemExit as ended:
                code = ended.code
        said = capfdbinary.readouterr()
        return Ran(int(code or 0), said.out.decode(), said.err.decode())

    return ran


@pytest.fixture
def begun(tmp_path: Path, run: Run) -> Path:
    """An installation that was told the stage and a meeting."""
    events = tmp_path / "events.ndjson"
    events.write_text("".join(json.dumps(event) + "\n" for event in [*stage(), meeting(title="Café")]))
    assert run("publish", str(events)).code == 0
    _told()
    return tmp_path / "data"


# --- settings ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('port = "x"', "rendezvous.toml: port: input should be a valid integer", id="no number"),
        pytest.param("port = 99999", "rendezvous.toml: port: input should be less than or equal to 65535", id="no port"),
        pytest.param("port = = 1", "rendezvous.toml: no TOML: ", id="no TOML"),
        pytest.param("prot = 1", "rendezvous.toml: no setting is called 'prot'; did you mean 'port'?", id="an unknown name"),
        pytest.param("xyzzy = 1", "rendezvous.toml: no setting is called 'xyzzy'\n", id="a name like none"),
    ],
)
def test_a_file_of_settings_that_cannot_be_used_is_refused_in_a_line(run: Run, text: str, said: str) -> None:
    Path("rendezvous.toml").write_text(text)
    ran = run("doctor")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"rendezvous: {said}")


def test_a_variable_that_cannot_be_used_is_named_and_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDEZVOUS_PORT", "hunter2")
    ran = run("doctor")
    assert ran == (2, "", "rendezvous: RENDEZVOUS_PORT: input should be a valid integer, unable to parse string as an integer\n")


@pytest.mark.parametrize("command", ["publish", "up", "timeline", "dead-letters list", "connections list", "deliveries list", "ingest"])
def test_help_says_where_a_command_looks_if_nobody_says_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """In brackets, which must not be taken for markup."""
    monkeypatch.setenv("COLUMNS", "160")
    ran = run(*command.split(), "--help")
    assert "Folder of the embedded store and log. [default: ./data]" in ran.out


# --- which folder ------------------------------------------------------------------------------------------------------------

LOOKING = [
    ("doctor",),
    ("timeline", ACCOUNT, "151"),
    ("explain", ACCOUNT, "151"),
    ("history", ACCOUNT, "0195573e-a800-8f7c-9c1e-0f2b6a7c1d11"),
    ("catch-up",),
    ("rebuild", "--verify"),
    ("dead-letters", "list"),
    ("held", "list", ACCOUNT),
    ("deliveries", "list"),
    ("tokens", "list"),
    ("connections", "list", ACCOUNT),
]


@pytest.mark.parametrize("asked", LOOKING, ids=lambda asked: asked[0])
def test_who_only_looks_in_a_folder_that_is_not_there_is_told_and_makes_none(run: Run, tmp_path: Path, asked: tuple[str, ...]) -> None:
    ran = run(*asked, "--data", "nofolder")
    assert ran == (2, "", "rendezvous: no installation in nofolder; `rendezvous publish` or `up` begins one\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", [("doctor",), ("publish", "file")], ids=lambda asked: asked[0])
def test_a_file_where_the_folder_should_be_is_named(run: Run, asked: tuple[str, ...]) -> None:
    Path("file").touch()
    ran = run(*asked, "--data", "file")
    assert ran == (2, "", "rendezvous: file: this is a file, and not the folder of an installation\n")


def test_a_token_may_be_made_before_anything_else(run: Run) -> None:
    made = json.loads(run("tokens", "create", ACCOUNT, "--scope", "ops", "--json").out)
    assert (made["account"], made["scopes"], made["token"][:4]) == (ACCOUNT, ["ops"], "rzv_")


@pytest.mark.parametrize("asked", [("timeline", ACCOUNT, "151"), ("publish", "events.ndjson")], ids=lambda asked: asked[0])
def test_a_file_that_is_no_database_is_named(run: Run, begun: Path, asked: tuple[str, ...]) -> None:
    _spoil(begun / "store.sqlite")
    ran = run(*asked)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("rendezvous: data/store.sqlite: this is no SQLite database; ")


def test_the_doctor_tells_of_a_file_that_is_no_database_and_goes_on(run: Run, begun: Path) -> None:
    _spoil(begun / "store.sqlite")
    ran = run("doctor", "--json")
    looked = {one["name"]: one["ok"] for one in json.loads(ran.out)["checks"]}
    assert ran.code == 1
    assert {name: looked[name] for name in ("store.sqlite", "log.sqlite", "views.sqlite", "dead letters")} == {
        "store.sqlite": False,
        "log.sqlite": True,
        "views.sqlite": True,
        "dead letters": True,
    }


def test_the_doctor_counts_in_words(run: Run, begun: Path) -> None:
    [says] = [one["says"] for one in json.loads(run("doctor", "--json").out)["checks"] if one["name"] == "read models"]
    assert says == "2 contacts, 1 meeting, 1 entry, 1 version, 8 decisions, 1 connection, 1 clock"


def _spoil(file: Path) -> None:
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    file.write_bytes(b"this is not what it was\n" * 500)


# --- where it listens --------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_port_in_use_is_refused_before_anything_is_made(run: Run, tmp_path: Path, taken: int, command: str) -> None:
    ran = run(command, "--port", str(taken))
    assert ran == (2, "", f"rendezvous: 127.0.0.1:{taken}: address already in use; choose another with --port\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", [("up",), ("serve",), ("demo",), ("sandbox",)], ids=lambda asked: asked[0])
def test_a_port_that_is_none_is_refused(run: Run, tmp_path: Path, asked: tuple[str, ...]) -> None:
    ran = run(*asked, "--port", "99999")
    assert (ran.code, "65535" in ran.err, list(tmp_path.iterdir())) == (2, True, [])


# --- publishing --------------------------------------------------------------------------------------------------------------


def test_a_receipt_says_which_line_it_is_for(run: Run) -> None:
    good = json.dumps(stage()[0])
    Path("events.ndjson").write_text(f"{good}\n\n\n{{}}\n")
    assert run("publish", "events.ndjson", "--dry-run").out.startswith("line 4: rejected (no id): ")
    receipts = [json.loads(line) for line in run("publish", "events.ndjson", "--json").out.splitlines()]
    assert [(one["line"], one["outcome"]) for one in receipts] == [(1, "accepted"), (4, "rejected")]


def test_a_dry_run_says_what_the_log_has_already(run: Run) -> None:
    first, second = (json.dumps(event) for event in stage()[:2])
    Path("events.ndjson").write_text(f"{first}\n{second}\n")
    assert run("publish", "events.ndjson", "--dry-run").out == "dry run: 2 accepted\n"
    Path("first.ndjson").write_text(first)
    assert run("publish", "first.ndjson").out == "1 accepted\n"
    assert run("publish", "events.ndjson", "--dry-run").out == "dry run: 1 duplicate, 1 accepted\n"


def test_a_pipe_is_a_file(run: Run) -> None:
    reading, writing = os.pipe()
    os.write(writing, json.dumps(stage()[0]).encode())
    os.close(writing)
    assert run("publish", f"/dev/fd/{reading}").out == "1 accepted\n"
    os.close(reading)


@pytest.mark.parametrize(
    "asked", [("publish", "there"), ("translate", "google", "there", "--account", "1", "--user", "2")], ids=lambda asked: asked[0]
)
def test_a_folder_is_refused_by_name(run: Run, asked: tuple[str, ...]) -> None:
    Path("there").mkdir()
    assert run(*asked) == (2, "", "rendezvous: there: this is a folder; name a file in it\n")


# --- times -------------------------------------------------------------------------------------------------------------------

WRITTEN = "write 2026-03-09, 2026-03-09T10:00:00Z or 2026-03-09T10:00:00+01:00"


@pytest.mark.parametrize(
    ("option", "time", "wrong"),
    [
        pytest.param("--as-of", "2026-04-07T10:30:00", "has no offset", id="as of, without an offset"),
        pytest.param("--from", "2026-04-07 10:30", "has no offset", id="from, without an offset"),
        pytest.param("--to", "9999-12-31", "is no time", id="to the end of the calendar"),
        pytest.param("--to", "9999-12-31T23:59:59-14:00", "is no time", id="to a time that is later in UTC"),
        pytest.param("--from", "", "is no time", id="nothing"),
    ],
)
def test_a_time_that_says_too_little_is_refused_in_a_line(run: Run, begun: Path, option: str, time: str, wrong: str) -> None:
    assert run("timeline", ACCOUNT, "151", option, time) == (2, "", f"rendezvous: {option}: {time!r} {wrong}; {WRITTEN}\n")


def test_a_window_beyond_the_calendar_is_refused_in_a_line(run: Run) -> None:
    Path("page.json").write_text('{"value": []}')
    asked = ("translate", "office365", "page.json", "--account", ACCOUNT, "--user", "501")
    ran = run(*asked, "--from", "2026-04-09", "--to", "9999-12-31T23:59:59-14:00")
    assert ran == (2, "", f"rendezvous: --to: '9999-12-31T23:59:59-14:00' is no time; {WRITTEN}\n")


@pytest.mark.parametrize(
    "asked",
    [("timeline", ACCOUNT, "151"), ("translate", "office365", "page.json", "--account", ACCOUNT, "--user", "501")],
    ids=lambda asked: asked[0],
)
def test_a_time_that_ends_before_it_begins_is_refused_in_a_line(run: Run, begun: Path, asked: tuple[str, ...]) -> None:
    Path("page.json").write_text('{"value": []}')
    ran = run(*asked, "--from", "2026-04-09", "--to", "2026-04-07")
    assert ran == (2, "", "rendezvous: --to: before the beginning: nothing is in between\n")


@pytest.mark.parametrize(
    ("since", "found"),
    [("2026-04-07", 1), ("2026-04-08", 0), ("2026-04-07T10:30:00+02:00", 1), ("2026-04-07T09:00:00Z", 0), ("2026-04-07 08:59:00Z", 1)],
)
def test_a_date_and_a_time_with_its_offset_are_understood(run: Run, begun: Path, since: str, found: int) -> None:
    """Of a meeting from 8 to 9 in UTC."""
    assert len(json.loads(run("timeline", ACCOUNT, "151", "--from", since, "--json").out)["entries"]) == found


# --- what is printed ---------------------------------------------------------------------------------------------------------


def test_a_dead_letter_as_json_from_the_list_to_its_end(run: Run, begun: Path) -> None:
    with closing(cli.installation(None)) as parts:
        parts.source.append([NewRecord(ACCOUNT, 1, b"\xff{"), NewRecord(ACCOUNT, 2, b"{}")], 1_772_442_905_001)
        Engine(parts, lambda: False).turn()
    first, second = sorted(_letters(run), key=lambda one: int(one["letter"].partition("-")[2]))
    assert (first["account"], first["state"], len(first["recordedAt"]), first["recordedAt"][-1]) == (ACCOUNT, "waiting", 24, "Z")
    shown = [json.loads(run("dead-letters", "show", one["letter"], "--json").out) for one in (first, second)]
    assert [(one.get("base64"), one.get("body")) for one in shown] == [("/3s=", None), (None, "{}")]
    refused = run("dead-letters", "retry", second["letter"], "--json")
    assert (refused.code, json.loads(refused.out)["outcome"], json.loads(refused.out)["letter"]) == (1, "rejected", second["letter"])
    assert json.loads(run("dead-letters", "drop", first["letter"], "--json").out) == {"letter": first["letter"], "state": "dropped"}
    assert run("dead-letters", "list", "--state", "waiting").out.splitlines()[-1] == "1 dead letter"


def _letters(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("dead-letters", "list", "--json").out.splitlines()]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(("dead-letters", "list", "--state", "foo"), "waiting", id="dead letters"),
        pytest.param(("deliveries", "list", "--state", "foo"), "superseded", id="deliveries"),
    ],
)
def test_an_unknown_state_is_refused_with_the_known_ones(run: Run, begun: Path, asked: tuple[str, ...], said: str) -> None:
    ran = run(*asked)
    assert (ran.code, ran.out, said in ran.err) == (2, "", True)


@pytest.mark.parametrize(
    "asked",
    [
        ("history", ACCOUNT, "0195573e-a800-8f7c-9c1e-0f2b6a7c1d11"),
        ("timeline", ACCOUNT, "999"),
        ("explain", ACCOUNT, "999"),
        ("dead-letters", "show", "0-999"),
        ("deliveries", "show", "0" * 32),
        ("tokens", "revoke", "999"),
        ("held", "release", ACCOUNT, "999"),
    ],
    ids=lambda asked: asked[0],
)
def test_what_is_not_known_is_said_to_be_with_1(run: Run, begun: Path, asked: tuple[str, ...]) -> None:
    assert run(*asked).code == 1


def test_a_token_as_json_from_its_making_to_its_end(run: Run) -> None:
    made = json.loads(run("tokens", "create", ACCOUNT, "--scope", "timeline:read", "--label", "x", "--json").out)
    listed = json.loads(run("tokens", "list", "--json").out)
    assert made == {**listed, "token": made["token"]}
    assert json.loads(run("tokens", "revoke", made["id"], "--json").out) == {"id": made["id"], "state": "revoked"}
    assert json.loads(run("tokens", "list", "--json").out)["state"] == "revoked"


def test_migrating_as_json(run: Run) -> None:
    assert run("migrate", "--json") == (0, '{"done":[]}\n', "")


def test_a_key_as_json_is_the_one_that_is_printed_otherwise(run: Run) -> None:
    made = json.loads(run("connections", "new-key", "--json").out)
    assert made["key"].partition(":")[0] == made["id"]
    assert len(run("connections", "new-key").out) == len(made["key"]) + 1


def test_what_has_no_id_is_refused_by_its_file(run: Run, tmp_path: Path) -> None:
    for name, body in {"one.json": {"items": []}, "two.json": [{"kind": "acl"}, 5]}.items():
        (tmp_path / name).write_text(json.dumps(body), "utf-8")
    ran = run("translate", "google", "one.json", "two.json", "--account", ACCOUNT, "--user", "501")
    said = ["refused two.json, item 1: acl, not an event or a list of events", "refused two.json, item 2: not a JSON object"]
    assert (ran.code, ran.err.splitlines()[:2]) == (1, said)


def test_translating_as_json_says_what_was_refused_as_json(run: Run) -> None:
    Path("page.json").write_text(json.dumps({"items": [{"id": "x1", "status": "confirmed"}]}))
    ran = run("translate", "google", "page.json", "--account", ACCOUNT, "--user", "501", "--calendar", "ana@acme.example", "--json")
    left = [json.loads(line) for line in ran.err.splitlines()]
    assert (ran.code, ran.out, [set(one) for one in left]) == (1, "", [{"refused", "reason"}])


def test_several_meetings_are_told_apart_by_time_and_title_newest_first(run: Run, begun: Path) -> None:
    _told(meeting("g2", title="Pricing"), meeting("g3", title="Pilot", kind="meeting.updated"))
    lines = run("explain", ACCOUNT, "151").out.splitlines()
    headed = [line.rpartition("  ")[0] for line in lines if line.startswith("  2026-04-07")]
    assert headed == [f"  2026-04-07 08:00Z  {title}" for title in ("Pilot", "Pricing", "Café")]
    limited = run("explain", ACCOUNT, "151", "--limit", "1").out
    assert ("Pilot" in limited, "Pricing" in limited, limited.splitlines()[-1]) == (True, False, "  and 2 older meetings: use --limit")


def test_an_event_that_was_rejected_when_it_was_decided_is_explained_by_its_id(run: Run, begun: Path) -> None:
    with closing(cli.installation(None)) as parts:
        parts.source.append([NewRecord(ACCOUNT, 1, b'{"id":"lost-1","account":"62515"}')], 1_772_442_905_001)
    _told()
    ran = run("explain", ACCOUNT, "lost-1", "--json")
    explained = json.loads(ran.out)
    assert (ran.code, [(one["rule"], one["outcome"]) for one in explained["decisions"]]) == (0, [("malformed", "rejected")])


def test_what_waits_to_be_decided_is_not_said_to_have_never_come(run: Run, begun: Path) -> None:
    Path("later.ndjson").write_text(json.dumps(meeting("g9")))
    run("publish", "later.ndjson")
    ran = run("explain", ACCOUNT, "g9")
    assert (ran.code, "  check: The engine has not caught up: of source position 9, 8 is decided" in ran.out) == (1, True)
    assert run("catch-up").code == 0
    assert run("explain", ACCOUNT, "g9").out.startswith("g9: The meeting is in the timeline of contact 151.\n")


def test_a_timeline_that_was_erased_is_said_to_be(run: Run, begun: Path) -> None:
    _told(contact_said("151", "contact.erased", 5))
    said = "contact 151 was erased in the CRM, and nothing is kept of it. Try: rendezvous explain 62515 151\n"
    assert run("timeline", ACCOUNT, "151") == (1, said, "")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (("timeline", ACCOUNT, ""), "WHO"),
        (("timeline", " ", "151"), "ACCOUNT"),
        (("explain", ACCOUNT, " "), "WHAT"),
        (("explain", "", "151"), "ACCOUNT"),
    ],
    ids=lambda one: one if isinstance(one, str) else one[0],
)
def test_an_argument_that_a_script_left_empty_is_refused(run: Run, begun: Path, asked: tuple[str, ...], named: str) -> None:
    assert run(*asked) == (2, "", f"rendezvous: {named}: empty; name one\n")


def _told(*events: Event) -> None:
    """The installation is told these, and decides them."""
    with closing(cli.installation(None)) as parts:
        parts.publisher.accept([json.dumps(event).encode() for event in events])
        engine = Engine(parts, lambda: False)
        while engine.turn():
            pass


def test_a_connection_with_held_deletions_says_so(run: Run, begun: Path) -> None:
    _told(*(meeting(f"m{n}") for n in range(20)), listed(["m0"]))
    hold = json.loads(run("held", "list", ACCOUNT, "--json").out)["hold"]
    said = f"deletions held for a person as {hold}: see `rendezvous held list {ACCOUNT}`"
    assert said in run("connections", "list", ACCOUNT).out
    released = json.loads(run("held", "release", ACCOUNT, hold, "--json").out)
    assert (released["hold"], released["outcome"], released["meetings"]) == (hold, "released", 20)


def test_what_is_released_is_not_said_to_be_shown_before_it_is(run: Run, begun: Path) -> None:
    _told(*(meeting(f"m{n}") for n in range(20)), listed(["m0"]))
    hold = json.loads(run("held", "list", ACCOUNT, "--json").out)["hold"]
    assert run("held", "release", ACCOUNT, hold).out == "20 meetings are cancelled; timelines show it once it is folded\n"
    shown = [e["status"] for e in json.loads(run("timeline", ACCOUNT, "151", "--json").out)["entries"]]
    assert "cancelled" not in shown
    run("catch-up")
    shown = [e["status"] for e in json.loads(run("timeline", ACCOUNT, "151", "--json").out)["entries"]]
    assert shown.count("cancelled") == 20


# --- as a process ------------------------------------------------------------------------------------------------------------


def _process(folder: Path, *args: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_terminal_without_the_letters_of_a_name_shows_others(run: Run, begun: Path) -> None:
    told = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    out, err = _process(begun.parent, "timeline", ACCOUNT, "151", **told).communicate()
    assert ("Café".encode("ascii", "replace") in out, err) == (True, b"")
    out, err = _process(begun.parent, "explain", ACCOUNT, "zoë", **told).communicate()
    assert (out, err.count(b"\n"), err[:36]) == (b"", 1, b"rendezvous: an argument is not in th")


def test_a_reader_who_has_seen_enough_is_no_failure(run: Run, begun: Path) -> None:
    process = _process(begun.parent, "explain", ACCOUNT, "151")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.wait(), process.stderr.read()) == (0, b"")
    process.stderr.close()


@pytest.mark.parametrize("command", ["up", "serve"])
def test_who_copies_the_files_after_a_server_has_ended_has_everything(run: Run, tmp_path: Path, command: str) -> None:
    process = _process(tmp_path, command, "--port", "0")
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith(b"rendezvous ")
        Path("events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in stage()))
        assert run("publish", "events.ndjson").code == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    logs = {file.name: file.stat().st_size for file in (tmp_path / "data").glob("*.sqlite-wal")}
    assert set(logs.values()) <= {0}, logs
    with closing(sqlite3.connect(f"{(tmp_path / 'data' / 'log.sqlite').as_uri()}?immutable=1", uri=True)) as copied:
        assert copied.execute("SELECT count(*) FROM source_log").fetchone() == (len(stage()),)
