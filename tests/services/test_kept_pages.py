"""Answers kept in memory: of one position of the read models, and of no other."""

from __future__ import annotations

from litestar.testing import TestClient

from services.api.timelines import Kept, Whole
from tests.examples import contact_said, meeting
from tests.services.asking import asking

ASKED = ("62515", "151", b"limit=3")


def page(body: bytes = b"{}") -> Whole:
    return Whole(b'W/"1"', [], body)


def test_an_answer_is_given_again_at_its_position_only() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    assert (kept.get(7, ASKED), kept.get(8, ASKED), kept.get(6, ASKED)) == (page(), None, None)


def test_another_question_is_another_answer() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    assert [kept.get(7, asked) for asked in (("62516", "151", b"limit=3"), ("62515", "152", b"limit=3"), ("62515", "151", b""))] == [
        None
    ] * 3


def test_with_the_next_position_nothing_of_the_one_before_is_held() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    kept.put(8, ("62515", "152", b""), page())
    assert kept.get(8, ASKED) is None


def test_what_does_not_fit_starts_anew() -> None:
    kept = Kept(most=10)
    kept.put(7, ASKED, page(b"123456"))
    kept.put(7, ("62515", "152", b""), page(b"123456"))
    assert (kept.get(7, ASKED), kept.get(7, ("62515", "152", b""))) == (None, page(b"123456"))


PAGE = "/v1/contacts/151/timeline"


def test_through_the_api_a_change_an_erasure_and_a_revoked_token_count_at_once() -> None:
    engine = asking(meeting())
    header = engine.header("timeline:read")
    with TestClient(engine.app()) as client:

        def titles() -> list[str]:
            return [entry["title"] for entry in client.get(PAGE, headers=header).json()["entries"]]

        assert (titles(), titles()) == (["Kick-off"], ["Kick-off"])
        engine.tell(meeting(revision=1, title="Renamed"))
        assert (titles(), titles()) == (["Renamed"], ["Renamed"])
        assert client.get(PAGE, headers=engine.header("timeline:read", account="70001")).status_code == 404
        (token,) = engine.tokens.list("62515")
        engine.tokens.revoke(token.id)
        assert client.get(PAGE, headers=header).status_code == 401
        engine.tell(contact_said("151", "contact.erased", 2))
        assert client.get(PAGE, headers=engine.header("timeline:read")).status_code == 404
