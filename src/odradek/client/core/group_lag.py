"""How far a group is behind, partition by partition (`ConsumerGroupCommand.collectGroupsOffsets`).

Lag is the log end offset, which to a consumer is the high watermark, less the committed offset. Records of open transactions count, and
so do markers: it is a distance in offsets. It is unknown where nothing is committed, or the end is not known, because the topic is gone
or has no leader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from odradek.base.identifiers import TopicPartition
from odradek.client.core.group_description import GroupDescription, MemberDescription
from odradek.client.core.offset_calls import Committed


@final
@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of a group, and who reads it. None where there is no such thing, or nobody knows."""

    partition: TopicPartition
    committed: Committed | None
    log_end_offset: int | None
    member: MemberDescription | None

    @property
    def lag(self) -> int | None:
        """Negative where the partition has lost records that the group has read."""
        if self.committed is None or self.log_end_offset is None:
            return None
        return self.log_end_offset - self.committed.offset


def partitions_of(group: GroupDescription | None, committed: Iterable[TopicPartition]) -> set[TopicPartition]:
    """Every partition that a member has, or that something is committed for."""
    assigned = {partition for member in group.members for partition in member.assignment} if group is not None else set()
    return assigned | set(committed)


def partition_lags(
    group: GroupDescription, committed: Mapping[TopicPartition, Committed], log_end_offsets: Mapping[TopicPartition, int]
) -> list[PartitionLag]:
    """A row for each partition that a member has, and for each that was committed and nobody has; in the order of topics and numbers."""
    rows = [
        PartitionLag(partition, committed.get(partition), log_end_offsets.get(partition), member)
        for member in group.members
        for partition in member.assignment
    ]
    assigned = {row.partition for row in rows}
    rows += [PartitionLag(one, committed[one], log_end_offsets.get(one), None) for one in committed if one not in assigned]
    return sorted(rows, key=lambda row: (row.partition, row.member.member_id if row.member is not None else ""))


def total_lag(lags: Iterable[int | None]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = [lag for lag in lags if lag is not None]
    return sum(known) if known else None
