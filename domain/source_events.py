"""What a side told us: the public contract of the source log, as types, and its examination.

The words are those of CloudEvents 1.0 (the envelope) and of JSCalendar, RFC 8984 (a meeting). A source event carries
full state, never a patch. What must stay true: whatever `read` accepts, the domain can decide about; whatever it
refuses is refused with JSON Pointers from the event's root and harms nobody else; and whatever it gives has texts that a
reader may be shown as they are, whoever told them (see `_shown`): read again, it is the same.

Two forms of one contract pass here. The *public* form is what publishers send: people are `email` and `name`. The
*kept* form is what the source log holds: people are sealed (see `ports.Vault`), and of a private meeting only its
identity is left. Both decode into the same Structs.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from domain import recurrence

PREFIX = "rendezvous."
MAX_BYTES = 256 * 1024
MAX_PARTICIPANTS = 1000
MAX_RULES = 20

Instant = Annotated[datetime, Meta(tz=True)]
LocalTime = Annotated[datetime, Meta(tz=False)]
Name = Annotated[str, Meta(min_length=1, max_length=1024)]
Status = Literal["confirmed", "tentative", "cancelled"]
Kind = Literal["meeting", "focus", "out-of-office", "working-location", "birthday", "other"]


class Problem(Struct, frozen=True, gc=False):
    """One reason why an event was refused. `pointer` is a JSON Pointer (RFC 6901) from the event's root."""

    pointer: str
    reason: str


class Provenance(Struct, frozen=True, gc=False, rename="camel"):
    """Where a meeting was seen, and which revision of it.

    `created` and `updated` are the provider's times, not ours. `link` is our meeting id where the side carries it back.
    """

    provider: Name
    id: Name
    user: Name
    updated: Instant
    calendar: str | None = None
    primary: bool = True
    revision: str | None = None
    ical_uid: str | None = None
    series_id: str | None = None
    original_start: Instant | None = None
    created: Instant | None = None
    origin: Literal["user", "booking", "native-sync", "rendezvous"] = "user"
    link: str | None = None
    details_hidden: bool = False


class LooseProvenance(Struct, frozen=True, gc=False, rename="camel"):
    """Provenance of a deletion or a listing: at least the provider, and whatever else is known."""

    provider: Name
    id: str | None = None
    user: str | None = None
    updated: Instant | None = None
    calendar: str | None = None
    primary: bool = True
    revision: str | None = None
    ical_uid: str | None = None
    series_id: str | None = None
    original_start: Instant | None = None
    created: Instant | None = None
    origin: Literal["user", "booking", "native-sync", "rendezvous"] = "user"
    link: str | None = None
    details_hidden: bool = False


class Roles(Struct, frozen=True, gc=False):
    """What a participant is. The owner is the organiser."""

    owner: bool = False
    attendee: bool = False
    optional: bool = False
    chair: bool = False


