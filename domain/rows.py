"""The CRM's rows of a meeting: which of them are the whole, and which one occurrence it is that a row is.

What must stay true: a row is found by any of its starts, so that it makes no difference whether it or its series was told first of a
move; and a row of HubSpot's own calendar sync never makes an occurrence that its series, where that is known, has not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from domain import layout
from domain.copies import content_of, told
from domain.events import Part, Shown, Sighting, View
from domain.identity import starts_of
from domain.matching import Surroundings, invited


def whole_and_single(crm: Sequence[Sighting], calendar: Sequence[Sighting]) -> tuple[list[Sighting], list[Sighting]]:
    """The rows that are the whole meeting, and those that are one occurrence of it."""
    masters = [s for s in calendar if s.original is None]
    series = any((c := content_of(told(s))) is not None and (c.rules or c.added) for s in masters) or (
        not masters and any(s.original is not None for s in calendar)
    )
    apart = len({r.id for r in crm}) > 1 and (series or not calendar)
    single = [r for r in crm if r.original is not None or apart]
    return [r for r in crm if r.original is None and not apart], single


def is_suppressed(rows: Sequence[Sighting]) -> bool:
    """Was one of them deleted in the CRM, and not restored since?"""
    for row in rows:
        word = next((r for r in reversed(row.revisions) if r.state in ("deleted", "restored")), None)
        if word is not None and word.state == "deleted":
            return True
    return False


def by_original(rows: Sequence[Sighting], parts: Sequence[Part], occurrences: dict[int, list[Sighting]]) -> dict[int, list[Sighting]]:
    """Rows that are single occurrences, by the original start of the one they are. `occurrences` are the calendar's own words of
    single occurrences, by original start. A row of which nothing but its deletion is known is none that could be named."""
    places = {start: original for original, copies in sorted(occurrences.items()) for s in copies for start in starts_of(s)}
    known = is_series_known(parts)
    all_day = bool(parts) and parts[0].shown.all_day
    found: dict[int, list[Sighting]] = {}
    for row in rows:
        original = row.original_day if all_day and row.original_day is not None else row.original
        starts = starts_of(row) if original is None else [original]
        fitting = (at for start in starts if (at := _fitting(start, parts, occurrences, places)) is not None)
        original = next(fitting, None if known and row.origin == "native-sync" else next(iter(starts), None))
        if original is not None:
            found.setdefault(original, []).append(row)
    return found


def is_series_known(parts: Sequence[Part]) -> bool:
    """Is there a series, now or in the past that stays?"""
    return any(layout.is_series(part) or part.formers for part in parts)


def _fitting(start: int, parts: Sequence[Part], occurrences: Collection[int], places: dict[int, int]) -> int | None:
    """The original start of the occurrence that was or is to start at `start`."""
    if start in occurrences or made_by(parts, start) is not None:
        return start
    return places.get(start)


def made_by(parts: Sequence[Part], original: int) -> Shown | None:
    """What a series shows at an original start, be it of its past that stays."""
    for part in parts:
        if not layout.is_series(part) and not part.formers:
            continue
        for laid in layout.laid_out(View((replace(part, cancelled_from=None),)), original, original + 1):
            if laid.original == original:
                return replace(laid.shown, start=laid.slot.local)
    return None


# --- with whom they are associated -----------------------------------------------------------------------------------------


def by_hand(row: Sighting) -> bool:
    """Did a hand make the row's associations? HubSpot's own calendar sync and a booking are none."""
    return row.origin in ("user", "rendezvous")


def associations(rows: Sequence[Sighting]) -> tuple[tuple[str, ...], bool]:
    """The contacts that rows are associated with, and whether a hand did it."""
    found: dict[str, None] = {}
    hand = False
    for row in rows:
        content = content_of(told(row))
        if content is not None and content.contacts:
            found.update(dict.fromkeys(content.contacts))
            hand = hand or by_hand(row)
    return tuple(sorted(found)), hand


def associated(rows: Sequence[Sighting], calendar: Collection[Sighting], around: Surroundings) -> tuple[tuple[str, ...], bool]:
    """The same, without those whom a row of ours only repeats from the calendar: they stand by being guests, and leave with that."""
    ours = [row for row in rows if row.origin == "rendezvous"]
    if not ours or not calendar:
        return associations(rows)
    guests = invited(calendar, around)
    said, hand = associations([row for row in rows if row.origin != "rendezvous"])
    more = [c for c in associations(ours)[0] if (c if (known := around.contact(c)) is None else known.id) not in guests]
    return tuple(sorted({*said, *more})), hand or bool(more)
