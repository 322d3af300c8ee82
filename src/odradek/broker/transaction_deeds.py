"""What a decision of the transaction coordinator asks for, done once that is committed: markers, and a producer id to end one with.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, final

from odradek.base.errors import RequestRefused
from odradek.broker.append_turn import AppendTurn
from odradek.broker.coordinator_runner import ShardRunner
from odradek.broker.transaction_markers import TransactionMarkers
from odradek.coordinator.transaction.shard import MarkersDue, ProducerIdNeeded, TransactionShard

if TYPE_CHECKING:
    from odradek.broker.node import Node

log = logging.getLogger("odradek.broker.transaction_coordinator")


@final
class TransactionDeeds:
    """What one node does. `spawn(work)` lets `work` go on by itself, at most until the node stops."""

    __slots__ = ("_appends", "_markers", "_node", "_spawn")

    def __init__(
        self, node: Node, appends: AppendTurn, markers: TransactionMarkers, spawn: Callable[[Coroutine[None, None, None]], None]
    ) -> None:
        self._node = node
        self._appends = appends
        self._markers = markers
        self._spawn = spawn

    def perform(self, runner: ShardRunner[TransactionShard], deed: object) -> None:
        """Tell partitions the outcome of a transaction, or find a producer id to end one with."""
        if isinstance(deed, MarkersDue):
            due = deed
            # Nobody waits for the markers but readers: the producer has its answer before.
            self._appends.after_answers(lambda: self._write_markers(runner, due))
        else:
            assert isinstance(deed, ProducerIdNeeded)
            self._spawn(self._abort_with_fresh_id(runner, deed.transactional_id))

    def _write_markers(self, runner: ShardRunner[TransactionShard], due: MarkersDue) -> None:
        self._markers.write_all(due, runner.partition.leader_epoch, lambda is_told: self._markers_told(runner, due, is_told))

    def _markers_told(self, runner: ShardRunner[TransactionShard], due: MarkersDue, is_told: bool) -> None:
        if is_told and not runner.ask_encoded(lambda shard, now: shard.markers_written_encoded(due, now), None):
            runner.act(lambda shard, now: shard.markers_written(due, now))

    async def _abort_with_fresh_id(self, runner: ShardRunner[TransactionShard], transactional_id: str) -> None:
        try:
            producer_id = await self._node.producer_ids.next_id()
        except RequestRefused as refused:
            log.warning("transaction is late and not aborted yet", extra={"transactional_id": transactional_id, "reason": str(refused)})
            return
        runner.act(lambda shard, now: shard.abort_timed_out(transactional_id, producer_id, now))
