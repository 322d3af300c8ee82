"""Runs the replica of the metadata log that lives on this node: hands it events, and does what it answers, in its order.

Appending goes to the page cache and happens at once; only the wait for the disk is given to the pool, so that the loop goes on serving. One
commit is under way at a time; what is proposed meanwhile goes together into the next.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import assert_never

from odradek.base.clock import Clock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, StartRefused, StorageFailure
from odradek.raft.control_records import VOTERS_NOT_IN_LOG, QuorumHistory
from odradek.raft.effects import (
    AppendToLog,
    Effect,
    FlushLog,
    HighWatermarkAdvanced,
    LeadershipChanged,
    PersistElection,
    ProposalRefused,
)
from odradek.raft.election_state import NOBODY
from odradek.raft.events import AppendRefused, BatchesProposed, LogFlushed, ProposedBatch, Started
from odradek.raft.metadata_log import MetadataLog
from odradek.raft.node import RaftNode, RaftTimeouts
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import BOOTSTRAP_SNAPSHOT, Snapshot, SnapshotId
from odradek.raft.voters import Voter, VoterKey, VoterSet
from odradek.storage.errors import NoRoom

log = logging.getLogger("odradek.broker.raft_driver")


class RaftDriver:
    """The replica, its log and its election file."""

    def __init__(self, node: RaftNode, metadata_log: MetadataLog, quorum_state: QuorumStateFile, clock: Clock, pool: Executor) -> None:
        self._node = node
        self._log = metadata_log
        self._quorum_state = quorum_state
        self._clock = clock
        self._pool = pool
        self._high_watermark = metadata_log.start_offset

    @classmethod
    def open(
        cls,
        metadata_log: MetadataLog,
        quorum_state: QuorumStateFile,
        *,
        local: Voter,
        static_voters: VoterSet | None,
        timeouts: RaftTimeouts,
        clock: Clock,
        pool: Executor,
        dice: random.Random,
    ) -> RaftDriver:
        """Make the replica from what is on disk. `static_voters` count only where neither log nor snapshot names voters.

        Raises:
            StartRefused: nobody names the voters, or there is more than one.
        """
        history = quorum_history(metadata_log)
        if history.voters is None:
            history.voters = static_voters
            # Where the settings name the voters, nobody knows directory ids.
            local = replace(local, key=VoterKey(local.key.node_id))
        if history.voters is None:
            raise StartRefused(
                f"the metadata log in {metadata_log.directory} names no voters: format it for a quorum of its own, or set "
                "controller.quorum.voters"
            )
        if len(history.voters.by_node_id) > 1 or not history.voters.contains(local.key):
            voters = ", ".join(str(node_id) for node_id in sorted(history.voters.by_node_id))
            raise StartRefused(
                f"the controllers of this cluster are the nodes {voters}; this release runs a quorum of one, the node itself"
            )
        node = RaftNode(
            local=local,
            history=history,
            election=quorum_state.read(),
            log_end_offset=metadata_log.end_offset,
            log_end_epoch=metadata_log.end_epoch,
            timeouts=timeouts,
            dice=dice,
        )
        return cls(node, metadata_log, quorum_state, clock, pool)

    @property
    def node(self) -> RaftNode:
        return self._node

    @property
    def log(self) -> MetadataLog:
        return self._log

    @property
    def high_watermark(self) -> int:
        """Everything below is committed."""
        return self._high_watermark

    async def start(self) -> None:
        """Take part in the quorum; a node that is the whole quorum leads when this returns, and its log is committed.

        Raises:
            StartRefused: the disk takes neither the election nor the leader's first record.
        """
        try:
            await self._perform(self._node.step(Started(), self._clock.now_ms()))
        except (OSError, StorageFailure) as error:
            raise StartRefused(f"the quorum cannot be led from {self._log.directory}: {error}") from error

    async def commit(self, batches: Sequence[ProposedBatch]) -> int:
        """Append `batches`, wait until they are committed; the high watermark then.

        Raises:
            RequestRefused: NOT_CONTROLLER, this node does not lead.
            NoRoom: nothing of it is in the log, which goes on as if it had not been asked for.
            StorageFailure: the disk failed; nothing more can be promised.
        """
        await self._perform(self._node.step(BatchesProposed(tuple(batches)), self._clock.now_ms()))
        return self._high_watermark

    def close(self) -> None:
        self._log.close()

    async def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case PersistElection(state):
                    await self._in_pool(self._quorum_state.write, state, self._node.kraft_version, self._node.voters)
                case AppendToLog(base_offset, leader_epoch, batches):
                    assert base_offset == self._log.end_offset, f"append at {base_offset}, the log ends at {self._log.end_offset}"
                    self._append(base_offset, leader_epoch, batches)
                case FlushLog(end_offset):
                    work = self._log.begin_flush()
                    if work is not None:
                        await self._in_pool(work.run)
                        self._log.end_flush(work)
                    await self._perform(self._node.step(LogFlushed(end_offset), self._clock.now_ms()))
                case LeadershipChanged(leader_id, epoch):
                    if leader_id != NOBODY:
                        log.info("quorum leadership changed", extra={"leader": leader_id, "epoch": epoch})
                case HighWatermarkAdvanced(offset):
                    self._high_watermark = offset
                    self._log.advance_high_watermark(offset)
                case ProposalRefused():
                    raise RequestRefused(ErrorCode.NOT_CONTROLLER)
                case _:
                    assert_never(effect)

    def _append(self, base_offset: int, leader_epoch: int, batches: Sequence[ProposedBatch]) -> None:
        try:
            self._log.append(batches, leader_epoch)
        except NoRoom as error:
            if self._log.end_offset != base_offset:
                raise StorageFailure(f"the metadata log took a part of what belongs together: {error}") from error
            self._node.step(AppendRefused(base_offset), self._clock.now_ms())
            raise

    async def _in_pool(self, function: object, *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)  # type: ignore[arg-type]


def quorum_history(metadata_log: MetadataLog) -> QuorumHistory:
    """What the newest snapshot and the log behind it say about protocol level and voters."""
    history = QuorumHistory()
    newest = metadata_log.newest_snapshot()
    if newest is not None:
        snapshot = metadata_log.read_snapshot(newest)
        if snapshot.quorum is not None:
            history = snapshot.quorum
            history.voters_offset = VOTERS_NOT_IN_LOG if newest == BOOTSTRAP_SNAPSHOT else newest.end_offset - 1
    for batch in metadata_log.read_control(0 if newest is None else newest.end_offset):
        for index, record in enumerate(batch.control_records):
            history.replay(record, batch.base_offset + index)
    return history


def snapshot_to_load(metadata_log: MetadataLog) -> tuple[SnapshotId, Snapshot] | None:
    """The newest snapshot, if it holds more than the voters of a freshly formatted node."""
    newest = metadata_log.newest_snapshot()
    return None if newest is None or newest == BOOTSTRAP_SNAPSHOT else (newest, metadata_log.read_snapshot(newest))