class Participant(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A guest or the organiser. In the kept form `sealed` stands for e-mail and name."""

    email: str | None = None
    name: str | None = None
    roles: Roles = Roles()
    participation_status: Literal["needs-action", "accepted", "declined", "tentative"] = "needs-action"
    sealed: str | None = None


class Associations(Struct, frozen=True, gc=False, omit_defaults=True):
    """CRM ids that a CRM meeting is associated with."""

    contacts: list[str] = []
    companies: list[str] = []
    deals: list[str] = []
    tickets: list[str] = []


class MeetingData(Struct, frozen=True, gc=False, rename="camel"):
    """A meeting, whole: our profile of JSCalendar's Event.

    `start` is a local date-time in `time_zone` (IANA; None is floating), `duration` an ISO 8601 duration of weeks,
    days, hours, minutes and seconds. `recurrence_rules` are RFC 5545 RRULE values. Control characters and what overrides the
    direction of writing are taken out of texts; a `conference_url` that is no http(s) URL is taken for none.
    """

    side: Literal["calendar", "crm"]
    provenance: Provenance
    start: LocalTime
    duration: str
    status: Status
    title: str | None = None
    description: str | None = None
    time_zone: str | None = None
    show_without_time: bool = False
    privacy: Literal["public", "private", "secret"] = "public"
    kind: Kind = "meeting"
    location: str | None = None
    conference_url: str | None = None
    participants: dict[str, Participant] = {}
    recurrence_rules: list[str] = []
    excluded_starts: list[LocalTime] = []
    added_starts: list[LocalTime] = []
    associations: Associations = Associations()


class PrivateMeetingData(Struct, frozen=True, gc=False, rename="camel", forbid_unknown_fields=True):
    """The kept form of a private meeting: who told it and which one it is, nothing of what it says."""

    side: Literal["calendar", "crm"]
    provenance: Provenance
    status: Status
    privacy: Literal["private", "secret"]
    kind: Kind = "meeting"


class DeletedData(Struct, frozen=True, gc=False, rename="camel"):
    """A deletion. `from_` and `to` are the window of the round that reported it, where the side reads by windows:
    an id whose last known time is outside it says nothing. `side` may be left out by Google, Office 365 and HubSpot; of another
    publisher's id it is then the side on which a meeting of that id is known, the calendar's if none is."""

    provenance: LooseProvenance
    from_: Instant | None = msgspec.field(name="from", default=None)
    to: Instant | None = None
    side: Literal["calendar", "crm"] | None = None


class ListedData(Struct, frozen=True, gc=False, rename="camel"):
    """What a complete listing of a calendar held: a known meeting with an occurrence in [from, to) and not in `ids`
    was deleted."""

    provenance: LooseProvenance
    ids: list[str]
    complete: bool
    from_: Instant = msgspec.field(name="from")
    to: Instant


class ContactData(Struct, frozen=True, gc=False, omit_defaults=True):
    """A CRM contact. `email` is the Email property, None if it has none. `sealed` as for participants."""

    email: str | None = None
    name: str | None = None
    company: str | None = None
    sealed: str | None = None


class MergedData(Struct, frozen=True, gc=False, omit_defaults=True):
    """The contacts `merged` became the event's subject, which now has this e-mail and name."""

    merged: list[Name]
    email: str | None = None
    name: str | None = None
    company: str | None = None
    sealed: str | None = None


class NothingData(Struct, frozen=True, gc=False):
    """A type whose name says it all."""


class UserData(Struct, frozen=True, gc=False, omit_defaults=True):
    """A user of the account. In the kept form `sealed` holds e-mail and aliases, one each."""

    email: str | None = None
    aliases: list[str] = []
    sealed: list[str] = []


class NeverLog(Struct, frozen=True, gc=False, omit_defaults=True):
    """Addresses and domains that are never logged. In the kept form addresses stand in `sealed`."""

    addresses: list[str] = []
    domains: list[str] = []
    sealed: list[str] = []


class MassDelete(Struct, frozen=True, gc=False):
    """More than `count` and more than `share` (0 to 1) of a connection's meetings: held for a person."""

    count: Annotated[int, Meta(ge=0)] = 10
    share: Annotated[float, Meta(ge=0, le=1)] = 0.2


class SeriesWindow(Struct, frozen=True, gc=False):
    """How far series are laid out around the account's clock, in days."""

    before_days: Annotated[int, Meta(ge=0, le=3660)] = 365
    after_days: Annotated[int, Meta(ge=0, le=3660)] = 365


class Writes(Struct, frozen=True, gc=False):
    """What is written outside: what the CRM schedules, into its owner's calendar; what a calendar has with a contact, into the CRM."""

    calendar: bool = True
    crm: bool = False


class Policy(Struct, frozen=True, gc=False):
    """What an account chose. A key left out keeps its default, an unknown one is ignored."""

    late_contact: Literal["next-change", "backfill"] = "next-change"
    mass_delete: MassDelete = MassDelete()
    series: SeriesWindow = SeriesWindow()
    writes: Writes = Writes()


class ConfiguredData(Struct, frozen=True, gc=False):
    """An account's settings, whole."""

    domains: list[str] = []
    never_log: NeverLog = NeverLog()
    policy: Policy = Policy()


class ActivatedData(Struct, frozen=True, gc=False, omit_defaults=True):
    """A user connected a calendar at `at`. Where `address` is left out and `calendar` is an e-mail address, that is the user's.
    `sealed` stands for it in the kept form."""

    provider: Literal["google", "office365"]
    at: Instant
    calendar: str | None = None
    address: str | None = None
    sealed: str | None = None


class ClosedData(Struct, frozen=True, gc=False):
    """A connection lost its authorisation, or was disconnected, at `at`."""

    provider: Literal["google", "office365"]
    at: Instant
    reason: str | None = None


class ConfirmedData(Struct, frozen=True, gc=False, rename="camel"):
    """A provider carried out an outside write: its id and revision of what was written, when it was changed and made by the
    provider's word. The event's subject is the delivery's id, `meeting` our meeting."""

    meeting: str | None = None
    provider: str | None = None
    id: str | None = None
    revision: str | None = None
    ical_uid: str | None = None
    updated: Instant | None = None
    created: Instant | None = None


class FailedData(Struct, frozen=True, gc=False, rename="camel"):
    """A provider refused an outside write; `final` when it will not be tried again."""

    reason: str
    final: bool = False
    meeting: str | None = None


class TickedData(Struct, frozen=True, gc=False):
    """The account's clock: how far series are laid out. From the log, so that replay is exact."""

    at: Instant


Data = (
    MeetingData
    | PrivateMeetingData
    | DeletedData
    | ListedData
    | ContactData
    | MergedData
    | NothingData
    | UserData
    | ConfiguredData
    | ActivatedData
    | ClosedData
    | ConfirmedData
    | FailedData
    | TickedData
)

TYPES: dict[str, type[Struct]] = {
    "rendezvous.meeting.created.v1": MeetingData,
    "rendezvous.meeting.updated.v1": MeetingData,
    "rendezvous.meeting.deleted.v1": DeletedData,
    "rendezvous.meeting.restored.v1": MeetingData,
    "rendezvous.calendar.listed.v1": ListedData,
    "rendezvous.contact.created.v1": ContactData,
    "rendezvous.contact.updated.v1": ContactData,
    "rendezvous.contact.deleted.v1": NothingData,
    "rendezvous.contact.erased.v1": NothingData,
    "rendezvous.contact.merged.v1": MergedData,
    "rendezvous.user.added.v1": UserData,
    "rendezvous.user.removed.v1": UserData,
    "rendezvous.account.configured.v1": ConfiguredData,
    "rendezvous.connection.activated.v1": ActivatedData,
    "rendezvous.connection.deauthorised.v1": ClosedData,
    "rendezvous.connection.disconnected.v1": ClosedData,
    "rendezvous.delivery.confirmed.v1": ConfirmedData,
    "rendezvous.delivery.failed.v1": FailedData,
    "rendezvous.clock.ticked.v1": TickedData,
}
SUBJECT_REQUIRED = tuple(t for t in TYPES if t.split(".")[1] in ("contact", "user", "connection", "delivery"))


class Envelope(Struct, frozen=True, gc=False, omit_defaults=True):
    """CloudEvents 1.0 attributes. (`source`, `id`) is unique: the same pair again is the same event."""

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: str
    account: Name
    data: msgspec.Raw = msgspec.Raw(b"")
    subject: Name | None = None
    time: Instant | None = None
    partitionkey: str | None = None
    sequence: Annotated[str, Meta(max_length=128)] | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data_base64: str | UnsetType = UNSET


class SourceEvent(Struct, frozen=True, gc=False):
    """An accepted event. `kind` is the type without prefix and version, as `meeting.updated`; `time` is never None
    once the event is in the log (a publisher who leaves it out gets the time of acceptance)."""

    id: str
    source: str
    kind: str
    account: str
    subject: str
    time: datetime | None
    sequence: str | None
    data: Any


_envelopes = msgspec.json.Decoder(Envelope)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()}
_private = msgspec.json.Decoder(PrivateMeetingData)
_KINDS = {name: name.removeprefix(PREFIX).removesuffix(".v1") for name in TYPES}


