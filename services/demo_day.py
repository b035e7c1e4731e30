"""The demo's data set: some weeks in the sales team of a made-up company, told as the sides would tell them.

`day` is pure: the same date gives the same source events, in the public form and in the order in which they arrived. Nothing here
decides; it only tells, and also what is told late, twice, wrongly, or by a calendar that nobody should have read. What must stay
true: everything told happened before the midnight that begins `today`, every name and address is made up (`.example`, RFC 2606),
and there is a scene for every rule (tests/services/test_demo.py).

The cast is that of the tests: Ana (501) and Ben (502) of acme.example, Bo (contact 151) and Cy (152).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.naming import meeting_stream
from domain.recurrence import millis

Event = dict[str, Any]

ACCOUNT = "62515"
COMPANY = "Acme"
BO = "151"
"""The contact whose timeline has something of everything."""

CONNECTED, OFFLINE, ONLINE, SWITCHED, LOST = -45, -16, -12, -20, -5
"""The days, counted from today, on which the team connected their calendars; on which Ben disconnected his and connected it again;
on which Elena went from Google to Office 365; on which Farid's authorisation was withdrawn."""


# --- the cast ------------------------------------------------------------------------------------------------------------------


class Person(NamedTuple):
    """A user, with the provider of his calendar, or a contact, with his firm and where it is."""

    id: str
    name: str
    zone: str
    domain: str
    provider: str = ""
    firm: str = ""
    office: str = ""

    @property
    def first(self) -> str:
        """The first name."""
        return self.name.partition(" ")[0]

    @property
    def email(self) -> str:
        """The address: a user's calendar is called so, and it is a contact's Email property."""
        return f"{_ascii(self.first)}@{self.domain}"


class Guest(NamedTuple):
    """Who is invited, and the answer."""

    email: str
    name: str
    answer: str = "needs-action"


USERS = (
    Person("501", "Ana Moreau", "Europe/Paris", "acme.example", "google"),
    Person("502", "Ben Carter", "Europe/London", "acme.example", "google"),
    Person("503", "Chloé Martin", "Europe/Paris", "acme.example", "google"),
    Person("504", "Dario Ricci", "Europe/Rome", "acme.example", "google"),
    Person("505", "Elena Petrova", "Europe/Berlin", "acme.example", "office365"),
    Person("506", "Farid Haddad", "Europe/Paris", "acme.example", "google"),
    Person("507", "Grace Okafor", "Europe/London", "acme.example", "office365"),
    Person("508", "Henrik Dahl", "Europe/Stockholm", "acme.example", "office365"),
    Person("509", "Iris Chen", "Asia/Singapore", "acme.example", "google"),
    Person("510", "Jonas Weber", "Europe/Berlin", "acme.example", "office365"),
    Person("511", "Kate Sullivan", "America/New_York", "acme.example", "google"),
    Person("512", "Luis Ortega", "America/New_York", "partner.example", "none"),
)
ANA, BEN, CHLOE, DARIO, ELENA, FARID, GRACE, HENRIK, IRIS, JONAS, KATE, LUIS = USERS
"""Luis has no calendar connected, and works under a partner's domain."""

_CONNECTED_USERS = USERS[:-1]

_FIRMS = """\
Client Kontor | client.example | Vasagatan 12, Stockholm | Europe/Stockholm | Bo Nyberg, Maja Ek, Oskar Lund, Signe Holm
Buyer & Sons | buyer.example | 4 Cannon Row, London | Europe/London | Cy Barrow, Nora Pike, Tom Ashby, Una Frost
Late Edition Press | late.example | 18 Mill Street, Dublin | Europe/Dublin | Dee Larkin, Sean Doyle, Orla Byrne, Finn Casey
Brightwater | brightwater.example | Maaskade 7, Rotterdam | Europe/Amsterdam | Sanne Visser, Joost Kuiper, Lieke Bos, Daan Smit
Oakline Meubles | oakline.example | 9 rue Garet, Lyon | Europe/Paris | Hugo Perrin, Léa Garnier, Noé Faure, Alice Blanc
Northgate Clinics | northgate.example | 2 Peel Lane, Manchester | Europe/London | Priya Nair, Owen Hughes, Mary Steele, Adam Cole
Solvia Energía | solvia.example | Gran Vía 31, Madrid | Europe/Madrid | Marta Gil, Pablo Serra, Nuria Vidal, Héctor León
Fernweh Reisen | fernweh.example | Torstraße 88, Berlin | Europe/Berlin | Lukas Brandt, Mia Vogel, Paula Kern, Timo Roth
Paperlane | paperlane.example | 210 Water St, New York | America/New_York | Rachel Stone, Victor Hale, Judy Park, Sam Ellis
Copperfield Bank | copperfield.example | 1 Pier Ave, Boston | America/New_York | Nina Wolfe, Earl Grant, Rosa Dunn, Max Teller
Lumen Optik | lumen.example | Seeweg 3, Zürich | Europe/Zurich | Reto Frei, Vera Baum, Nico Steiner, Lara Keller
Alder Software | alder.example | Kaivokatu 6, Helsinki | Europe/Helsinki | Aino Salo, Veikko Ranta, Sari Laine, Mika Koski
Straits Foods | straits.example | 55 Neil Road, Singapore | Asia/Singapore | Wei Tan, Farah Rahman, Kumar Pillai, Joy Lim
Tessera | tessera.example | Via Giulia 40, Roma | Europe/Rome | Giulia Conti, Marco Villa, Sara Greco, Luca Fontana
Harvest Table | harvesttable.example | 600 Lake St, Chicago | America/Chicago | Dana Brooks, Cole Young, Ivy Reed, Ray Moss"""


