"""The routes of version 1. Each lets its asker in at the door, asks one question of one service, and sends the answer as it is.

What must stay true: the account a route passes on is what the door returned. Parameters are declared for the API's description and
examined in `questions`.

How publishing answers: 202 if every event was accepted or a duplicate (also in a dry run, so that it can stand in for the real
call), 200 if some of a batch were rejected (its receipts say which), 422 if the one event that was sent was rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation
from litestar.response import Stream

from domain.errors import BadInput, RendezvousError, TryAgain
from domain.ports import DeadLetters
from services.api import parameters as p
from services.api import shapes
from services.api.aside import Aside, InTime
from services.api.bodies import body_of, media_type
from services.api.describing import BATCH, EITHER, ONE, SEVERAL
from services.api.door import Door
from services.api.gathering import Gathering
from services.api.live import changes
from services.api.metrics import MEDIA_TYPE as METRICS_TYPE
from services.api.metrics import Metrics
from services.api.problems import MEDIA_TYPE, Problem, Rejected
from services.api.questions import flag, number, query_of
from services.api.timelines import TimelinePage, look
from services.explain import Explained, Explainer, with_logs
from services.history import History
from services.progress import Progress
from services.publish import Publisher, Receipt
from services.reading import MOST, Reading

BODY_BYTES = 5 * 1024 * 1024
"""Bytes of one call."""

TOO_MUCH = f"at most 5 MiB and {BATCH} events are taken at once; split the batch"

_batch = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Api:
    """What the routes ask. `stopping` turns true when the server ends; `ready_lag` is how many events may wait for it to be ready."""

    reading: Reading
    explainer: Explainer
    publisher: Publisher
    gathering: Gathering
    progress: Progress
    door: Door
    page: TimelinePage
    metrics: Metrics
    stopping: Callable[[], bool]
    ready_lag: int
    aside: Aside
    in_time: InTime
    dead: DeadLetters | None


STREAM = "text/event-stream"
OPEN: list[dict[str, list[str]]] = [{}]
"""Of a route that asks for no token."""

Asked = Request[Any, Any, Any]
Parts = NamedDependency[SkipValidation[Api]]


def _errors(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Problem, description="A problem (RFC 9457).", media_type=MEDIA_TYPE, generate_examples=False)
        for status in statuses
    }


def _answers(shape: Any, description: str, *statuses: int, status: int = 200) -> dict[int, ResponseSpec]:
    spec = ResponseSpec(shape, description=description, generate_examples=False)
    return {status: spec, **_errors(400, 401, 403, 503, *statuses)}


def _streams(*statuses: int) -> dict[int, ResponseSpec]:
    told = "Server-sent events: `entry` with an entry as in a timeline, `removed` with what named it. The id is the change's."
    spec = ResponseSpec(str, description=told, media_type=STREAM, generate_examples=False)
    return {200: spec, **_errors(400, 401, 403, 503, *statuses)}


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    plain = {"cache-control": "private, no-cache", **(headers or {})}
    return Response(body, status_code=status, media_type="application/json", headers=plain)


# --- upstream services -----------------------------------------------------------------------------------------------------------


@post(
    "/source-events",
    operation_id="publishSourceEvents",
    responses=_answers(shapes.ReceiptsBody, "All were accepted, or known before.", 413, 415, 422, status=202)
    | {200: ResponseSpec(shapes.ReceiptsBody, description="Some of a batch were rejected.", generate_examples=False)},
    status_code=202,
)
async def publish(request: Asked, api: Parts, dry_run: p.DryRun = None, account: p.Account = None) -> Response[bytes]:
    """Publish source events: one (`application/cloudevents+json`) or up to 500 and 5 MiB (`application/cloudevents-batch+json`)."""
    owner = await api.door.account(request.scope, "events:publish")
    dry = flag(query_of(request.scope), "dry_run")
    kind = media_type(request)
    if kind not in (ONE, SEVERAL, EITHER):
        raise HTTPException(status_code=415, detail=f"send {ONE}, {SEVERAL} or {EITHER}")
    raws, single = _events(await body_of(request, BODY_BYTES, TOO_MUCH), kind)
    if single and not dry:
        return _receipts([await api.gathering.accept(raws[0], owner)], single)
    # In a thread: durable means that the disk was waited for.
    return _receipts(await asyncio.to_thread(api.publisher.accept, raws, owner, dry), single)


def _events(body: bytes, kind: str) -> tuple[list[bytes], bool]:
    """The events in a body, and whether it is a single one."""
    if kind == ONE or (kind == EITHER and not body.lstrip().startswith(b"[")):
        return [body], True
    try:
        raws = [bytes(raw) for raw in _batch.decode(body)]
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadInput("", f"not a JSON array of events: {error}") from error
    if len(raws) > BATCH:
        raise HTTPException(status_code=413, detail=f"{len(raws)} events; {TOO_MUCH}")
    return raws, False


def _receipts(receipts: list[Receipt], single: bool) -> Response[bytes]:
    refused = [receipt for receipt in receipts if receipt.outcome == "rejected"]
    if single and refused:
        errors = [{"pointer": e.pointer, "reason": e.reason} for e in refused[0].errors]
        raise Rejected({"id": refused[0].id, "source": refused[0].source}, errors)
    positions = [receipt.position for receipt in receipts if receipt.position is not None]
    headers = {"rendezvous-position": str(max(positions))} if positions else {}
    return _json(msgspec.json.encode({"receipts": receipts}), 200 if refused else 202, headers)


# --- timeline readers ------------------------------------------------------------------------------------------------------------


@get("/contacts/{who:str}", operation_id="getContact", responses=_answers(shapes.ContactBody, "The contact.", 404))
async def contact(request: Asked, api: Parts, who: p.Who, account: p.Account = None) -> Response[bytes]:
    """A contact by CRM id or address. A merged contact answers with its survivor."""
    owner = await api.door.account(request.scope, "timeline:read")
    return _json(await api.aside(api.reading.contact, owner, who))


@get(
    "/contacts/{who:str}/timeline",
    operation_id="getTimeline",
    responses=_answers(shapes.TimelineBody, "A page.", 404) | {304: ResponseSpec(None, description="The page that `If-None-Match` names.")},
)
async def timeline(
    request: Asked,
    api: Parts,
    who: p.Who,
    since: p.Since = None,
    until: p.Until = None,
    status: p.Status = None,
    as_of: p.AsOf = None,
    cursor: p.After = None,
    limit: p.Limit = None,
    order: p.Order = None,
    wait_for: p.WaitFor = None,
    account: p.Account = None,
    if_none_match: p.IfNoneMatch = None,
) -> Response[bytes]:
    """A contact's timeline, a page at a time. Answers 304 to `If-None-Match` if nothing changed."""
    answer = await api.page.answer(who, request.scope)
    headers = {name.decode(): value.decode() for name, value in answer.headers if name not in (b"content-type", b"content-length")}
    media_type = "application/json" if answer.status < 400 else MEDIA_TYPE
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)