def read(raw: bytes) -> SourceEvent | list[Problem]:
    """The event in these bytes (one structured CloudEvent, either form), or why it is refused.

    Never raises for anything that bytes can hold.
    """
    if len(raw) > MAX_BYTES:
        return [Problem("", f"{len(raw)} bytes; at most {MAX_BYTES} (256 KiB) are accepted")]
    try:
        envelope = _envelopes.decode(raw)
        decoder = _decoders[envelope.type]
        try:
            data = decoder.decode(envelope.data)
        except msgspec.ValidationError:
            # The kept form of a private meeting has no content to examine; nothing else is let through by it.
            if TYPES[envelope.type] is not MeetingData:
                raise
            data = _private.decode(envelope.data)
    except (msgspec.DecodeError, KeyError, RecursionError, UnicodeDecodeError, ValueError):
        return _why(raw)
    kind = _KINDS[envelope.type]
    found = _examine_envelope(envelope) + _examine(kind, data)
    if found:
        return found
    data = _shown(data)
    subject = envelope.subject or (getattr(data, "provenance", None) and data.provenance.id) or envelope.account
    return SourceEvent(envelope.id, envelope.source, kind, envelope.account, subject, envelope.time, envelope.sequence, data)


def examined(said: SourceEvent) -> SourceEvent | list[Problem]:
    """As `read`, for an event that an adapter of ours has made of these types itself. That its values are of their types, its names
    neither empty nor too long nor with a NUL, and that it has no more than `MAX_BYTES`, is for the adapter to see to."""
    found = _examine(said.kind, said.data)
    if found:
        return found
    data = _shown(said.data)
    return said if data is said.data else replace(said, data=data)


