"""What nobody outside Microsoft can say for sure, or what happens only now and then: to be set by a test or a demo."""

from __future__ import annotations

from typing import Any

import msgspec


class Switches(msgspec.Struct, kw_only=True):
    """Each default is what is documented, or what others saw most.

    Writing: `repeated_transaction` is what a second create with a transactionId is answered: `event` (201 and the first one) or
    `conflict` (409). `ids_change` when an item is taken elsewhere. `declined_stays` in the calendar of whom declined.

    Delta: `lost_occurrences` is how a round says that a series lost one: `removed` (by its id), `silent` (the series comes again without
    it). `series_again`: a series comes whole when one of its occurrences changes; otherwise the exception comes alone. `split_series`:
    a page may end within a series. `empty_pages`: one after each page. `repeated_items`: each page begins with the last item of the one
    before. `reset_status` and `reset_code` say that a link is forgotten; `kept_tokens` is how many a mailbox remembers. `events_delta`:
    is there one without a window?

    Subscriptions: `longest_minutes` of life; `twice` may the same be subscribed to; `pairs`: a creation is told as an update too.

    Limits: `per_ten_minutes` requests of a mailbox; `concurrent` requests of a mailbox, of which each takes `busy_ms` of the world's time
    (0: none is ever too many). `page` is how many items a page has if nobody says."""

    repeated_transaction: str = "event"
    ids_change: bool = True
    declined_stays: bool = False
    lost_occurrences: str = "removed"
    series_again: bool = True
    split_series: bool = False
    empty_pages: bool = False
    repeated_items: bool = False
    reset_status: int = 410
    reset_code: str = "SyncStateNotFound"
    kept_tokens: int = 4096
    events_delta: bool = True
    longest_minutes: int = 10_080
    twice: bool = False
    pairs: bool = False
    per_ten_minutes: int = 10_000
    concurrent: int = 4
    busy_ms: int = 0
    page: int = 10

    def set(self, changes: dict[str, Any]) -> None:
        """Set some. Raises `msgspec.ValidationError` for an unknown name or a wrong type, with nothing set."""
        unknown = changes.keys() - set(self.__struct_fields__)
        if unknown:
            raise msgspec.ValidationError(f"no such switch: {', '.join(sorted(unknown))}")
        made = msgspec.convert(msgspec.structs.asdict(self) | changes, Switches)
        for name in changes:
            setattr(self, name, getattr(made, name))
