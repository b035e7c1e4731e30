"""What a client may write: the types of the writable fields, as the discovery document has them.

Only types are checked here; what the values mean is checked where they are used. Fields that nobody may write are ignored, as Google
ignores them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.sandbox.google_words import invalid

Object = dict[str, Any] | None
Text = str | None
Flag = bool | None


class _Time(msgspec.Struct):
    date: Text = None
    dateTime: Text = None
    timeZone: Text = None


class _Person(msgspec.Struct):
    email: Text = None
    displayName: Text = None


class _Guest(_Person):
    optional: Flag = None
    resource: Flag = None
    responseStatus: Text = None
    comment: Text = None
    additionalGuests: int | None = None


class _Properties(msgspec.Struct):
    private: dict[str, str | None] | None = None
    shared: dict[str, str | None] | None = None


class _ConferenceRequest(msgspec.Struct):
    requestId: Text = None
    conferenceSolutionKey: Object = None


class _EntryPoint(msgspec.Struct):
    entryPointType: Text = None
    uri: Text = None


class _Conference(msgspec.Struct):
    createRequest: _ConferenceRequest | None = None
    entryPoints: list[_EntryPoint] | None = None


class _Event(msgspec.Struct):
    id: Text = None
    iCalUID: Text = None
    summary: Text = None
    description: Text = None
    location: Text = None
    status: Text = None
    colorId: Text = None
    visibility: Text = None
    transparency: Text = None
    eventType: Text = None
    sequence: int | None = None
    start: _Time | None = None
    end: _Time | None = None
    recurrence: list[str] | None = None
    organizer: _Person | None = None
    attendees: list[_Guest] | None = None
    extendedProperties: _Properties | None = None
    conferenceData: _Conference | None = None
    reminders: Object = None
    source: Object = None
    attachments: list[dict[str, Any]] | None = None
    guestsCanInviteOthers: Flag = None
    guestsCanModify: Flag = None
    guestsCanSeeOtherGuests: Flag = None
    anyoneCanAddSelf: Flag = None
    endTimeUnspecified: Flag = None
    focusTimeProperties: Object = None
    outOfOfficeProperties: Object = None
    workingLocationProperties: Object = None
    birthdayProperties: Object = None


class _Channel(msgspec.Struct):
    id: Text = None
    type: Text = None
    address: Text = None
    token: Text = None
    expiration: int | str | None = None
    params: dict[str, str] | None = None
    resourceId: Text = None


def event(said: Any) -> dict[str, Any]:
    """An event's body. Raises `Refusal`."""
    return _checked(said, _Event)


def channel(said: Any) -> dict[str, Any]:
    """A channel's body. Raises `Refusal`."""
    return _checked(said, _Channel)


def _checked(said: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    try:
        msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise invalid(f"Invalid value: {error}") from None
    checked: dict[str, Any] = said
    return checked
