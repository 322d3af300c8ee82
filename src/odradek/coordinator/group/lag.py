"""How far the groups of a shard are behind, as far as this node can know (`ConsumerGroupCommand.getLag`).

Lag is the log end offset, which to a consumer is the high watermark, less the committed offset; not the last stable offset, as Kafka's
own tool does not use it either. The end of a partition is known to its leader alone: where another node leads, or the topic is gone, a
committed offset has no lag. A partition for which nothing is committed does not appear: nobody knows where its group would begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from odradek.coordinator.group.group import Group
from odradek.coordinator.group.offsets import OffsetsByTopic

# The log end offset of a partition by topic and number; None where it is not known here.
LogEndOffsetOf = Callable[[str, int], int | None]


@final
@dataclass(frozen=True, slots=True)
class CommittedPartition:
    """One partition that a group has committed an offset for. `log_end_offset` is None where this node does not know it."""

    topic: str
    partition: int
    committed_offset: int
    log_end_offset: int | None

    @property
    def lag(self) -> int | None:
        """Negative where the partition has lost records that the group has read."""
        return None if self.log_end_offset is None else self.log_end_offset - self.committed_offset


@final
@dataclass(frozen=True, slots=True)
class GroupLag:
    """One group, with or without members; its partitions in the order of topics and numbers."""

    group_id: str
    member_count: int
    partitions: tuple[CommittedPartition, ...]


def group_lag(group: Group, offsets: OffsetsByTopic, log_end_offset_of: LogEndOffsetOf) -> GroupLag:
    """The lag of one group that has committed `offsets`."""
    return GroupLag(group.group_id, len(group.members), tuple(_partitions(offsets, log_end_offset_of)))


def _partitions(offsets: OffsetsByTopic, log_end_offset_of: LogEndOffsetOf) -> Iterator[CommittedPartition]:
    for topic in sorted(offsets):
        for index, committed in sorted(offsets[topic].items()):
            yield CommittedPartition(topic, index, committed.offset, log_end_offset_of(topic, index))
