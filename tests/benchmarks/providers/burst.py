"""A burst of HubSpot's webhooks: calls of a hundred items, signed, over as many connections as HubSpot opens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from services.push import MOST_ITEMS, signed
from services.wiring import now
from tests.benchmarks.providers.connected import PUBLIC, SECRET
from tests.examples import ACCOUNT

CONNECTIONS = 10
"""Calls that HubSpot has under way at once, unless told otherwise."""

PATH = "/v1/hooks/hubspot"


def item(number: int) -> dict[str, object]:
    """A change of a meeting's property, as HubSpot says it."""
    return {
        "eventId": number,
        "subscriptionId": 25,
        "portalId": int(ACCOUNT),
        "appId": 1160452,
        "occurredAt": 1_772_000_000_000 + number,
        "subscriptionType": "object.propertyChange",
        "attemptNumber": 0,
        "objectId": 9_000_000 + number // 3,
        "objectTypeId": "0-47",
        "propertyName": "hs_meeting_start_time",
        "propertyValue": f"2026-04-07T10:{number % 60:02}:00Z",
        "changeSource": "CRM_UI",
    }


def bodies(items: int) -> list[bytes]:
    """The calls that tell so many items."""
    return [msgspec.json.encode([item(n) for n in range(at, min(at + MOST_ITEMS, items))]) for at in range(0, items, MOST_ITEMS)]


def request(body: bytes) -> bytes:
    """The call, signed now."""
    at = str(now())
    signature = signed(SECRET, "POST", PUBLIC + PATH, body, at)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}X-HubSpot-Signature-v3: {signature}\r\nX-HubSpot-Request-Timestamp: {at}\r\n\r\n".encode() + body


async def told(url: str, calls: list[bytes]) -> list[float]:
    """Tell them as fast as they are taken; the seconds each waited for its acknowledgement. Raises if one is not acknowledged."""
    waiting, took = iter(calls), list[float]()
    await asyncio.gather(*(_tell(url, waiting, took) for _ in range(CONNECTIONS)))
    return took


async def _tell(url: str, waiting: Iterator[bytes], took: list[float]) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for body in waiting:
        call = request(body)
        began = time.perf_counter()
        writer.write(call)
        head = await reader.readuntil(b"\r\n\r\n")
        took.append(time.perf_counter() - began)
        if b" 200 " not in head[:20]:
            raise RuntimeError(head.decode("latin-1"))
    writer.close()
