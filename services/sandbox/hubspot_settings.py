"""The routes around the objects: owners, users, the account, and the definitions of properties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_portal import Owner, Portal, User
from services.sandbox.hubspot_routing import DATED, Call, Route, answer, done, paged, route
from services.sandbox.hubspot_types import MEETINGS
from services.sandbox.hubspot_values import Definition, instant
from services.sandbox.wire import Answer

_OWNERS = rf"/crm/(?:v3/owners|owners/{DATED})"
_USERS = rf"/settings/(?:v3/users|users/{DATED})"
_ACCOUNT = rf"/account-info/(?:v3|{DATED})/details"
_PROPERTIES = rf"/crm/(?:v3/properties|properties/{DATED})/(?P<type>[^/]+)"
_FIELD_TYPES = (
    "textarea",
    "text",
    "date",
    "file",
    "number",
    "select",
    "radio",
    "checkbox",
    "booleancheckbox",
    "calculation_equation",
    "html",
    "phonenumber",
)
_TYPES = ("string", "number", "date", "datetime", "enumeration", "bool")


def routes() -> list[Route]:
    """What is answered to an app of a portal."""
    one = _PROPERTIES + r"/(?P<name>[^/]+)"
    return [
        route("GET", _OWNERS, "owners.list", _owners, _needs("crm.objects.owners.read")),
        route("GET", _OWNERS + r"/(?P<id>[^/]+)", "owners.get", _owner, _needs("crm.objects.owners.read")),
        route("GET", _USERS + "/roles", "users.roles", _nothing, _needs("settings.users.read")),
        route("GET", _USERS + "/teams", "users.teams", _nothing, _needs("settings.users.read")),
        route("GET", _USERS, "users.list", _users, _needs("settings.users.read")),
        route("POST", _USERS, "users.create", _make_user, _needs("settings.users.write")),
        route("GET", _USERS + r"/(?P<id>[^/]+)", "users.get", _get_user, _needs("settings.users.read")),
        route("DELETE", _USERS + r"/(?P<id>[^/]+)", "users.archive", _drop_user, _needs("settings.users.write")),
        route("GET", _ACCOUNT, "account", _account),
        route("GET", "/integrations/v1/me", "account.v1", _account_v1),
        route("GET", _PROPERTIES + "/groups", "properties.groups.list", _groups),
        route("POST", _PROPERTIES + "/groups", "properties.groups.create", _make_group, _schema),
        route("POST", _PROPERTIES + "/batch/create", "properties.batch.create", _make_properties, _schema),
        route("POST", _PROPERTIES + "/batch/read", "properties.batch.read", _read_properties),
        route("GET", _PROPERTIES, "properties.list", _properties),
        route("POST", _PROPERTIES, "properties.create", _make_property, _schema),
        route("GET", one, "properties.get", _property),
        route("PATCH", one, "properties.update", _change_property, _schema),
        route("DELETE", one, "properties.archive", _drop_property, _schema),
    ]


def _needs(scope: str) -> Callable[[Call], Iterable[str]]:
    return lambda call: (scope,)


def _schema(call: Call) -> Iterable[str]:
    """Types without a scope of their own for definitions go by the one they are written with; what meetings go by is of no document."""
    kind = call.kind()
    return ["crm.schemas.contacts.write|crm.objects.contacts.write" if kind is MEETINGS else f"crm.schemas.{kind.name}.write"]


# --- owners and users --------------------------------------------------------------------------------------------------------


def _owners(call: Call) -> Answer:
    email, archived = call.request.one("email"), call.flag("archived")
    after = call.request.one("after") or "0"
    there = [one for one in call.portal.owners.values() if one.archived == archived and email in (None, one.email)]
    rest = [one for one in there if after.isdecimal() and int(one.id) > int(after)]
    page, paging = paged(rest, 0, call.limit(100, 500), call.request, lambda one: str(one.id))
    return answer(200, {"results": [_shown_owner(one) for one in page], **paging})


def _owner(call: Call) -> Answer:
    """By id, or with `idProperty=userId` by the user's."""
    by_user = call.request.one("idProperty") == "userId"
    archived = call.flag("archived")
    for one in call.portal.owners.values():
        if str(one.user if by_user else one.id) == call.parts["id"] and one.archived == archived:
            return answer(200, _shown_owner(one))
    raise errors.missing_object()


