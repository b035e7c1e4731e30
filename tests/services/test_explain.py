"""Explaining: a sentence that a salesperson understands, every decision behind it, and no address that the asker may not see."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from adapters.memory.log import MemoryDeadLetters
from domain.decisions import Decision, Outcome, Rule
from domain.errors import TryAgain
from domain.ports import DeadLetter, NewRecord
from services.explain import LETTERS, MOST, NOWHERE, UNDERSTOOD, Explained, with_logs
from services.progress import Progress, Standing
from services.sentences import ENDINGS, GENERAL, IN_NO_TIMELINE, SENTENCES, sentence
from tests.examples import (
    ACCOUNT,
    ANA,
    BO,
    CY,
    configured,
    connected,
    contact,
    contact_said,
    deleted,
    ended,
    hour,
    listed,
    meeting,
    row,
    row_deleted,
)
from tests.services.asking import OTHER, Asking, asking

STRANGER = "stranger@x.example"


def rules(explained: Explained) -> set[tuple[str, str]]:
    return {(d.rule, d.outcome) for d in explained.decisions}


def text(explained: Explained) -> str:
    return msgspec.json.encode(explained).decode()


def test_a_contact_kept_out_whom_only_the_crm_associates_is_told_why() -> None:
    never = configured(-1, never_log={"addresses": [CY], "domains": []})
    explained = asking(never, row(guests=(), contacts=("151", "152"))).explain("152")
    assert ("never-log", "ignored") in rules(explained)
    assert "No meeting with this contact" not in explained.sentence


# --- the sentences -----------------------------------------------------------------------------------------------------------


def test_every_rule_and_every_outcome_has_its_words() -> None:
    assert (set(GENERAL), set(ENDINGS)) == (set(Rule), set(Outcome))


@pytest.mark.parametrize(("rule", "outcome"), list(itertools.product(Rule, Outcome)))
def test_every_decision_has_a_sentence(rule: Rule, outcome: Outcome) -> None:
    said = sentence(Decision(rule, outcome, guest="k" * 22, contact="151"))
    assert said.endswith(".")
    assert "{" not in said


def test_no_two_rules_say_the_same() -> None:
    assert len(set(GENERAL.values())) == len(Rule)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize(
    ("decision", "who", "said"),
    [
        pytest.param(
            Decision(Rule.OWN_DOMAIN, Outcome.IGNORED, "k"),
            ANA,
            "ana@acme.example is on your company's own domain, and colleagues are never logged.",
            id="a colleague the asker named",
        ),
        pytest.param(
            Decision(Rule.OWN_DOMAIN, Outcome.IGNORED, "k"),
            None,
            "A guest is on your company's own domain, and colleagues are never logged.",
            id="a colleague he did not name",
        ),
        pytest.param(
            Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, None, "151", {"association": True}),
            None,
            "It is associated with contact 151 in the CRM, so it is in that contact's timeline.",
            id="an association",
        ),
        pytest.param(
            Decision(Rule.NOT_A_MEETING, Outcome.IGNORED, note={"kind": "out-of-office"}),
            None,
            "This calendar entry is no meeting but out of office, and is not logged.",
            id="what it is instead",
        ),
        pytest.param(
            Decision(Rule.THREE_WAY, Outcome.APPLIED, note={"lost": {"title": "Old {name}"}}),
            None,
            "CRM and calendar both changed it: both changes stand, and where they disagree the calendar's; "
            "the CRM said title 'Old {name}'.",
            id="a losing value, braces and all",
        ),
        pytest.param(
            Decision(Rule.CALENDAR_UPDATES, Outcome.APPLIED, note={"changed": ["time", "conferenceUrl"]}),
            None,
            "It was changed in the calendar: time, conference link.",
            id="what changed",
        ),
        pytest.param(
            Decision(Rule.MASS_DELETE, Outcome.HELD, note={"hold": "62515-1f", "deletions": 12, "known": 20}),
            None,
            "A listing of the calendar would have removed unusually many meetings (12 of 20; 62515-1f), so a person must say yes first.",
            id="what is held",
        ),
        pytest.param(
            Decision(Rule.ONE_CALENDAR, Outcome.IGNORED, note={"live": "google"}),
            None,
            "The user has another calendar connected (Google), and only one counts at a time.",
            id="the calendar that counts",
        ),
        pytest.param(
            Decision(Rule.MALFORMED, Outcome.REJECTED, note={"letter": "0-9"}),
            None,
            "What was sent could not be read, and waits among the dead letters as 0-9.",
            id="a dead letter",
        ),
    ],
)
def test_a_sentence_says_what_happened(decision: Decision, who: str | None, said: str) -> None:
    assert sentence(decision, who) == said


# --- what is asked about -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "says"),
    [
        pytest.param("google:501:g1:0", "google:501:g1:0: The meeting is in the timeline of contact 151.", id="a source event"),
        pytest.param("g1", "g1: The meeting is in the timeline of contact 151.", id="a side's id"),
        pytest.param("151", "This is contact 151, whose timeline has 1 entry.", id="a contact"),
        pytest.param(BO, "bo@client.example is contact 151, whose timeline has 1 entry.", id="an address"),
        pytest.param(
            " BO@client.example ", "BO@client.example is contact 151, whose timeline has 1 entry.", id="an address as it was typed"
        ),
    ],
)
def test_what_is_in_a_timeline_is_said_to_be(what: str, says: str) -> None:
    explained = asking(meeting()).explain(what)
    assert (explained.found, explained.sentence, explained.check) == (True, says, ())
    assert ("contact-match", "applied") in rules(explained)


def test_a_meeting_is_explained_by_its_calendar_uid() -> None:
    engine = asking(meeting())
    [entry] = engine.timeline("151")
    assert (
        engine.explain("g1@google.example").sentence
        == engine.explain(entry["meeting"]).sentence
        == "The meeting is in the timeline of contact 151."
    )


def test_a_meeting_whose_deletion_is_held_says_so_and_others_do_not() -> None:
    many = [meeting(f"m{n}") for n in range(20)]
    engine = asking(*many, listed(["m0", "m1"]))
    [hold] = json.loads(engine.views.connections(ACCOUNT)[0].body)["held"]
    says = f"Its deletion is held for a person, as {hold['hold']}: see `rendezvous held list {ACCOUNT}`."
    assert engine.explain("m7").sentence == f"m7: The meeting is in the timeline of contact 151. {says}"
    assert "held" not in engine.explain("m0").sentence


def test_what_was_told_again_is_explained_by_what_it_said_at_first() -> None:
    again = meeting("g1", 2) | {"id": "the same once more"}
    explained = asking(meeting("g1", 2), again).explain("g1")
    assert ("stale", "ignored") in rules(explained)
    assert explained.sentence == "g1: The meeting is in the timeline of contact 151."


def test_what_was_kept_out_and_told_again_is_explained_by_why_it_was_kept_out() -> None:
    engine = asking(meeting("g1", 2, guests=(STRANGER,)), meeting("g1", 1, guests=(STRANGER,)))
    explained = engine.explain("g1")
    assert explained.decisions[-1].rule == "stale"
    assert engine.explain(str(explained.decisions[-1].meeting)).sentence == IN_NO_TIMELINE


def test_a_meeting_is_explained_by_its_id() -> None:
    engine = asking(meeting(), meeting(revision=1, title="Renamed"))
    explained = engine.explain(engine.meeting_id())
    assert explained.sentence == "The meeting is in the timeline of contact 151."
    assert [d.event for d in explained.decisions if d.rule == "calendar-updates"] == ["google:501:g1:1"]
    assert {d.meeting for d in explained.decisions} == {engine.meeting_id()}


@pytest.mark.parametrize(
    ("events", "what", "rule", "says"),
    [
        pytest.param(
            [meeting(guests=(BO, "col@acme.example"))], "col@acme.example", ("own-domain", "ignored"), "own domain", id="own-domain"
        ),
        pytest.param([meeting()], ANA, ("crm-user", "ignored"), "users are never logged", id="crm-user"),
        pytest.param(
            [configured(-1, never_log={"addresses": [CY], "domains": []}), meeting(guests=(CY,))],
            "g1",
            ("never-log", "ignored"),
            "no timeline",
            id="never-log",
        ),
        pytest.param([meeting(guests=(STRANGER,))], STRANGER, ("no-contact", "ignored"), "is no contact's Email property", id="no-contact"),
        pytest.param([meeting(privacy="private")], "google:501:g1:0", ("private", "ignored"), "private", id="private"),
        pytest.param([meeting(kind_="focus")], "google:501:g1:0", ("not-a-meeting", "ignored"), "no meeting but focus", id="not-a-meeting"),
        pytest.param(
            [meeting(created=hour(-100))],
            "google:501:g1:0",
            ("active-window", "ignored"),
            "while no calendar of its owner",
            id="active-window",
        ),
        pytest.param(
            [meeting(provenance={"primary": False})],
            "google:501:g1:0",
            ("primary-only", "ignored"),
            "not the user's primary",
            id="primary-only",
        ),
        pytest.param(
            [row(), row_deleted(), row("900", 2, title="Again")],
            "hubspot:501:900:2",
            ("crm-delete-keeps-calendar", "suppressed"),
            "stays out of the timeline",
            id="crm-delete-keeps-calendar",
        ),
        pytest.param(
            [connected("501", "office365", 3)],
            "connection:501:office365:activated:3",
            ("one-calendar", "ignored"),
            "another calendar connected (Google)",
            id="one-calendar",
        ),
        pytest.param([meeting(revision=2), meeting(revision=1)], "google:501:g1:1", ("stale", "ignored"), "newer version", id="stale"),
        pytest.param(
            [meeting(), deleted()], "google:501:g1:deleted:1", ("calendar-deletes", "applied"), "cancelled", id="calendar-deletes"
        ),
        pytest.param(
            [contact_said("152", "contact.deleted", 3)], "152", ("contact-match", "applied"), "was deleted", id="a deleted contact"
        ),
        pytest.param(
            [*[meeting(f"h{n}") for n in range(12)], listed([])],
            "google:501:listed:100",
            ("mass-delete", "held"),
            "a person must say yes",
            id="mass-delete",
        ),
    ],
)
def test_an_absence_is_explained_by_its_rule(events: list[dict[str, Any]], what: str, rule: tuple[str, str], says: str) -> None:
    for event in events:
        kind = event["data"].pop("kind_", None)
        if kind is not None:
            event["data"]["kind"] = kind
    explained = asking(*events).explain(what)
    assert explained.found
    assert rule in rules(explained)
    assert says in explained.sentence


def test_a_merged_contact_leads_to_its_survivor() -> None:
    engine = asking(meeting(), contact_said("152", "contact.merged", 5, {"merged": ["151"], "email": CY, "name": "Cy"}))
    explained = engine.explain("151")
    assert explained.sentence == "151 was merged into contact 152, whose timeline has 1 entry."


def test_a_contact_without_meetings_is_known_all_the_same() -> None:
    explained = asking().explain(CY)
    assert explained.found
    assert (
        explained.sentence
        == "cy@buyer.example is contact 152, whose timeline has 0 entries. No meeting with this contact has been seen yet."
    )
    assert any("connected since" in check for check in explained.check)


def test_the_meetings_of_somebody_are_found_before_he_is_a_contact() -> None:
    engine = asking(meeting(guests=("dee@late.example",)), contact("153", "dee@late.example", 3))
    explained = engine.explain("dee@late.example")
    assert ("no-contact", "ignored") in rules(explained)
    assert "contact 153, whose timeline has 0 entries. dee@late.example is no contact's Email property" in explained.sentence


def test_an_absorbed_meeting_stands_where_its_survivor_stands() -> None:
    booking = row("940", origin="booking", guests=(), user="501", start="2026-04-07T10:00:00")
    engine = asking(booking, meeting())
    for what in ("hubspot:501:940:0", "google:501:g1:0"):
        assert "in the timeline of contact 151" in engine.explain(what).sentence


# --- what must not be said -----------------------------------------------------------------------------------------------------


def test_guests_who_are_not_logged_are_not_named() -> None:
    never = configured(-1, never_log={"addresses": ["shy@client.example"], "domains": []})
    explained = asking(never, meeting(guests=(BO, "shy@client.example", STRANGER, "col@acme.example"))).explain("g1")
    said = text(explained)
    assert BO in said
    assert [address for address in ("shy@client.example", STRANGER, "col@acme.example", ANA) if address in said] == []
    assert {d.rule for d in explained.decisions} == {"contact-match", "crm-user", "never-log", "no-contact", "own-domain"}


def test_a_guest_whom_the_asker_named_is_named_as_he_typed_him() -> None:
    explained = asking(meeting(guests=(BO, STRANGER))).explain("Stranger@X.example")
    assert {d.guest for d in explained.decisions if d.rule == "no-contact"} == {"Stranger@X.example"}
    assert BO not in text(explained)


@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(contact_said("151", "contact.erased", 5), id="erased"),
        pytest.param(configured(5, never_log={"addresses": [BO], "domains": []}), id="on the never-log list since"),
        pytest.param(contact("151", "new@client.example", 5, kind="contact.updated"), id="of another address since"),
    ],
)
def test_a_contact_who_may_no_longer_be_named_is_not(hide: dict[str, Any]) -> None:
    engine = asking(meeting())
    assert BO in text(engine.explain("g1"))
    engine.tell(hide)
    assert BO not in text(engine.explain("g1"))


ERA = "era@client.example"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param((), id="and nobody spoke of them again"),
        pytest.param((contact("170", ERA, 6),), id="and was told again"),
        pytest.param((contact("170", ERA, 6), meeting("g2", 7, guests=(ERA, BO))), id="and was invited again"),
    ],
)
@pytest.mark.parametrize(
    ("what", "says"),
    [
        (ERA, "era@client.example was erased, and nothing of them is kept or logged again."),
        ("170", "Contact 170 was erased in the CRM, and has no timeline."),
    ],
    ids=["by address", "by contact"],
)
def test_of_somebody_who_was_erased_no_meeting_is_told(after: tuple[dict[str, Any], ...], what: str, says: str) -> None:
    engine = asking(contact("170", ERA, 1), meeting(revision=2, guests=(ERA, BO)))
    assert any(one.meeting for one in engine.explain(what).decisions)
    engine.tell(contact_said("170", "contact.erased", 5), *after)
    explained = engine.explain(what)
    assert (explained.found, explained.sentence, explained.writes) == (True, says, ())
    assert [one for one in explained.decisions if one.meeting] == []


def test_of_somebody_who_was_merged_into_an_erased_contact_no_meeting_is_told() -> None:
    engine = asking(contact("170", ERA, 1), meeting(revision=2, guests=(ERA,)))
    engine.tell(contact_said("152", "contact.merged", 3, {"merged": ["170"], "email": CY, "name": "Cy"}))
    engine.tell(contact_said("152", "contact.erased", 5))
    explained = engine.explain(ERA)
    assert (explained.sentence[:29], explained.decisions) == ("era@client.example was erased", ())


GONE = "A guest was erased, and nothing of them is kept or logged again."


@pytest.mark.parametrize(
    ("told", "names"),
    [
        pytest.param([contact("170", ERA, 1), meeting(revision=2, guests=(ERA, BO))], ["g1", "google:501:g1:2"], id="was a contact"),
        pytest.param([meeting(revision=2, guests=(ERA, BO)), contact("170", ERA, 3)], ["g1"], id="became one later"),
        pytest.param([contact("170", ERA, 1), row(revision=2, contacts=("170", "151"))], ["900"], id="was associated in the CRM"),
    ],
)
def test_of_a_meetings_guest_who_was_erased_that_is_said_and_nothing_else(told: list[dict[str, Any]], names: list[str]) -> None:
    engine = asking(*told)
    hints = (ERA, engine.vault.key(ACCOUNT, ERA), '"170"', "contact 170")
    assert any(hint in text(engine.explain(names[0])) for hint in hints)
    engine.tell(contact_said("170", "contact.erased", 5))
    for what in (*names, engine.meeting_id("151")):
        explained = engine.explain(what)
        assert [(d.rule, d.outcome, d.guest, d.contact, d.note) for d in explained.decisions if d.sentence == GONE] == [
            ("erased", "ignored", UNSET, UNSET, UNSET)
        ]
        assert [hint for hint in hints if hint in text(explained)] == []
        assert any(d.contact == "151" for d in explained.decisions)


def test_of_a_meeting_whose_only_contact_was_erased_that_is_said_to_be_why_it_is_in_no_timeline() -> None:
    engine = asking(contact("170", ERA, 1), meeting(revision=2, guests=(ERA,)))
    meeting_id = engine.meeting_id("170")
    engine.tell(contact_said("170", "contact.erased", 5))
    assert engine.explain(meeting_id).sentence == f"The meeting is in no timeline now. {GONE}"


def test_an_event_about_a_contact_who_was_erased_since_says_that() -> None:
    engine = asking(contact("170", ERA, 1), contact_said("170", "contact.erased", 5))
    explained = engine.explain("contact.created:170:1")
    says = "Contact 170 was erased, and nothing of them is kept or logged again."
    assert (explained.sentence, [d.sentence for d in explained.decisions]) == (f"contact.created:170:1: {says}", [says])


def test_nothing_of_a_meeting_that_is_not_logged_is_said() -> None:
    explained = asking(meeting(guests=(STRANGER,), title="Salaries", location="Room X")).explain(STRANGER)
    assert "Salaries" not in text(explained)
    assert "Room X" not in text(explained)


@pytest.mark.parametrize("what", ["g1", "google:501:g1:0", "151", BO, "connection:501:google:activated:-23"])
def test_another_account_has_seen_nothing_of_it(what: str) -> None:
    explained = asking(meeting()).explain(what, OTHER)
    assert (explained.found, explained.decisions) == (False, ())
    assert explained.sentence == f"Nothing called {what} has been seen in account {OTHER}."


# --- what could not be read ----------------------------------------------------------------------------------------------------


def unreadable(engine: Asking, *bodies: bytes) -> Asking:
    """These records were written by somebody who did not come through our door."""
    engine.source.append([NewRecord(ACCOUNT, number, body) for number, body in enumerate(bodies, 1)], 1_772_442_905_001)
    engine.settle()
    return engine


@pytest.mark.parametrize("account", [ACCOUNT, OTHER])
def test_an_event_that_nobody_could_read_is_explained_by_its_id_to_its_own_account(account: str) -> None:
    engine = unreadable(asking(), b"\xff{", b'["lost-1"]', b'{"id":"lost-\\u0031","subject":"g9"}')
    [waits] = [one for one in engine.dead.list(ACCOUNT, "", 10) if b"subject" in one.body]
    explained = engine.explain(" lost-1 ", account)
    assert (explained.what, explained.found) == ("lost-1", account == ACCOUNT)
    if account == ACCOUNT:
        assert explained.sentence == f"lost-1: What was sent could not be read, and waits among the dead letters as {waits.letter}."
        assert rules(explained) == {("malformed", "rejected")}


def test_a_dead_letter_is_found_among_many_and_not_looked_for_without_end() -> None:
    engine = unreadable(asking(), *(b'{"id":"lost-%d"}' % number for number in range(LETTERS + 50)))
    names = [json.loads(one.body)["id"] for one in engine.dead.list(ACCOUNT, "", LETTERS + 50)]
    found = [engine.explain(name).found for name in (names[0], names[LETTERS - 1], names[LETTERS])]
    assert found == [True, True, False]


class Away(MemoryDeadLetters):
    """In a log that does not answer."""

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        raise TryAgain("no broker answers")


class Ahead(MemoryDeadLetters):
    """Of a record that is decided and not folded yet."""

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        return [DeadLetter("0-999", ACCOUNT, "0", 999, 0, [], b'{"id":"lost-1"}')]


@pytest.mark.parametrize("dead", [None, Away(), Ahead()], ids=["none", "away", "ahead of the read models"])
def test_without_its_dead_letter_an_event_was_never_seen(dead: MemoryDeadLetters | None) -> None:
    engine = asking()
    found = engine.explainer.explain(ACCOUNT, "lost-1")
    assert with_logs(found, ACCOUNT, engine.explainer, dead, None) == found


# --- what was never seen -------------------------------------------------------------------------------------------------------


def test_what_was_never_seen_comes_with_what_to_check() -> None:
    explained = asking().explain("g77")
    assert (explained.found, explained.sentence, explained.decisions) == (
        False,
        f"Nothing called g77 has been seen in account {ACCOUNT}.",
        (),
    )
    assert explained.check == (
        "User 501's Google calendar is connected since 2026-03-01T09:00:00.000Z.",
        "Was the meeting created after its owner's calendar was connected, and while it was? Earlier ones are not synced.",
        "Is it in that user's primary calendar? Others are not synced.",
        UNDERSTOOD,
        "The engine has caught up with everything it was told: source position 7.",
    )


@pytest.mark.parametrize(
    ("event", "says"),
    [
        pytest.param(ended(), "User 501's Google calendar is disconnected (asked).", id="disconnected"),
        pytest.param(
            ended(kind="deauthorised"), "User 501's Google calendar has lost its authorisation (asked)", id="without authorisation"
        ),
    ],
)
def test_a_connection_that_does_not_work_is_named(event: dict[str, Any], says: str) -> None:
    assert any(check.startswith(says) for check in asking(event).explain("g77").check)


def test_an_account_without_a_calendar_is_told_so() -> None:
    explained = Asking().explain("g77")
    assert explained.check[0] == f"No calendar is connected in account {ACCOUNT}: meetings are synced that are created once one is."


def test_many_connections_are_counted() -> None:
    engine = asking(*[connected(f"6{n:02}") for n in range(9)])
    assert f"There are 5 more connections: see `rendezvous connections {ACCOUNT}`." in engine.explain("g77").check


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param("new@acme.example", "own domain", id="own-domain"),
        pytest.param("new@team.acme.example", "own domain", id="a subdomain"),
        pytest.param("ben@acme.example", "a user of your CRM", id="crm-user"),
    ],
)
def test_an_address_that_would_never_be_logged_is_said_to_be(address: str, says: str) -> None:
    explained = asking().explain(address)
    assert not explained.found
    assert says in explained.sentence
    assert "would not be logged" in explained.sentence


def test_an_engine_that_lags_says_so() -> None:
    engine = asking()
    engine.publish([meeting()])
    assert any("of source position 8, 7 is decided" in check for check in engine.explain("g1").check)
    assert not engine.explain("g1").found


def test_an_answer_is_told_to_be_older_than_what_waits_also_where_it_is_not_in_doubt() -> None:
    engine = asking(meeting())
    assert engine.explain("g1").check == ()
    engine.publish([deleted()])
    [check] = engine.explain("g1").check
    assert check == (
        "The engine has not caught up: of source position 9, 8 is decided, and 0 domain events wait to be folded. "
        "Ask again in a moment; if that does not help, see `rendezvous doctor`."
    )


class Apart(Progress):
    """Its log does not answer."""

    def standing(self, account: str) -> Standing:
        raise TryAgain("no broker answers")


def test_a_log_that_is_away_keeps_nobody_from_an_explanation() -> None:
    engine = asking()
    apart = Apart(engine.source, engine.store, engine.domain_log, engine.views)
    found = engine.explainer.explain(ACCOUNT, "g77")
    assert with_logs(found, ACCOUNT, engine.explainer, engine.dead, apart) == found


OF_ANA = "User 501's Google calendar is connected since 2026-03-01T09:00:00.000Z."
OF_EMAIL = "Is the address the Email property of a contact in the CRM? Only that one is matched, whatever its case."
CAUGHT_UP = "The engine has caught up with everything it was told: source position 9."


@pytest.mark.parametrize(
    ("event", "what", "check"),
    [
        pytest.param(meeting(created=hour(-100)), "g1", [OF_ANA, CAUGHT_UP], id="when its owner was connected"),
        pytest.param(meeting(user="503"), "g1", ["User 503 has never connected a calendar.", CAUGHT_UP], id="that its owner never was"),
        pytest.param(meeting(guests=(STRANGER,)), "g1", [], id="no contact, of a meeting"),
        pytest.param(meeting(guests=(STRANGER,)), STRANGER, [OF_EMAIL, CAUGHT_UP], id="no contact, of a guest"),
        pytest.param(meeting(privacy="private"), "g1", [], id="private"),
        pytest.param(meeting(provenance={"primary": False}), "google:501:g1:0", [], id="of another calendar"),
    ],
)
def test_of_what_has_its_rule_only_that_is_to_be_checked(event: dict[str, Any], what: str, check: list[str]) -> None:
    assert list(asking(connected("502", "office365"), event).explain(what).check) == check


def test_what_is_among_the_dead_letters_is_to_be_looked_at_there() -> None:
    engine = unreadable(asking(), b'{"id":"lost-1"}')
    check, _ = engine.explain("lost-1").check
    assert check == "What was sent, and what is wrong with it: see `rendezvous dead-letters show 0-8`."


def test_that_a_meeting_is_in_no_timeline_is_said_once() -> None:
    engine = asking(meeting(guests=(STRANGER,)), meeting("g2", created=hour(-100)))
    assert engine.explain("g1").sentence == f"g1: {IN_NO_TIMELINE}"
    [meeting_id] = {one.meeting for one in engine.explain("g1").decisions}
    assert engine.explain(str(meeting_id)).sentence == IN_NO_TIMELINE
    assert engine.explain("g2").sentence.endswith(f"so it is not synced. {NOWHERE}")


def test_of_many_decisions_the_newest_are_shown_and_their_number_said() -> None:
    engine = asking(*[meeting(f"g{n}") for n in range(120)])
    explained = engine.explain(BO)
    assert len(explained.decisions) == MOST
    assert explained.check[0] == f"Only the newest {MOST} of 241 decisions are shown."
    assert explained.decisions[-1].event == "google:501:g119:0"


@pytest.mark.parametrize("what", ["", "   ", "\0", "@", "x" * 5000, "%27;--", "{who}", "00000000-0000-0000-0000-000000000000"])
def test_nothing_that_is_asked_breaks_it(what: str) -> None:
    explained = asking().explain(what)
    assert not explained.found
    assert len(explained.what) <= 1024
    assert json.loads(text(explained))["decisions"] == []
