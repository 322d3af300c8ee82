"""Pauses between tries (KIP-580)."""

from __future__ import annotations

import random

from odradek.client.core.backoff import RETRY_BACKOFF_MS, RETRY_BACKOFF_MS_MAX, retry_backoff_ms


def test_pause_doubles_up_to_a_bound_and_is_never_quite_the_same() -> None:
    dice = random.Random(1)
    exact = [min(RETRY_BACKOFF_MS * 2**attempt, RETRY_BACKOFF_MS_MAX) for attempt in range(12)]

    for attempt, pause_ms in enumerate(exact):
        drawn = {retry_backoff_ms(attempt, dice) for _ in range(50)}
        assert len(drawn) > 1
        assert all(0.8 * pause_ms - 1 <= one <= min(1.2 * pause_ms + 1, RETRY_BACKOFF_MS_MAX) for one in drawn)


def test_pause_after_very_many_attempts_is_the_bound_at_most() -> None:
    assert retry_backoff_ms(10_000, random.Random(1)) <= RETRY_BACKOFF_MS_MAX
