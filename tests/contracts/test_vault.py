"""One examination for the vault over every table of keys; the memory twin sits it first. A new table is one line in `TABLES`, and
in `LASTING` too if its keys outlive the process."""

from __future__ import annotations

import stat
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.keys import MemoryKeys
from adapters.postgres.keys import PostgresKeys
from adapters.sqlite.keys import SqliteKeys
from adapters.vault import Keys, SealingVault, Whose
from domain.people import KEY_LENGTH, Person, key_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

ROOT = Path(__file__).parents[2]
Make = Callable[[Path], Keys]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteKeys(folder / "vault.db"),
    "postgres": lambda folder: PostgresKeys(database(folder)),
}
TABLES: dict[str, Make] = {"memory": lambda _: MemoryKeys(), **LASTING}

ACME, BETA = "62515", "70001"
BO = ("bo@client.example", "Bo")
NOBODY = Person("", erased=True)


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Keys:
    made: Keys = request.param(tmp_path)
    return made


@pytest.fixture
def vault(keys: Keys) -> SealingVault:
    return SealingVault(keys)


def seal_one(vault: SealingVault, address: str, name: str | None = None, account: str = ACME) -> str:
    [token] = vault.seal(account, [(address, name)])
    return token


def open_one(vault: SealingVault, token: str, account: str = ACME) -> Person:
    return vault.open(account, [token])[token]


# --- person keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param("BO@Client.Example", True, id="case"),
        pytest.param(" \tbo@client.example\n", True, id="surrounding blanks"),
        pytest.param("bo+tag@client.example", False, id="a plus tag"),
        pytest.param("b.o@client.example", False, id="a dot"),
        pytest.param("bo@client.example.", False, id="a last dot"),
        pytest.param("bo @client.example", False, id="a blank inside"),
    ],
)
def test_a_person_key_ignores_case_and_surrounding_blanks_only(vault: SealingVault, other: str, same: bool) -> None:
    assert (vault.key(ACME, other) == vault.key(ACME, "bo@client.example")) is same


def test_a_person_key_is_22_characters_that_say_nothing(vault: SealingVault) -> None:
    key = vault.key(ACME, BO[0])
    assert (len(key), set(key) <= set(string.ascii_letters + string.digits + "-_")) == (KEY_LENGTH, True)
    assert key != SealingVault(MemoryKeys()).key(ACME, BO[0]), "another installation has another secret"


def test_two_accounts_have_two_keys_for_one_address(vault: SealingVault) -> None:
    assert vault.key(ACME, BO[0]) != vault.key(BETA, BO[0])


# --- sealing and opening ----------------------------------------------------------------------------------------------


def test_who_was_sealed_is_opened(vault: SealingVault) -> None:
    token = seal_one(vault, " Bo@Client.example ", "Bo B.")
    assert open_one(vault, token) == Person(vault.key(ACME, "bo@client.example"), "Bo@Client.example", "Bo B.", "client.example")
    assert key_of(token) == vault.key(ACME, "bo@client.example")


def test_a_person_without_a_name_has_none(vault: SealingVault) -> None:
    assert open_one(vault, seal_one(vault, "bo@client.example")).name is None


def test_many_are_answered_in_their_order(vault: SealingVault) -> None:
    known = seal_one(vault, "p7@client.example", "P7")
    people: list[tuple[str, str | None]] = [(f"p{n % 2_000}@client.example", f"P{n % 2_000}") for n in range(4_000)]
    tokens = vault.seal(ACME, people)
    opened = vault.open(ACME, iter(tokens))
    assert [(opened[token].email, opened[token].name) for token in tokens] == people
    assert (tokens[7], len(opened)) == (known, 2_000)


def test_nobody_is_nobody(vault: SealingVault) -> None:
    assert (vault.seal(ACME, []), vault.open(ACME, [])) == ([], {})


def test_the_same_pair_gives_the_same_token_also_when_it_is_not_remembered(keys: Keys) -> None:
    tokens = [seal_one(SealingVault(keys, remembered=1), *BO) for _ in range(3)]
    assert len(set(tokens)) == 1


