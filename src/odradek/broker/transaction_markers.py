"""Writes the markers that end transactions into the partitions that this node leads (`TransactionMarkerChannelManager.scala`).

A marker counts when it is committed, which is looked at right after the writes of its turn; only what waits for replicas is parked. In
the partition of a group's offsets the group coordinator takes up what was committed, or forgets it, at the very place in the log where the
marker stands; while it loads that partition it takes none. What cannot be written now (the partition is about to move or being loaded, its
disk is full) is tried again until it can, or until nobody has the partition any more.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import StorageFailure
from odradek.broker.append_turn import AppendTurn
from odradek.broker.later import Later
from odradek.broker.partition import Partition
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.coordinator.transaction.shard import MarkersDue
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.header import parse_header

if TYPE_CHECKING:
    from odradek.broker.node import Node

RETRY_S: Final = 0.1
COMMIT_WAIT_MS: Final = 30_000

# After these there is nothing to be tried again: it is written, or another coordinator has taken over.
_FINAL: Final = (NO_ERROR, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED)


@final
class TransactionMarkers:
    """The writer of one node. `retry_later(delay_s, retry)` calls `retry` unless the node has stopped."""

    def __init__(self, node: Node, appends: AppendTurn, retry_later: Callable[[float, Callable[[], None]], None]) -> None:
        self._node = node
        self._appends = appends
        self._retry_later = retry_later
        # What was staged since the last writes.
        self._staged: list[_Marker] = []
        appends.add_follower(self._after_writes)

    def write_all(self, due: MarkersDue, coordinator_epoch: int, told: Callable[[bool], None]) -> None:
        """Write every marker of a transaction, then call `told`: with False if this coordinator is not the one any more that may."""
        places = sorted(due.partitions)
        if not places:
            told(True)
            return
        ending = _Ending(len(places), told)
        for place in places:
            self._write_until_done(due, place, coordinator_epoch, ending)

    def _write_until_done(self, due: MarkersDue, place: tuple[str, int], coordinator_epoch: int, ending: _Ending) -> None:
        def judge(code: ErrorCode) -> None:
            if code in _FINAL:
                ending.take(code)
            else:
                self._retry_later(RETRY_S, lambda: self._write_until_done(due, place, coordinator_epoch, ending))

        if self._node.partitions.get(*place) is None and self._node.image.topics.partition(*place) is None:
            # The topic was deleted: there is nobody to be told.
            ending.take(NO_ERROR)
        else:
            self._write(
                place,
                due.producer_id,
                due.epoch,
                coordinator_epoch,
                judge,
                is_commit=due.is_commit,
                transaction_version=due.transaction_version,
            )

    async def write(
        self,
        place: tuple[str, int],
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        *,
        is_commit: bool,
        transaction_version: int,
    ) -> ErrorCode:
        """Write one marker, and wait until it is committed."""
        later: Later[ErrorCode] = Later()
        self._write(
            place,
            producer_id,
            producer_epoch,
            coordinator_epoch,
            later.give,
            is_commit=is_commit,
            transaction_version=transaction_version,
        )
        return await later

    def _write(
        self,
        place: tuple[str, int],
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        done: Callable[[ErrorCode], None],
        *,
        is_commit: bool,
        transaction_version: int,
    ) -> None:
        """Stage one marker; `done` is called when it is committed or cannot be, perhaps before this returns."""
        partition = self._node.partitions.get(*place)
        if partition is None or not partition.is_leader:
            done(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            return
        is_of_groups = place[0] == GROUP_METADATA_TOPIC
        runner = self._node.groups.runner_at(place[1]) if is_of_groups else None
        if is_of_groups and runner is None:
            done(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            return
        entry = partition.log.producers.entries.get(producer_id)
        if entry is not None:
            refusal = entry.refusal_of_marker(producer_epoch, transaction_version)
            if refusal != NO_ERROR:
                done(ErrorCode(int(refusal)))
                return
        now_ms = self._node.clock.now_ms()
        batch = encode_end_marker(
            ControlType.COMMIT if is_commit else ControlType.ABORT,
            coordinator_epoch=coordinator_epoch,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            timestamp=now_ms,
        )
        try:
            staged = partition.log.stage(batch, 0, parse_header(batch, 0), partition.leader_epoch, now_ms)
        except StorageFailure:
            done(ErrorCode.KAFKA_STORAGE_ERROR)
            return
        if staged.error_code != NO_ERROR:
            done(ErrorCode(int(staged.error_code)))
            return
        self._staged.append(_Marker(partition, int(staged.last_offset), done))
        self._appends.add_partition(partition)
        self._appends.request_end()
        if runner is not None:
            runner.marker_staged(producer_id, is_committed=is_commit)

    def _after_writes(self) -> None:
        if not self._staged:
            return
        staged, self._staged = self._staged, []
        for marker in staged:
            if not marker.try_complete(marker.partition):
                deadline_ms = self._node.clock.monotonic_ms() + COMMIT_WAIT_MS
                self._node.purgatory.park(marker, (marker.partition,), deadline_ms)


@final
class _Ending:
    """The markers of one transaction, until all have been judged."""

    __slots__ = ("_codes", "_count", "_told")

    def __init__(self, count: int, told: Callable[[bool], None]) -> None:
        self._count = count
        self._told = told
        self._codes: list[ErrorCode] = []

    def take(self, code: ErrorCode) -> None:
        self._codes.append(code)
        if len(self._codes) == self._count:
            self._told(all(code is NO_ERROR for code in self._codes))


@final
class _Marker:
    """A staged marker, which waits for the high watermark of its partition; in a time in which that should come."""

    __slots__ = ("_done", "_offset", "partition")

    def __init__(self, partition: Partition, offset: int, done: Callable[[ErrorCode], None]) -> None:
        self.partition = partition
        self._offset = offset
        self._done = done

    def try_complete(self, key: Hashable) -> bool:
        partition = self.partition
        is_committed = partition.is_leader and partition.high_watermark > self._offset
        is_lost = not partition.is_leader or partition.log.staged_end_offset <= self._offset
        if is_committed or is_lost:
            self._done(NO_ERROR if is_committed else ErrorCode.KAFKA_STORAGE_ERROR)
        return is_committed or is_lost

    def expire(self) -> None:
        self._done(ErrorCode.KAFKA_STORAGE_ERROR)
