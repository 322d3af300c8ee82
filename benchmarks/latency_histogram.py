"""Latencies as the load generator counts them (`load/histogram.h`): buckets no wider than 1/128 of their value, and percentiles of them.

A percentile is told as the upper end of the bucket that it falls into, and never above the greatest latency that was seen: a figure may be
up to 0.8 % too high, never too low. Times are integer nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SUB_BUCKET_BITS: Final = 7
SUB_BUCKETS: Final = 1 << SUB_BUCKET_BITS


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """How many latencies fell into each bucket; `counts` is ascending and has no bucket twice."""

    counts: Sequence[tuple[int, int]]
    maximum_ns: int

    @property
    def total(self) -> int:
        return sum(count for _, count in self.counts)

    def percentile_ns(self, percent: float) -> int:
        """The least time within which `percent` of all requests were answered, to the width of a bucket.

        Raises:
            ValueError: nothing was counted, or `percent` is not in (0, 100].
        """
        if not self.counts:
            raise ValueError("no latency was counted")
        if not 0 < percent <= 100:
            raise ValueError(f"{percent} is not a percentage above 0")
        rank = max(1, math.ceil(self.total * percent / 100))
        reached = 0
        for bucket, count in self.counts:
            reached += count
            if reached >= rank:
                return min(last_of_bucket(bucket), self.maximum_ns)
        raise AssertionError("the counts do not add up to their total")


def bucket_of(value_ns: int) -> int:
    """The bucket in which a latency is counted; the load generator has the same function in C."""
    if value_ns < SUB_BUCKETS:
        return value_ns
    shift = value_ns.bit_length() - 1 - SUB_BUCKET_BITS
    return (shift + 1) * SUB_BUCKETS + (value_ns >> shift) - SUB_BUCKETS


def last_of_bucket(bucket: int) -> int:
    """The greatest latency that is counted in `bucket`."""
    if bucket < SUB_BUCKETS:
        return bucket
    shift = bucket // SUB_BUCKETS - 1
    return ((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) << shift) - 1