def test_different_content_of_one_person_shares_the_key_and_nothing_else(vault: SealingVault) -> None:
    pairs: list[tuple[str, str | None]] = [BO, (BO[0], None), (BO[0], ""), (BO[0], "Bob"), ("BO@client.example", "Bo")]
    tokens = vault.seal(ACME, pairs)
    assert (len({key_of(token) for token in tokens}), len({token[KEY_LENGTH:][:17] for token in tokens})) == (1, len(pairs))


def test_people_of_many_accounts_are_sealed_and_opened_at_once(keys: Keys) -> None:
    people: dict[str, list[tuple[str, str | None]]] = {f"account {n}": [(f"p{n}@client.example", "P"), BO, BO] for n in range(50)}
    sealed = SealingVault(keys).seal_all(people)
    vault = SealingVault(keys)
    assert sealed == {account: vault.seal(account, some) for account, some in people.items()}
    opened = SealingVault(keys).open_all(sealed)
    assert {account: [opened[token].email for token in tokens] for account, tokens in sealed.items()} == {
        account: [email for email, _ in some] for account, some in people.items()
    }
    assert opened == {token: vault.open(account, [token])[token] for account, tokens in sealed.items() for token in tokens}


def test_an_erased_person_among_those_of_many_accounts_is_erased_in_his_own_alone(vault: SealingVault) -> None:
    vault.erase(ACME, [vault.key(ACME, BO[0])])
    sealed = vault.seal_all({ACME: [BO, ("cy@client.example", "Cy")], "other": [BO]})
    opened = vault.open_all(sealed)
    assert [[opened[token].erased for token in tokens] for tokens in sealed.values()] == [[True, False], [False]]


def test_a_vault_that_remembers_little_still_answers_all(keys: Keys) -> None:
    vault = SealingVault(keys, remembered=3)
    people: list[tuple[str, str | None]] = [(f"p{n}@client.example", None) for n in range(20)]
    tokens = vault.seal(ACME, people)
    assert vault.seal(ACME, people) == tokens
    assert [person.email for person in vault.open(ACME, tokens).values()] == [address for address, _ in people]
    assert [vault.key(ACME, address) for address, _ in people] == [key_of(token) for token in tokens]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(address=_TEXT, name=st.none() | _TEXT)
@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_any_address_and_name_come_back(make: Make, tmp_path_factory: pytest.TempPathFactory, address: str, name: str | None) -> None:
    # One folder for all examples: making a table of keys for each would be most of the work, and their deadline.
    vault = SealingVault(make(tmp_path_factory.getbasetemp()))
    person = open_one(vault, seal_one(vault, address, name))
    assert (person.key, person.email, person.name, person.erased) == (vault.key(ACME, address), address.strip(), name, False)


# --- what is not opened -----------------------------------------------------------------------------------------------


def test_another_account_cannot_open_a_token(vault: SealingVault) -> None:
    token = seal_one(vault, *BO)
    seal_one(vault, *BO, account=BETA)
    assert open_one(vault, token).email == BO[0], "and it is remembered from here on"
    assert (open_one(vault, token, BETA), open_one(vault, token).email) == (NOBODY, BO[0])


def test_a_box_does_not_open_under_another_persons_key(vault: SealingVault) -> None:
    bo, cy = seal_one(vault, *BO), seal_one(vault, "cy@client.example", "Cy")
    assert open_one(vault, key_of(cy) + bo[KEY_LENGTH:]) == NOBODY


