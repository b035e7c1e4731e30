"""One office for the tests of the Office 365 simulator: a frozen clock, three colleagues, and a client that only knows HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema

from services.sandbox.entra import Entra
from services.sandbox.entra_directory import Directory
from services.sandbox.office365 import Office365
from services.sandbox.shell import Sandbox
from services.sandbox.wire import Answer, Request
from services.sandbox.world import World

Json = dict[str, Any]

ANA, CEM, FAY = "ana@acme.example", "cem@acme.example", "fay@acme.example"
BO = "bo@client.example"
NOON = 1_772_539_200_000
"""2026-03-03T12:00:00Z, in ms."""
MARCH = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
SCHEMAS = Path(__file__).parents[3] / "shared" / "contracts" / "msgraph" / "graph-v1.0-calendar.jsonschema.json"


class Running(NamedTuple):
    """An office on two ports."""

    office: Office
    sandbox: Sandbox


@contextmanager
def running() -> Iterator[Running]:
    """With the machine's clock, which the libraries compare with."""
    office = Office()
    office.world.thaw()
    office.world.move(-office.world.now() + time.time_ns() // 1_000_000)
    office.tokens = {address: office.outlook.token(address) for address in office.tokens}
    with Sandbox([office.entra, office.outlook], office.world) as sandbox:
        yield Running(office, sandbox)


class Said(NamedTuple):
    """An answer, its JSON read."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.body["error"]["code"])


class Office:
    """The simulators, and requests to them as their shell would hand them over."""

    def __init__(self) -> None:
        self.world = World(seed=7)
        self.world.freeze(NOON)
        self.directory = Directory(self.world)
        self.entra = Entra(self.world, self.directory)
        self.outlook = Office365(self.world, self.directory)
        self.tokens = {address: self.outlook.token(address) for address in (ANA, CEM, FAY)}
        self.names = {address: self.directory.user(address).name for address in self.tokens}

    def ask(self, method: str, target: str, body: object = None, *, who: str | None = ANA, **headers: str) -> Said:
        """A request to Graph; `target` from behind the version on, or a whole link. `_` in a header's name stands for a hyphen."""
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if who is not None:
            given.setdefault("authorization", f"Bearer {self.tokens.get(who, who)}")
        packed = b"" if body is None else json.dumps(body).encode()
        return examined(read(self.outlook.answer(request_of(method, target, given, packed))))

    def get(self, target: str, **more: Any) -> Said:
        """GET."""
        return self.ask("GET", target, **more)

    def post(self, target: str, body: object = None, **more: Any) -> Said:
        """POST."""
        return self.ask("POST", target, body, **more)

    def patch(self, target: str, body: object, **more: Any) -> Said:
        """PATCH."""
        return self.ask("PATCH", target, body, **more)

    def delete(self, target: str, **more: Any) -> Said:
        """DELETE."""
        return self.ask("DELETE", target, **more)

    def event(self, **changes: Any) -> Json:
        """Ana makes a meeting over the wire, ten to eleven in Paris on the ninth."""
        said = self.post("/me/events", plain(**changes))
        assert said.status == 201, said.body
        return dict(said.body)

    def later(self, minutes: int = 1) -> None:
        """Time passes."""
        self.world.move(minutes * 60_000)

    def round(self, link: str, **headers: str) -> tuple[list[Json], str]:
        """All items of a delta round, in order, and its delta link."""
        items: list[Json] = []
        while True:
            said = self.get(link, **headers)
            assert said.status == 200, said.body
            items += said.body["value"]
            assert ("@odata.nextLink" in said.body) != ("@odata.deltaLink" in said.body)
            if "@odata.deltaLink" in said.body:
                return items, str(said.body["@odata.deltaLink"])
            link = said.body["@odata.nextLink"]

    def mailed(self, kind: str = "invitation") -> list[str]:
        """Who was mailed that, in order."""
        return [mail.to for mail in self.world.mails if mail.kind == kind]


def request_of(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """A request as the shell reads it from the wire."""
    parts = urlsplit(target if "://" in target else f"http://127.0.0.1:8080/v1.0{target}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    return Request(method, parts.scheme, parts.netloc, unquote(parts.path), parts.path, query, headers, body)


def read(answer: Answer) -> Said:
    """Its JSON, if it has any."""
    return Said(answer.status, json.loads(answer.body) if answer.body else None, answer.headers)


def plain(**changes: Any) -> Json:
    """A meeting without guests; `...` leaves a field out."""
    body: Json = {"subject": "Kick-off", "start": at("2026-03-09T10:00:00"), "end": at("2026-03-09T11:00:00")}
    return {name: value for name, value in (body | changes).items() if value is not ...}


def at(text: str, zone: str = "Romance Standard Time") -> Json:
    """A `dateTimeTimeZone`."""
    return {"dateTime": text, "timeZone": zone}


def guests(*addresses: str) -> list[Json]:
    """Attendees."""
    return [{"type": "required", "emailAddress": {"address": address, "name": address.partition("@")[0].title()}} for address in addresses]


def repeating(kind: str = "daily", *, count: int = 5, **pattern: Any) -> Json:
    """A recurrence that ends."""
    return {"pattern": {"type": kind, "interval": 1, **pattern}, "range": {"type": "numbered", "numberOfOccurrences": count}}


@cache
def _validator(name: str) -> Any:
    """For one type of Graph's metadata; None where the contracts are not beside this repository."""
    if not SCHEMAS.exists():
        return None
    defs = json.loads(SCHEMAS.read_text("utf-8"))["$defs"]
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": defs}, format_checker=jsonschema.FormatChecker())


def valid(body: Json, name: str) -> None:
    """Is this what Graph's metadata say? Nothing is examined where they are not at hand."""
    validator = _validator(name)
    if validator is not None:
        validator.validate(body)


def examined(said: Said) -> Said:
    """The same; whatever it holds is what Graph's metadata say."""
    body = said.body if isinstance(said.body, dict) else {}
    if "error" in body:
        valid(body, "odataError")
    for item in [body, *(body["value"] if isinstance(body.get("value"), list) else [])]:
        if "iCalUId" in item or item.get("type") == "occurrence":
            valid(item, "event")
    return said
