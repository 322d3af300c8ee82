"""Percentiles of counted latencies against the latencies themselves; the same buckets in C are met by test_load_generator.py."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.latency_histogram import SUB_BUCKETS, LatencyHistogram, bucket_of, last_of_bucket

HOUR_NS = 3_600_000_000_000


def histogram_of(latencies: list[int]) -> LatencyHistogram:
    counts = Counter(map(bucket_of, latencies))
    return LatencyHistogram(sorted(counts.items()), max(latencies))


@given(st.integers(min_value=0, max_value=2**63))
def test_a_bucket_ends_at_or_above_its_values_and_less_than_a_percent_above(value: int) -> None:
    end = last_of_bucket(bucket_of(value))

    assert value <= end <= value + value / SUB_BUCKETS


@given(st.integers(min_value=0, max_value=10_000))
def test_buckets_follow_each_other_without_a_gap(bucket: int) -> None:
    if bucket > 7000:
        bucket %= 7000
    assert bucket_of(last_of_bucket(bucket)) == bucket
    assert bucket_of(last_of_bucket(bucket) + 1) == bucket + 1


@given(st.lists(st.integers(min_value=1, max_value=HOUR_NS), min_size=1, max_size=300), st.sampled_from([0.1, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_the_latency_at_its_rank_to_the_width_of_a_bucket(latencies: list[int], percent: float) -> None:
    told = histogram_of(latencies).percentile_ns(percent)

    enough = sum(latency <= told for latency in latencies)
    too_few = sum(bucket_of(latency) < bucket_of(told) for latency in latencies)
    assert enough * 100 >= len(latencies) * percent
    assert too_few * 100 < len(latencies) * percent


def test_percentiles_of_a_thousand_evenly_spread_latencies() -> None:
    latencies = list(range(1000, 1_001_000, 1000))
    random.Random(5).shuffle(latencies)
    histogram = histogram_of(latencies)

    assert histogram.total == 1000
    for percent in (50, 99, 99.9):
        assert histogram.percentile_ns(percent) == pytest.approx(percent * 10_000, rel=1 / SUB_BUCKETS)
    assert histogram.percentile_ns(100) == 1_000_000


def test_no_percentile_is_above_the_greatest_latency() -> None:
    assert histogram_of([1_000_001]).percentile_ns(50) == 1_000_001


def test_a_histogram_of_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no latency"):
        LatencyHistogram([], 0).percentile_ns(99)


def test_zero_percent_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="not a percentage"):
        histogram_of([1]).percentile_ns(0)
