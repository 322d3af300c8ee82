"""One wait for the disk for everybody who asks meanwhile.

`flush.messages` wants records on the disk before anybody hears of them. A disk takes milliseconds for that, however much there is to
write, so while it works on one round nobody else's wish is started: wishes gather, and the next round, which begins when this one ends,
serves them all with one sync of each file. Log directories are disks of their own, so each has its own rounds, and a slow one holds up
nobody else.

Leaves to its caller who is answered then; to the log what a sync covers (`Log.begin_flush`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from odradek.base.errors import StorageFailure
from odradek.broker.partition import Partition
from odradek.storage.flush_work import FlushWork

log = logging.getLogger("odradek.broker.group_commit")

Outcome = dict[Partition, StorageFailure]


class _Wish:
    """Somebody waits until some partitions are durable, on as many disks as `rounds_left` says."""

    __slots__ = ("done", "errors", "rounds_left")

    def __init__(self, rounds_left: int, done: Callable[[Outcome], None]) -> None:
        self.rounds_left = rounds_left
        self.errors: Outcome = {}
        self.done = done


class _Round:
    """What one disk does next: the partitions to sync, and who waits for it."""

    __slots__ = ("partitions", "wishes")

    def __init__(self) -> None:
        self.partitions: dict[Partition, None] = {}
        self.wishes: list[_Wish] = []


class GroupCommit:
    """The rounds of one node's disks."""

    __slots__ = ("_loop", "_next", "_pool")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Executor) -> None:
        self._loop = loop
        self._pool = pool
        # By log directory: the round that gathers while another one is under way. Who is not here has nothing under way.
        self._next: dict[str, _Round] = {}

    def commit(self, partitions: Iterable[Partition], done: Callable[[Outcome], None]) -> None:
        """Make what is in these logs now durable and call `done`, later, with the partitions where it failed."""
        by_disk: dict[str, list[Partition]] = {}
        for partition in partitions:
            by_disk.setdefault(partition.log.directory.rpartition("/")[0], []).append(partition)
        wish = _Wish(len(by_disk), done)
        for disk, there in by_disk.items():
            is_idle = disk not in self._next
            following = self._next.setdefault(disk, _Round())
            following.partitions.update(dict.fromkeys(there))
            following.wishes.append(wish)
            if is_idle:
                self._begin(disk)

    def _begin(self, disk: str) -> None:
        """Start the round that has gathered."""
        beginning = self._next[disk]
        self._next[disk] = _Round()
        works: list[tuple[Partition, FlushWork]] = []
        errors: Outcome = {}
        for partition in beginning.partitions:
            try:
                work = partition.log.begin_flush()
            except StorageFailure as error:
                errors[partition] = error
                continue
            if work is not None:
                works.append((partition, work))
        future = self._loop.run_in_executor(self._pool, _sync_all, works)
        future.add_done_callback(lambda finished: self._end(disk, beginning, works, errors, finished))

    def _end(
        self, disk: str, ended: _Round, works: list[tuple[Partition, FlushWork]], errors: Outcome, finished: asyncio.Future[Outcome]
    ) -> None:
        if finished.cancelled():
            return
        errors.update(finished.result())
        for partition, work in works:
            error = errors.get(partition)
            if error is None:
                partition.log.end_flush(work)
            else:
                partition.log.flush_failed(error)
                log.error("flush failed", extra={"partition": str(partition.topic_partition), "reason": str(error)})
        # Those who wait are called last: whatever they do, the disk has its next round.
        if self._next[disk].wishes:
            self._begin(disk)
        else:
            del self._next[disk]
        for wish in ended.wishes:
            wish.errors.update(errors)
            wish.rounds_left -= 1
            if wish.rounds_left == 0:
                wish.done(wish.errors)


def _sync_all(works: list[tuple[Partition, FlushWork]]) -> Outcome:
    """Wait for the disk, in a thread of the pool; the errors by partition."""
    errors: Outcome = {}
    for partition, work in works:
        try:
            work.run()
        except StorageFailure as error:
            errors[partition] = error
    return errors
