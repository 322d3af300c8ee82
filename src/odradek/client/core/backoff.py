"""How long to wait before trying again: twice as long each time, up to a bound, and never exactly as long as others who failed with us
(`ExponentialBackoff.java`, KIP-580).
"""

from __future__ import annotations

import random
from typing import Final

# `retry.backoff.ms`, `retry.backoff.max.ms` and their fixed companions, as Kafka's clients have them.
RETRY_BACKOFF_MS: Final = 100
RETRY_BACKOFF_MS_MAX: Final = 1_000
_JITTER_RATIO: Final = 0.2


def retry_backoff_ms(attempt: int, dice: random.Random) -> int:
    """The pause after the attempt of this number, counted from 0, in milliseconds."""
    assert attempt >= 0
    # The bound is reached long before that many doublings.
    exact = min(RETRY_BACKOFF_MS << min(attempt, 32), RETRY_BACKOFF_MS_MAX)
    return min(round(exact * dice.uniform(1 - _JITTER_RATIO, 1 + _JITTER_RATIO)), RETRY_BACKOFF_MS_MAX)
