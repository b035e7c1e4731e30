"""Which rule settled a source event, and how. The ids are public and never change once released (docs/rules.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Rule(StrEnum):
    """The rules by id. `recorded` is for facts that no product rule argues about, `malformed` for what cannot be read."""

    ONE_CALENDAR = "one-calendar"
    PRIMARY_ONLY = "primary-only"
    ACTIVE_WINDOW = "active-window"
    CRM_SCHEDULES = "crm-schedules"
    CRM_UPDATES = "crm-updates"
    CRM_DELETE_KEEPS_CALENDAR = "crm-delete-keeps-calendar"
    CONTACT_MATCH = "contact-match"
    CONTACT_BOOKS = "contact-books"
    CALENDAR_UPDATES = "calendar-updates"
    CALENDAR_DELETES = "calendar-deletes"
    OWN_DOMAIN = "own-domain"
    CRM_USER = "crm-user"
    NEVER_LOG = "never-log"
    PRIVATE = "private"
    NOT_A_MEETING = "not-a-meeting"
    NO_CONTACT = "no-contact"
    ECHO = "echo"
    DUPLICATE = "duplicate"
    STALE = "stale"
    THREE_WAY = "three-way"
    SAME_MEETING = "same-meeting"
    MASS_DELETE = "mass-delete"
    ERASED = "erased"
    RECORDED = "recorded"
    MALFORMED = "malformed"


class Outcome(StrEnum):
    """How a rule settled it."""

    APPLIED = "applied"
    IGNORED = "ignored"
    SUPPRESSED = "suppressed"
    MERGED = "merged"
    HELD = "held"
    REJECTED = "rejected"


class Decision(Struct, frozen=True, gc=False, omit_defaults=True):
    """One rule's word about a source event, or about one guest of a meeting.

    `guest` is the keyed digest of the guest's address, never the address; `contact` the CRM contact it was matched
    with. `note` holds what the rule adds (a reason, the fields that changed, a losing value); nothing of a meeting that
    is not logged.
    """

    rule: Rule
    outcome: Outcome
    guest: str | None = None
    contact: str | None = None
    note: dict[str, Any] | None = None
