"""The folder of an embedded installation, looked at from outside: is there one, is each of its files a database, does it hold everything.

What must stay true: looking makes nothing; and of an installation on servers there is nothing to say here.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import AskAPerson, BadInput

if TYPE_CHECKING:
    from services.settings import Settings

_HEAD = b"SQLite format 3\0"
_LOOK_SECONDS = 2.0
"""How long a look waits for whoever has the file."""


def files(settings: Settings) -> list[Path]:
    """The installation's files that are there, by name."""
    found = set(settings.store_folder().glob("*.sqlite")) if settings.scheme_of_store() == "sqlite" else set()
    if settings.scheme_of_log() == "sqlite" and settings.log_file().is_file():
        found.add(settings.log_file())
    return sorted(found, key=lambda file: file.name)


def must_be_folder(settings: Settings) -> None:
    """Raises `BadInput` if a file stands where the folder is or should be."""
    folder = settings.store_folder()
    if settings.scheme_of_store() == "sqlite" and folder.exists() and not folder.is_dir():
        raise BadInput(str(folder), "this is a file, and not the folder of an installation")


def must_exist(settings: Settings) -> None:
    """Raises `AskAPerson` if everything is in files, and there are none."""
    folder = settings.store_folder()
    if settings.embedded() and not files(settings):
        raise AskAPerson(f"no installation in {folder}; `rendezvous publish` or `up` begins one")


def must_be_databases(settings: Settings) -> None:
    """Raises `BadInput`, naming the first file that is none."""
    for file in files(settings):
        if not is_database(file):
            raise BadInput(str(file), "this is no SQLite database; see `rendezvous doctor`, and put back the file of a backup")


def is_database(file: Path) -> bool:
    """Does it begin like one? An empty file is one that nobody has written to."""
    with file.open("rb") as opened:
        head = opened.read(len(_HEAD))
    return head in (b"", _HEAD)


def soundness(file: Path) -> str:
    """What SQLite says of a file: ok, or what is wrong."""
    try:
        with closing(sqlite3.connect(file, timeout=_LOOK_SECONDS)) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return said.splitlines()[-1]  # above it stands only which database of a connection's it is


def bring_in(settings: Settings) -> None:
    """Bring what stands in write-ahead logs into the files, so that who copies these has everything. A file that somebody else is
    working on keeps its log: he brings it in when he ends."""
    for file in files(settings):
        with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=_LOOK_SECONDS)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
