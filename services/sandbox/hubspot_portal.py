"""One HubSpot account (a portal): its people, its objects with their history, and the associations between them.

What must stay true: nothing is changed before everything that was asked for has been examined; every change is told once, in the
order in which it was made; and no object is given the same time of modification twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_types import (
    CONTACTS,
    MEETINGS,
    TYPES,
    UNLABELLED,
    ObjectType,
    Spec,
    builtins_of,
    defined_specs,
    group_of,
    groups_of,
    reverse_of,
)
from services.sandbox.hubspot_values import Definition, Refusing, instant, iso_milliseconds, taken

FIRST_LABEL = 36
"""The first id of a portal's own association labels."""


class Source(NamedTuple):
    """Who made a change: CRM_UI, INTEGRATION, CALENDAR_SYNC, MEETINGS, ...; `user` if it was one of the portal's."""

    kind: str
    id: str = ""
    user: int | None = None


class Value(NamedTuple):
    """A property's value from `at` (ms) on."""

    value: str | None
    at: int
    source: Source


class Record(msgspec.Struct, kw_only=True):
    """An object. Times in ms. `found` is what search has seen of it and when: (ms, its properties; None when archived)."""

    type: ObjectType
    id: str
    created: int
    updated: int
    values: dict[str, list[Value]]
    archived_at: int | None = None
    merged_into: str | None = None
    found: list[tuple[int, dict[str, str | None] | None]] = []

    def get(self, name: str) -> str | None:
        """The value of a property now."""
        kept = self.values.get(name)
        return kept[-1].value if kept else None

    def current(self) -> dict[str, str | None]:
        """All values now."""
        return {name: kept[-1].value for name, kept in self.values.items()}


class Owner(msgspec.Struct, kw_only=True):
    """Whom `hubspot_owner_id` names. `user` is None for a queue."""

    id: str
    email: str
    first: str = ""
    last: str = ""
    user: int | None = None
    created: int = 0
    updated: int = 0
    archived: bool = False


class User(msgspec.Struct, kw_only=True):
    """Somebody who works in the portal. With `native_sync`, HubSpot's own calendar sync writes what his calendar holds."""

    id: int
    email: str
    first: str = ""
    last: str = ""
    role: str | None = None
    super_admin: bool = False
    native_sync: bool = False


class Change(NamedTuple):
    """Something happened to an object; `kind` is the second half of a webhook's subscription type, `fields` what it adds."""

    portal: int
    kind: str
    type: ObjectType
    id: str
    at: int
    source: Source
    fields: dict[str, Any]


