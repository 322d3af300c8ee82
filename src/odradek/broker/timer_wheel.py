"""Deadlines in a hierarchical wheel: adding and cancelling cost the same however many there are.

The first wheel has 20 buckets of 1 ms, the next 20 of 20 ms, then of 400 ms, and so on; a deadline lives in the finest wheel whose
span still reaches it and moves to a finer one when its bucket comes up (Kafka's `TimingWheel`, tick 1 ms, 20 buckets). Time is an
argument: nothing here looks at a clock or arms a timer, `deadline_ms()` says when `advance` is worth calling again.

Invariants: a timer is in at most one bucket; every timer in a bucket has a deadline after the time of the last `advance`; the
earliest deadline is never before what `deadline_ms()` answers.
"""

from __future__ import annotations

from typing import Final, final

BUCKETS_COUNT: Final = 20
# 20**8 ms are eight centuries: no 64-bit client timeout that survives validation is further away.
LEVELS_MAX: Final = 9


@final
class Timer:
    """One deadline. `payload` belongs to whoever added it."""

    __slots__ = ("_bucket", "deadline_ms", "payload")

    def __init__(self, deadline_ms: int, payload: object) -> None:
        self.deadline_ms = deadline_ms
        self.payload = payload
        self._bucket: _Bucket | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it was added, and neither expired nor was cancelled."""
        return self._bucket is not None


@final
class _Bucket:
    """Timers of one stretch of time. `earliest_ms` is a lower bound: cancelling the earliest does not raise it."""

    __slots__ = ("earliest_ms", "timers")

    def __init__(self, earliest_ms: int) -> None:
        self.earliest_ms = earliest_ms
        self.timers: dict[Timer, None] = {}


@final
class TimerWheel:
    """All the deadlines of one owner. `now_ms` never goes back from call to call."""

    __slots__ = ("_count", "_levels", "_now_ms", "_overdue", "_ticks_ms")

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._count = 0
        # Added when their deadline had already passed: they expire with the next advance, whatever time it gives.
        self._overdue = _Bucket(now_ms)
        # Per level the buckets in use, by deadline divided by the level's tick; 21 at most, for the span begins inside a bucket.
        self._levels: list[dict[int, _Bucket]] = [{} for _ in range(LEVELS_MAX)]
        self._ticks_ms = [BUCKETS_COUNT**level for level in range(LEVELS_MAX)]

    def __len__(self) -> int:
        return self._count

    def add(self, deadline_ms: int, payload: object, now_ms: int) -> Timer:
        """Let `payload` come out of the first `advance` at or after `deadline_ms`."""
        # An empty wheel may jump to the present: measured from the last advance, hours ago, a short wait would look long.
        if self._count == 0 and now_ms > self._now_ms:
            self._now_ms = now_ms
        timer = Timer(deadline_ms, payload)
        self._count += 1
        self._place(timer)
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forget `timer`; does nothing when it has expired or was cancelled before."""
        bucket = timer._bucket
        if bucket is not None:
            timer._bucket = None
            del bucket.timers[timer]
            self._count -= 1

    def deadline_ms(self) -> int | None:
        """When `advance` should be called next; None while nothing waits. May be early when timers were cancelled, never late."""
        if self._count == 0:
            return None
        if self._overdue.timers:
            return self._now_ms
        earliest_ms: int | None = None
        for buckets in self._levels:
            for position in sorted(buckets):
                bucket = buckets[position]
                if bucket.timers:
                    if earliest_ms is None or bucket.earliest_ms < earliest_ms:
                        earliest_ms = bucket.earliest_ms
                    break
                del buckets[position]
        return earliest_ms

    def advance(self, now_ms: int) -> list[Timer]:
        """Move to `now_ms` and take out every timer whose deadline has come, the earliest first."""
        now_ms = max(now_ms, self._now_ms)
        self._now_ms = now_ms
        expired: list[Timer] = []
        waiting: list[Timer] = []
        if self._overdue.timers:
            expired.extend(self._overdue.timers)
            self._overdue.timers.clear()
        for level, buckets in enumerate(self._levels):
            if not buckets:
                continue
            tick_ms = self._ticks_ms[level]
            for position in [position for position in buckets if position * tick_ms <= now_ms]:
                for timer in buckets.pop(position).timers:
                    (expired if timer.deadline_ms <= now_ms else waiting).append(timer)
        for timer in waiting:
            self._place(timer)
        for timer in expired:
            timer._bucket = None
        self._count -= len(expired)
        expired.sort(key=_deadline_of)
        return expired

    def _place(self, timer: Timer) -> None:
        deadline_ms = timer.deadline_ms
        if deadline_ms <= self._now_ms:
            timer._bucket = self._overdue
            self._overdue.timers[timer] = None
            return
        level = 0
        distance_ms = deadline_ms - self._now_ms
        while distance_ms >= self._ticks_ms[level] * BUCKETS_COUNT and level < LEVELS_MAX - 1:
            level += 1
        buckets = self._levels[level]
        position = deadline_ms // self._ticks_ms[level]
        bucket = buckets.get(position)
        if bucket is None:
            bucket = buckets[position] = _Bucket(deadline_ms)
        elif deadline_ms < bucket.earliest_ms or not bucket.timers:
            bucket.earliest_ms = deadline_ms
        timer._bucket = bucket
        bucket.timers[timer] = None


def _deadline_of(timer: Timer) -> int:
    return timer.deadline_ms
