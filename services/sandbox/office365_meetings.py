"""What writing an event does to others: copies in the guests' mailboxes, answers in the organiser's, and mails.

What must stay true:
- Whoever is a guest of a meeting is mailed its invitation once, when he becomes one; nothing a client can say prevents it. A change
  that others see is mailed to those who stay; one of the guest list alone only to those it concerns; a series with changed instances
  is mailed once, and once more for each of those.
- A guest's copy is the organiser's, with answer, free-busy and reminder of its own. Its occurrences and the meeting as such may be
  shown as cancelled; only its owner takes them away.
- Whoever is at another provider has no copy here. What he answers comes in by `heard`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from services.sandbox import office365_writing as writing
from services.sandbox.office365_errors import Refusal, invalid
from services.sandbox.office365_mailboxes import Changed, Event, Mailbox, Shown, Times, neighbours
from services.sandbox.office365_switches import Switches
from services.sandbox.office365_times import Json, local, say_instant
from services.sandbox.office365_writing import OWN, UNANSWERED, address_of

ANSWERS = {"accept": "accepted", "tentativelyAccept": "tentativelyAccepted", "decline": "declined"}
_CANCELLED = "Canceled: "

Mails = Callable[[str, str, str, str, str], None]
"""Sends a mail: kind, sender, recipient, iCalendar UID, title."""


class Meetings:
    """`mailbox` finds the mailbox of an address, if it is here."""

    def __init__(self, mailbox: Callable[[str], Mailbox | None], mails: Mails, switches: Switches) -> None:
        self._mailbox, self._mails, self._switches = mailbox, mails, switches

    # --- creating and changing ---

    def create(self, box: Mailbox, calendar: str, body: object) -> Event:
        """A new event, its guests invited; the first one again, if it is a retry of that. Raises `Refusal`."""
        given = writing.required(body)
        transaction = given.get("transactionId")
        before = box.events.get(box.transactions.get(str(transaction), 0)) if transaction else None
        if before is not None:
            return self._again(before)
        event = self._made(box, calendar, given)
        if transaction:
            event.transaction, box.transactions[str(transaction)] = str(transaction), event.key
        self._spread(box, event)
        self._mail(box, Shown(event), "invitation", event.content["attendees"])
        return event

    def _again(self, event: Event) -> Event:
        if self._switches.repeated_transaction == "conflict":
            raise Refusal(409, "ErrorDuplicateTransactionId", "An event was created with this transaction id before.")
        return event

    def _made(self, box: Mailbox, calendar: str, given: Json) -> Event:
        times = writing.times(given, None)
        if times is None:
            raise TypeError("an event has times")
        uid, plain = box.new_uid(), writing.fresh(box)
        content = plain | writing.content(given, plain, uid)
        extended = writing.extended(given)
        event = box.add(calendar, uid, times, content, writing.repeats(given, times))
        event.extended = extended
        return event

    def change(self, box: Mailbox, shown: Shown, body: object) -> Shown:
        """Write to an event or an occurrence what a body says; the guests hear of it. Raises `Refusal`, with nothing changed."""
        if not isinstance(body, dict):
            raise invalid("Empty Payload. JSON content expected.", "BadRequest")
        before = shown.content["attendees"]
        changes = writing.content(body, shown.content, shown.event.uid)
        asked = writing.times(body, shown.times)
        times = asked if asked != shown.times else None
        extended = writing.extended(body)
        if shown.original is not None:
            again = self._change_occurrence(box, shown, body, changes, times)
        else:
            again = self._change_whole(shown, body, changes, times, box)
        if again and shown.event.organised:
            self._ask_again(shown)
        shown.event.extended |= extended
        box.touch(shown.event, shown.original)
        if shown.event.organised and (again or changes.keys() - OWN):
            self._tell(box, shown, before, only_guests=not again and changes.keys() - OWN == {"attendees"})
        return shown

    def _change_occurrence(self, box: Mailbox, shown: Shown, body: Json, changes: Json, times: Times | None) -> bool:
        if body.get("recurrence") is not None:
            raise invalid("The recurrence of a single occurrence can't be set.", "ErrorInvalidPropertySet")
        if times is not None:
            _stay_between(shown, times)
        exception = box.except_from(shown)
        exception.content |= changes
        exception.times = times or exception.times
        return times is not None

    def _change_whole(self, shown: Shown, body: Json, changes: Json, times: Times | None, box: Mailbox) -> bool:
        event = shown.event
        whole = times or event.times
        repeats = event.recurrence
        if "recurrence" in body:
            repeats = writing.repeats(body, whole)
        elif times is not None:
            repeats = writing.moved_range(event, whole)
        again = times is not None or repeats != event.recurrence
        if again:
            box.repeat(event, whole, repeats)
        event.content = event.content | changes
        return again

    def _ask_again(self, shown: Shown) -> None:
        """Another time asks everybody anew."""
        guests = [guest | {"status": UNANSWERED} for guest in shown.content["attendees"]]
        _put(shown, {"attendees": guests})

    def _tell(self, box: Mailbox, shown: Shown, before: list[Json], *, only_guests: bool) -> None:
        was = {address_of(guest) for guest in before}
        now = shown.content["attendees"]
        kept = {address_of(guest) for guest in now}
        gone = [guest for guest in before if address_of(guest) not in kept]
        self._spread(box, shown.event)
        for guest in gone:
            self._show_cancelled(guest, shown)
        self._mail(box, shown, "cancellation", gone)
        self._mail(box, shown, "invitation", [guest for guest in now if address_of(guest) not in was])
        stay = [guest for guest in now if address_of(guest) in was]
        if not only_guests:
            self._mail(box, shown, "update", stay)
            changed = list(shown.event.exceptions) if shown.original is None else []
            for original in changed:
                self._mail(box, Shown(shown.event, original), "update", stay)

    # --- ending ---

    def delete(self, box: Mailbox, shown: Shown) -> None:
        """Take it out of a mailbox. If it is the organiser's, it is cancelled for all."""
        organised, guests = shown.event.organised, shown.content["attendees"]
        if organised:
            for guest in guests:
                self._show_cancelled(guest, shown)
            self._mail(box, shown, "cancellation", guests)
        _take_out(box, shown)

    def cancel(self, box: Mailbox, shown: Shown) -> None:
        """Cancel a meeting. Raises `Refusal` for whom it is not."""
        if not shown.event.organised:
            raise invalid("Your request can't be completed. You need to be an organizer to cancel a meeting.")
        self.delete(box, shown)

    def _show_cancelled(self, guest: Json, shown: Shown) -> None:
        box, copy = self._copy(address_of(guest), shown.event)
        if box is None or copy is None or shown.original in copy.removed:
            return
        theirs = Shown(copy, shown.original)
        if shown.original is not None:
            box.except_from(theirs)
        said = theirs.content
        subject = said["subject"] if said["isCancelled"] else _CANCELLED + said["subject"]
        _put(theirs, {"isCancelled": True, "subject": subject, "showAs": "free"})
        box.touch(copy, shown.original)

    # --- answering ---

    def answer(self, box: Mailbox, shown: Shown, answer: str, *, send: bool = True) -> None:
        """What a mailbox's owner answers to an invitation: accepted, tentativelyAccepted or declined. Raises `Refusal`."""
        if shown.event.organised:
            raise invalid("Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.")
        self._note_answer(box, shown, answer)
        host = self._mailbox(address_of(shown.content["organizer"]))
        theirs = host.copy_of(shown.event.uid) if host else None
        if send and host is not None and theirs is not None:
            self.heard(host, Shown(theirs, shown.original), box.address, answer)
        if send:
            self._mails("response", box.address, address_of(shown.content["organizer"]), shown.uid, shown.content["subject"])

    def _note_answer(self, box: Mailbox, shown: Shown, answer: str) -> None:
        if answer == "declined" and not self._switches.declined_stays:
            _take_out(box, shown)
            return
        if shown.original is not None:
            box.except_from(shown)
        shows = {"accepted": "busy", "tentativelyAccepted": "tentative", "declined": "free"}[answer]
        _put(shown, {"responseStatus": {"response": answer, "time": say_instant(box.clock())}, "showAs": shows})
        box.touch(shown.event, shown.original)

    def heard(self, box: Mailbox, shown: Shown, guest: str, answer: str) -> None:
        """An answer reaches the organiser: from a guest here, or from one of another provider."""
        status = {"response": answer, "time": say_instant(box.clock())}
        guests = [one | {"status": status} if address_of(one) == guest.lower() else one for one in shown.content["attendees"]]
        if guests == shown.content["attendees"]:
            return
        if shown.original is not None:
            box.except_from(shown)
        _put(shown, {"attendees": guests})
        box.touch(shown.event, shown.original)

    # --- copies ---

    def _copy(self, address: str, event: Event) -> tuple[Mailbox | None, Event | None]:
        """A guest's mailbox and his copy, as far as they are."""
        box = self._mailbox(address)
        copy = box.copy_of(event.uid) if box is not None else None
        return box, None if copy is event else copy

    def _spread(self, box: Mailbox, event: Event) -> None:
        """Make all guests' copies what the organiser's is."""
        for guest in event.content["attendees"]:
            theirs, copy = self._copy(address_of(guest), event)
            if theirs is None or theirs is box:
                continue
            if copy is None:
                copy = theirs.add(theirs.default.id, event.uid, event.times, _first_copy(theirs, event), event.recurrence)
                copy.removed |= event.removed
            _renew(theirs, copy, event)

    def _mail(self, box: Mailbox, shown: Shown, kind: str, guests: Iterable[Json]) -> None:
        for guest in guests:
            if address_of(guest) != box.address:
                self._mails(kind, box.address, address_of(guest), shown.uid, shown.content["subject"])