@get("/contacts/{who:str}/changes", operation_id="followContact", media_type=STREAM, responses=_streams(404))
async def contact_changes(request: Asked, api: Parts, who: p.Who, last_event_id: p.LastEventId = None, account: p.Account = None) -> Stream:
    """Changes of a contact's timeline as they happen (`entry`, `removed`)."""
    owner = await api.door.account(request.scope, "timeline:read")
    found = await api.aside(api.reading.find, owner, who)
    return await _stream(request, api, owner, found.row.contact)


@get("/timeline-changes", operation_id="followTimelines", media_type=STREAM, responses=_streams())
async def timeline_changes(request: Asked, api: Parts, last_event_id: p.LastEventId = None, account: p.Account = None) -> Stream:
    """Changes of all timelines of the account as they happen (`entry`, `removed`)."""
    return await _stream(request, api, await api.door.account(request.scope, "timeline:read"), None)


async def _stream(request: Asked, api: Api, account: str, contact: str | None) -> Stream:
    told = request.headers.get("last-event-id")
    after = number({"Last-Event-ID": told}, "Last-Event-ID", 0) if told else None
    if after:
        await api.page.told(account, after)

    async def may_go_on() -> bool:
        try:
            return await api.door.account(request.scope, "timeline:read") == account
        except RendezvousError:
            return False

    content = changes(api.reading, account, contact, after, may_go_on, api.stopping, aside=api.aside)
    # X-Accel-Buffering: nginx would hold the stream back until its buffer is full.
    return Stream(content, media_type=STREAM, headers={"cache-control": "no-store", "x-accel-buffering": "no"})


@get("/meetings/{meeting:str}", operation_id="getMeeting", responses=_answers(dict[str, Any], "The meeting.", 404))
async def meeting(request: Asked, api: Parts, meeting: p.Meeting, account: p.Account = None) -> Response[bytes]:
    """A meeting that stands in a timeline."""
    owner = await api.door.account(request.scope, "timeline:read")
    return _json(await api.aside(api.reading.meeting, owner, meeting))


