"""What is sealed opens for whom and what it was sealed for, under a key that is held, and else stops us; keys are rotated without
a loss."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.envelope import About, Envelope, KeyFile, keys_of
from domain.errors import Stop

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
ABOUT = About("62515", "google", "501", "grant")


@pytest.fixture
def envelope() -> Envelope:
    return Envelope({"2026": OLD})


@given(secret=st.binary(), account=st.text(), user=st.text(), kind=st.text())
def test_what_was_sealed_is_opened(secret: bytes, account: str, user: str, kind: str) -> None:
    about, envelope = About(account, "google", user, kind), Envelope({"2026": OLD})
    assert envelope.open(about, envelope.seal(about, secret)) == secret


def test_nothing_can_be_read_in_a_box_and_no_two_are_alike(envelope: Envelope) -> None:
    boxes = [envelope.seal(ABOUT, b"ya29.secret" * 9) for _ in range(9)]
    assert (len(set(boxes)), any(b"ya29" in box for box in boxes), {b"2026" in box[:6] for box in boxes}) == (9, False, {True})
    # Behind the id of the key no two share a piece: each has a data key of its own.
    assert len({box[at : at + 12] for box in boxes for at in (6, 66)}) == 18


OTHERS = {
    "another account": About("70001", "google", "501", "grant"),
    "another provider": About("62515", "office365", "501", "grant"),
    "another user": About("62515", "google", "502", "grant"),
    "another kind": About("62515", "google", "501", "cursor"),
    "parts run together otherwise": About("62515google", "", "501", "grant"),
    "parts with the separators of JSON": About('62515","google', "google", "501", "grant"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_box_opens_only_for_whom_and_what_it_was_sealed(envelope: Envelope, other: About) -> None:
    box = envelope.seal(ABOUT, b"secret")
    with pytest.raises(Stop, match="cannot be opened"):
        envelope.open(other, box)
    with pytest.raises(Stop, match="cannot be opened"):
        Envelope({"2026": OLD, "2027": NEW}).reseal(other, box)


def test_a_box_with_any_one_bit_changed_stops_us(envelope: Envelope) -> None:
    box = envelope.seal(ABOUT, b"secret")
    for at in range(len(box)):
        for bit in (1, 128):
            with pytest.raises(Stop):
                envelope.open(ABOUT, box[:at] + bytes([box[at] ^ bit]) + box[at + 1 :])


def test_a_box_cut_off_stops_us(envelope: Envelope) -> None:
    box = envelope.seal(ABOUT, b"")
    for length in range(len(box)):
        with pytest.raises(Stop):
            envelope.open(ABOUT, box[:length])


def test_a_box_of_another_id_of_the_same_key_stops_us() -> None:
    both = Envelope({"a": OLD, "b": OLD})
    box = Envelope({"a": OLD}).seal(ABOUT, b"secret")
    with pytest.raises(Stop, match="cannot be opened"):
        both.open(ABOUT, box.replace(b"\x01\x01a", b"\x01\x01b", 1))


# --- keys --------------------------------------------------------------------------------------------------------------------


def test_the_newest_seals_and_all_open() -> None:
    old, both, new = Envelope({"2026": OLD}), Envelope({"2026": OLD, "2027": NEW}), Envelope({"2027": NEW})
    assert both.newest == "2027"
    assert both.open(ABOUT, old.seal(ABOUT, b"before")) == b"before"
    assert new.open(ABOUT, both.seal(ABOUT, b"after")) == b"after"


def test_resealed_once_it_needs_the_old_key_no_more() -> None:
    both, new = Envelope({"2026": OLD, "2027": NEW}), Envelope({"2027": NEW})
    resealed = both.reseal(ABOUT, Envelope({"2026": OLD}).seal(ABOUT, b"secret"))
    assert resealed is not None
    assert (new.open(ABOUT, resealed), both.reseal(ABOUT, resealed), new.reseal(ABOUT, resealed)) == (b"secret", None, None)


def test_a_missing_key_is_named_and_a_wrong_one_too(envelope: Envelope) -> None:
    box = envelope.seal(ABOUT, b"secret")
    with pytest.raises(Stop, match="sealed under the key 2026, which is not among those held: 2027, 2028"):
        Envelope({"2027": NEW, "2028": OLD}).open(ABOUT, box)
    with pytest.raises(Stop, match="the key 2026 is not the one it was sealed under"):
        Envelope({"2026": NEW}).open(ABOUT, box)


def test_keys_are_asked_for_again_when_a_box_names_one_that_another_process_added() -> None:
    held = {"2026": OLD}
    running = Envelope(held, lambda: held)
    held = {"2026": OLD, "2027": NEW}
    assert running.open(ABOUT, Envelope({"2027": NEW}).seal(ABOUT, b"after")) == b"after"


def test_a_process_that_runs_on_seals_under_the_key_that_another_added() -> None:
    held = {"2026": OLD}
    running = Envelope(held, lambda: held)
    box = running.seal(ABOUT, b"before")
    held = {"2026": OLD, "2027": NEW}
    resealed = running.reseal(ABOUT, box)
    assert resealed is not None
    assert [Envelope({"2027": NEW}).open(ABOUT, one) for one in (resealed, running.seal(ABOUT, b"after"))] == [b"before", b"after"]


BAD_KEYS = {
    "none": ({}, "no key-encryption key"),
    "too short": ({"a": b"short"}, "needs a short name and 32 bytes; one has 5"),
    "too long": ({"a": bytes(33)}, "one has 33"),
    "without a name": ({"": bytes(32)}, "short name"),
    "with too long a name": ({"a" * 256: bytes(32)}, "short name"),
}


@pytest.mark.parametrize(("keys", "said"), BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_keys_that_are_none_stop_us(keys: dict[str, bytes], said: str) -> None:
    with pytest.raises(Stop, match=said):
        Envelope(keys)


def test_an_envelope_shown_shows_no_key() -> None:
    assert repr(Envelope({"2026": b"k" * 32})) == "Envelope(2026)"


# --- keys as text ------------------------------------------------------------------------------------------------------------

PLAIN, SAFE = base64.b64encode(b"\xfb\xff" * 16).decode(), base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode()
TEXTS = {
    "one": f"2026:{PLAIN}",
    "of the other alphabet": f"2026:{SAFE}",
    "without its padding": f"2026:{SAFE.rstrip('=')}",
    "with blanks around it": f" \n2026:{PLAIN}\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_key_is_read(text: str) -> None:
    assert keys_of(text) == {"2026": b"\xfb\xff" * 16}


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"], ids=["a blank", "a comma", "both", "a line end"])
def test_keys_are_read_in_their_order(between: str) -> None:
    zeros = base64.b64encode(bytes(32)).decode()
    assert list(keys_of(f"b:{zeros}{between}a:{PLAIN}").items()) == [("b", bytes(32)), ("a", b"\xfb\xff" * 16)]


@pytest.mark.parametrize(
    "text", ["", PLAIN, f":{PLAIN}", "2026:", "2026:c2hvcnQ=", "2026:not*base64*at*all", f"{PLAIN}:", f"2026:{PLAIN}{PLAIN}"]
)
def test_what_is_no_key_stops_us_and_is_not_quoted(text: str) -> None:
    with pytest.raises(Stop) as caught:
        keys_of(text)
    assert not any(secret in str(caught.value) for secret in (PLAIN[:20], "c2hvcnQ", "not*base64"))


# --- the file ----------------------------------------------------------------------------------------------------------------


def test_a_key_file_is_made_when_first_asked_for_and_then_stays(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "new" / "keys")
    first = file.keys()
    assert (len(first), KeyFile(tmp_path / "new" / "keys").keys(), [len(key) for key in first.values()]) == (1, first, [32])
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "new").iterdir()} == {0o600}


def test_of_those_who_make_a_key_file_at_once_all_have_the_same_key(tmp_path: Path) -> None:
    gate, found = threading.Barrier(6), list[dict[str, bytes]]()

    def ask() -> None:
        gate.wait()
        found.append(KeyFile(tmp_path / "keys").keys())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [KeyFile(tmp_path / "keys").keys()] * 6


def test_no_key_is_lost_when_several_rotate_at_once(tmp_path: Path) -> None:
    first = KeyFile(tmp_path / "keys").keys()
    threads = [threading.Thread(target=KeyFile(tmp_path / "keys").rotate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    after = KeyFile(tmp_path / "keys").keys()
    assert (len(after), next(iter(after.items())), len(set(after.values()))) == (7, *first.items(), 7)


def test_a_rotation_from_end_to_end(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys")
    running = Envelope(file.keys(), file.keys)
    box = running.seal(ABOUT, b"secret")
    [old] = file.keys()
    new = file.rotate()
    rotated = Envelope(file.keys(), file.keys)
    resealed = rotated.reseal(ABOUT, box)
    assert resealed is not None
    assert (file.keep_newest(), list(file.keys()), file.keep_newest()) == ([old], [new], [])
    assert running.open(ABOUT, resealed) == b"secret", "a process that runs on reads the file again"
    with pytest.raises(Stop, match=f"sealed under the key {old}"):
        Envelope(file.keys(), file.keys).open(ABOUT, box)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe"], ids=["empty", "no keys", "no text"])
def test_a_key_file_that_cannot_be_read_stops_us_and_is_not_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(Stop):
        KeyFile(tmp_path / "keys").keys()
    with pytest.raises(Stop):
        KeyFile(tmp_path / "keys").rotate()
    assert (tmp_path / "keys").read_bytes() == content