def _put(shown: Shown, changes: Json) -> None:
    """Into the event, or into the exception, which must be there."""
    holder: Event | Changed = shown.event if shown.original is None else shown.event.exceptions[shown.original]
    holder.content = holder.content | changes


def _take_out(box: Mailbox, shown: Shown) -> None:
    if shown.original is None:
        box.remove(shown.event)
    else:
        box.remove_occurrence(shown.event, shown.original)


def _shared(content: Json, theirs: Mailbox, *, hidden: bool) -> Json:
    """What a guest's copy has of the organiser's: guests are not told of each other's answers, nor of each other if they are hidden."""
    shared = {name: value for name, value in content.items() if name not in OWN}
    if "attendees" in shared:
        seen = [guest for guest in shared["attendees"] if not hidden or address_of(guest) == theirs.address]
        shared["attendees"] = [guest | {"status": UNANSWERED} for guest in seen]
    return shared


def _unanswered() -> Json:
    return {"responseStatus": {"response": "notResponded", "time": UNANSWERED["time"]}, "showAs": "tentative"}


def _first_copy(theirs: Mailbox, event: Event) -> Json:
    shared = _shared(event.content, theirs, hidden=event.content["hideAttendees"])
    return writing.fresh(theirs) | shared | {"isOrganizer": False} | _unanswered()


