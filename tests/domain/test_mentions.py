"""Addresses that somebody typed into a text: which there are, and that sealing and opening leaves the rest as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import mentions
from domain.people import KEY_LENGTH, Person

BO, CY = "B" * KEY_LENGTH, "C" * KEY_LENGTH


def token(address: str) -> str:
    """A made-up token: a person's key, and a box that differs with the spelling."""
    return f"{(BO if address.lower().startswith('bo@') else CY)}.{address.encode().hex()}"


def person(of: str) -> Person:
    return Person(of[:KEY_LENGTH], bytes.fromhex(of.partition(".")[2]).decode())


FOUND = {
    "alone": ("bo@client.example", ["bo@client.example"]),
    "in a sentence": ("Call bo@client.example, then cy@client.example.", ["bo@client.example", "cy@client.example"]),
    "in brackets": ("Bo <bo@client.example> (cy@client.example)", ["bo@client.example", "cy@client.example"]),
    "in quotes": ("'bo@client.example' and \"cy@client.example\"", ["bo@client.example", "cy@client.example"]),
    "a link": ("mailto:bo@client.example?subject=x", ["bo@client.example"]),
    "a query": ("https://meet.example/?who=bo@client.example&x=1", ["bo@client.example"]),
    "with a tag and dots": ("b.o'neil+crm_1-2@sub.client.example", ["b.o'neil+crm_1-2@sub.client.example"]),
    "of letters beyond ASCII": ("bücher@müller.example", ["bücher@müller.example"]),
    "twice": ("bo@client.example bo@client.example", ["bo@client.example"] * 2),
    "one running into the next": ("bo@client.example@client.example", ["bo@client.example"]),
    "after a stop": (".bo@client.example", ["bo@client.example"]),
    "after a dash": ("-bo@client.example", ["bo@client.example"]),
    "at the end of a sentence": ("to bo@client.example!", ["bo@client.example"]),
    "no domain": ("bo@", []),
    "a domain of one name": ("bo@localhost", []),
    "nobody": ("@client.example", []),
    "a handle": ("ask @bo about it", []),
    "a price": ("3 @ 4.50", []),
    "a Teams meeting": ("https://teams.example/19:meeting_Mz@thread.v2/0", []),
    "a version behind it": ("bo@client.example.v2", ["bo@client.example"]),
    "of a domain in punycode": ("bo@client.xn--p1ai", ["bo@client.xn--p1ai"]),
    "blanks around it": ("bo @ client.example", []),
    "empty": ("", []),
    "nothing": (None, []),
    "too long before the @": ("x" * 70 + "@client.example", ["x" * 64 + "@client.example"]),
}


@pytest.mark.parametrize(("text", "found"), FOUND.values(), ids=FOUND.keys())
def test_the_addresses_in_a_text(text: str | None, found: list[str]) -> None:
    assert mentions.addresses(text) == found


def test_a_sealed_text_holds_no_address_and_opens_to_what_was_typed() -> None:
    text = "Call Bo@Client.example (or cy@client.example) at 9"
    sealed = mentions.sealed(text, token)
    assert sealed is not None
    assert mentions.addresses(sealed) == []
    assert mentions.tokens(sealed) == [token("Bo@Client.example"), token("cy@client.example")]
    assert mentions.opened(sealed, {one: person(one) for one in mentions.tokens(sealed)}) == text


def test_somebody_erased_is_not_named() -> None:
    sealed = mentions.sealed("bo@client.example and cy@client.example", token)
    people = {token("bo@client.example"): Person(BO, erased=True), token("cy@client.example"): person(token("cy@client.example"))}
    assert mentions.opened(sealed, people) == "[erased] and cy@client.example"
    assert mentions.opened(sealed, {}) == "[erased] and [erased]"


@pytest.mark.parametrize("text", [None, "", "Kick-off", "3 @ 4", "\ue000 an icon \ue001", f"{BO}.x"])
def test_a_text_that_names_nobody_stays_as_it_is(text: str | None) -> None:
    assert (mentions.sealed(text, token), mentions.opened(text, {}), mentions.unmarked(text), mentions.tokens(text)) == (
        text,
        text,
        text,
        [],
    )


def test_what_only_we_may_say_is_taken_out_of_what_comes_from_outside() -> None:
    sealed = mentions.sealed("bo@client.example", token)
    bare = mentions.unmarked(sealed)
    assert (bare, mentions.tokens(bare)) == (token("bo@client.example"), [])


def test_texts_that_differ_by_an_erasure_or_a_spelling_alone_say_the_same() -> None:
    before, other = (mentions.sealed(text, token) for text in ("Call bo@client.example", "Call BO@client.example"))
    after = mentions.sealed("Call bo@client.example", lambda _: f"{BO}.")
    assert before != other
    assert mentions.alike(before, other)
    assert mentions.alike(before, after)
    assert mentions.alike("Kick-off", "Kick-off")
    assert not mentions.alike(before, mentions.sealed("Call cy@client.example", token))
    assert not mentions.alike(before, "Call ")
    assert not mentions.alike(None, before)


def test_erased_addresses_leave_opened_texts_and_the_others_keep_their_keys() -> None:
    texts = ("bo@client.example, cy@client.example", None, "at bo@client.example's")
    assert mentions.without(texts, [BO, CY, BO], frozenset([BO])) == (("[erased], cy@client.example", None, "at [erased]'s"), (CY,))
    left = mentions.without(texts, [BO, CY, BO], frozenset([CY]))
    assert left == (("bo@client.example, [erased]", None, texts[2]), (BO, BO))
    assert mentions.without(left[0], left[1], frozenset([BO])) == (("[erased], [erased]", None, "at [erased]'s"), ())


def test_a_text_that_was_stored_before_any_was_sealed_is_left_alone() -> None:
    assert mentions.without(("bo@client.example",), [], frozenset([BO])) == (("bo@client.example",), ())


PIECES = st.sampled_from(
    ["bo@client.example", "Cy@x.example", "@", ".", "a", " ", "<", "'", "\ue000", "\ue001", "-", "é", "b@c", f"{BO}.x"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_is_typed_opens_to_itself(text: str) -> None:
    told = mentions.unmarked(text)
    sealed = mentions.sealed(told, token)
    found = mentions.tokens(sealed)
    assert found == [token(address) for address in mentions.addresses(told)]
    assert mentions.opened(sealed, {one: person(one) for one in found}) == told
    keys = [one[:KEY_LENGTH] for one in found]
    erased = mentions.opened(sealed, {one: Person(BO, erased=True) if one.startswith(BO) else person(one) for one in found})
    assert mentions.without((told,), keys, frozenset([BO])) == ((erased,), tuple(key for key in keys if key != BO))


def test_a_text_of_nothing_but_signs_takes_no_time() -> None:
    for text in ("@" * 200_000, "a@" * 100_000, "a" * 200_000 + "@", ".@" * 100_000, ("x" * 63 + "@") * 3_000):
        assert mentions.addresses(text) == []
