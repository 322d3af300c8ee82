"""Writes the markers that end transactions into the partitions that this node leads (`TransactionMarkerChannelManager.scala`).

A marker counts when it is committed. In the partition of a group's offsets the group coordinator takes up what was committed, or forgets
it, at the very place in the log where the marker stands; while it loads that partition it takes none. What cannot be written now (the
partition is about to move or being loaded, its disk is full) is tried again until it can, or until nobody has the partition any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.broker.append_turn import AppendTurn
from odradek.broker.partition import Partition
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.coordinator.transaction.shard import MarkersDue
from odradek.records.control import ControlType, encode_end_marker
from odradek.records.header import parse_header

if TYPE_CHECKING:
    from odradek.broker.node import Node

log = logging.getLogger("odradek.broker.transaction_markers")

RETRY_S: Final = 0.1
COMMIT_WAIT_MS: Final = 30_000


@final
class TransactionMarkers:
    """The writer of one node."""

    def __init__(self, node: Node, appends: AppendTurn) -> None:
        self._node = node
        self._appends = appends

    async def write_all(self, due: MarkersDue, coordinator_epoch: int) -> bool:
        """Write every marker of a transaction; False if this coordinator is not the one any more that may."""
        codes = await asyncio.gather(*(self._write_until_done(due, place, coordinator_epoch) for place in sorted(due.partitions)))
        return all(code is ErrorCode.NONE for code in codes)

    async def _write_until_done(self, due: MarkersDue, place: tuple[str, int], coordinator_epoch: int) -> ErrorCode:
        while True:
            if self._node.image.topics.partition(*place) is None:
                # The topic was deleted: there is nobody to be told.
                return ErrorCode.NONE
            code = await self.write(
                place,
                due.producer_id,
                due.epoch,
                coordinator_epoch,
                is_commit=due.is_commit,
                transaction_version=due.transaction_version,
            )
            if code in (ErrorCode.NONE, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED):
                return code
            await asyncio.sleep(RETRY_S)

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
        partition = self._node.partitions.get(*place)
        if partition is None or not partition.is_leader:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        is_of_groups = place[0] == GROUP_METADATA_TOPIC
        runner = self._node.groups.runner_at(place[1]) if is_of_groups else None
        if is_of_groups and runner is None:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        entry = partition.log.producers.entries.get(producer_id)
        if entry is not None:
            code = entry.refusal_of_marker(producer_epoch, transaction_version)
            if code != ErrorCode.NONE:
                return ErrorCode(int(code))
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
            return ErrorCode.KAFKA_STORAGE_ERROR
        if staged.error_code != ErrorCode.NONE:
            return ErrorCode(int(staged.error_code))
        self._appends.add_partition(partition)
        self._appends.request_end()
        if runner is not None:
            runner.marker_staged(producer_id, is_committed=is_commit)
        if not await self._is_committed(partition, int(staged.last_offset)):
            return ErrorCode.KAFKA_STORAGE_ERROR
        return ErrorCode.NONE

    async def _is_committed(self, partition: Partition, offset: int) -> bool:
        """Wait for the high watermark to pass `offset`; False if it does not, in a time in which it should."""
        waiting = _CommitWait(partition, offset)
        self._node.purgatory.park(waiting, (partition,), self._node.clock.monotonic_ms() + COMMIT_WAIT_MS)
        return await waiting.future


class _CommitWait:
    """Parked under a partition until its high watermark has passed an offset."""

    __slots__ = ("_offset", "_partition", "future")

    def __init__(self, partition: Partition, offset: int) -> None:
        self._partition = partition
        self._offset = offset
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def try_complete(self, key: Hashable) -> bool:
        partition = self._partition
        is_committed = partition.is_leader and partition.high_watermark > self._offset
        is_lost = not partition.is_leader or partition.log.staged_end_offset <= self._offset
        if not is_committed and not is_lost:
            return False
        if not self.future.done():
            self.future.set_result(is_committed)
        return True

    def expire(self) -> None:
        if not self.future.done():
            self.future.set_result(False)
