"""A member that keeps notes, of aiokafka: classic, and every partition is given back in each rebalance."""

from __future__ import annotations

import asyncio
from typing import Any, final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from tests.integration.members import HEARTBEAT_MS, POLL_S, NotingMember

# A session that outlives the node's absence.
SESSION_MS = 25_000


@final
class AiokafkaMember(NotingMember):
    """On an event loop in the member's own thread."""

    def live(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=self.topic,
            client_id=self.name,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=SESSION_MS,
            retry_backoff_ms=50,
        )
        consumer.subscribe([self.topic], listener=_Listener(self, consumer))
        await consumer.start()
        try:
            while not self.is_leaving.is_set():
                batches = await consumer.getmany(timeout_ms=int(POLL_S * 1000))
                for records in batches.values():
                    for record in records:
                        self.notebook.read(record.partition, record.offset, record.value)
                if self.is_commit_due():
                    await self.commit(consumer)
            await self.commit(consumer)
        finally:
            await consumer.stop()

    async def commit(self, consumer: Any) -> bool:
        """Whether it is done, or there was nothing to do."""
        asked = self.notebook.asked()
        if asked is None:
            return True
        try:
            await consumer.commit({TopicPartition(self.topic, partition): offset for partition, offset in asked.offsets.items()})
        except KafkaError as failure:
            self.refusals.append(f"commit: {failure!r}")
            return False
        self.notebook.acknowledged(asked, asked.offsets)
        return True


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka does not tell when a member was thought dead; a commit that is refused does."""

    def __init__(self, member: AiokafkaMember, consumer: Any) -> None:
        self._member = member
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:
        is_committed = await self._member.commit(self._consumer)
        if revoked:
            self._member.notebook.released((one.partition for one in revoked), is_lost=not is_committed)

    async def on_partitions_assigned(self, assigned: Any) -> None:
        if assigned:
            generation = self._consumer._coordinator.generation
            self._member.notebook.assigned((one.partition for one in assigned), generation)
