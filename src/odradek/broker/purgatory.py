"""Requests that wait for something to happen to a partition, or for their time to be over.

A request is parked once, under every key it waits for; whoever changes what a key stands for calls `complete(key)`, and only the
requests under that key look again. Nothing is polled: without requests there is no timer, with a thousand there is one, armed for
the earliest deadline. A request that is done leaves all its watch lists at once, so none of them ever holds the dead
(`DelayedOperationPurgatory.java` purges them every thousand completions instead).

Keys are compared as dictionary keys; partitions are parked for under the `Partition` object itself. Deadlines are monotonic time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol, final

from odradek.base.clock import Clock
from odradek.broker.timer_wheel import Timer, TimerWheel

log = logging.getLogger("odradek.broker.purgatory")

# A connection has one request in process, so this is also a limit on connections that wait; the memory is some 60 MB.
PARKED_MAX_DEFAULT = 100_000


class ParkedOperation(Protocol):
    """What waits. It answers its request itself, from inside one of the two calls, and is called no more afterwards."""

    def try_complete(self, key: Hashable) -> bool:
        """`key` has changed. Answer and return True, or return False to go on waiting."""
        ...

    def expire(self) -> None:
        """The deadline has come: answer with what there is."""
        ...


class Cancellable(Protocol):
    """What `asyncio` gives back for a timer."""

    def cancel(self) -> None: ...


@final
class Parking:
    """The place of one operation in the purgatory."""

    __slots__ = ("_purgatory", "_timer", "is_over", "keys", "operation")

    def __init__(self, purgatory: Purgatory, operation: ParkedOperation, keys: tuple[Hashable, ...]) -> None:
        self._purgatory = purgatory
        self._timer: Timer | None = None
        self.operation = operation
        self.keys = keys
        self.is_over = False

    def cancel(self) -> None:
        """Leave without an answer, because nobody waits for it any more. Does nothing when the operation is done."""
        self._purgatory._leave(self)


@final
class Purgatory:
    """The waiting requests of one node."""

    __slots__ = (
        "_armed_for_ms",
        "_call_later",
        "_clock",
        "_completed_count",
        "_expired_count",
        "_handle",
        "_parked_max",
        "_watchers",
        "_wheel",
    )

    def __init__(
        self,
        clock: Clock,
        call_later: Callable[[float, Callable[[], None]], Cancellable],
        *,
        parked_max: int = PARKED_MAX_DEFAULT,
    ) -> None:
        """`call_later(delay_s, callback)` is the event loop's; `parked_max` operations wait at most."""
        self._clock = clock
        self._call_later = call_later
        self._wheel = TimerWheel(clock.monotonic_ms())
        self._watchers: dict[Hashable, dict[Parking, None]] = {}
        self._parked_max = parked_max
        self._handle: Cancellable | None = None
        self._armed_for_ms = 0
        self._completed_count = 0
        self._expired_count = 0

    def park(self, operation: ParkedOperation, keys: Iterable[Hashable], deadline_ms: int) -> Parking:
        """Let `operation` wait for any of `keys`, at most until `deadline_ms` of the monotonic clock.

        The caller has looked already: nothing is tried here. When too many wait, the operation expires at once, which for its
        client is a short wait and for the node a limit on memory.
        """
        parking = Parking(self, operation, tuple(dict.fromkeys(keys)))
        if len(self._wheel) >= self._parked_max:
            parking.is_over = True
            self._expired_count += 1
            operation.expire()
            return parking
        for key in parking.keys:
            watchers = self._watchers.get(key)
            if watchers is None:
                watchers = self._watchers[key] = {}
            watchers[parking] = None
        parking._timer = self._wheel.add(deadline_ms, parking, self._clock.monotonic_ms())
        if self._handle is None or deadline_ms < self._armed_for_ms:
            self._arm(deadline_ms)
        return parking

    def complete(self, key: Hashable) -> int:
        """`key` has changed: let everybody who waits for it look. Returns how many are done."""
        watchers = self._watchers.get(key)
        if not watchers:
            return 0
        completed_count = 0
        # A copy, because an answer may end its connection, which cancels other parkings, or park the next request.
        for parking in list(watchers):
            if parking.is_over:
                continue
            if parking.operation.try_complete(key):
                self._leave(parking)
                completed_count += 1
        self._completed_count += completed_count
        return completed_count

    def expire_due(self) -> None:
        """Expire what is due by the clock and arm the timer for the next deadline."""
        self._handle = None
        for timer in self._wheel.advance(self._clock.monotonic_ms()):
            parking = timer.payload
            assert isinstance(parking, Parking)
            if parking.is_over:
                continue
            self._leave(parking)
            self._expired_count += 1
            try:
                parking.operation.expire()
            except Exception as error:  # one broken operation must not keep the others from expiring
                log.error("a parked request could not be answered", exc_info=error)
        if self._handle is None:
            deadline_ms = self._wheel.deadline_ms()
            if deadline_ms is not None:
                self._arm(deadline_ms)

    def statistics(self) -> dict[str, int]:
        """Counts of now (`parked`, `watched_keys`) and since the start (`completed`, `expired`)."""
        return {
            "parked": len(self._wheel),
            "watched_keys": len(self._watchers),
            "completed": self._completed_count,
            "expired": self._expired_count,
        }

    def close(self) -> None:
        """Disarm the timer. Who still waits is not answered: their connections are closing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _leave(self, parking: Parking) -> None:
        if parking.is_over:
            return
        parking.is_over = True
        for key in parking.keys:
            watchers = self._watchers[key]
            del watchers[parking]
            if not watchers:
                del self._watchers[key]
        assert parking._timer is not None
        self._wheel.cancel(parking._timer)

    def _arm(self, deadline_ms: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for_ms = deadline_ms
        delay_ms = max(deadline_ms - self._clock.monotonic_ms(), 0)
        self._handle = self._call_later(delay_ms / 1000, self.expire_due)
