"""The arithmetic of a token bucket that is one number: when it will be full again. The same for every table of buckets.

A take moves that moment on by what the tokens need to come back, and is refused if it would then lie further ahead than an empty
bucket's. What must stay true: in any time, no more is handed out than `rate` times it and one `burst`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

ROUNDING_MS = 0.001
"""Sums of fractions of a millisecond differ in their last digits: who waited as long as he was told is not sent away again."""


class Ask(NamedTuple):
    """What a take needs: by how much (ms) the bucket is full later, and how much later that may be at most."""

    need: float
    room: float


def ask(rate: float, burst: float, cost: float) -> Ask:
    """For `cost` tokens of a bucket of `burst`, `rate` a second. Raises ValueError where no waiting would help."""
    if rate <= 0 or not 0 <= cost <= burst:
        raise ValueError(f"{cost} of a bucket of {burst} at {rate} a second will never be there")
    return Ask(1_000 * cost / rate, 1_000 * burst / rate + ROUNDING_MS)


def wait(full_at: float, shut_until: int, now: int, asked: Ask) -> int:
    """How many ms until a take can pass; 0 if it can now. Times in ms: `full_at` when the bucket will be full, `shut_until` until when
    the provider wants to hear nothing."""
    missing = max(full_at, now) + asked.need - asked.room - now
    return max(0, math.ceil(missing), shut_until - now)
