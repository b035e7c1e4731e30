"""What people do in HubSpot, for tests, demos and the control page: salespeople schedule, guests book, admins merge and delete.

What must stay true: a person's act goes the way an app's request goes, through the same portal, and is told by the same webhooks.
Every method takes JSON's values, so that the control API can call it by its name. Times are ms, ISO 8601 or datetimes; without a
portal, the first one is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from services.sandbox.hubspot_oauth import Access, Consent, OAuth
from services.sandbox.hubspot_portal import Portal, Record, Source, User
from services.sandbox.hubspot_subscriptions import subscribe
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_types import COMPANIES, CONTACTS, DEALS, MEETINGS, TICKETS, ObjectType, object_type
from services.sandbox.hubspot_values import instant, milliseconds
from services.sandbox.hubspot_webhooks import App, Webhooks, usual_subscriptions
from services.sandbox.world import World, loopback

Time = int | str | datetime
SCOPES = (
    "oauth",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.companies.read",
    "crm.objects.companies.write",
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "crm.objects.owners.read",
    "crm.schemas.contacts.read",
    "crm.schemas.contacts.write",
    "settings.users.read",
    "tickets",
)
"""What `install` grants if nothing else is said."""
_LINKED = {"contacts": CONTACTS, "companies": COMPANIES, "deals": DEALS, "tickets": TICKETS}


class People:
    """The acts. `app` is the one app that is registered from the beginning."""

    def __init__(self, world: World, app: App) -> None:
        self.world, self.app = world, app
        self.switches = Switches()
        self.portals: dict[int, Portal] = {}
        self.apps: dict[int, App] = {app.id: app}
        self.webhooks = Webhooks(world, self.switches)
        self.oauth = OAuth(world, self.apps, self.portals, self.switches)

    # --- the account -------------------------------------------------------------------------------------------------------

    def portal(self, id: int = 62515, name: str = "Acme") -> Portal:
        """An account; made if there is none of this id."""
        with self.world.lock:
            if id not in self.portals:
                self.portals[id] = Portal(id, name, self.world.now, self.webhooks.told, self.switches)
            return self.portals[id]

    def user(self, email: str, first: str = "", last: str = "", portal: int | None = None) -> User:
        """Somebody who works in the portal, who is an owner too; the same one for the same address."""
        with self._acting(portal) as there:
            return there.user_of(email) or there.add_user(email, first, last)[0]

    def leave(self, user: str, portal: int | None = None) -> None:
        """A user is removed from the account; his owner is archived."""
        with self._acting(portal) as there:
            there.remove_user(_worker(there, user).id)

    def native_sync(self, user: str, on: bool = True, portal: int | None = None) -> None:
        """A user turns HubSpot's own calendar sync on or off; see `mirror`."""
        with self._acting(portal) as there:
            _worker(there, user).native_sync = on

    # --- apps --------------------------------------------------------------------------------------------------------------

    def install(self, user: str | None = None, scopes: Sequence[str] = SCOPES, portal: int | None = None) -> Consent:
        """The app is installed, without a browser; `token` of the consent makes access tokens, `consent.refresh` is its refresh token."""
        with self._acting(portal) as there:
            return self.oauth.consent(self.app, there, _worker(there, user) if user else None, tuple(scopes))

    def token(self, portal: int | None = None) -> str:
        """An access token with all scopes that never expires, as a private app has."""
        with self._acting(portal) as there:
            access: Access = self.oauth.access(self.oauth.consent(self.app, there, None, ()), everything=True)
            return access.token

    def uninstall(self, portal: int | None = None) -> None:
        """An admin removes the app: its tokens there are dead, its refresh token answers BAD_REFRESH_TOKEN."""
        with self._acting(portal) as there:
            self.oauth.uninstall(self.app, there)

    def subscribe(self, target: str) -> None:
        """The app's webhooks go to a URL of this machine: all that concerns meetings and contacts. Raises `NotLoopback`."""
        loopback(target)
        with self.world.lock:
            now = self.world.now()
            self.app.target, self.app.target_created, self.app.target_updated = target, now, now
            known = {(one.event_type, one.property, one.object_type) for one in self.app.subscriptions.values()}
            for wanted in usual_subscriptions():
                if wanted not in known:
                    subscribe(self.app, *wanted, now)
            for one in self.app.subscriptions.values():
                one.active = True

    # --- records -----------------------------------------------------------------------------------------------------------

    def contact(self, email: str | None, first: str = "", last: str = "", company: str = "", portal: int | None = None) -> str:
        """A contact's id."""
        return self.record("contacts", {"email": email, "firstname": first, "lastname": last, "company": company}, portal=portal)

    def company(self, name: str, domain: str = "", portal: int | None = None) -> str:
        """A company's id."""
        return self.record("companies", {"name": name, "domain": domain}, portal=portal)

    def deal(self, name: str, portal: int | None = None) -> str:
        """A deal's id."""
        return self.record("deals", {"dealname": name}, portal=portal)

    def ticket(self, subject: str, portal: int | None = None) -> str:
        """A ticket's id."""
        return self.record("tickets", {"subject": subject}, portal=portal)

    def record(self, type: str, properties: dict[str, Any], by: str | None = None, portal: int | None = None) -> str:
        """Any new object, made by hand; its id."""
        with self._acting(portal) as there:
            source = _by(there, by)
            return there.create(_kind(type), there.examine(_kind(type), properties, None, source), source).id

    def change(self, type: str, id: str, properties: dict[str, Any], by: str | None = None, portal: int | None = None) -> None:
        """Other values, by hand."""
        with self._acting(portal) as there:
            record, source = _known(there, type, id), _by(there, by)
            there.update(record, there.examine(record.type, properties, record, source), source)

    def delete(self, type: str, id: str, by: str | None = None, portal: int | None = None) -> None:
        """To the recycle bin."""
        with self._acting(portal) as there:
            there.archive(_known(there, type, id), _by(there, by))

    def restore(self, type: str, id: str, by: str | None = None, portal: int | None = None) -> None:
        """Back from the recycle bin. HubSpot has no API for it."""
        with self._acting(portal) as there:
            there.restore(_known(there, type, id, archived=True), _by(there, by))

    def merge(self, primary: str, other: str, type: str = "contacts", by: str | None = None, portal: int | None = None) -> str:
        """Two become one; the survivor's id."""
        with self._acting(portal) as there:
            return there.merge(_known(there, type, primary), _known(there, type, other), _by(there, by)).id

    def erase(self, contact: str, by: str | None = None, portal: int | None = None) -> None:
        """A privacy deletion, for good."""
        with self._acting(portal) as there:
            found = there.find(CONTACTS, contact) or _known(there, "contacts", contact, archived=True)
            there.erase(found, _by(there, by))

    def associate(self, meeting: str, type: str, id: str, on: bool = True, by: str | None = None, portal: int | None = None) -> None:
        """A meeting is logged for a further object, or for one no more."""
        with self._acting(portal) as there:
            one, other, source = _known(there, "meetings", meeting), _known(there, type, id), _by(there, by)
            if on:
                there.link(one, other, [], source)
            else:
                there.unlink(one, other, [], source)

    # --- meetings ----------------------------------------------------------------------------------------------------------

    def schedule(
        self,
        user: str,
        title: str,
        start: Time,
        end: Time | None = None,
        *,
        contacts: Sequence[str] = (),
        companies: Sequence[str] = (),
        deals: Sequence[str] = (),
        tickets: Sequence[str] = (),
        portal: int | None = None,
        **more: Any,
    ) -> str:
        """A user schedules a meeting from the records of contacts, companies, deals, tickets (their ids); its id. `more` are `location`,
        `body` (HTML), `url`, `notes`. Nobody is invited: HubSpot's own calendar sync would, if it were on."""
        with self._acting(portal) as there:
            source = _by(there, user)
            values = _times(start, end) | _text(more) | {"hs_meeting_title": title, "hs_meeting_source": "CRM_UI"}
            values |= {"hubspot_owner_id": _owner(there, user), "hs_meeting_outcome": "SCHEDULED"}
            record = there.create(MEETINGS, there.examine(MEETINGS, values, None, source), source)
            for name, ids in (("contacts", contacts), ("companies", companies), ("deals", deals), ("tickets", tickets)):
                for id in ids:
                    there.link(record, _known(there, name, str(id)), [], source)
            return record.id

    def move(self, meeting: str, start: Time, end: Time | None = None, by: str | None = None, portal: int | None = None) -> None:
        """A meeting is moved; without an end it keeps its length."""
        with self._acting(portal) as there:
            record, source = _known(there, "meetings", meeting), _by(there, by)
            ends = _moved_end(record, start) if end is None else end
            there.update(record, there.examine(MEETINGS, _times(start, ends), record, source), source)

    def cancel(self, meeting: str, by: str | None = None, portal: int | None = None) -> None:
        """Its outcome is CANCELED; the meeting stays."""
        self.change("meetings", meeting, {"hs_meeting_outcome": "CANCELED"}, by, portal)

    def book(
        self,
        user: str,
        guest: str,
        start: Time,
        end: Time | None = None,
        title: str | None = None,
        *,
        name: str = "",
        uid: str | None = None,
        portal: int | None = None,
    ) -> str:
        """A guest books a meeting on a user's scheduling page; its id. The guest becomes a contact if he is none. With `uid`, the row
        says what the calendar event is called."""
        with self._acting(portal) as there:
            source = Source("MEETINGS", "scheduling-page")
            contact = there.holder(CONTACTS, "email", guest) or _new_guest(there, guest, name, source)
            values = _times(start, end) | {
                "hs_meeting_title": title or f"Meeting with {name or guest}",
                "hs_meeting_source": "MEETINGS_PUBLIC",
            }
            values |= {
                "hubspot_owner_id": _owner(there, user),
                "hs_meeting_outcome": "SCHEDULED",
                "hs_guest_emails": guest,
                "hs_i_cal_uid": uid,
            }
            record = there.create(MEETINGS, there.examine(MEETINGS, values, None, source), source)
            there.link(record, contact, [], source)
            return record.id

    def mirror(
        self,
        user: str,
        uid: str,
        title: str,
        start: Time,
        end: Time | None = None,
        *,
        guests: Sequence[str] = (),
        location: str = "",
        occurrence: str = "",
        state: str = "confirmed",
        portal: int | None = None,
    ) -> str | None:
        """What HubSpot's own calendar sync makes of an event in a user's calendar, if he has turned it on: a row with its iCalendar UID,
        one for each `occurrence`. `state` confirmed, cancelled or deleted. The row's id; None if there is none."""
        with self._acting(portal) as there:
            owner, source = _owner(there, user), Source("CALENDAR_SYNC", "BIDIRECTIONAL_SYNC")
            if not _worker(there, user).native_sync:
                return None
            key = f"{uid}:{occurrence}" if occurrence else uid
            row = next((one for one in there.listed(MEETINGS) if _mirrors(one, owner, key)), None)
            if state == "deleted":
                return self._unmirror(there, row, source)
            values = _times(start, end) | {"hs_meeting_title": title, "hs_meeting_location": location, "hs_i_cal_uid": uid}
            values |= {"hubspot_owner_id": owner, "hs_meeting_source": "BIDIRECTIONAL_SYNC", "hs_meeting_source_id": key}
            values |= {"hs_guest_emails": ";".join(guests), "hs_meeting_outcome": "CANCELED" if state == "cancelled" else "SCHEDULED"}
            row = _put_row(there, row, values, source)
            for contact in filter(None, (there.holder(CONTACTS, "email", guest) for guest in guests)):
                there.link(row, contact, [], source)
            return row.id

    def _unmirror(self, there: Portal, row: Record | None, source: Source) -> str | None:
        if row is not None:
            there.archive(row, source)
        return row.id if row is not None else None

    # --- together ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _acting(self, portal: int | None) -> Iterator[Portal]:
        """Nobody else acts meanwhile; what changed is told at the end."""
        with self.world.lock:
            there = self.portals.get(portal) if portal is not None else next(iter(self.portals.values()), None)
            if there is None:
                raise ValueError("there is no such portal" if portal is not None else "there is no portal yet")
            try:
                yield there
            finally:
                self.webhooks.settle(self.apps.values())


