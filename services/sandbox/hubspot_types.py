"""What HubSpot's CRM is made of: its object types, the ids of the associations between them, and the properties it defines itself.

Facts only, no behaviour. Names and numbers are HubSpot's, from its published SDK and guides.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class ObjectType(NamedTuple):
    """`name` stands in paths, `id` in webhooks, `word` in messages, `singular` in the names of associations; `family` is the classic
    webhooks' word, "" if there are none. `created` and `modified` are the properties that hold those times; with the object's id they
    are always shown, and `shown` when nothing else was asked for. `searched` is where a search's `query` looks. `reads` and `writes`
    are the scopes for it, `|` between those of which one will do."""

    name: str
    id: str
    word: str
    singular: str
    family: str
    created: str
    modified: str
    shown: tuple[str, ...]
    searched: tuple[str, ...]
    reads: str
    writes: str
    first_id: int


MEETINGS = ObjectType(
    "meetings",
    "0-47",
    "MEETING_EVENT",
    "meeting_event",
    "",
    "hs_createdate",
    "hs_lastmodifieddate",
    (),
    ("hs_meeting_title", "hs_meeting_body"),
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    80_000_000_001,  # more than 32 bits, as those of large portals
)
CONTACTS = ObjectType(
    "contacts",
    "0-1",
    "CONTACT",
    "contact",
    "contact",
    "createdate",
    "lastmodifieddate",
    ("email", "firstname", "lastname"),
    ("firstname", "lastname", "email", "phone", "company", "hs_additional_emails"),
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    151,
)
COMPANIES = ObjectType(
    "companies",
    "0-2",
    "COMPANY",
    "company",
    "company",
    "createdate",
    "hs_lastmodifieddate",
    ("name", "domain"),
    ("name", "domain", "phone", "website"),
    "crm.objects.companies.read",
    "crm.objects.companies.write",
    9001,
)
DEALS = ObjectType(
    "deals",
    "0-3",
    "DEAL",
    "deal",
    "deal",
    "createdate",
    "hs_lastmodifieddate",
    ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    ("dealname", "pipeline", "dealstage", "description", "dealtype"),
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    5001,
)
TICKETS = ObjectType(
    "tickets",
    "0-5",
    "TICKET",
    "ticket",
    "ticket",
    "createdate",
    "hs_lastmodifieddate",
    ("content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "subject"),
    ("subject", "content", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_id"),
    "crm.objects.tickets.read|tickets",
    "crm.objects.tickets.write|tickets",
    4001,
)
TYPES = (MEETINGS, CONTACTS, COMPANIES, DEALS, TICKETS)

_ALIASES = {alias: one for one in TYPES for alias in (one.name, one.id, one.word.lower(), one.singular, one.name.rstrip("s"))}
_ALIASES["meeting"] = MEETINGS
_ALIASES["company"] = COMPANIES


def object_type(name: str) -> ObjectType | None:
    """The type that a path, a filter or a webhook names: plural, singular, or by its id.

    >>> object_type("meetings") is object_type("0-47") is object_type("MEETING_EVENT") is MEETINGS
    True
    """
    return _ALIASES.get(name.lower())


# --- associations ------------------------------------------------------------------------------------------------------------


class Spec(NamedTuple):
    """One kind of association: HUBSPOT_DEFINED ones from the tables below, USER_DEFINED ones by a portal."""

    category: str
    id: int
    label: str | None = None


_UNLABELLED = {
    ("meetings", "contacts"): (200, 199),
    ("meetings", "companies"): (188, 187),
    ("meetings", "deals"): (212, 211),
    ("meetings", "tickets"): (226, 225),
    ("contacts", "companies"): (279, 280),
    ("deals", "contacts"): (3, 4),
    ("contacts", "tickets"): (15, 16),
    ("deals", "tickets"): (27, 28),
    ("tickets", "companies"): (339, 340),
    ("deals", "companies"): (341, 342),
}
_PRIMARY = {("contacts", "companies"): (1, 2), ("deals", "companies"): (5, 6), ("companies", "tickets"): (25, 26)}


def _both_ways(table: dict[tuple[str, str], tuple[int, int]], label: str | None) -> dict[tuple[str, str], Spec]:
    there = {pair: Spec("HUBSPOT_DEFINED", ids[0], label) for pair, ids in table.items()}
    back = {(pair[1], pair[0]): Spec("HUBSPOT_DEFINED", ids[1], label) for pair, ids in table.items()}
    return there | back


UNLABELLED = _both_ways(_UNLABELLED, None)
PRIMARY = _both_ways(_PRIMARY, "Primary")


def defined_specs(source: ObjectType, target: ObjectType) -> list[Spec]:
    """The kinds of association that HubSpot defines from one type to another."""
    pair = (source.name, target.name)
    return [table[pair] for table in (PRIMARY, UNLABELLED) if pair in table]


def reverse_of(spec: Spec, source: ObjectType, target: ObjectType) -> Spec:
    """The same association, seen from its other end. A portal's own labels read alike from both ends."""
    for table in (PRIMARY, UNLABELLED):
        if table.get((source.name, target.name)) == spec:
            return table[target.name, source.name]
    return spec


# --- properties --------------------------------------------------------------------------------------------------------------

_OUTCOMES = ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")
_PLACES = ("PHONE", "ADDRESS", "CUSTOM", "VCE")