FORGED = {
    "nothing": "",
    "a word": "garbage",
    "a key without its dot": "A" * KEY_LENGTH,
    "a key too short": "A" * (KEY_LENGTH - 1) + ".",
    "a key too long": "A" * (KEY_LENGTH + 1) + ".",
    "characters that no key has": "é" * KEY_LENGTH + ".",
    "an address": "bo@client.example",
    "a key nobody has": "A" * KEY_LENGTH + "." + "A" * 60,
    "a line break behind": "A" * KEY_LENGTH + ".\n",
    "a null": "\0",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_what_is_no_token_opens_to_nobody(vault: SealingVault, token: str) -> None:
    seal_one(vault, *BO)
    assert open_one(vault, token) == NOBODY


@pytest.mark.parametrize("length", [1, 2, 15, 16, 37, 38, 39, 40])
def test_a_token_cut_off_opens_to_nobody(vault: SealingVault, length: int) -> None:
    assert open_one(vault, seal_one(vault, *BO)[: KEY_LENGTH + 1 + length]) == NOBODY


@pytest.mark.parametrize("name", ["", "B", "Bo"], ids=["no bits to spare", "four bits to spare", "two bits to spare"])
def test_a_token_with_any_one_bit_changed_opens_to_nobody(vault: SealingVault, name: str) -> None:
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    token = seal_one(vault, "b@client.example", name)
    # The lowest bit of each character; of the last one it stands behind the last byte, where there is room.
    changed = [token[:at] + alphabet[alphabet.index(token[at]) ^ 1] + token[at + 1 :] for at in range(len(token)) if token[at] != "."]
    assert (set(vault.open(ACME, changed).values()), open_one(vault, token).name) == ({NOBODY}, name)


# --- erasing ----------------------------------------------------------------------------------------------------------


def test_every_token_of_an_erased_person_opens_to_its_key_alone(vault: SealingVault) -> None:
    tokens = vault.seal(ACME, [BO, (BO[0], "Bob"), ("cy@client.example", "Cy")])
    vault.open(ACME, tokens)
    key = vault.key(ACME, BO[0])
    vault.erase(ACME, iter([key]))
    opened = vault.open(ACME, tokens)
    assert [opened[token] for token in tokens[:2]] == [Person(key, erased=True)] * 2
    assert opened[tokens[2]].name == "Cy"


def test_an_erased_persons_token_holds_nothing_for_ever(vault: SealingVault) -> None:
    seal_one(vault, *BO)
    key = vault.key(ACME, BO[0])
    vault.erase(ACME, [key])
    told_again = [vault.seal(ACME, [BO, (" BO@client.example", None), BO]) for _ in range(2)]
    assert (told_again, open_one(vault, f"{key}.")) == ([[f"{key}."] * 3] * 2, Person(key, erased=True))


def test_who_was_never_sealed_can_be_erased(vault: SealingVault) -> None:
    key = vault.key(ACME, BO[0])
    vault.erase(ACME, [key])
    assert seal_one(vault, *BO) == f"{key}."


def test_erasing_twice_is_erasing_once_and_erasing_nobody_is_nothing(vault: SealingVault) -> None:
    token, key = seal_one(vault, *BO), vault.key(ACME, BO[0])
    vault.erase(ACME, [])
    assert open_one(vault, token).name == "Bo"
    vault.erase(ACME, [key, key])
    vault.erase(ACME, [key])
    assert open_one(vault, token) == Person(key, erased=True)


def test_a_person_is_erased_in_one_account_only(vault: SealingVault) -> None:
    seal_one(vault, *BO)
    there = seal_one(vault, *BO, account=BETA)
    vault.erase(ACME, [vault.key(ACME, BO[0])])
    assert (open_one(vault, there, BETA).name, seal_one(vault, *BO, account=BETA)) == ("Bo", there)


def test_an_erasure_elsewhere_is_noticed(keys: Keys) -> None:
    here, elsewhere = SealingVault(keys), SealingVault(keys)
    token = seal_one(here, *BO)
    assert open_one(here, token).name == "Bo"
    elsewhere.erase(ACME, [here.key(ACME, BO[0])])
    assert (open_one(here, token).erased, seal_one(here, *BO)) == (True, f"{key_of(token)}.")


class _Overtaken(MemoryKeys):
    """Lets somebody act between the question for data keys and what is done with the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def get(self, keys: Collection[Whose]) -> dict[Whose, bytes | None]:
        found = super().get(keys)
        act, self.meanwhile = self.meanwhile, lambda: None
        act()
        return found


def test_a_call_overtaken_by_an_erasure_leaves_nothing_remembered() -> None:
    keys = _Overtaken()
    vault = SealingVault(keys)
    token, key = seal_one(vault, *BO), vault.key(ACME, BO[0])
    keys.meanwhile = lambda: vault.erase(ACME, [key])
    open_one(vault, token)
    assert (open_one(vault, token), seal_one(vault, *BO)) == (Person(key, erased=True), f"{key}.")


def test_an_erasure_that_comes_between_asking_and_bringing_a_key_wins() -> None:
    keys = _Overtaken()
    vault = SealingVault(keys)
    key = vault.key(ACME, BO[0])
    keys.meanwhile = lambda: keys.destroy(ACME, [key])
    assert seal_one(vault, *BO) == f"{key}."


def test_threads_that_meet_a_person_first_agree_on_the_token(keys: Keys) -> None:
    people: list[tuple[str, str | None]] = [(f"p{n}@client.example", None) for n in range(50)]
    told: list[list[str]] = []
    threads = [threading.Thread(target=lambda: told.append(SealingVault(keys).seal(ACME, people))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [told[0]] * 4


# --- tables that last -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_keys_tokens_and_erasures_outlive_the_process(make: Make, tmp_path: Path) -> None:
    first = SealingVault(make(tmp_path))
    bo, cy = first.seal(ACME, [BO, ("cy@client.example", None)])
    first.erase(ACME, [key_of(cy)])
    again = SealingVault(make(tmp_path))
    assert again.seal(ACME, [BO, ("cy@client.example", "Cy")]) == [bo, f"{key_of(cy)}."]
    assert again.open(ACME, [bo, cy]) == {bo: Person(key_of(bo), *BO, "client.example"), cy: Person(key_of(cy), erased=True)}


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_an_erasure_through_another_opening_is_noticed(make: Make, tmp_path: Path) -> None:
    here, elsewhere = SealingVault(make(tmp_path)), SealingVault(make(tmp_path))
    token = seal_one(here, *BO)
    assert open_one(here, token).name == "Bo"
    elsewhere.erase(ACME, [key_of(token)])
    assert (open_one(here, token).erased, seal_one(here, *BO)) == (True, f"{key_of(token)}.")


# --- SQLite's own -----------------------------------------------------------------------------------------------------

_SEALER = """
import sys
from itertools import pairwise
from pathlib import Path
from adapters.sqlite.keys import SqliteKeys
from adapters.vault import SealingVault
print(SealingVault(SqliteKeys(Path(sys.argv[1]))).seal("62515", [("bo@client.example", "Bo")])[0])
"""


def test_processes_that_open_a_new_vault_at_once_share_its_secret_and_keys(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", _SEALER, str(tmp_path / "vault.db")]
    sealers = [subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [sealer.communicate(timeout=60)[0] for sealer in sealers]
    assert (told[0].startswith(key_of(told[0])), told) == (True, [told[0]] * 3)
    assert open_one(SealingVault(SqliteKeys(tmp_path / "vault.db")), told[0].strip()).email == BO[0]


def _on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_nothing_of_an_erased_person_is_left_on_the_disk(tmp_path: Path) -> None:
    # Enough people, in no order and in batches of all sizes, for the pages of table and index to have split many times.
    keys = SqliteKeys(tmp_path / "vault.db")
    vault = SealingVault(keys)
    people: list[tuple[str, str | None]] = [(f"p{n}@client.example", f"Guest {n}") for n in range(3_000)]
    bounds = [0, *range(1, 30), 100, 350, 351, 1_000, 1_001, 2_900, 3_000]
    for begin, end in pairwise(bounds):
        vault.seal(ACME, people[begin:end])
    person_keys = [vault.key(ACME, address) for address, _ in people]
    data_keys = {key: data_key for (_, key), data_key in keys.get([(ACME, key) for key in person_keys]).items()}
    kept, before = person_keys[::7], _on_disk(tmp_path)
    erased = sorted(set(person_keys) - set(kept))
    assert all((data_keys[key] or b"?") in before for key in person_keys), "the test looks where keys are"

    vault.erase(ACME, erased)

    after = _on_disk(tmp_path)
    assert [key for key in erased if (data_keys[key] or b"") in after] == []
    assert all((data_keys[key] or b"?") in after for key in kept)
    assert (b"client.example" in before, b"client.example" in after, b"Guest" in after) == (False, False, False)


def test_only_its_owner_may_read_the_vault(tmp_path: Path) -> None:
    keys = SqliteKeys(tmp_path / "vault.db")
    SealingVault(keys).seal(ACME, [BO])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert (modes["vault.db"], modes["vault.db-wal"]) == (0o600, 0o600)