def _examine_envelope(envelope: Envelope) -> list[Problem]:
    found: list[Problem] = []
    if envelope.partitionkey is not None and envelope.partitionkey != envelope.account:
        found.append(Problem("/partitionkey", "differs from account"))
    if envelope.subject is None and envelope.type in SUBJECT_REQUIRED:
        found.append(Problem("/subject", f"required for {envelope.type}"))
    if "\0" in f"{envelope.id}{envelope.source}{envelope.account}{envelope.subject}":  # no database keeps it in a text
        names = [name for name in ("id", "source", "account", "subject") if "\0" in (getattr(envelope, name) or "")]
        found += [Problem(f"/{name}", "holds a NUL character") for name in names]
    return found


def _examine(kind: str, data: Any) -> list[Problem]:
    """What types alone cannot say. Cheap: it runs for every event."""
    form = type(data)
    if form is MeetingData:
        return _examine_meeting(kind, data)
    if form is PrivateMeetingData:
        return _examine_provenance(kind, data)
    if form is DeletedData and not data.provenance.id:
        return [Problem("/data/provenance/id", "required: the id of what was deleted")]
    if form is ListedData and data.from_ >= data.to:
        return [Problem("/data/to", "not after from")]
    if form is UserData and kind == "user.added" and not (data.email or data.sealed):
        return [Problem("/data/email", "required: a user without an address cannot be recognised")]
    return []


def _examine_provenance(kind: str, m: MeetingData | PrivateMeetingData) -> list[Problem]:
    found: list[Problem] = []
    calendar_side = m.side == "calendar"
    if calendar_side and m.provenance.created is None:
        found.append(Problem("/data/provenance/created", "required on the calendar side: the active-window rule decides by it"))
    if m.provenance.series_id is not None and m.provenance.original_start is None:
        found.append(Problem("/data/provenance/originalStart", "required with seriesId: it says which occurrence of the series this is"))
    if calendar_side and kind == "meeting.restored":
        found.append(Problem("/data/side", "only the CRM restores a meeting"))
    return found


def _examine_meeting(kind: str, m: MeetingData) -> list[Problem]:
    found = _examine_provenance(kind, m)
    if m.time_zone is not None and not zone_exists(m.time_zone):
        found.append(Problem("/data/timeZone", f"no IANA time zone: {m.time_zone[:80]!r}"))
    if recurrence.duration(m.duration) is None:
        found.append(Problem("/data/duration", "not an ISO 8601 duration of weeks, days, hours, minutes, seconds, zero or longer"))
    if m.show_without_time:
        if m.start.hour or m.start.minute or m.start.second or m.start.microsecond:
            found.append(Problem("/data/start", "an all-day meeting starts at midnight, without a time of day"))
        length = recurrence.duration(m.duration)
        if length is not None and length.seconds:
            found.append(Problem("/data/duration", "an all-day meeting lasts whole days"))
    if len(m.participants) > MAX_PARTICIPANTS:
        found.append(Problem("/data/participants", f"{len(m.participants)}; at most {MAX_PARTICIPANTS} are accepted"))
    if len(m.recurrence_rules) > MAX_RULES:
        found.append(Problem("/data/recurrenceRules", f"{len(m.recurrence_rules)}; at most {MAX_RULES} are accepted"))
    elif m.recurrence_rules:
        for index, text in enumerate(m.recurrence_rules):
            reason = recurrence.why_not(text)
            if reason:
                found.append(Problem(f"/data/recurrenceRules/{index}", reason))
        if m.provenance.original_start is not None:
            found.append(Problem("/data/recurrenceRules", "only a series' master has rules; this one has an originalStart"))
    if len(m.excluded_starts) > recurrence.MOST or len(m.added_starts) > recurrence.MOST:
        found.append(Problem("/data/excludedStarts", f"more than {recurrence.MOST} starts"))
    return found