def _contacts() -> tuple[Person, ...]:
    """Four people of each firm; the first of each firm have the first ids."""
    found: list[Person] = []
    for n in range(4):
        for firm, domain, office, zone, people in (line.split(" | ") for line in _FIRMS.splitlines()):
            found.append(Person(str(151 + len(found)), people.split(", ")[n], zone, domain, "", firm, office))
    return tuple(found)


def _ascii(name: str) -> str:
    """A name as it stands in an address.

    >>> _ascii("Chloé")
    'chloe'
    """
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


CONTACTS = _contacts()
_BO, _CY, _DEE = CONTACTS[:3]
_CUSTOMERS = tuple(c for c in CONTACTS if c.firm != _BO.firm and c is not _DEE)
_MAJA = CONTACTS[15]
_OLD_BO = Guest("bo.nyberg@client.example", "B. Nyberg", "accepted")
_VIKTOR = Guest("viktor.palm@client.example", "Viktor Palm")
_COUNSEL = Guest("counsel@lawson.example", "Counsel")
_RECRUITER = Guest("pat@talent.example", "Pat")
_LEGAL = Guest("legal@acme.example", "Acme Legal")
_OFFICE = Guest("office@emea.acme.example", "Acme Office")
DUPLICATE_BO, VIKTOR = "301", "302"
"""A second record of Bo, merged into the first; a contact who asks to be erased."""


# --- words -----------------------------------------------------------------------------------------------------------------------


