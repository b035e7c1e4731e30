"""How Graph says no: one exception, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """Graph refuses: an HTTP status, its code and message, and further headers."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def body(self, date: str, request_id: str, client_id: str | None) -> dict[str, Any]:
        """The JSON of it. `date` without offset, as Graph says it."""
        inner = {"date": date, "request-id": request_id, "client-request-id": client_id or request_id}
        return {"error": {"code": self.code, "message": self.message, "innerError": inner}}


def invalid(message: str, code: str = "ErrorInvalidRequest") -> Refusal:
    """400: what was sent makes no sense."""
    return Refusal(400, code, message)


def missing() -> Refusal:
    """404: there is no such item."""
    return Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def forbidden() -> Refusal:
    """403: this token may not."""
    return Refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