@lru_cache(maxsize=4096)
def zone_exists(name: str) -> bool:
    """Is this an IANA time zone? Local files such as `localtime` are none."""
    if name in ("localtime", "Factory") or (name not in available_timezones() and name != "UTC"):
        return False
    try:
        ZoneInfo(name)
    except Exception:  # zoneinfo raises several kinds for odd names; all mean no
        return False
    return True


# --- texts that may be shown ----------------------------------------------------------------------------------------------

# Everything below space but tab and line feed, DEL, the C1 block, and what turns the writing round whatever it is. Marks and isolates
# stay: right-to-left languages need them, and they change no letter's place.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]")
_LINK = re.compile('https?://[^\\s<>"\x00-\x1f\x7f-\x9f\u202d\u202e]+', re.IGNORECASE)


def _shown(data: Any) -> Any:
    """The data without what a reader must not be shown; itself if there is nothing of that. Cheap: it runs for every event."""
    kind = type(data)
    if kind is MeetingData:
        return data if _is_plain(data) else _cleaned(data)
    if kind is ContactData or kind is MergedData:
        name, company = _clean(data.name), _clean(data.company)
        return data if (name, company) == (data.name, data.company) else replace(data, name=name, company=company)
    return data


def _is_plain(m: MeetingData) -> bool:
    """Is there nothing to look at more closely? Nearly always, and that is found out faster than what to take away."""
    if not f"{m.title}{m.description}{m.location}".isprintable() or not (m.conference_url is None or _LINK.fullmatch(m.conference_url)):
        return False
    for guest in m.participants.values():  # noqa: SIM110 - a generator costs as much as the rest of this
        if guest.name is not None and not guest.name.isprintable():
            return False
    return True


def _cleaned(m: MeetingData) -> MeetingData:
    link = (_clean(m.conference_url) or "").strip()
    return replace(
        m,
        title=_clean(m.title),
        description=_clean(m.description),
        location=_clean(m.location),
        conference_url=link if _LINK.fullmatch(link) else None,
        participants={key: replace(guest, name=_clean(guest.name)) for key, guest in m.participants.items()},
    )


def _clean(text: str | None) -> str | None:
    return text if text is None or text.isprintable() else _UNSEEN.sub("", text)


# --- why an event was refused: slow, thorough, only on the way to a refusal ---------------------------------------------

_PATH = re.compile(r" - at `(\$[^`]*)`$")


def _why(raw: bytes) -> list[Problem]:
    try:
        root = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        return [Problem("", f"not JSON: {error}")]
    if not isinstance(root, dict):
        return [Problem("", "not a JSON object")]
    found = problems(root, Envelope, "", skip=("data",))
    name = root.get("type")
    if isinstance(name, str) and name not in TYPES:
        found.append(Problem("/type", f"unknown type {name[:120]!r}"))
    if isinstance(name, str) and name in TYPES:
        if "data" not in root:
            found.append(Problem("/data", "required field `data` is missing"))
        else:
            found += problems(root["data"], TYPES[name], "/data")
    return found or [Problem("", "cannot be read as a source event")]


def problems(value: Any, wanted: Any, pointer: str, skip: tuple[str, ...] = ()) -> list[Problem]:
    """Every reason, each with its pointer, why `value` (decoded JSON) is not a `wanted`."""
    members = _structs_in(wanted)
    if members and isinstance(value, dict):
        struct = members[0]
        found = []
        for field in msgspec.structs.fields(struct):
            here = f"{pointer}/{_escape(field.encode_name)}"
            if field.name in skip:
                continue
            if field.encode_name not in value:
                if field.required:
                    found.append(Problem(here, f"required field `{field.encode_name}` is missing"))
                continue
            found += problems(value[field.encode_name], field.type, here)
        return found
    inner = _inside(wanted)
    if inner and isinstance(value, dict if inner[0] is dict else list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [p for key, item in items for p in problems(item, inner[1], f"{pointer}/{_escape(str(key))}")]
    try:
        msgspec.convert(value, wanted, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        return [Problem(pointer, _PATH.sub("", str(error)))]
    return []


def _structs_in(wanted: Any) -> list[type[Struct]]:
    arms = getattr(wanted, "__args__", (wanted,)) if not hasattr(wanted, "__origin__") else ()
    return [a for a in arms if isinstance(a, type) and issubclass(a, Struct)]


def _inside(wanted: Any) -> tuple[type, Any] | None:
    origin = getattr(wanted, "__origin__", None)
    if origin is list:
        return list, wanted.__args__[0]
    if origin is dict:
        return dict, wanted.__args__[1]
    return None


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