def _kind(type: str) -> ObjectType:
    found = object_type(type)
    if found is None:
        raise ValueError(f"no object type: {type}")
    return found


def _known(there: Portal, type: str, id: str, archived: bool = False) -> Record:
    found = there.find(_kind(type), str(id), archived=archived)
    if found is None:
        raise ValueError(f"no such object: {type} {id}")
    return found


def _worker(there: Portal, email: str) -> User:
    found = there.user_of(email)
    if found is None:
        raise ValueError(f"no such user: {email}")
    return found


def _owner(there: Portal, email: str) -> str:
    found = there.owner_of(_worker(there, email).id)
    assert found is not None, "every user has an owner until he leaves"
    return found.id


def _by(there: Portal, email: str | None) -> Source:
    """Somebody at the screen; who, if it is said."""
    user = _worker(there, email) if email else next(iter(there.users.values()), None)
    return Source("CRM_UI", f"userId:{user.id}", user.id) if user else Source("CRM_UI")


def _at(time: Time) -> int:
    found = round(time.timestamp() * 1000) if isinstance(time, datetime) else milliseconds(time)
    if found is None:
        raise ValueError(f"no time: {time}")
    return found


def _times(start: Time, end: Time | None) -> dict[str, Any]:
    begins = instant(_at(start))
    return {"hs_timestamp": begins, "hs_meeting_start_time": begins, "hs_meeting_end_time": instant(_at(end)) if end is not None else None}


