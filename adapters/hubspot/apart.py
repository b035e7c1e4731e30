"""Reading objects of which some always fail: which ones is found by halves, and they are remembered (`adapters.unread`).

What must stay true: an object that fails holds up no other; it is tried again by itself, and at once when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from adapters.unread import Remembered, about_one
from adapters.wording import Translated

Tell = Callable[[Sequence[str], bool], Translated]
"""Read objects by id, patiently or not, and say them. Raises as `Portal.read` does."""


def told(ids: Sequence[str], tell: Tell, unread: Remembered) -> Iterator[Translated | None]:
    """What these come to; None is a sign of life. Those that failed before are read one by one: together they would cost the others a
    failure. Raises `TryAgain` where it is the portal that fails."""
    failed_before = [id for id in ids if id in unread.unread]
    yield from _together([id for id in ids if id not in unread.unread], tell, unread, patient=True)
    for id in failed_before:
        yield from _together([id], tell, unread, patient=False)


def again(tell: Tell, unread: Remembered) -> Iterator[Translated | None]:
    """What is due of the unread."""
    for id in unread.due():
        yield from _together([id], tell, unread, patient=False)


def _together(ids: Sequence[str], tell: Tell, unread: Remembered, patient: bool) -> Iterator[Translated | None]:
    """In one go; where that fails, each half by itself."""
    if not ids:
        return
    said = _tried(ids, tell, unread, patient)
    yield said
    if said is None and len(ids) > 1:
        middle = len(ids) // 2
        yield from _together(ids[:middle], tell, unread, patient=False)
        yield from _together(ids[middle:], tell, unread, patient=False)


def _tried(ids: Sequence[str], tell: Tell, unread: Remembered, patient: bool) -> Translated | None:
    """None if it failed: of several nobody knows yet at which."""
    try:
        said = tell(ids, patient)
    except Exception as error:  # ours, too, if they are about one object
        why = about_one(error)
        if why is None:
            raise
        if len(ids) == 1:
            unread.failed(ids[0], why)
        return None
    for id in ids:
        unread.read(id)
    return said
