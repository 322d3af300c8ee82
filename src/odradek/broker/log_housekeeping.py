"""What the logs need done by the clock: rolled segments are made durable, old ones dropped, offsets written down, leftovers removed.

`LogDirectories` knows how; this is when, with Kafka's cadence (`LogManager.startup`). Whatever waits for a disk waits in the pool. One task
sleeps until the next thing is due, so that an idle node does nothing in between.

On a full disk room is made where the settings allow it: retention does not wait for its hour, nor what is deleted for the end of its delay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from odradek.base.clock import Clock
from odradek.base.errors import StorageFailure
from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.broker.partition import Partition
from odradek.broker.partitions import PartitionRegistry
from odradek.config.broker import (
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS,
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS,
    LOG_INITIAL_TASK_DELAY_MS,
    LOG_RETENTION_CHECK_INTERVAL_MS,
    PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS,
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS,
)
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.errors import NoRoom
from odradek.storage.flush_work import FlushWork
from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.retention import OldSegments, drop_old_segments, make_way

log = logging.getLogger("odradek.broker.log_housekeeping")

# Rolled segments and leftovers are looked for this often; each look costs microseconds when there is nothing.
LOOK_INTERVAL_MS = 1000
# While a directory has no room, retention comes round as often as this.
RETENTION_WITHOUT_ROOM_INTERVAL_MS = 5_000
# What could not be removed is tried again after this time.
REMOVAL_RETRY_MS = 60_000
# So many segments are dropped in one turn of the loop: five files each get another name, which is some milliseconds for all.
SEGMENTS_PER_TURN_MAX = 8
# So many logs wait for the disk together before their segments go: the first wait is as a rule the only one that takes long.
LOGS_PER_WAIT_MAX = 64


@dataclass(slots=True)
class Chore:
    """Something to be done every `interval_ms`, next at `due_ms` of the monotonic clock."""

    name: str
    interval_ms: int
    due_ms: int
    do: Callable[[], Awaitable[None]]


class LogHousekeeping:
    """The chores of one node's logs."""

    def __init__(
        self, logs: LogDirectories, partitions: PartitionRegistry, configuration: DynamicConfiguration, clock: Clock, pool: Executor
    ) -> None:
        self._logs = logs
        self._partitions = partitions
        self._configuration = configuration
        self._clock = clock
        self._pool = pool
        self._removal: asyncio.Future[list[tuple[str, bool, OSError]]] | None = None
        self._last_retention_ms: int | None = None
        now_ms = clock.monotonic_ms()
        from_the_start = (
            ("room", LOOK_INTERVAL_MS, self._make_room),
            # Before whatever waits for a disk: on a full one this is what makes room.
            ("leftovers", LOOK_INTERVAL_MS, self._remove_leftovers),
            ("flush", LOOK_INTERVAL_MS, self._flush_due),
            ("gone logs", LOOK_INTERVAL_MS, self._forget_gone_logs),
            (
                "high watermarks",
                configuration[REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS],
                partial(self._write_checkpoint, Checkpoint.HIGH_WATERMARKS),
            ),
            ("producers", configuration[PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS], self._remove_expired_producers),
        )
        after_delay = (
            ("retention", configuration[LOG_RETENTION_CHECK_INTERVAL_MS], self._drop_old_segments),
            (
                "recovery points",
                configuration[LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS],
                partial(self._write_checkpoint, Checkpoint.RECOVERY_POINTS),
            ),
            (
                "log starts",
                configuration[LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS],
                partial(self._write_checkpoint, Checkpoint.LOG_STARTS),
            ),
        )
        first_ms = now_ms + configuration[LOG_INITIAL_TASK_DELAY_MS]
        self._chores = [Chore(name, interval_ms, now_ms + interval_ms, do) for name, interval_ms, do in from_the_start]
        self._chores += [Chore(name, interval_ms, first_ms, do) for name, interval_ms, do in after_delay]

    async def run(self) -> None:
        """Do what is due until cancelled. A chore that fails is logged and done again at its next hour."""
        while True:
            now_ms = self._clock.monotonic_ms()
            for chore in self._chores:
                if chore.due_ms <= now_ms:
                    chore.due_ms = now_ms + chore.interval_ms
                    await self._do(chore)
            delay_ms = min(chore.due_ms for chore in self._chores) - self._clock.monotonic_ms()
            await asyncio.sleep(max(delay_ms, 0) / 1000)

    async def _do(self, chore: Chore) -> None:
        try:
            await chore.do()
        except Exception as error:  # the other chores, and the next time, must not suffer from it
            log.error("housekeeping failed", extra={"chore": chore.name}, exc_info=error)

    async def _flush_due(self) -> None:
        """Make rolled segments durable."""
        works: list[tuple[Log, FlushWork]] = []
        for held in self._logs.logs_to_flush():
            works.extend(self._begin_flush(held, held.segments.active.base_offset))
        for held, work in works:
            await self._flush(held, work)
        if works:
            # Kafka writes them once a minute: a segment that was rolled since then is read again after a crash, although it is durable.
            await self._write_checkpoint(Checkpoint.RECOVERY_POINTS)

    def _begin_flush(self, held: Log, up_to: int | None = None) -> list[tuple[Log, FlushWork]]:
        """What to wait for; nothing if there is nothing, or no room for what has to be written first."""
        try:
            work = held.begin_flush(up_to)
        except NoRoom:
            return []
        except StorageFailure as error:
            log.error("flush failed", extra={"partition": str(held.topic_partition), "reason": str(error)})
            return []
        return [] if work is None else [(held, work)]

    async def _flush(self, held: Log, work: FlushWork) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, work.run)
        except StorageFailure as error:
            held.flush_failed(error)
            log.error("flush failed", extra={"partition": str(held.topic_partition), "reason": str(error)})
            return
        held.end_flush(work)
        partition = self._partition_of(held)
        if partition is not None and partition.high_watermark < held.log_end_offset:
            partition.after_append()

    async def _drop_old_segments(self) -> None:
        """Let segments go that retention no longer keeps. Between two logs everybody else has a turn."""
        self._last_retention_ms = self._clock.monotonic_ms()
        now_ms = self._clock.now_ms()
        logs = list(self._logs)
        for first in range(0, len(logs), LOGS_PER_WAIT_MAX):
            group = logs[first : first + LOGS_PER_WAIT_MAX]
            works: list[tuple[Log, FlushWork]] = []
            for held in group:
                work = self._make_way(held, now_ms)
                if work is not None:
                    works.append((held, work))
                await asyncio.sleep(0)
            if works:
                await self._wait_for_all(works)
            for held in group:
                while self._drop_portion(held, now_ms):
                    await asyncio.sleep(0)

    def _make_way(self, held: Log, now_ms: int) -> FlushWork | None:
        if held.is_offline:
            return None
        try:
            return make_way(held, now_ms)
        except (StorageFailure, OSError) as error:
            log.error("old segments were not dropped", extra={"partition": str(held.topic_partition), "reason": str(error)})
            return None

    async def _wait_for_all(self, works: list[tuple[Log, FlushWork]]) -> None:
        failed = await asyncio.get_running_loop().run_in_executor(self._pool, _run_all, [work for _, work in works])
        for held, work in works:
            error = failed.get(work)
            if error is not None:
                held.flush_failed(error)
                log.error("flush failed", extra={"partition": str(held.topic_partition), "reason": str(error)})

    def _drop_portion(self, held: Log, now_ms: int) -> bool:
        """Drop a few segments; False when there was none. Since the log was looked at last it may have failed or been deleted."""
        if held.is_offline:
            return False
        try:
            dropped = drop_old_segments(held, now_ms, SEGMENTS_PER_TURN_MAX)
        except (StorageFailure, OSError) as error:
            log.error("old segments were not dropped", extra={"partition": str(held.topic_partition), "reason": str(error)})
            return False
        if dropped.segments:
            self._note_dropped(held, dropped)
        return bool(dropped.segments)

    def _note_dropped(self, held: Log, dropped: OldSegments) -> None:
        log.info(
            "dropped old segments",
            extra={
                "partition": str(held.topic_partition),
                "segments": len(dropped.segments),
                "log_start_offset": held.log_start_offset,
                "reason": dropped.reason.value,
            },
        )
        partition = self._partition_of(held)
        if partition is not None:
            partition.log_start_moved()

    def _partition_of(self, held: Log) -> Partition | None:
        partition = self._partitions.get(held.topic_partition.topic, held.topic_partition.partition)
        return partition if partition is not None and partition.log is held else None

    async def _make_room(self) -> None:
        """Where something did not fit lately, let go of what may go, and try again what waits for room."""
        self._partitions.open_waiting()
        full = self._logs.directories_without_room()
        if not full:
            return
        for directory in full:
            self._logs.deletions.hasten(directory.path, self._clock.now_ms())
        now_ms = self._clock.monotonic_ms()
        if self._last_retention_ms is None or now_ms - self._last_retention_ms >= RETENTION_WITHOUT_ROOM_INTERVAL_MS:
            for chore in self._chores:
                if chore.do == self._drop_old_segments:
                    chore.due_ms = now_ms

    async def _remove_leftovers(self) -> None:
        """Remove, in the pool, the files whose `file.delete.delay.ms` is over; large ones take their time, and everything else goes on."""
        if self._removal is not None:
            return
        due = self._logs.deletions.take_due(self._clock.now_ms())
        if due:
            self._removal = asyncio.get_running_loop().run_in_executor(self._pool, self._remove_all, due)
            self._removal.add_done_callback(self._on_removed)

    def _remove_all(self, due: list[tuple[str, bool]]) -> list[tuple[str, bool, OSError]]:
        """In a thread of the pool: what could not be removed, and why."""
        left = []
        for path, is_directory in due:
            try:
                self._logs.deletions.remove(path, is_directory=is_directory)
            except OSError as error:
                left.append((path, is_directory, error))
        return left

    def _on_removed(self, removal: asyncio.Future[list[tuple[str, bool, OSError]]]) -> None:
        self._removal = None
        if removal.cancelled():
            return
        for path, is_directory, error in removal.result():
            log.warning("deleted files could not be removed and are tried again", extra={"path": path, "reason": str(error)})
            self._logs.deletions.add_again(path, self._clock.now_ms() + REMOVAL_RETRY_MS, is_directory=is_directory)

    async def _forget_gone_logs(self) -> None:
        """Write what still names deleted logs, so that a topic made anew under the name of one need not wait for the disk."""
        for checkpoint in Checkpoint:
            if self._logs.names_gone_logs(checkpoint):
                await self._write_checkpoint(checkpoint)

    async def _write_checkpoint(self, checkpoint: Checkpoint) -> None:
        work = self._logs.begin_checkpoint(checkpoint)
        await asyncio.get_running_loop().run_in_executor(self._pool, work.run)
        self._logs.end_checkpoint(work)

    async def _remove_expired_producers(self) -> None:
        self._logs.remove_expired_producers(self._clock.now_ms())


def _run_all(works: list[FlushWork]) -> dict[FlushWork, StorageFailure]:
    """Wait for the disk, in a thread of the pool; what failed."""
    failed: dict[FlushWork, StorageFailure] = {}
    for work in works:
        try:
            work.run()
        except StorageFailure as error:
            failed[work] = error
    return failed