def _renew(theirs: Mailbox, copy: Event, event: Event) -> None:
    hidden = event.content["hideAttendees"]
    before = (copy.content, copy.times, copy.recurrence, {at: (e.content, e.times) for at, e in copy.exceptions.items()})
    if (copy.times, copy.recurrence) != (event.times, event.recurrence):
        theirs.repeat(copy, event.times, event.recurrence)
        copy.content = copy.content | _unanswered()
    copy.content = copy.content | _shared(event.content, theirs, hidden=hidden)
    for original in event.exceptions.keys() - copy.removed:
        exception = event.exceptions[original]
        mine = theirs.except_from(Shown(copy, original))
        mine.content, mine.times = mine.content | _shared(exception.content, theirs, hidden=hidden), exception.times
    if before != (copy.content, copy.times, copy.recurrence, {at: (e.content, e.times) for at, e in copy.exceptions.items()}):
        theirs.touch(copy)


def _stay_between(shown: Shown, times: Times) -> None:
    """An occurrence may be moved to no day that is its neighbours', nor beyond."""
    original = shown.original or times.start
    zone = shown.event.times.start_zone
    before, after = neighbours(shown.event, original)

    def day(at: datetime) -> datetime:
        return local(at, zone).replace(hour=0, minute=0, second=0, microsecond=0)

    early = before is not None and day(times.start) <= day(before.times.start)
    late = after is not None and day(times.start) >= day(after.times.start)
    if early or late:
        raise Refusal(400, "ErrorOccurrenceCrossingBoundary", "Modified occurrence is crossing or overlapping adjacent occurrence.")