class Portal:
    """`now` is in ms; `tell` gets every change."""

    def __init__(self, id: int, name: str, now: Callable[[], int], tell: Callable[[Change], None], switches: Switches) -> None:
        self.id, self.name, self._switches = id, name, switches
        self.domain = f"app-{id}.hubspot.example"
        self.time_zone = "Europe/Paris"
        self.now, self._tell = now, tell
        self.users: dict[int, User] = {}
        self.owners: dict[str, Owner] = {}
        self.records: dict[str, dict[str, Record]] = {kind.name: {} for kind in TYPES}
        self.definitions: dict[str, dict[str, Definition]] = {kind.name: _definitions(kind, now()) for kind in TYPES}
        self.groups: dict[str, dict[str, str]] = {kind.name: groups_of(kind) for kind in TYPES}
        self.labels: dict[tuple[str, str], list[Spec]] = {}
        self.links: dict[tuple[str, str], dict[tuple[str, str], set[Spec]]] = {}
        # Who ever held a value of a unique property: candidates to look at, so that nobody looks at everybody.
        self._held: dict[tuple[str, str, str], set[str]] = {}
        self._next = {kind.name: kind.first_id for kind in TYPES}

    # --- people ----------------------------------------------------------------------------------------------------------

    def add_user(self, email: str, first: str = "", last: str = "") -> tuple[User, Owner]:
        """Somebody comes to work here: a user, and the owner that goes with him."""
        number = 501 + len(self.users)
        user = User(id=number, email=email, first=first, last=last, super_admin=not self.users)
        at = self.now()
        owner = Owner(id=str(7001 + len(self.owners)), email=email, first=first, last=last, user=number, created=at, updated=at)
        self.users[number], self.owners[owner.id] = user, owner
        return user, owner

    def remove_user(self, user: int) -> None:
        """He leaves: his owner is archived and known by `userIdIncludingInactive` only."""
        del self.users[user]
        for owner in self.owners.values():
            if owner.user == user:
                owner.archived, owner.updated = True, self.now()

    def user_of(self, email: str) -> User | None:
        """The user with an address."""
        return next((user for user in self.users.values() if user.email.lower() == email.lower()), None)

    def owner_of(self, user: int | None) -> Owner | None:
        """The owner of a user who still works here."""
        return next((one for one in self.owners.values() if user is not None and one.user == user and not one.archived), None)

    # --- reading ---------------------------------------------------------------------------------------------------------

    def find(self, kind: ObjectType, id: str, by: str | None = None, archived: bool = False) -> Record | None:
        """An object by its id, or by a unique property; one that was merged answers as its survivor. Erased ones are not there."""
        found = self._by_id(kind, id) if by in (None, "hs_object_id") else self.holder(kind, by, id, archived)
        return found if found is not None and (found.archived_at is not None) == archived else None

    def _by_id(self, kind: ObjectType, id: str) -> Record | None:
        found = self.records[kind.name].get(id)
        while found is not None and found.merged_into is not None:
            found = self.records[kind.name].get(found.merged_into)
        return found

    def holder(self, kind: ObjectType, name: str, value: object, archived: bool = False) -> Record | None:
        """Who holds a value of a unique property. An archived object holds none against a new one. Raises `Failure` 400 if the property
        is not unique."""
        definition = self.definitions[kind.name].get(name)
        if definition is None or not definition.unique or definition.archived_at is not None:
            raise errors.validation(f"idProperty {name} is not a unique property of {kind.word}")
        wanted = taken(definition, value, self.examiner())
        candidates = map(self.records[kind.name].get, self._held.get((kind.name, name, str(wanted)), ()))
        holders = (one for one in candidates if one is not None and _there(one) and one.get(name) == wanted)
        return next((one for one in holders if (one.archived_at is not None) == archived), None)

    def listed(self, kind: ObjectType, archived: bool = False) -> list[Record]:
        """All objects of a type, in the order of their ids, either the archived ones or the others."""
        return [one for one in self.records[kind.name].values() if _there(one) and (one.archived_at is not None) == archived]

    def indexed(self, record: Record, lag: int) -> dict[str, str | None] | None:
        """What search knows of an object when it lags by so many ms; None if it knows nothing."""
        if lag == 0:
            return record.found[-1][1]
        before = self.now() - lag
        return next((values for at, values in reversed(record.found) if at <= before), None)

    def linked(self, record: Record, target: ObjectType) -> list[tuple[str, set[Spec]]]:
        """The objects of a type that one is associated with, and how; archived ones are left out."""
        everything = self.links.get((record.type.name, record.id), {})
        there = self.records[target.name]
        return [(id, specs) for (name, id), specs in everything.items() if name == target.name and there[id].archived_at is None]

    def specs(self, source: ObjectType, target: ObjectType) -> list[Spec]:
        """The kinds of association from a type to another: HubSpot's and the portal's own."""
        return defined_specs(source, target) + self.labels.get((source.name, target.name), [])

    def examiner(self) -> Refusing:
        """What values are examined with."""
        return Refusing(self.owners.__contains__)

    # --- writing ---------------------------------------------------------------------------------------------------------

    def examine(self, kind: ObjectType, values: Mapping[str, Any], record: Record | None, source: Source) -> dict[str, str | None]:
        """The values as they will be kept, of an object or of a new one (None). Raises `Failure` with all that cannot be: unknown,
        read-only, of the wrong form, or held by another where they must be unique; or if a new object lacks what it must have."""
        kept: dict[str, str | None] = {}
        bad: list[errors.Invalid] = []
        for name, value in values.items():
            found = self._examined(kind, name, value, record, source)
            if isinstance(found, errors.Invalid):
                bad.append(found)
            else:
                kept[name] = found
        if bad:
            raise errors.invalid_values(bad)
        return kept if record else _complete(kind, kept)

    def _examined(self, kind: ObjectType, name: str, value: Any, record: Record | None, source: Source) -> str | errors.Invalid | None:
        definition = self.definitions[kind.name].get(name)
        if definition is None or definition.archived_at is not None:
            return errors.unknown_property(name)
        read_only = definition.read_only or (name == "hs_i_cal_uid" and self._switches.ical_uid_is_read_only)
        if read_only and source.kind == "INTEGRATION":
            return errors.Invalid(name, "READ_ONLY_VALUE", f'Property "{name}" is a read only property; its value cannot be set')
        found = taken(definition, value, self.examiner())
        if isinstance(found, str) and definition.unique:
            return self._unique(kind, name, found, record)
        return found

    def _unique(self, kind: ObjectType, name: str, value: str, record: Record | None) -> str | errors.Invalid:
        other = self.holder(kind, name, value)
        if other is None or other is record:
            return value
        if kind is CONTACTS and name == "email" and record is None:
            raise errors.Failure(409, f"Contact already exists. Existing ID: {other.id}", category="CONFLICT")
        where = f"portalId={self.id}, objectTypeId={kind.id}, propertyName={name}, value={value}"
        holder = f"{other.id} already has that value."
        on = record.id if record else "a new object"
        return errors.Invalid(name, "CONFLICTING_UNIQUE_VALUE", f"Cannot set PropertyValueCoordinates{{{where}}} on {on}. {holder}")

    def create(self, kind: ObjectType, values: Mapping[str, str | None], source: Source) -> Record:
        """A new object with values that were examined."""
        at = self.now()
        id = str(self._next[kind.name])
        self._next[kind.name] += 1
        own = {"hs_object_id": id, kind.created: instant(at), **_made_by(kind, source)}
        record = Record(type=kind, id=id, created=at, updated=at, values={})
        self.records[kind.name][id] = record
        self._tell_of(record, "creation", source)
        self._put(record, {**own, **values, kind.modified: instant(at)}, at, source)
        return record

    def update(self, record: Record, values: Mapping[str, str | None], source: Source) -> None:
        """New values, examined. What stays as it was is no change; if all does, neither is the object."""
        changed = {name: value for name, value in values.items() if record.get(name) != value}
        if changed:
            at = self._touch(record)
            self._put(record, {**changed, record.type.modified: instant(at)}, at, source)

    def _touch(self, record: Record) -> int:
        record.updated = max(self.now(), record.updated + 1)
        return record.updated

    def _put(self, record: Record, values: Mapping[str, str | None], at: int, source: Source) -> None:
        for name, value in values.items():
            record.values.setdefault(name, []).append(Value(value, at, source))
            self._hold(record, name, value)
            if value is not None or len(record.values[name]) > 1:
                self._tell_of(record, "propertyChange", source, name=name, value=value)
        self._index(record)

    def _hold(self, record: Record, name: str, value: str | None) -> None:
        definition = self.definitions[record.type.name].get(name)
        if value is not None and definition is not None and definition.unique:
            self._held.setdefault((record.type.name, name, value), set()).add(record.id)

    def _index(self, record: Record) -> None:
        """Search will know; what no lag can show any more is forgotten."""
        now = self.now()
        record.found.append((now, None if record.archived_at is not None else record.current()))
        while len(record.found) > 1 and record.found[1][0] <= now - self._switches.search_lag_ms:
            del record.found[0]

    def archive(self, record: Record, source: Source) -> None:
        """To the recycle bin; its time of modification stays."""
        if record.archived_at is None:
            record.archived_at = self.now()
            self._index(record)
            self._tell_of(record, "deletion", source)

    def restore(self, record: Record, source: Source) -> None:
        """Back from the recycle bin, as it was; its time of modification stays too, so it may be older than the deletion."""
        if record.archived_at is not None:
            record.archived_at = None
            self._index(record)
            self._tell_of(record, "restore", source)

    def erase(self, record: Record, source: Source) -> None:
        """A privacy deletion: nothing is left of it, nor of those it took in."""
        for other in [one for one in self.records[record.type.name].values() if self._by_id(one.type, one.id) is record]:
            self._unlink_all(other)
            del self.records[other.type.name][other.id]
        self._tell_of(record, "privacyDeletion", source)

    def merge(self, primary: Record, other: Record, source: Source) -> Record:
        """Both become one, and the primary's values win. The survivor has a new id, and both old ids answer with it; or it
        is the primary, as the switch says."""
        survivor = self._successor(primary) if self._switches.merges_make_a_new_id else primary
        gone = [other] if survivor is primary else [primary, other]
        moved = {name: other.get(name) for name in other.values if survivor.get(name) is None and other.get(name) is not None}
        for one in gone:
            one.archived_at, one.merged_into = self.now(), survivor.id
            self._index(one)
            self._move_links(one, survivor)
        at = self._touch(survivor)
        traces = _traces(survivor, gone, other, at)
        fields = {"primary": primary.id, "merged": [other.id], "survivor": survivor.id, "moved": len(moved)}
        self._tell(Change(self.id, "merge", survivor.type, survivor.id, at, source, fields))
        self._put(survivor, {**moved, **traces, survivor.type.modified: instant(at)}, at, source)
        return survivor

    def _successor(self, primary: Record) -> Record:
        """A new object that begins as another stands. A merge tells of it; a creation is not told."""
        id = str(self._next[primary.type.name])
        self._next[primary.type.name] += 1
        values = {name: [kept[-1]] for name, kept in primary.values.items()}
        values["hs_object_id"] = [Value(id, self.now(), Source("MERGE"))]
        record = Record(type=primary.type, id=id, created=primary.created, updated=primary.updated, values=values)
        self.records[primary.type.name][id] = record
        for name, kept in values.items():
            self._hold(record, name, kept[-1].value)
        return record

    # --- associations ----------------------------------------------------------------------------------------------------

    def link(self, one: Record, other: Record, specs: Iterable[Spec], source: Source) -> list[Spec]:
        """Associate them, both ways; without specs, unlabelled. What they are associated by then, as the first sees it."""
        wanted = set(specs) or {UNLABELLED[one.type.name, other.type.name]}
        if not any(spec.label is None for spec in wanted):
            wanted.add(UNLABELLED[one.type.name, other.type.name])  # a labelled association is an unlabelled one too
        known = self.links.setdefault((one.type.name, one.id), {}).setdefault((other.type.name, other.id), set())
        back = self.links.setdefault((other.type.name, other.id), {}).setdefault((one.type.name, one.id), set())
        for spec in sorted(wanted - known, key=lambda spec: spec.id):
            known.add(spec)
            back.add(reverse_of(spec, one.type, other.type))
            self._tell_of_link(one, other, spec, source, removed=False)
        return sorted(known, key=lambda spec: spec.id)

    def unlink(self, one: Record, other: Record, specs: Iterable[Spec], source: Source) -> None:
        """Associate them no more by these; without specs, not at all."""
        known = self.links.get((one.type.name, one.id), {}).get((other.type.name, other.id), set())
        gone = known & set(specs) or set(known)
        for spec in sorted(gone, key=lambda spec: spec.id):
            known.discard(spec)
            self.links[other.type.name, other.id][one.type.name, one.id].discard(reverse_of(spec, one.type, other.type))
            self._tell_of_link(one, other, spec, source, removed=True)
        if not known:
            self._drop_pair(one, other)

    def _drop_pair(self, one: Record, other: Record) -> None:
        for here, there in ((one, other), (other, one)):
            self.links.get((here.type.name, here.id), {}).pop((there.type.name, there.id), None)

    def _unlink_all(self, record: Record) -> None:
        for name, id in list(self.links.get((record.type.name, record.id), {})):
            self._drop_pair(record, self.records[name][id])

    def _move_links(self, gone: Record, survivor: Record) -> None:
        """A merge tells of itself; that its associations moved is not told."""
        for (name, id), specs in list(self.links.get((gone.type.name, gone.id), {}).items()):
            other = self.records[name][id]
            self._drop_pair(gone, other)
            self.links.setdefault((survivor.type.name, survivor.id), {}).setdefault((name, id), set()).update(specs)
            back = {reverse_of(spec, survivor.type, other.type) for spec in specs}
            self.links.setdefault((name, id), {}).setdefault((survivor.type.name, survivor.id), set()).update(back)

    # --- telling ---------------------------------------------------------------------------------------------------------

    def _tell_of(self, record: Record, kind: str, source: Source, **fields: Any) -> None:
        self._tell(Change(self.id, kind, record.type, record.id, self.now(), source, fields))

    def _tell_of_link(self, one: Record, other: Record, spec: Spec, source: Source, removed: bool) -> None:
        """Each end hears of it from its own side."""
        for here, there, seen in ((one, other, spec), (other, one, reverse_of(spec, one.type, other.type))):
            self._tell_of(here, "associationChange", source, to=(there.type, there.id), spec=seen, removed=removed)
            if self._switches.associations_touch:
                at = self._touch(here)
                self._put(here, {here.type.modified: instant(at)}, at, source)


