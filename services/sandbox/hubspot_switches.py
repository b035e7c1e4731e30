"""How the HubSpot simulator behaves where the documents are silent or contradict each other, and its limits."""

from __future__ import annotations

from typing import Literal

import msgspec

RETRIES = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0, 18000.0, 21600.0)
"""Seconds before each further try of a webhook: ten, over less than a day."""


class Switches(msgspec.Struct, kw_only=True):
    """What tests and demos may set. Times in ms.

    `search_lag_ms`: how long search does not know of a change. `limit` requests in ten seconds an app and portal, `search_limit`
    searches in a second a portal, `daily_limit` requests a day (None: no limit). `merges_make_a_new_id`: the survivor of a merge is a
    new object. `associations_touch`: an association changes `hs_lastmodifieddate`. `webhook_times`: how a time stands in a
    propertyValue. `signature_version`: what `X-HubSpot-Signature` holds beside v3's header."""

    search_lag_ms: int = 0
    limit: int = 110
    search_limit: int = 5
    daily_limit: int | None = None
    access_token_seconds: int = 1800
    access_token_length: int = 340
    enforce_scopes: bool = True
    merges_make_a_new_id: bool = True
    associations_touch: bool = False
    unknown_reads_are_400: bool = False
    unknown_deletes_are_404: bool = False
    ical_uid_is_read_only: bool = False
    webhook_times: Literal["ms", "iso"] = "ms"
    signature_version: Literal["v1", "v2"] = "v1"
    retry_seconds: tuple[float, ...] = RETRIES

    def take(self, other: Switches) -> None:
        """Stand as another does."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(other, name))