def _moved_end(record: Record, start: Time) -> Time | None:
    was = [milliseconds(record.get(name) or "") for name in ("hs_meeting_start_time", "hs_meeting_end_time")]
    return _at(start) + was[1] - was[0] if was[0] is not None and was[1] is not None else None


_WORDS = {
    "location": "hs_meeting_location",
    "body": "hs_meeting_body",
    "url": "hs_meeting_external_url",
    "notes": "hs_internal_meeting_notes",
}


def _text(more: dict[str, Any]) -> dict[str, Any]:
    return {_WORDS[name]: value for name, value in more.items()}


def _new_guest(there: Portal, email: str, name: str, source: Source) -> Record:
    first, _, last = name.partition(" ")
    values = there.examine(CONTACTS, {"email": email, "firstname": first, "lastname": last}, None, source)
    return there.create(CONTACTS, values, source)


def _mirrors(row: Record, owner: str, key: str) -> bool:
    return (
        row.get("hs_meeting_source") == "BIDIRECTIONAL_SYNC"
        and row.get("hubspot_owner_id") == owner
        and row.get("hs_meeting_source_id") == key
    )


def _put_row(there: Portal, row: Record | None, values: dict[str, Any], source: Source) -> Record:
    examined = there.examine(MEETINGS, values, row, source)
    if row is None:
        return there.create(MEETINGS, examined, source)
    there.update(row, examined, source)
    return row
