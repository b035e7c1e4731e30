"""Addresses are compared without case and surrounding blanks, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.people import KEY_LENGTH, Person, domain_of, key_of, normalised


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("bo@client.example", "bo@client.example"),
        ("Bo@CLIENT.Example", "bo@client.example"),
        ("  bo@client.example\t\n", "bo@client.example"),
        ("\u00a0bo@client.example\u2003", "bo@client.example"),
        ("bo+news@client.example", "bo+news@client.example"),
        ("b.o@client.example", "b.o@client.example"),
        ("b o@client.example", "b o@client.example"),
        ("BJÖRN@client.example", "björn@client.example"),
        ("ΝΙΚΟΣ@client.example", "νικος@client.example"),
        ("STRAßE@client.example", "straße@client.example"),
        ("STRASSE@client.example", "strasse@client.example"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_an_address_for_comparison(address: str, expected: str) -> None:
    assert normalised(address) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bo+news@client.example", "bo@client.example"),
        ("b.o@gmail.com", "bo@gmail.com"),
        ("bo@client.example", "bo@mail.client.example"),
        ("bjorn@client.example", "björn@client.example"),
        ("strasse@client.example", "straße@client.example"),
        ("νικος@client.example", "νικοσ@client.example"),
    ],
    ids=["plus tag", "dot", "subdomain", "accent", "sharp s", "final sigma"],
)
def test_these_are_two_people(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.emails(), st.sampled_from(["", " ", "\t", "\n "]))
def test_case_and_blanks_around_do_not_count(address: str, blank: str) -> None:
    assert normalised(blank + address.upper() + blank) == normalised(address) == normalised(normalised(address))


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("bo@client.example", "client.example"),
        ('"a@b"@client.example', "client.example"),
        ("bo@", ""),
        ("bo", ""),
        ("", ""),
        ("@client.example", "client.example"),
    ],
)
def test_the_domain_stands_behind_the_last_at(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_a_token_begins_with_the_persons_key() -> None:
    assert KEY_LENGTH == 22
    assert key_of("A" * 22 + "sealed") == "A" * 22
    assert key_of("A" * 22) == "A" * 22


def test_of_an_erased_person_only_the_key_is_left() -> None:
    assert Person("K", erased=True) == Person("K", email=None, name=None, domain="", erased=True)