def _shown_owner(owner: Owner) -> dict[str, Any]:
    users = {"userIdIncludingInactive": owner.user} if owner.user is not None else {}
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON" if owner.user is not None else "QUEUE",
        "firstName": owner.first,
        "lastName": owner.last,
        **(users if owner.archived or owner.user is None else users | {"userId": owner.user}),
        "createdAt": instant(owner.created),
        "updatedAt": instant(owner.updated),
        "archived": owner.archived,
    }


def _users(call: Call) -> Answer:
    after = call.request.one("after") or "0"
    rest = [user for user in call.portal.users.values() if after.isdecimal() and user.id > int(after)]
    page, paging = paged(rest, 0, call.limit(100, 100), call.request, lambda user: str(user.id))
    return answer(200, {"results": [_shown_user(user) for user in page], **paging})


def _get_user(call: Call) -> Answer:
    return answer(200, _shown_user(_named_user(call)))


def _make_user(call: Call) -> Answer:
    body = call.body()
    if call.portal.user_of(str(body.get("email", ""))) is not None:
        raise errors.Failure(409, "User already exists", category="CONFLICT")
    if "@" not in str(body.get("email", "")):
        raise errors.validation("A user has an email.")
    user, _ = call.portal.add_user(str(body["email"]), str(body.get("firstName", "")), str(body.get("lastName", "")))
    return answer(201, _shown_user(user))


def _drop_user(call: Call) -> Answer:
    call.portal.remove_user(_named_user(call).id)
    return done()


def _named_user(call: Call) -> User:
    id = call.parts["id"]
    by_email = (call.request.one("idProperty") or "").upper() == "EMAIL"
    found = call.portal.user_of(id) if by_email else call.portal.users.get(int(id) if id.isdecimal() else -1)
    if found is None:
        raise errors.missing_object()
    return found


def _shown_user(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "email": user.email,
        "firstName": user.first,
        "lastName": user.last,
        "superAdmin": user.super_admin,
        "roleIds": [],
    }


def _nothing(call: Call) -> Answer:
    return answer(200, {"results": []})


# --- the account -------------------------------------------------------------------------------------------------------------


def _account(call: Call) -> Answer:
    common = _account_facts(call.portal)
    more = {"accountType": "DEVELOPER_TEST", "companyCurrency": "EUR", "additionalCurrencies": [], "dataHostingLocation": "eu1"}
    return answer(200, common | more | {"uiDomain": "app-eu1.hubspot.com"})


def _account_v1(call: Call) -> Answer:
    return answer(200, _account_facts(call.portal) | {"currency": "EUR"})


def _account_facts(portal: Portal) -> dict[str, Any]:
    at = datetime.fromtimestamp(portal.now() / 1000, UTC).astimezone(ZoneInfo(portal.time_zone))
    offset = at.utcoffset()
    assert offset is not None, "a zone always has one"
    seconds = round(offset.total_seconds())
    return {
        "portalId": portal.id,
        "timeZone": portal.time_zone,
        "utcOffset": at.strftime("%z")[:3] + ":" + at.strftime("%z")[3:],
        "utcOffsetMilliseconds": seconds * 1000,
    }


# --- property definitions ----------------------------------------------------------------------------------------------------


def _properties(call: Call) -> Answer:
    archived = call.flag("archived")
    there = [one for one in call.portal.definitions[call.kind().name].values() if (one.archived_at is not None) == archived]
    return answer(200, {"results": [_shown_property(one) for one in there]})


def _property(call: Call) -> Answer:
    return answer(200, _shown_property(_definition(call, call.parts["name"])))


def _read_properties(call: Call) -> Answer:
    known = call.portal.definitions[call.kind().name]
    found = [known[name] for one in call.inputs() if (name := str(one.get("name"))) in known]
    return _batch(call, 200, [_shown_property(one) for one in found])


def _make_property(call: Call) -> Answer:
    made = _new_definition(call, call.body())
    call.portal.definitions[call.kind().name][made.name] = made
    return answer(201, _shown_property(made))


def _make_properties(call: Call) -> Answer:
    made = [_new_definition(call, one) for one in call.inputs()]
    call.portal.definitions[call.kind().name].update((one.name, one) for one in made)
    return _batch(call, 201, [_shown_property(one) for one in made])


