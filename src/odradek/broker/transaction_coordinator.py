"""The transaction coordinator of this node.

What is decided stands in `coordinator.transaction`; here it meets the node's settings and its `coordinator_driver`. What has to be done
once the outcome of a transaction is decided for good: `transaction_deeds`. mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, final

from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.broker.lazy_coordinator import LazyCoordinator
from odradek.config import broker_transaction_settings as setting
from odradek.controller.topic_names import TRANSACTION_STATE_TOPIC
from odradek.records.builder import NO_SEQUENCE
from odradek.records.compression import Codec

if TYPE_CHECKING:
    from odradek.base.error_codes import ErrorCode
    from odradek.broker.append_turn import AppendTurn
    from odradek.broker.coordinator_driver import CoordinatorDriver
    from odradek.broker.node import Node
    from odradek.broker.transaction_markers import TransactionMarkers
    from odradek.coordinator.transaction.producer_requests import EndRequest
    from odradek.coordinator.transaction.shard import TransactionShard
    from odradek.coordinator.transaction.transaction import TopicPartitionName

# Kafka has no setting for it: how long a decision waits for the replicas of the topic (`TransactionStateManager`, request.timeout.ms).
COMMIT_TIMEOUT_MS = 30_000


@final
class TransactionCoordinator(LazyCoordinator["TransactionShard"]):
    """The transactional ids whose partition of `__transaction_state` is led here."""

    def __init__(self, node: Node, appends: AppendTurn, tasks: asyncio.TaskGroup, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(TRANSACTION_STATE_TOPIC, node, appends, tasks, loop)
        self._markers: TransactionMarkers | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def markers(self) -> TransactionMarkers:
        """The writer of markers."""
        if self._markers is None:
            from odradek.broker.transaction_markers import TransactionMarkers

            self._markers = TransactionMarkers(self._node, self._appends, self._retry_later)
        return self._markers

    async def producer_id_for(self, transactional_id: str) -> int:
        """A fresh producer id if deciding about `transactional_id` may take one, else -1.

        Raises:
            RequestRefused: there is no coordinator here, or the controller hands out no ids now.
        """
        return (
            await self._node.producer_ids.next_id() if self.peek(transactional_id).needs_producer_id(transactional_id) else NO_PRODUCER_ID
        )

    def peek(self, transactional_id: str) -> TransactionShard:
        """The shard that keeps `transactional_id`, for reading at once.

        Raises:
            RequestRefused: it is loading, or not on this node.
        """
        return self._present_driver().peek(transactional_id)

    def end(self, request: EndRequest, client_version: int, then: Callable[[ErrorCode], None]) -> bool:
        """End a transaction and call `then` once that is decided for good, or why it is not; False where it is to be asked in full."""
        driver = self._driver
        if driver is None:
            return False
        return driver.ask_encoded(
            request.producer.transactional_id, lambda shard, now: shard.end_encoded(request, client_version, now), then
        )

    def add_partitions(
        self,
        transactional_id: str,
        producer: tuple[int, int],
        places: frozenset[TopicPartitionName],
        client_version: int,
        then: Callable[[ErrorCode], None],
    ) -> bool:
        """Add `places` to the transaction of a producer (id and epoch); `then` and the outcome as with `end`."""
        driver = self._driver
        if driver is None:
            return False
        return driver.ask_encoded(
            transactional_id,
            lambda shard, now: shard.add_partitions_encoded(transactional_id, producer, places, client_version, now),
            then,
        )

    def close(self) -> None:
        """The node stops. Markers that are under way are written by the next coordinator again."""
        super().close()
        self._is_closed = True
        for task in self._at_work:
            task.cancel()

    def _make_driver(self) -> CoordinatorDriver[TransactionShard]:
        from odradek.broker.coordinator_driver import CoordinatorDriver
        from odradek.broker.coordinator_runner import RunnerParts
        from odradek.broker.transaction_deeds import TransactionDeeds
        from odradek.coordinator.transaction.records import RECORD_TYPES
        from odradek.coordinator.transaction.settings import TransactionSettings
        from odradek.coordinator.transaction.shard import TransactionShard

        node = self._node
        configuration = node.configuration
        parts = RunnerParts(
            clock=node.clock,
            pool=node.pool,
            purgatory=node.purgatory,
            appends=self._appends,
            record_types=RECORD_TYPES,
            commit_timeout_ms=lambda: COMMIT_TIMEOUT_MS,
            load_bytes_max=node.settings[setting.TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE],
            compression=Codec.NONE,
            base_sequence=NO_SEQUENCE,
        )

        def read_settings() -> TransactionSettings:
            return TransactionSettings(
                timeout_ms_max=configuration[setting.TRANSACTION_MAX_TIMEOUT_MS],
                abort_interval_ms=configuration[setting.TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS],
                id_expiration_ms=configuration[setting.TRANSACTIONAL_ID_EXPIRATION_MS],
                id_expiration_interval_ms=configuration[setting.TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS],
                is_two_phase_commit_enabled=configuration[setting.TRANSACTION_TWO_PHASE_COMMIT_ENABLE],
            )

        settings = configuration.derived(read_settings)
        return CoordinatorDriver(
            self._topic,
            lambda index: TransactionShard(settings),
            node.partitions,
            parts,
            self._tasks,
            self._loop.call_later,
            TransactionDeeds(node, self._appends, self.markers, self.spawn).perform,
        )

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Let `work` go on by itself, at most until the node stops."""
        task = self._tasks.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    def _retry_later(self, delay_s: float, retry: Callable[[], None]) -> None:
        self._loop.call_later(delay_s, lambda: None if self._is_closed else retry())
