"""`flush.ms`: no record stays unflushed for longer than its topic says. And `flush.messages` for what was there before anybody appended.

Kafka looks at its own interval, which is never by default; here the setting alone is enough. A look cannot know when a record came, so it
takes the first one that is not durable to be as old as the look before, and flushes what would be too old at the next. The promise is kept
down to `FLUSH_LOOK_MIN_MS`; what the disk takes for itself comes on top.

Few topics have the setting, so which ones do is found out seldom, and only they are looked at often. The flushes go through `GroupCommit`,
together with those of `flush.messages`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from odradek.base.clock import Clock
from odradek.broker.group_commit import GroupCommit, Outcome
from odradek.broker.partition import Partition
from odradek.config.log_configuration import LONG_MAX

# Looks for new and changed topics are as rare as this, so that a changed setting acts within a second.
FLUSH_LOOK_MAX_MS: Final = 1000
FLUSH_LOOK_MIN_MS: Final = 20


class TimedFlush:
    """Flushes the partitions of one node whose `flush.ms` is nearly over."""

    def __init__(self, partitions: Iterable[Partition], group_commit: GroupCommit, clock: Clock) -> None:
        self._partitions = partitions
        self._group_commit = group_commit
        self._clock = clock
        self._timed: list[Partition] = []
        self._searched_ms = clock.monotonic_ms() - FLUSH_LOOK_MAX_MS
        self._looked_ms = clock.monotonic_ms()
        # When at the latest the oldest record came that is not durable.
        self._unflushed_since_ms: dict[Partition, int] = {}
        self._under_way: set[Partition] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self.look() / 1000)

    def look(self) -> int:
        """Begin the flushes that are due before the next look; in how many milliseconds that is."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._searched_ms >= FLUSH_LOOK_MAX_MS:
            self._searched_ms = now_ms
            self._timed = [one for one in self._partitions if one.log.configuration.flush_ms < LONG_MAX]
            self._unflushed_since_ms = {one: self._unflushed_since_ms[one] for one in self._timed if one in self._unflushed_since_ms}
            self._flush_due_by_count()
        shortest_ms = min((one.log.configuration.flush_ms for one in self._timed), default=FLUSH_LOOK_MAX_MS)
        interval_ms = max(FLUSH_LOOK_MIN_MS, min(FLUSH_LOOK_MAX_MS, shortest_ms // 2))
        overdue = [one for one in self._timed if self._is_overdue(one, now_ms + interval_ms)]
        self._looked_ms = now_ms
        if overdue:
            self._under_way.update(overdue)
            self._group_commit.commit(overdue, partial(self._flushed, overdue))
        return interval_ms

    def _flush_due_by_count(self) -> None:
        """Who appends sees to it that `flush.messages` holds; nobody did for what a start after a crash found, or where it is new."""
        due = [one for one in self._partitions if one.log.is_flush_due and not one.log.is_offline and one not in self._under_way]
        if due:
            self._under_way.update(due)
            self._group_commit.commit(due, partial(self._flushed, due))

    def _is_overdue(self, partition: Partition, by_ms: int) -> bool:
        log = partition.log
        if log.recovery_point >= log.log_end_offset or log.is_offline:
            self._unflushed_since_ms.pop(partition, None)
            return False
        if partition in self._under_way:
            return False
        since_ms = self._unflushed_since_ms.setdefault(partition, self._looked_ms)
        if by_ms - since_ms < log.configuration.flush_ms:
            return False
        del self._unflushed_since_ms[partition]
        return True

    def _flushed(self, partitions: list[Partition], outcome: Outcome) -> None:
        self._under_way.difference_update(partitions)
        for partition in partitions:
            if partition not in outcome and not partition.is_stopped and partition.high_watermark < partition.log.log_end_offset:
                partition.after_append()