def _new_definition(call: Call, body: Mapping[str, Any]) -> Definition:
    """Raises `Failure`: 409 if there is one of the name, 400 if it lacks something."""
    kind, name = call.kind(), str(body.get("name", ""))
    known = call.portal.definitions[kind.name].get(name)
    if known is not None and known.archived_at is None:
        raise errors.Failure(409, f"A property named '{name}' already exists.", category="OBJECT_ALREADY_EXISTS")
    missing = [field for field in ("name", "label", "type", "fieldType", "groupName") if not isinstance(body.get(field), str)]
    if missing or body["type"] not in _TYPES or body["fieldType"] not in _FIELD_TYPES:
        raise errors.validation(f"Invalid property: missing {missing}" if missing else "Invalid type or fieldType")
    if not name.replace("_", "").isalnum() or name != name.lower():
        raise errors.validation(f"Property names are lower-case letters, digits and underscores: {name}")
    if body["groupName"] not in call.portal.groups[kind.name]:
        raise errors.validation(f'property group "{body["groupName"]}" does not exist')
    return _definition_of(body, call.portal.now())


def _definition_of(body: Mapping[str, Any], at: int) -> Definition:
    return Definition(
        name=body["name"],
        label=body["label"],
        type=body["type"],
        field_type=body["fieldType"],
        group=body["groupName"],
        description=str(body.get("description") or ""),
        options=list(body.get("options") or []),
        unique=body.get("hasUniqueValue") is True,
        hidden=body.get("hidden") is True,
        form_field=body.get("formField") is True,
        created=at,
        updated=at,
    )


def _change_property(call: Call) -> Answer:
    """Whether values are unique cannot be changed any more."""
    found, body = _definition(call, call.parts["name"]), call.body()
    for field, name in (
        ("label", "label"),
        ("description", "description"),
        ("options", "options"),
        ("hidden", "hidden"),
        ("groupName", "group"),
    ):
        if field in body:
            setattr(found, name, body[field])
    found.updated = call.portal.now()
    return answer(200, _shown_property(found))


def _drop_property(call: Call) -> Answer:
    found = _definition(call, call.parts["name"])
    if found.defined_by_hubspot:
        raise errors.validation(f"{found.name} is defined by HubSpot")
    found.archived_at = call.portal.now()
    return done()


def _definition(call: Call, name: str) -> Definition:
    found = call.portal.definitions[call.kind().name].get(name)
    if found is None or (found.archived_at is not None) != call.flag("archived"):
        raise errors.missing_object(f"Property {name} does not exist")
    return found


def _shown_property(one: Definition) -> dict[str, Any]:
    owners = {"referencedObjectType": "OWNER", "externalOptions": True} if one.type == "owner" else {"externalOptions": False}
    archived = {"archivedAt": instant(one.archived_at)} if one.archived_at is not None else {}
    locked = one.defined_by_hubspot
    return {
        "name": one.name,
        "label": one.label,
        "type": "enumeration" if one.type == "owner" else one.type,
        "fieldType": one.field_type,
        "description": one.description,
        "groupName": one.group,
        "options": one.options,
        "displayOrder": -1,
        "calculated": False,
        "hasUniqueValue": one.unique,
        "hidden": one.hidden,
        "hubspotDefined": one.defined_by_hubspot,
        "formField": one.form_field,
        "modificationMetadata": {"archivable": not locked, "readOnlyDefinition": locked, "readOnlyValue": one.read_only},
        "createdAt": instant(one.created),
        "updatedAt": instant(one.updated),
        "archived": one.archived_at is not None,
        **owners,
        **archived,
    }


def _groups(call: Call) -> Answer:
    return answer(200, {"results": [_shown_group(*one) for one in call.portal.groups[call.kind().name].items()]})


def _make_group(call: Call) -> Answer:
    body = call.body()
    name, label = body.get("name"), body.get("label")
    if not isinstance(name, str) or not isinstance(label, str):
        raise errors.validation("A group has a name and a label.")
    if name in call.portal.groups[call.kind().name]:
        raise errors.Failure(409, f"A group named '{name}' already exists.", category="OBJECT_ALREADY_EXISTS")
    call.portal.groups[call.kind().name][name] = label
    return answer(201, _shown_group(name, label))


def _shown_group(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}


def _batch(call: Call, status: int, results: list[dict[str, Any]]) -> Answer:
    now = instant(call.portal.now())
    return answer(status, {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now})
