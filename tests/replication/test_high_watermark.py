"""The high watermark is what every replica in sync has, and never goes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odradek.replication.high_watermark import effective_min_in_sync, next_high_watermark

offsets = st.integers(0, 100)


@given(current=offsets, ends=st.lists(offsets, min_size=1, max_size=5), wanted=st.integers(1, 5))
def test_high_watermark_is_the_least_log_end_in_sync_and_monotonic(current: int, ends: list[int], wanted: int) -> None:
    after = next_high_watermark(current, ends, in_sync_count=len(ends), replicas_min_in_sync=wanted)

    if len(ends) < wanted:
        assert after == current
    else:
        assert after == max(current, min(ends))


def test_replicas_in_sync_are_asked_for_up_to_their_number() -> None:
    assert [effective_min_in_sync(wanted, 3) for wanted in (1, 3, 4)] == [1, 3, 3]
