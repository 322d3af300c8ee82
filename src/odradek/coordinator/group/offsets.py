"""Committed offsets of all groups of a shard, and those that wait for their transaction to end (`OffsetMetadataManager.java`).

State only, changed by `replay` and `end_transaction`. A transaction's offsets become visible with its commit marker, unless a later
plain commit has overtaken them: what counts is the order of the records in the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.protocol.internal_records.group import OffsetCommitValue

# By topic, then by partition.
OffsetsByTopic = dict[str, dict[int, CommittedOffset]]


@final
class OffsetStore:
    """The offsets of a shard's groups."""

    __slots__ = ("_by_group", "_open_producers", "_pending")

    def __init__(self) -> None:
        self._by_group: dict[str, OffsetsByTopic] = {}
        # By producer id, what its open transaction would commit.
        self._pending: dict[int, dict[tuple[str, str, int], CommittedOffset]] = {}
        # By group, topic and partition, the producers whose open transactions would commit something there.
        self._open_producers: dict[str, dict[tuple[str, int], set[int]]] = {}

    def of_group(self, group_id: str) -> OffsetsByTopic:
        """The committed offsets of a group; not to be changed."""
        return self._by_group.get(group_id, {})

    def of_topic(self, group_id: str, topic: str) -> dict[int, CommittedOffset]:
        """What a group has committed of a topic, by partition, for whoever adds something."""
        return self._by_group.setdefault(group_id, {}).setdefault(topic, {})

    def get(self, group_id: str, topic: str, partition: int) -> CommittedOffset | None:
        return self._by_group.get(group_id, {}).get(topic, {}).get(partition)

    def is_pending(self, group_id: str, topic: str, partition: int) -> bool:
        """Whether an open transaction would commit an offset there."""
        return (topic, partition) in self._open_producers.get(group_id, {})

    def pending_partitions(self, group_id: str) -> list[tuple[str, int]]:
        """Where open transactions would commit something."""
        return list(self._open_producers.get(group_id, {}))

    def groups(self) -> Iterator[str]:
        """Every group that has a committed offset."""
        return iter(list(self._by_group))

    def replay(
        self, group_id: str, topic: str, partition: int, value: OffsetCommitValue | None, *, record_offset: int, producer_id: int
    ) -> None:
        """Take in a record; a value of None forgets what is committed and what transactions would commit."""
        if value is None:
            self._forget(group_id, topic, partition)
            return
        committed = CommittedOffset(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )
        if producer_id == NO_PRODUCER_ID:
            self.of_topic(group_id, topic)[partition] = committed
            return
        self._pending.setdefault(producer_id, {})[group_id, topic, partition] = committed
        self._open_producers.setdefault(group_id, {}).setdefault((topic, partition), set()).add(producer_id)

    def adopt(self, group_id: str, topic: str, by_partition: dict[int, CommittedOffset]) -> None:
        """Take over what was read of the log beside everything that has been replayed. What stands later in the log counts."""
        if not by_partition:
            return
        known = self._by_group.setdefault(group_id, {}).setdefault(topic, by_partition)
        if known is by_partition:
            return
        for partition, committed in by_partition.items():
            before = known.get(partition)
            if before is None or before.record_offset < committed.record_offset:
                known[partition] = committed

    def end_transaction(self, producer_id: int, *, is_committed: bool) -> None:
        """The producer's open transaction has ended: what it would commit is committed, or forgotten."""
        for (group_id, topic, partition), committed in self._pending.pop(producer_id, {}).items():
            self._close(group_id, topic, partition, producer_id)
            if not is_committed:
                continue
            by_partition = self.of_topic(group_id, topic)
            before = by_partition.get(partition)
            if before is None or before.record_offset < committed.record_offset:
                by_partition[partition] = committed

    def _forget(self, group_id: str, topic: str, partition: int) -> None:
        by_topic = self._by_group.get(group_id, {})
        by_partition = by_topic.get(topic, {})
        if by_partition.pop(partition, None) is not None and not by_partition:
            del by_topic[topic]
            if not by_topic:
                del self._by_group[group_id]
        for producer_id in list(self._open_producers.get(group_id, {}).get((topic, partition), ())):
            self._pending.get(producer_id, {}).pop((group_id, topic, partition), None)
            self._close(group_id, topic, partition, producer_id)

    def _close(self, group_id: str, topic: str, partition: int, producer_id: int) -> None:
        by_place = self._open_producers.get(group_id, {})
        producers = by_place.get((topic, partition))
        if producers is None:
            return
        producers.discard(producer_id)
        if not producers:
            del by_place[topic, partition]
            if not by_place:
                del self._open_producers[group_id]
