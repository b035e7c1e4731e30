"""Meet conferences: made on request, once for each request id, as `conferenceData.createRequest` asks.

Google ignores conference data unless the caller says that it speaks version 1.
"""

from __future__ import annotations

import random
from typing import Any

Wire = dict[str, Any]

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def read(body: Wire, version: str | None, old: Wire | None, chance: random.Random, *, slow: bool) -> Wire:
    """The body with the conference data that is to be kept: what it says for version 1, otherwise what there was."""
    rest = {name: value for name, value in body.items() if name not in ("conferenceData", "hangoutLink")}
    if version != "1":
        return rest | ({"conferenceData": old} if old else {})
    if "conferenceData" not in body:
        return rest
    said = body["conferenceData"]
    if not isinstance(said, dict) or "createRequest" not in said:
        return rest | {"conferenceData": said}
    known = (old or {}).get("createRequest", {})
    if known.get("requestId") == said["createRequest"].get("requestId"):
        return rest | {"conferenceData": old}
    return rest | {"conferenceData": _pending(said["createRequest"]) if slow else made(said["createRequest"], chance)}


def _pending(request: Wire) -> Wire:
    return {"createRequest": _asked(request, "pending")}


def pending(data: Wire | None) -> bool:
    """Was it asked for, and is not there yet?"""
    return bool(data) and (data or {}).get("createRequest", {}).get("status", {}).get("statusCode") == "pending"


def made(request: Wire, chance: random.Random) -> Wire:
    """A conference for a request."""
    id = "-".join("".join(chance.choices(LETTERS, k=length)) for length in (3, 4, 3))
    return {
        "createRequest": _asked(request, "success"),
        "entryPoints": [{"entryPointType": "video", "uri": f"https://meet.google.com/{id}", "label": f"meet.google.com/{id}"}],
        "conferenceSolution": {
            "key": {"type": "hangoutsMeet"},
            "name": "Google Meet",
            "iconUri": "https://fonts.gstatic.com/s/i/productlogos/meet_2020q4/v6/web-512dp/logo_meet_2020q4_color_2x_web_512dp.png",
        },
        "conferenceId": id,
    }


def _asked(request: Wire, status: str) -> Wire:
    key = request.get("conferenceSolutionKey") or {"type": "hangoutsMeet"}
    return {"requestId": request.get("requestId", ""), "conferenceSolutionKey": key, "status": {"statusCode": status}}