def z(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def provider_id(provider: str, name: str) -> str:
    """The id that a provider gave to the meeting we call `name`: always the same, and nothing is read off it."""
    mark = hashlib.blake2b(f"{provider} {name}".encode(), digest_size=5).hexdigest()
    return mark if provider == "google" else f"AAMk{mark}"


def as_guest(person: Person, answer: str = "needs-action") -> Guest:
    """Somebody of the cast, invited."""
    return Guest(person.email, person.name, answer)


def _envelope(kind: str, subject: str, data: Event, *, id: str, source: str, at: datetime) -> Event:
    return {
        "specversion": "1.0",
        "id": id,
        "source": f"/accounts/{ACCOUNT}/{source}",
        "type": f"rendezvous.{kind}.v1",
        "subject": subject,
        "time": z(at),
        "account": ACCOUNT,
        "partitionkey": ACCOUNT,
        "sequence": f"{millis(at):020d}",
        "datacontenttype": "application/json",
        "dataschema": f"urn:rendezvous:schema:{kind.partition('.')[0]}:1",
        "data": data,
    }


def _people(organiser: Person, guests: Sequence[Guest]) -> dict[str, Event]:
    invited = [(as_guest(organiser, "accepted"), {"owner": True, "attendee": True}), *((guest, {"attendee": True}) for guest in guests)]
    return {
        str(n): {"email": one.email, "name": one.name, "roles": roles, "participationStatus": one.answer}
        for n, (one, roles) in enumerate(invited, 1)
    }


def _meeting(user: Person, start: datetime, title: str, guests: Sequence[Guest], provenance: Event, fields: Event) -> Event:
    """A meeting's data, whole; `start` is local, in the user's time zone unless `fields` name another."""
    return {
        "provenance": {"user": user.id, "revision": None, "seriesId": None, "originalStart": None, "link": None, **provenance},
        "title": title,
        "start": start.isoformat(),
        "timeZone": user.zone,
        "duration": "PT1H",
        "showWithoutTime": False,
        "status": "confirmed",
        "privacy": "public",
        "kind": "meeting",
        "location": None,
        "conferenceUrl": None,
        "participants": _people(user, guests),
        "recurrenceRules": [],
        "associations": dict(_NO_ASSOCIATIONS),
        **fields,
    }


_NO_ASSOCIATIONS: dict[str, list[str]] = {"contacts": [], "companies": [], "deals": [], "tickets": []}


def in_calendar(
    user: Person, name: str, created: datetime, start: datetime, title: str, guests: Sequence[Guest] = (), **fields: Any
) -> Event:
    """A meeting that `user` made in his calendar. `provider` among the fields is another provider than his usual one."""
    provider = fields.pop("provider", user.provider)
    own = provider_id(provider, name)
    seen = {"provider": provider, "calendar": user.email, "primary": True, "id": own, "icalUid": f"{own}@{provider}.example"}
    seen |= {"created": z(created), "origin": "user", **fields.pop("provenance", {})}
    return _meeting(user, start, title, guests, seen, {"side": "calendar", **fields})


def in_crm(id: str, user: Person, created: datetime, start: datetime, title: str, contacts: Sequence[Person], **fields: Any) -> Event:
    """A row among the CRM's meetings, owned by `user`, with these contacts."""
    seen = {"provider": "hubspot", "calendar": "meetings", "primary": True, "id": id, "icalUid": None, "created": z(created)}
    seen |= {"origin": "user", **fields.pop("provenance", {})}
    associated = {**_NO_ASSOCIATIONS, "contacts": [one.id for one in contacts], **fields.pop("associations", {})}
    guests = [as_guest(one) for one in contacts]
    return _meeting(user, start, title, guests, seen, {"side": "crm", "associations": associated, **fields})


def meeting_id(row: Event) -> str:
    """The id under which the engine keeps a meeting that a CRM row told first: what our own writes carry as their link."""
    seen = row["provenance"]
    return str(meeting_stream(ACCOUNT, f"hubspot|crm|{seen['id']}", millis(datetime.fromisoformat(seen["created"]))))


def written(row: Event, user: Person, at: datetime) -> Event:
    """The entry that we wrote to the owner's calendar for a CRM row, as the calendar shows it."""
    own = provider_id(user.provider, f"written {row['provenance']['id']}")
    seen = {"provider": user.provider, "calendar": user.email, "id": own, "icalUid": f"{own}@{user.provider}.example"}
    seen |= {"created": z(at), "origin": "rendezvous", "link": meeting_id(row)}
    return {**row, "side": "calendar", "provenance": {**row["provenance"], **seen}, "associations": dict(_NO_ASSOCIATIONS)}


def seen_by(data: Event, user: Person, **provenance: Any) -> Event:
    """The same meeting in another mailbox: Google keeps the id, Graph gives each mailbox its own."""
    there = data["provenance"]
    own = there["id"] if user.provider == there["provider"] == "google" else provider_id(user.provider, f"{there['icalUid']} of {user.id}")
    seen = {"provider": user.provider, "user": user.id, "calendar": user.email, "id": own, **provenance}
    return {**data, "provenance": {**there, **seen}}


def synced(data: Event, contact: Person, at: datetime) -> Event:
    """The row that HubSpot's own calendar sync makes of a calendar's meeting."""
    there = data["provenance"]
    seen = {"provider": "hubspot", "calendar": "meetings", "origin": "native-sync", "created": z(at)}
    seen |= {"id": str(7_000_000_000 + int(provider_id("google", there["icalUid"]), 16) % 10**9)}
    return {**data, "side": "crm", "provenance": {**there, **seen}, "associations": {**_NO_ASSOCIATIONS, "contacts": [contact.id]}}


def occurrence(series: Event, original: datetime, start: datetime | None = None, **changes: Any) -> Event:
    """One occurrence of a series, moved to `start` or otherwise changed; both times local in the series' zone."""
    there = series["provenance"]
    at = original.replace(tzinfo=ZoneInfo(series["timeZone"])).astimezone(UTC)
    seen = {**there, "id": f"{there['id']}_{at:%Y%m%dT%H%M%SZ}", "seriesId": there["id"], "originalStart": z(at)}
    return {**series, "provenance": seen, "start": (start or original).isoformat(), "recurrenceRules": [], **changes}


def told(data: Event, at: datetime, changes: Event | None = None, verb: str | None = None, delivery: str = "") -> Event:
    """What a side says of a meeting at a time. `delivery` tells two deliveries of one revision apart."""
    there = data["provenance"]
    mark = millis(at) * 1000
    whole = {**data, **(changes or {}), "provenance": {**there, "updated": z(at), "revision": f'"{mark}"'}}
    crm = data["side"] == "crm"
    source = "crm/hubspot/meetings" if crm else f"calendars/{there['provider']}/{there['calendar']}"
    name = f"hubspot:{there['id']}:{mark}" if crm else f"{there['provider']}:{there['calendar']}:{there['id']}:{mark}"
    kind = verb or ("created" if there["created"] == z(at) else "updated")
    return _envelope(f"meeting.{kind}", there["id"], whole, id=f"{name}{delivery}", source=source, at=at)


def gone(data: Event, at: datetime, **window: str) -> Event:
    """What a side says of a meeting that was deleted there: little more than its id."""
    there = data["provenance"]
    left = {"provenance": {k: there[k] for k in ("provider", "user", "calendar", "id")} | {"updated": z(at)}}
    return {**told(data, at, verb="deleted"), "data": left | window}


def answered(data: Event, answer: str) -> Event:
    """The participants, all guests having given this answer."""
    people = data["participants"].items()
    return {"participants": {n: one if "owner" in one["roles"] else {**one, "participationStatus": answer} for n, one in people}}


# --- the story -------------------------------------------------------------------------------------------------------------------


class Story:
    """What was told so far, each event with its time of arrival; and the story's days."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.told: list[tuple[datetime, Event]] = []

    def tell(self, event: Event, arrives: datetime | None = None) -> None:
        """`event` arrived when it happened, or later."""
        self.told.append((arrives or datetime.fromisoformat(event["time"]), event))

    def made(self, user: Person, name: str, created: datetime, start: datetime, title: str, *guests: Guest, **fields: Any) -> Event:
        """A meeting made in a calendar, told at once. Returns its data."""
        data = in_calendar(user, name, created, start, title, guests, **fields)
        self.tell(told(data, created))
        return data

    def at(self, day: int, hour: int = 9, minute: int = 0) -> datetime:
        """An instant, `day` days from today."""
        return datetime.combine(self.today + timedelta(days=day), time(hour, minute), UTC)

    def on(self, workday: int, hour: int = 0, minute: int = 0) -> datetime:
        """A local time, so many working days from today (or, at a weekend, from the Monday after it)."""
        weeks, number = divmod(min(self.today.weekday(), 5) + workday, 5)
        return self.weekday(number, weeks, hour, minute)

    def weekday(self, number: int, week: int, hour: int, minute: int = 0) -> datetime:
        """A local time on a day (Monday is 0) of the week that is `week` weeks from this one."""
        monday = self.today - timedelta(days=self.today.weekday())
        return datetime.combine(monday + timedelta(days=number, weeks=week), time(hour, minute))

    def mailbox(self, user: Person) -> list[str]:
        """The ids that a user's calendar told of so far, those of single occurrences left out."""
        seen = [e["data"]["provenance"] for _, e in self.told if e["data"].get("side") == "calendar"]
        return list(dict.fromkeys(p["id"] for p in seen if p["user"] == user.id and p["originalStart"] is None))


def day(today: date) -> list[Event]:
    """The source events of the demo, in the order in which they arrived, told up to the midnight that begins `today`."""
    story = Story(today)
    for scene in SCENES:
        scene(story)
    return [event for _, event in sorted(story.told, key=lambda pair: pair[0])]


MISSING = provider_id("google", "lunch in the gap")
"""The provider's id of Ben's lunch with Bo, which is in no timeline: he made it while his calendar was disconnected."""


# --- scenes: people and calendars ------------------------------------------------------------------------------------------------


def settings_and_users(s: Story) -> None:
    """The account as it is set up, and its clock."""
    never = {"addresses": [_COUNSEL.email], "domains": ["talent.example"]}
    whole = {"domains": ["acme.example"], "never_log": never, "policy": {"series": {"before_days": 365, "after_days": 120}}}
    s.tell(_envelope("account.configured", ACCOUNT, whole, id="settings:1", source="settings", at=s.at(-50, 7)))
    for user in USERS:
        data = {"email": user.email, "aliases": [f"{_ascii(user.name).replace(' ', '.')}@{user.domain}"]}
        s.tell(_envelope("user.added", user.id, data, id=f"user:{user.id}:1", source="crm/hubspot/users", at=s.at(-50, 8)))
    for number in (CONNECTED, 0, -1):  # the last one comes when a later one is known
        at = s.at(number, 0)
        s.tell(_envelope("clock.ticked", ACCOUNT, {"at": z(at)}, id=f"tick:{z(at)}", source="clock", at=at), max(at, s.at(0, 0)))


def _said_of(contact: str, verb: str, data: Event, at: datetime, delivery: str = "") -> Event:
    return _envelope(f"contact.{verb}", contact, data, id=f"contact:{contact}:{millis(at)}{delivery}", source="crm/hubspot/contacts", at=at)


def contacts(s: Story) -> None:
    """The CRM's contacts: one comes late, one is told twice, one is deleted and restored, two are merged, one is erased."""
    for n, one in enumerate(CONTACTS):
        at = s.at(-10, 14) if one is _DEE else s.at(-49, 8, n % 60)
        s.tell(_said_of(one.id, "created", {"email": one.email, "name": one.name, "company": one.firm}, at))
    for id, guest in ((DUPLICATE_BO, _OLD_BO), (VIKTOR, _VIKTOR)):
        s.tell(_said_of(id, "created", {"email": guest.email, "name": guest.name, "company": _BO.firm}, s.at(-48)))
    cy = {"email": _CY.email, "name": _CY.name, "company": "Buyer & Sons Ltd"}
    s.tell(_said_of(_CY.id, "updated", cy, s.at(-30, 10), ":webhook"))
    s.tell(_said_of(_CY.id, "updated", cy, s.at(-30, 10), ":poll"), s.at(-30, 10, 5))  # the same change, told by another way
    s.tell(_said_of(_CY.id, "updated", {**cy, "company": "Buyer and Sons"}, s.at(-31)), s.at(-29))  # an older one, late
    left = CONTACTS[20]
    s.tell(_said_of(left.id, "deleted", {}, s.at(-14, 11)))
    s.tell(_said_of(left.id, "created", {"email": left.email, "name": left.name, "company": left.firm}, s.at(-13)))
    s.tell(_said_of(BO, "merged", {"merged": [DUPLICATE_BO], "email": _BO.email, "name": _BO.name, "company": _BO.firm}, s.at(-6, 15)))
    s.tell(_said_of(VIKTOR, "erased", {}, s.at(-4, 10)))


def connections(s: Story) -> None:
    """Eleven calendars: one in two stretches, one switched, one refused, one renewed, one that lost its authorisation."""

    def say(user: Person, verb: str, at: datetime, provider: str | None = None, **data: Any) -> None:
        whole = {"provider": provider or user.provider, "at": z(at), **data}
        id = f"{whole['provider']}:{user.id}:{verb}:{millis(at)}"
        s.tell(_envelope(f"connection.{verb}", user.id, whole, id=id, source="connections", at=at))

    def on(user: Person, at: datetime, provider: str | None = None) -> None:
        say(user, "activated", at, provider, calendar=user.email, address=user.email)

    for n, user in enumerate(_CONNECTED_USERS):
        on(user, s.at(CONNECTED, 8, n), "google" if user is ELENA else None)
    on(ANA, s.at(-15, 8))
    on(DARIO, s.at(-18), "office365")
    say(BEN, "disconnected", s.at(OFFLINE, 17), reason="asked by the user")
    on(BEN, s.at(ONLINE, 8))
    say(ELENA, "disconnected", s.at(SWITCHED), "google", reason="asked by the user")
    on(ELENA, s.at(SWITCHED, 9, 30))
    say(FARID, "deauthorised", s.at(LOST, 6), reason="access was withdrawn")


# --- scenes: ordinary weeks, and series ------------------------------------------------------------------------------------------

_AGENDA = (
    ("Discovery call: {firm}", "PT30M", "link"),
    ("Product demo for {firm}", "PT1H", "link"),
    ("Pricing walk-through with {first}", "PT45M", "link"),
    ("Pilot kick-off: {firm}", "PT1H", "room"),
    ("Contract questions, {first}", "PT30M", "link"),
    ("Roadmap preview for {firm}", "PT1H", "link"),
    ("Onboarding {firm}: first steps", "PT1H30M", "office"),
    ("Renewal talk: {firm}", "PT45M", "room"),
    ("Lunch with {first}", "PT1H30M", "table"),
    ("Security review with {firm}", "PT1H", "link"),
    ("Day on site at {firm}", "P1D", "office"),
)
_HOURS = ((9, 0), (9, 30), (10, 0), (13, 30), (14, 0), (15, 0), (16, 0))
MEETINGS_EACH, FIRST_WORKDAY = 29, -31
"""Ordinary meetings of a user, and on which working day from today the first is; from then on, one every other working day."""


def ordinary_weeks(s: Story) -> None:
    """What salespeople do all day."""
    for u in range(len(_CONNECTED_USERS)):
        for k in range(MEETINGS_EACH):
            _ordinary(s, u, k)


def _ordinary(s: Story, u: int, k: int) -> None:
    user, contact, colleague = USERS[u], _CUSTOMERS[(u * 17 + k * 5) % len(_CUSTOMERS)], _companion(u, k)
    start = s.on(FIRST_WORKDAY + 2 * k, *_HOURS[(u + k * 3) % len(_HOURS)])
    created = _created(s, start, u, k)
    title, lasts, place = _AGENDA[(u * 3 + k) % len(_AGENDA)]
    known = (u * 5 + k) % 13 != 4  # now and then nobody whom the CRM knows
    guest = as_guest(contact) if known else Guest(f"{_ascii(contact.name.split()[-1])}@nobody.example", contact.name.split()[-1])
    guests = [guest, as_guest(colleague)] if colleague else [guest]
    fields = {"duration": lasts, "timeZone": contact.zone if k % 7 == 3 else user.zone, **_place(place, contact, k)}
    if lasts == "P1D":
        start, fields = start.replace(hour=0, minute=0), {**fields, "showWithoutTime": True, "timeZone": None}
    if user is ELENA and created < s.at(SWITCHED):
        fields["provider"] = "google"
    whole_title = title.format(firm=contact.firm, first=contact.first)
    data = in_calendar(user, f"ordinary {user.id} {k}", created, start, whole_title, guests, **fields)
    _tell_of(s, user, told(data, created))
    if colleague:
        _tell_of(s, colleague, told(seen_by(data, colleague), created + timedelta(minutes=2)))
    second = _second_word(u * 7 + k * 3, data, contact, created + timedelta(hours=5 + k % 30)) if user is not ELENA else None
    if second is not None:  # of Elena's, those from before her switch are in a calendar that nobody reads any more
        _tell_of(s, user, second)


def _created(s: Story, start: datetime, u: int, k: int) -> datetime:
    """Some days before it is held, after the calendar was connected and before the story ends."""
    lead = start.replace(tzinfo=UTC) - timedelta(days=3 + (u * 5 + k) % 9, minutes=(u * 11 + k * 17) % 240)
    return min(max(lead, s.at(CONNECTED + 1, 9, (u * 5 + k) % 60)), s.at(-3 - (u + k) % 8, 8 + k % 8, (u * 7 + k) % 60))


def _place(kind: str, customer: Person, n: int) -> Event:
    if kind == "link":
        return {"conferenceUrl": f"https://meet.acme.example/{provider_id('google', f'{customer.domain} {n}')[:8]}"}
    tables = ("Café Lorrain", "The Anchor", "Trattoria Nonna", "Bistro 19")
    return {"location": {"office": customer.office, "table": tables[n % 4], "room": f"Room {1 + n % 6}"}[kind]}


def _companion(u: int, k: int) -> Person | None:
    """A colleague who comes along, and has a copy of the meeting in his mailbox."""
    colleague = _CONNECTED_USERS[(u + 2) % len(_CONNECTED_USERS)]
    return colleague if (u + k) % 9 == 5 and colleague not in (ELENA, FARID, BEN) and USERS[u] is not ELENA else None


def _tell_of(s: Story, user: Person, event: Event) -> None:
    """Something happened in a user's calendar; it reaches us when that calendar is read."""
    at = datetime.fromisoformat(event["time"])
    if user is FARID and at >= s.at(LOST, 6):
        return
    offline = user is BEN and s.at(OFFLINE, 17) <= at < s.at(ONLINE, 8, 5)
    s.tell(event, s.at(ONLINE, 8, 5) if offline else at)


_ANSWERS = {0: "accepted", 1: "accepted", 2: "accepted", 3: "declined"}


def _second_word(kind: int, data: Event, contact: Person, at: datetime) -> Event | None:
    """What becomes of a meeting after it was made: mostly nothing."""
    match kind % 16:
        case 0 | 1 | 2 | 3 as answer:
            return told(data, at, answered(data, _ANSWERS[answer]))
        case 4:
            return told(data, at, {"status": "cancelled"})
        case 5:
            return gone(data, at)
        case 6:
            return told(data, at, {"title": f"{data['title']} (moved online)", "location": None, **answered(data, "tentative")})
        case 7:
            moved = datetime.fromisoformat(data["start"]) + (timedelta(days=7) if data["showWithoutTime"] else timedelta(minutes=30))
            return told(data, at, {"start": moved.isoformat(), **answered(data, "accepted")})
        case 8:
            return told(synced(data, contact, at), at)
    return None


_SERIES = (
    # who, with which contact, what, rule, weekday (Monday is 0), hour
    (BEN, 1, "Weekly check-in with Cy", "FREQ=WEEKLY;BYDAY=MO", 0, 11),
    (CHLOE, 4, "Point hebdo Oakline", "FREQ=WEEKLY;BYDAY=WE", 2, 11),
    (DARIO, 13, "Tessera steering", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH", 3, 11),
    (HENRIK, 11, "Alder stand-up", "FREQ=WEEKLY;BYDAY=TU,TH", 1, 8),
    (IRIS, 12, "Straits Foods weekly", "FREQ=WEEKLY;BYDAY=FR", 4, 11),
    (JONAS, 7, "Fernweh weekly", "FREQ=WEEKLY;BYDAY=TH", 3, 11),
    (KATE, 8, "Paperlane check-in", "FREQ=WEEKLY;BYDAY=WE", 2, 11),
    (KATE, 9, "Copperfield monthly review", "FREQ=MONTHLY;BYDAY=1MO", 0, 12),
)


def series(s: Story) -> None:
    """One is to end sooner than it was; of Ana's Tuesdays with Bo one was cancelled, and the next is moved to Wednesday."""
    for n, (user, contact, title, rule, weekday, hour) in enumerate(_SERIES):
        guest = as_guest(CONTACTS[contact], "accepted")
        first = s.weekday(weekday, -5, hour)
        s.made(user, f"series {n}", s.at(-43, 9, n), first, title, guest, duration="PT30M", recurrenceRules=[rule])
    pilot = as_guest(CONTACTS[5])
    data = s.made(GRACE, "ending", s.at(-43, 10), s.weekday(4, -5, 14), "Northgate pilot sync", pilot, recurrenceRules=["FREQ=WEEKLY"])
    s.tell(told(data, s.at(-7, 16), {"recurrenceRules": [f"FREQ=WEEKLY;UNTIL={s.weekday(4, 1, 23):%Y%m%d}T235959Z"]}))
    bo, fields = as_guest(_BO, "accepted"), {"duration": "PT30M", "conferenceUrl": "https://meet.acme.example/ana-bo"}
    rules = ["FREQ=WEEKLY;BYDAY=TU"]
    data = s.made(ANA, "check-in", s.at(-43, 8), s.weekday(1, -5, 10), "Weekly check-in", bo, recurrenceRules=rules, **fields)
    s.tell(told(occurrence(data, s.weekday(1, -1, 10), status="cancelled"), s.at(-15, 10)))
    s.tell(told(occurrence(data, s.weekday(1, 1, 10), s.weekday(2, 1, 14)), s.at(-2, 11)))


# --- scenes: from the CRM --------------------------------------------------------------------------------------------------------


def _scheduled(s: Story, row: Event, user: Person, at: datetime) -> Event:
    """A row, our entry in the owner's calendar, and the provider's word that it was written. Returns the entry."""
    soon = at + timedelta(seconds=4)
    entry = written(row, user, soon)
    s.tell(told(row, at))
    done = {"meeting": meeting_id(row), "provider": user.provider, "id": entry["provenance"]["id"]}
    delivery = f"create:{row['provenance']['id']}"
    s.tell(_envelope("delivery.confirmed", delivery, done, id=f"{delivery}:confirmed", source="deliveries", at=soon))
    s.tell(told(entry, soon), soon + timedelta(seconds=2))
    return entry


def scheduled(s: Story) -> None:
    """Scheduled in the CRM, and written to the owner's calendar: one changed on both sides, and told again by a resync; one deleted in
    the CRM and changed in the calendar afterwards; one deleted and restored."""
    at, about = s.at(-8, 10), {"companies": ["4001"], "deals": ["88001"]}
    row = in_crm("9001", ANA, at, s.on(4, 15), "Proposal review", [_BO], associations=about, location="Room 4")
    entry = _scheduled(s, row, ANA, at)
    s.tell(told(entry, at + timedelta(seconds=4), delivery=":resync"), s.at(-7, 3))
    s.tell(told(row, s.at(-3), {"location": _BO.office}))
    people = _people(ANA, [as_guest(_BO, "accepted"), as_guest(_MAJA)])
    s.tell(told(entry, s.at(-3, 11), {"title": "Proposal review, with Maja", "location": "Room 2", "participants": people}))
    row = in_crm("9002", ANA, s.at(-10), s.on(5, 11), "Budget call", [_BO], associations={"deals": ["88001"]})
    entry = _scheduled(s, row, ANA, s.at(-10))
    s.tell(gone(row, s.at(-6, 12)))
    s.tell(told(entry, s.at(-5), {"start": s.on(5, 12).isoformat()}))
    row = in_crm("9003", KATE, s.at(-9, 15), s.on(7, 10), "Pilot decision", [_BO], timeZone=_BO.zone, location="Room 1")
    _scheduled(s, row, KATE, s.at(-9, 15))
    s.tell(gone(row, s.at(-7, 15)))
    s.tell(told(row, s.at(-6, 10), verb="restored"))


def without_a_calendar(s: Story) -> None:
    """Luis has none connected: what he schedules is in the timeline all the same. Another's is cancelled in the CRM."""
    row = in_crm("9004", LUIS, s.at(-8, 16), s.on(8, 11), "Partner introduction", [_BO], associations={"companies": ["4001"]})
    s.tell(told(row, s.at(-8, 16)))
    s.tell(told(row, s.at(-4, 16), {"location": "210 Water St, New York"}))
    for n, contact in enumerate(CONTACTS[30:38]):
        at, start, title = s.at(-20 + n, 13, n), s.on(-12 + 3 * n, 14), f"Partner call: {contact.firm}"
        s.tell(told(in_crm(f"91{n:02}", LUIS, at, start, title, [contact], associations={"deals": [f"8810{n}"]}), at))
    row = in_crm("9005", GRACE, s.at(-13), s.on(2, 9, 30), "Reference call", [CONTACTS[5]])
    _scheduled(s, row, GRACE, s.at(-13))
    s.tell(told(row, s.at(-3, 14), {"status": "cancelled"}))


def booked(s: Story) -> None:
    """Booked on scheduling pages: by Bo, told by the CRM first; by Cy, told by the calendar first. And a row of HubSpot's own sync."""
    for n, (user, contact, title) in enumerate(((KATE, _BO, "Intro to onboarding"), (GRACE, _CY, "Pricing questions"))):
        at, start = s.at(-5, 13 + n), s.on(2 + n, 11)
        row = in_crm(f"920{n}", user, at, start, title, [contact], provenance={"origin": "booking"})
        s.tell(told(row, at), at + timedelta(minutes=2 * n))
        s.made(user, f"booked {n}", at + timedelta(seconds=40), start, title, as_guest(contact, "accepted"))
    at, seen = s.at(-11, 12), {"icalUid": "k77@office365.example", "origin": "native-sync"}
    s.tell(told(in_crm("9300", HENRIK, at, s.on(1, 10), "Contract signing", [_CY], provenance=seen), at))


# --- scenes: from the calendars --------------------------------------------------------------------------------------------------


def several_mailboxes(s: Story) -> None:
    """One meeting in several places, and an older word of it, late; a copy without details, and one that its owner removes."""
    guests = (as_guest(_BO, "accepted"), as_guest(ANA, "accepted"))
    link = "https://meet.acme.example/security"
    data = s.made(GRACE, "questionnaire", s.at(-19), s.on(-3, 14), "Security review", *guests, conferenceUrl=link)
    s.tell(told(seen_by(data, ANA), s.at(-19, 9, 2)))
    s.tell(told(synced(data, _BO, s.at(-19, 9, 20)), s.at(-19, 9, 20)))
    s.tell(told(data, s.at(-17), {"title": "Security review, part 1"}))
    s.tell(told(data, s.at(-18), {"title": "Security review (draft)"}), s.at(-16))
    others = (as_guest(CONTACTS[9]), as_guest(IRIS), as_guest(HENRIK))
    data = s.made(KATE, "walk-through", s.at(-9, 15), s.on(3, 9), "Copperfield walk-through", *others)
    s.tell(told(seen_by(data, IRIS, detailsHidden=True), s.at(-9, 15, 1), {"title": "Busy", "participants": {}}))
    copy = seen_by(data, HENRIK)
    s.tell(told(copy, s.at(-9, 15, 2)))
    s.tell(gone(copy, s.at(-8, 7)))


def told_by_calendars(s: Story) -> None:
    """A visit over two days, a cancelled call, one under Bo's old address; Dee, a contact later; Elena, who switches; Viktor, erased."""
    days = {"timeZone": None, "showWithoutTime": True, "duration": "P2D", "location": _BO.office}
    s.made(CHLOE, "visit", s.at(-9, 8), s.on(6), "On-site workshop", as_guest(_BO, "accepted"), as_guest(_MAJA), **days)
    call = s.made(ANA, "pricing", s.at(-12), s.on(1, 16), "Pricing call", as_guest(_BO, "tentative"))
    s.tell(gone(call, s.at(-2, 15)))
    s.made(HENRIK, "old address", s.at(-20), s.on(-9, 10), "First demo", _OLD_BO, conferenceUrl="https://meet.acme.example/demo")
    data = s.made(ANA, "dee", s.at(-12, 11), s.on(2, 11), "First talk with Dee", as_guest(_DEE))
    s.tell(told(data, s.at(-9, 12), answered(data, "accepted")))
    data = s.made(ELENA, "switch", s.at(-22), s.on(5, 10), "Quarterly review with Lukas", as_guest(CONTACTS[7]), provider="google")
    s.tell(told(seen_by(data, ELENA), s.at(SWITCHED, 9, 45)))
    s.made(GRACE, "viktor 1", s.at(-25), s.on(-8, 10), "Intro with Viktor", _VIKTOR)
    coming = s.made(GRACE, "viktor 2", s.at(-15, 10), s.on(5, 10), "Next steps with Maja", _VIKTOR, as_guest(_MAJA))
    s.tell(told(coming, s.at(-2, 10), {"location": "Room 3"}))  # and he was erased before


# --- scenes: what is never logged ------------------------------------------------------------------------------------------------


def out_of_the_window(s: Story) -> None:
    """Made before the calendar was connected, or while it was not; in a second calendar, or in one that could not be connected."""
    old = in_calendar(KATE, "old", s.at(-60), s.on(2, 13), "Contract review", [as_guest(CONTACTS[9], "accepted")])
    s.tell(told(old, s.at(-60)), s.at(CONNECTED))
    alder = [as_guest(CONTACTS[11])]
    weekly = in_calendar(HENRIK, "old series", s.at(-70), s.weekday(2, -9, 9), "Alder weekly", alder, recurrenceRules=["FREQ=WEEKLY"])
    s.tell(told(weekly, s.at(-70)), s.at(CONNECTED))
    s.tell(told(occurrence(weekly, s.weekday(2, -2, 9), s.weekday(3, -2, 9)), s.at(-20, 8)))
    lunch = in_calendar(BEN, "lunch in the gap", s.at(-14, 12), s.on(3, 12, 30), "Lunch with Bo", [as_guest(_BO)], location="The Anchor")
    s.tell(told(lunch, s.at(-14, 12)), s.at(ONLINE, 8, 5))
    second = {"calendar": "offsites@acme.example", "primary": False}
    s.made(IRIS, "second", s.at(-6), s.on(9, 9), "Offsite planning", as_guest(CONTACTS[12]), provenance=second)
    s.made(DARIO, "refused", s.at(-17), s.on(3, 16), "Tessera extra hour", as_guest(CONTACTS[13]), provider="office365")


def among_ourselves(s: Story) -> None:
    """Colleagues, whether users or not; a guest list with colleagues, a contact and people who are never to be logged."""
    team = [as_guest(user) for user in (BEN, CHLOE, GRACE, LUIS)]
    fields = {"duration": "PT15M", "recurrenceRules": ["FREQ=WEEKLY;BYDAY=MO,WE,FR"]}
    data = s.made(ANA, "stand-up", s.at(-43, 7), s.weekday(0, -5, 9), "Sales stand-up", *team, _OFFICE, **fields)
    for minute, user in enumerate((BEN, CHLOE, GRACE), 1):
        s.tell(told(seen_by(data, user), s.at(-43, 7, minute)))
    for n, user in enumerate(USERS[1:6], 1):
        s.made(ANA, f"one to one {n}", s.at(-30, 9, n), s.on(n, 17), f"Ana / {user.first}", as_guest(user), duration="PT30M")
    s.made(GRACE, "clauses", s.at(-8), s.on(4, 10), "Contract clauses", as_guest(_CY), _LEGAL, _COUNSEL)
    s.made(CHLOE, "interview", s.at(-7), s.on(2, 17), "Interview", _RECRUITER)


def private_or_no_meetings(s: Story) -> None:
    """Private from the start, and turned private later; focus time and the like."""
    s.made(CHLOE, "doctor", s.at(-6, 8), s.on(1, 8, 30), "Appointment", as_guest(CONTACTS[4]), privacy="private")
    data = s.made(IRIS, "turned", s.at(-15), s.on(6, 18), "Dinner with Wei", as_guest(CONTACTS[12]))
    s.tell(told(data, s.at(-13), {"privacy": "secret"}))
    kinds = ("focus", "out-of-office", "working-location", "birthday", "focus", "focus")
    for n, (kind, user) in enumerate(zip(kinds, (ANA, JONAS, CHLOE, KATE, BEN, GRACE), strict=True)):
        s.made(user, f"no meeting {n}", s.at(-11, 8, n), s.on(n - 2, 8), kind.replace("-", " ").capitalize(), kind=kind)


def listings(s: Story) -> None:
    """What complete listings of two calendars held: Kate's lacks two meetings, Jonas' nearly all. Henrik's was broken off."""
    dropped = {provider_id("google", f"ordinary {KATE.id} {k}") for k in (25, 27)}
    _listed(s, KATE, [id for id in s.mailbox(KATE) if id not in dropped], s.at(-1, 20))
    _listed(s, JONAS, s.mailbox(JONAS)[:4], s.at(-1, 21))
    _listed(s, HENRIK, s.mailbox(HENRIK)[:2], s.at(-1, 22), complete=False)


def _listed(s: Story, user: Person, ids: list[str], at: datetime, complete: bool = True) -> None:
    seen = {"provider": user.provider, "user": user.id, "calendar": user.email}
    data = {"provenance": seen, "ids": ids, "complete": complete, "from": z(s.at(-60)), "to": z(s.at(60))}
    source = f"calendars/{user.provider}/{user.email}"
    s.tell(_envelope("calendar.listed", user.email, data, id=f"listing:{user.id}:{millis(at)}", source=source, at=at))


def no_news(s: Story) -> None:
    """Told twice, by the transport and by a resync; gone from the window that is read; and two that nobody can read."""
    data = s.made(FARID, "twice", s.at(-30), s.on(-14, 10), "Demo for Solvia", as_guest(CONTACTS[6]))
    for minute in (1, 30):
        s.tell(told(data, s.at(-30)), s.at(-30, 9, minute))
    s.tell(told(data, s.at(-30), delivery=":resync"), s.at(-28))
    s.tell(gone(data, s.at(-10), **{"from": z(s.at(-5)), "to": z(s.at(30))}))  # held before that window, so this says nothing
    data = in_calendar(HENRIK, "malformed", s.at(-6), s.on(3), "Backwards", [as_guest(_CY)], duration="-PT1H", timeZone="Europe/Atlantis")
    s.tell(told(data, s.at(-6)))
    s.tell(told(data, s.at(-5), verb="postponed"))


SCENES: tuple[Callable[[Story], None], ...] = (
    settings_and_users, contacts, connections,
    ordinary_weeks, series,
    scheduled, without_a_calendar, booked,
    several_mailboxes, told_by_calendars,
    out_of_the_window, among_ourselves, private_or_no_meetings,
    no_news, listings,  # last: they say what the calendars held
)  # fmt: skip