def _there(record: Record) -> bool:
    return record.merged_into is None


def _definitions(kind: ObjectType, at: int) -> dict[str, Definition]:
    return {
        one.name: Definition(
            name=one.name,
            label=one.name.removeprefix("hs_").replace("_", " ").capitalize(),
            type=one.type,
            field_type=one.field_type,
            group=group_of(kind, one.name),
            options=[
                {"label": value.capitalize(), "value": value, "displayOrder": n, "hidden": False} for n, value in enumerate(one.options)
            ],
            unique=one.unique,
            read_only=one.read_only,
            defined_by_hubspot=True,
            created=at,
            updated=at,
        )
        for one in builtins_of(kind)
    }


def _complete(kind: ObjectType, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """A meeting stands at a time in the timeline: its start if nothing else is said."""
    complete = dict(values)
    if kind is MEETINGS and complete.get("hs_timestamp") is None:
        complete["hs_timestamp"] = complete.get("hs_meeting_start_time")
        if complete["hs_timestamp"] is None:
            detail = {"message": "hs_timestamp is required", "code": "REQUIRED_PROPERTY", "context": {"properties": ["hs_timestamp"]}}
            raise errors.validation(f"Error creating {kind.word}. Some required properties were not set.", errors=[detail])
    return complete


def _made_by(kind: ObjectType, source: Source) -> dict[str, str | None]:
    made: dict[str, str | None] = {"hs_object_source": source.kind, "hs_object_source_id": source.id, "hs_object_source_label": source.kind}
    if source.user is not None:
        made["hs_created_by_user_id"] = str(source.user)
    if kind is MEETINGS:
        made["hs_engagement_source"] = source.kind
    return made


def _traces(survivor: Record, gone: list[Record], other: Record, at: int) -> dict[str, str | None]:
    """Where a contact remembers whom it took in, and their addresses."""
    ids = [one.id for one in gone]
    taken_in = ";".join(filter(None, [survivor.get("hs_merged_object_ids"), *ids]))
    if survivor.type is not CONTACTS:
        return {"hs_merged_object_ids": taken_in}
    vids = ";".join(filter(None, [survivor.get("hs_calculated_merged_vids"), *(f"{id}:{at}" for id in ids)]))
    additional = [*(survivor.get("hs_additional_emails") or "").split(";"), other.get("email") or ""]
    emails = ";".join(dict.fromkeys(address for address in additional if address and address != survivor.get("email")))
    return {"hs_merged_object_ids": taken_in, "hs_calculated_merged_vids": vids, "hs_additional_emails": emails or None}


def ordered(value: str | None, definition: Definition | None) -> Any:
    """A value as search compares it: times and numbers as numbers, everything else as text without case."""
    if value is None:
        return None
    if definition is not None and definition.type in ("datetime", "date"):
        return iso_milliseconds(value)
    if definition is not None and definition.type == "number":
        return float(value)
    return value.lower()