# name: (type, fieldType), then options; a name that ends in ! is written by HubSpot only.
_EVERYWHERE: dict[str, Any] = {
    "hs_object_id!": ("number", "number"),
    "hs_object_source!": ("enumeration", "select"),
    "hs_object_source_id!": ("string", "text"),
    "hs_object_source_label!": ("enumeration", "select"),
    "hs_merged_object_ids!": ("string", "text"),
    "hs_created_by_user_id!": ("number", "number"),
    "hs_updated_by_user_id!": ("number", "number"),
    "hubspot_owner_id": ("owner", "select"),
}
_OF_A_TYPE: dict[str, dict[str, Any]] = {
    "meetings": {
        "hs_createdate!": ("datetime", "date"),
        "hs_lastmodifieddate!": ("datetime", "date"),
        "hs_timestamp": ("datetime", "date"),
        "hs_meeting_title": ("string", "text"),
        "hs_meeting_body": ("string", "html"),
        "hs_internal_meeting_notes": ("string", "html"),
        "hs_meeting_external_url": ("string", "text"),
        "hs_meeting_location": ("string", "text"),
        "hs_meeting_location_type": ("enumeration", "select", _PLACES),
        "hs_meeting_start_time": ("datetime", "date"),
        "hs_meeting_end_time": ("datetime", "date"),
        "hs_meeting_outcome": ("enumeration", "select", _OUTCOMES),
        "hs_activity_type": ("string", "select"),
        "hs_attachment_ids": ("string", "text"),
        "hs_i_cal_uid": ("string", "text"),
        "hs_meeting_source": ("string", "select"),
        "hs_meeting_source_id": ("string", "text"),
        "hs_external_calendar_id": ("string", "text"),
        "hs_guest_emails": ("string", "text"),
        "hs_attendee_owner_ids": ("string", "text"),
        "hs_unique_id": ("string", "text"),
        "hs_meeting_calendar_event_hash": ("string", "text"),
        "hs_meeting_change_id": ("string", "text"),
        "hs_meeting_web_conference_meeting_id": ("string", "text"),
        "hs_engagement_source": ("string", "select"),
        "hs_engagement_source_id": ("string", "text"),
    },
    "contacts": {
        "createdate!": ("datetime", "date"),
        "lastmodifieddate!": ("datetime", "date"),
        "email": ("string", "text"),
        "firstname": ("string", "text"),
        "lastname": ("string", "text"),
        "company": ("string", "text"),
        "phone": ("string", "phonenumber"),
        "mobilephone": ("string", "phonenumber"),
        "jobtitle": ("string", "text"),
        "website": ("string", "text"),
        "lifecyclestage": ("string", "radio"),
        "hs_lead_status": ("string", "radio"),
        "hs_additional_emails": ("string", "text"),
        "hs_calculated_merged_vids!": ("string", "text"),
    },
    "companies": {
        "createdate!": ("datetime", "date"),
        "hs_lastmodifieddate!": ("datetime", "date"),
        "name": ("string", "text"),
        "domain": ("string", "text"),
        "website": ("string", "text"),
        "phone": ("string", "text"),
        "city": ("string", "text"),
        "industry": ("string", "select"),
    },
    "deals": {
        "createdate": ("datetime", "date"),
        "hs_lastmodifieddate!": ("datetime", "date"),
        "dealname": ("string", "text"),
        "dealstage": ("string", "radio"),
        "dealtype": ("string", "radio"),
        "pipeline": ("string", "select"),
        "amount": ("number", "number"),
        "closedate": ("datetime", "date"),
        "description": ("string", "textarea"),
    },
    "tickets": {
        "createdate": ("datetime", "date"),
        "hs_lastmodifieddate!": ("datetime", "date"),
        "subject": ("string", "text"),
        "content": ("string", "textarea"),
        "hs_pipeline": ("string", "select"),
        "hs_pipeline_stage": ("string", "select"),
        "hs_ticket_category": ("string", "select"),
        "hs_ticket_priority": ("string", "select"),
        "hs_ticket_id!": ("number", "number"),
    },
}


class Builtin(NamedTuple):
    """A property that HubSpot defines. `type` is `owner` where the options are the portal's owners."""

    name: str
    type: str
    field_type: str
    options: tuple[str, ...]
    read_only: bool
    unique: bool


def builtins_of(kind: ObjectType) -> list[Builtin]:
    """The properties every portal has for a type."""
    return [_builtin(kind, name, fact) for name, fact in (_EVERYWHERE | _OF_A_TYPE[kind.name]).items()]


def groups_of(kind: ObjectType) -> dict[str, str]:
    """The groups of properties that every portal has for a type, with their labels."""
    if kind is MEETINGS:
        return {"meeting": "Meeting Information", "engagement": "Engagement Information"}
    return {f"{kind.singular}information": f"{kind.singular.capitalize()} Information"}


def group_of(kind: ObjectType, name: str) -> str:
    """Which of them a property is in: what all activities have is not the meetings' own."""
    if kind is MEETINGS:
        return "meeting" if name.startswith("hs_meeting_") else "engagement"
    return f"{kind.singular}information"


def _builtin(kind: ObjectType, written: str, fact: tuple[Any, ...]) -> Builtin:
    name = written.rstrip("!")
    unique = name == "hs_object_id" or (kind is CONTACTS and name == "email")
    return Builtin(name, fact[0], fact[1], fact[2] if len(fact) > 2 else (), written.endswith("!"), unique)
