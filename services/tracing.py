"""Following one source event through the roles, in the log of each: a line where it was accepted, decided, relayed and folded.

`correlation` is the same in all of them. It is a digest, because the ids that sides give may hold an address, and no log may. What must
stay true: as long as nobody listens (log level debug), nothing is computed and nothing is written.
"""

from __future__ import annotations

import msgspec
import structlog

from domain.ports import DomainRecord
from domain.sighting import digest

log = structlog.get_logger(__name__)

_listening = False


class _Caused(msgspec.Struct):
    """What every domain event says of where it came from."""

    account: str
    cause: str


_caused = msgspec.json.Decoder(_Caused)


def listen(to: bool) -> None:
    """Write such lines from now on, or none. A process says so once, when it begins."""
    global _listening
    _listening = to


def is_listening() -> bool:
    """Is anybody listening?"""
    return _listening


def correlation(account: str, event: str) -> str:
    """What stands for a source event, by its account and id: 16 hexadecimal digits.

    >>> correlation("62515", "google:ana@acme.example:7k1b0")
    '0c21b220d4af177c'
    """
    return f"{digest('correlation', account, event):016x}"


def followed(what: str, account: str, event: str, **said: object) -> None:
    """A line, if anybody listens: what happened to a source event, or to what followed from it."""
    if _listening:
        log.debug(what, account=account, correlation=correlation(account, event), **said)


def followed_records(what: str, records: list[DomainRecord]) -> None:
    """The same for domain events, by the source event they followed from."""
    for record in records if _listening else ():
        caused = _caused.decode(record.body)
        followed(what, caused.account, caused.cause, id=record.id, name=record.name, stream=record.stream.hex, version=record.version)