# --- analysts --------------------------------------------------------------------------------------------------------------------


@get("/meetings/{meeting:str}/history", operation_id="getHistory", responses=_answers(History, "Its events.", 404))
async def meeting_history(request: Asked, api: Parts, meeting: p.Meeting, account: p.Account = None) -> Response[bytes]:
    """A meeting's domain events, in order."""
    owner = await api.door.account(request.scope, "history:read")
    return _json(await api.aside(api.reading.history, owner, meeting))


@get("/decisions", operation_id="getDecisions", responses=_answers(shapes.DecisionsBody, "A page of decisions.", 404))
async def decisions(
    request: Asked,
    api: Parts,
    event: p.OfEvent = None,
    meeting: p.OfMeeting = None,
    subject: p.OfSubject = None,
    cursor: p.After = None,
    limit: p.Limit = None,
    account: p.Account = None,
) -> Response[bytes]:
    """Which rules settled source events: of one event, of one meeting, of one subject, or all of the account."""
    owner = await api.door.account(request.scope, "history:read", "timeline:read", "ops")
    query = query_of(request.scope)
    named = {name: query[name] for name in ("event", "meeting", "subject") if name in query}
    if "" in named.values():
        raise BadInput(next(name for name, value in named.items() if not value), "empty; leave it out, or name one")
    if len(named) > 1:
        raise BadInput(list(named)[1], "ask about an event, a meeting or a subject, one at a time")
    count = number(query, "limit", 50, 1, MOST)
    return _json(await api.aside(api.reading.decisions, owner, **named, cursor=query.get("cursor") or None, limit=count))


@get("/explain", operation_id="explain", responses=_answers(Explained, "The explanation."))
async def explain(request: Asked, api: Parts, what: p.What = None, account: p.Account = None) -> Response[bytes]:
    """Why something is, or is not, in a timeline. Of an event whose record nobody could read: its dead letter. Whatever was decided about
    somebody who is erased reads `erased`, and no more."""
    owner = await api.door.account(request.scope, "timeline:read", "history:read", "ops")
    asked = query_of(request.scope).get("what", "").strip()
    if not asked:
        raise BadInput("what", "required: an event, a meeting, a subject, a contact or an address")
    found = await api.aside(api.explainer.explain, owner, asked)
    whole = await api.in_time(with_logs, found, owner, api.explainer, api.dead, api.progress)
    return _json(msgspec.json.encode(whole or found))


# --- operators -------------------------------------------------------------------------------------------------------------------


@get("/connections", operation_id="getConnections", responses=_answers(shapes.ConnectionsBody, "The connections."))
async def connections(request: Asked, api: Parts, account: p.Account = None) -> Response[bytes]:
    """The account's calendar connections and how they are."""
    owner = await api.door.account(request.scope, "ops", "timeline:read")
    await look(api.reading, owner)
    return _json(await api.aside(api.reading.connections, owner))


@get(
    "/healthz",
    operation_id="health",
    security=OPEN,
    responses={200: ResponseSpec(shapes.HealthBody, description="It is.", generate_examples=False)},
)
async def healthz() -> Response[bytes]:
    """Is the process alive? Looks at nothing else, so that a broken store does not have it restarted."""
    return _json(b'{"status":"ok"}')


@get(
    "/readyz",
    operation_id="readiness",
    security=OPEN,
    responses={200: ResponseSpec(shapes.ReadyBody, description="They are.", generate_examples=False), **_errors(503)},
)
async def readyz(api: Parts) -> Response[bytes]:
    """Are the read models close to what was accepted?"""
    lag = await api.aside(api.progress.lag)
    if lag > api.ready_lag:
        raise TryAgain(f"{lag} events wait to be decided or folded; ready at {api.ready_lag}")
    return _json(b'{"status":"ready","lag":%d}' % lag)


@get(
    "/metrics",
    operation_id="metrics",
    security=[*OPEN, {"token": []}],
    responses={200: ResponseSpec(str, description="They are these.", media_type=METRICS_TYPE, generate_examples=False)} | _errors(401, 403),
)
async def metrics(request: Asked, api: Parts) -> Response[bytes]:
    """Numbers for Prometheus: to this machine, or to a token with the scope `ops`."""
    await api.door.operator(request.scope)
    return Response(await api.aside(api.metrics.text), media_type=METRICS_TYPE)


VERSION_1 = (
    publish,
    contact,
    timeline,
    contact_changes,
    timeline_changes,
    meeting,
    meeting_history,
    decisions,
    explain,
    connections,
)
WITHOUT_VERSION = (healthz, readyz, metrics)
