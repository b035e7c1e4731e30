"""Everything the simulated Office 365 holds, put together: mailboxes, meetings, subscriptions, delta links, limits.

What must stay true: a mailbox is there for everybody in the directory, from the first time somebody asks for it.
"""

from __future__ import annotations

from collections import deque

from services.sandbox.entra_directory import Directory
from services.sandbox.office365_delta import Delta
from services.sandbox.office365_errors import Refusal, missing
from services.sandbox.office365_mailboxes import Event, Mailbox
from services.sandbox.office365_meetings import Meetings
from services.sandbox.office365_subscriptions import Subscriptions
from services.sandbox.office365_switches import Switches
from services.sandbox.world import World

NAME = "office365"
"""What faults, counts and mails call it."""

_TEN_MINUTES = 600_000
_RETRY_SECONDS = 5


class Exchange:
    """The state. `directory` says who there is."""

    def __init__(self, world: World, directory: Directory) -> None:
        self.world, self.directory = world, directory
        self.switches = Switches()
        self.limits = Limits(world, self.switches)
        self.subscriptions = Subscriptions(world, self.switches, lambda: directory.tenant)
        self.meetings = Meetings(self.mailbox, self._mail, self.switches)
        self._boxes: dict[str, Mailbox] = {}
        self._deltas: dict[str, Delta] = {}

    def reset(self) -> None:
        """Nothing is there, and every switch is as it was."""
        self.switches.set({name: getattr(Switches(), name) for name in Switches.__struct_fields__})
        self.limits.reset()
        self.subscriptions.reset()
        self._boxes.clear()
        self._deltas.clear()

    def mailbox(self, id: str) -> Mailbox | None:
        """Whose address or directory id this is; None for strangers."""
        user = self.directory.find(id)
        if user is None:
            return None
        if user.address not in self._boxes:
            box = Mailbox(user.address, user.name, user.oid, self.world.now, self.world.chance, self._changed)
            self._boxes[user.address] = box
            self._deltas[user.address] = Delta(box, self.world.chance, self.switches)
        return self._boxes[user.address]

    def box(self, id: str) -> Mailbox:
        """The same. Raises `Refusal` for strangers."""
        box = self.mailbox(id)
        if box is None:
            raise Refusal(404, "ErrorInvalidUser", f"The requested user '{id}' is invalid.")
        return box

    def boxes(self) -> list[Mailbox]:
        """All that were asked for."""
        return list(self._boxes.values())

    def delta(self, box: Mailbox) -> Delta:
        """The links of a mailbox."""
        return self._deltas[box.address]

    def where(self, parts: list[str], owner: Mailbox | None) -> tuple[Mailbox, str | None]:
        """What a subscription's resource is: a mailbox, and one of its calendars or all. Raises `Refusal`."""
        if parts[0].lower() == "users" and len(parts) > 1:
            box, rest = self.box(parts[1]), parts[2:]
        elif parts[0].lower() == "me" and owner is not None:
            box, rest = owner, parts[1:]
        else:
            raise missing()
        match [part.lower() if at != 1 else part for at, part in enumerate(rest)]:
            case ["events"]:
                return box, None
            case ["calendar", "events"]:
                return box, box.default.id
            case ["calendars", id, "events"]:
                return box, box.calendar(id).id
        raise Refusal(400, "InvalidRequest", f"Resource '{'/'.join(parts)}' is not supported for subscriptions.")

    def _mail(self, kind: str, sender: str, to: str, uid: str, title: str) -> None:
        self.world.mail(NAME, kind, sender, to, uid, title)

    def _changed(self, box: Mailbox, event: Event, kind: str) -> None:
        self.subscriptions.changed(box, event, kind)


class Limits:
    """How much of a mailbox an application may have: so many requests in ten minutes, so many at once."""

    def __init__(self, world: World, switches: Switches) -> None:
        self._world, self._switches = world, switches
        self._asked: dict[tuple[str, str], deque[int]] = {}

    def reset(self) -> None:
        """Nobody asked for anything."""
        self._asked.clear()

    def take(self, client: str, address: str) -> None:
        """One more request. Raises `Refusal` (429) if it is one too many; it does not count then."""
        now, switches = self._world.now(), self._switches
        asked = self._asked.setdefault((client, address), deque())
        while asked and asked[0] <= now - _TEN_MINUTES:
            asked.popleft()
        if len(asked) >= switches.per_ten_minutes:
            raise self._too_many("Application is over its request limit.", -(-(asked[0] + _TEN_MINUTES - now) // 1000))
        # Only the last few can be under way still.
        under_way = sum(1 for at in list(asked)[-switches.concurrent :] if at > now - switches.busy_ms)
        if switches.busy_ms and under_way >= switches.concurrent:
            raise self._too_many("Application is over its MailboxConcurrency limit.", _RETRY_SECONDS)
        asked.append(now)

    def _too_many(self, why: str, seconds: int) -> Refusal:
        return Refusal(429, "ApplicationThrottled", why, {"Retry-After": str(seconds)})
