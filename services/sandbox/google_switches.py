"""How this Google behaves where the real one may behave either way, or seldom shows it. Set by tests and by the control API."""

from __future__ import annotations

import msgspec


class Switches(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """page_limit          no page holds more, whatever was asked for
    empty_pages         how probable an empty page is before one that holds something
    bare_tombstones     a cancelled instance is listed without its series and its original start
    window_sticks       a sync token goes on with the timeMin and timeMax of its first listing
    updated_min_days    how far back updatedMin may reach
    user_limit          calls a minute, of one person
    project_limit       calls a minute, of one client
    quota_status        what too many calls are answered with: 403 or 429
    https_push_only     a channel's address must be https on loopback too
    lingering_channels  notices go on after a channel was stopped
    slow_conferences    a conference is pending first, and made at the event's next reading
    testing             the consent screen is in testing: refresh tokens live seven days
    clients             client id -> secret; none: every client is known, whatever its secret"""

    page_limit: int | None = None
    empty_pages: float = 0.0
    bare_tombstones: bool = False
    window_sticks: bool = False
    updated_min_days: int = 30
    user_limit: int = 600
    project_limit: int = 10_000
    quota_status: int = 403
    https_push_only: bool = False
    lingering_channels: bool = False
    slow_conferences: bool = False
    testing: bool = False
    clients: dict[str, str] = {}
