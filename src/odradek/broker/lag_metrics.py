"""Lag as metrics: what this node knows of its groups and its partitions, under the names that users of kafka_exporter know.

A node answers for the groups that it coordinates and for the partitions that it leads, and for nothing else: in a larger cluster the
groups of all nodes are those of all their answers, and a lag is known only where coordinator and leader are the same node.

The cost is bounded. Everything is read and written in slices, between which requests have their turn; partitions of groups beyond
`GROUP_PARTITIONS_MAX` appear in the sums by topic only, and a metric says how many those are.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, final

from odradek.broker.metrics_text import Metric, escaped
from odradek.coordinator.group.lag import CommittedPartition, GroupLag

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.partition import Partition

# Twenty partitions for each of ten thousand groups. Some 40 MB of text: what Prometheus takes in ten seconds, its usual limit.
GROUP_PARTITIONS_MAX: Final = 200_000
# About two milliseconds of work.
VALUES_PER_SLICE: Final = 500

CURRENT_OFFSET: Final = Metric(
    "kafka_consumergroup_current_offset",
    ("consumergroup", "topic", "partition"),
    "The offset that a consumer group has committed for a partition. Only of groups that this node coordinates.",
)
LAG: Final = Metric(
    "kafka_consumergroup_lag",
    ("consumergroup", "topic", "partition"),
    "How many offsets a consumer group is behind the high watermark of a partition. Only of groups that this node coordinates, "
    "in partitions that it leads.",
)
CURRENT_OFFSET_SUM: Final = Metric(
    "kafka_consumergroup_current_offset_sum",
    ("consumergroup", "topic"),
    "The sum of the offsets that a consumer group has committed for the partitions of a topic. Only of groups that this node coordinates.",
)
LAG_SUM: Final = Metric(
    "kafka_consumergroup_lag_sum",
    ("consumergroup", "topic"),
    "The sum of a consumer group's lags in the partitions of a topic. Only of groups that this node coordinates, "
    "and of partitions that it leads.",
)
MEMBERS: Final = Metric(
    "kafka_consumergroup_members",
    ("consumergroup",),
    "How many members a consumer group has. Only of groups that this node coordinates.",
)
END_OFFSET: Final = Metric(
    "kafka_topic_partition_current_offset",
    ("topic", "partition"),
    "The high watermark of a partition, up to which consumers can read. Only of partitions that this node leads.",
)
OLDEST_OFFSET: Final = Metric(
    "kafka_topic_partition_oldest_offset",
    ("topic", "partition"),
    "The offset of the first record that a partition still has. Only of partitions that this node leads.",
)
OMITTED: Final = Metric(
    "odradek_consumergroup_partitions_omitted",
    (),
    f"How many partitions of consumer groups appear in the sums by topic only, because there are more than {GROUP_PARTITIONS_MAX}.",
)

_Value = tuple[tuple[str, ...], int]


@final
class LagMetrics:
    """The metrics of `node`, each time as they are."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def text(self) -> AsyncIterator[bytes]:
        """The metrics in pieces, for whoever asks; each metric is whole before the next begins."""
        groups = [group async for group in self._groups()]
        shown, omitted_count = _within_limit(groups)
        families: list[tuple[Metric, Iterable[_Value]]] = [
            (CURRENT_OFFSET, _by_partition(shown, lambda partition: partition.committed_offset)),
            (LAG, _by_partition(shown, lambda partition: partition.lag)),
            (CURRENT_OFFSET_SUM, _by_topic(groups, lambda partition: partition.committed_offset)),
            (LAG_SUM, _by_topic(groups, lambda partition: partition.lag)),
            (MEMBERS, (((escaped(group.group_id),), group.member_count) for group in groups)),
            (END_OFFSET, self._led(lambda partition: partition.high_watermark)),
            (OLDEST_OFFSET, self._led(lambda partition: partition.log.log_start_offset)),
            (OMITTED, [((), omitted_count)]),
        ]
        for metric, values in families:
            yield metric.heading().encode()
            async for piece in _in_slices(metric.lines(values)):
                yield piece

    async def _groups(self) -> AsyncIterator[GroupLag]:
        read_count = 0
        for shard in self._node.groups.loaded_shards():
            for group in shard.lags(self._log_end_offset_of):
                yield group
                read_count += 1 + len(group.partitions)
                if read_count >= VALUES_PER_SLICE:
                    read_count = 0
                    await sleep(0)

    def _log_end_offset_of(self, topic: str, index: int) -> int | None:
        partition = self._node.partitions.get(topic, index)
        return partition.high_watermark if partition is not None and partition.is_leader else None

    def _led(self, value_of: Callable[[Partition], int]) -> Iterator[_Value]:
        for partition in self._node.partitions:
            if partition.is_leader:
                yield (escaped(partition.topic), str(partition.index)), value_of(partition)


def _within_limit(groups: Iterable[GroupLag]) -> tuple[list[GroupLag], int]:
    """As many groups as may be shown with all their partitions, and how many partitions the others have."""
    shown: list[GroupLag] = []
    shown_count = omitted_count = 0
    for group in groups:
        count = len(group.partitions)
        if shown_count + count <= GROUP_PARTITIONS_MAX:
            shown.append(group)
            shown_count += count
        else:
            omitted_count += count
    return shown, omitted_count


def _by_partition(groups: Iterable[GroupLag], value_of: Callable[[CommittedPartition], int | None]) -> Iterator[_Value]:
    for group in groups:
        name = escaped(group.group_id)
        for partition in group.partitions:
            value = value_of(partition)
            if value is not None:
                yield (name, escaped(partition.topic), str(partition.partition)), value


def _by_topic(groups: Iterable[GroupLag], value_of: Callable[[CommittedPartition], int | None]) -> Iterator[_Value]:
    for group in groups:
        name = escaped(group.group_id)
        for topic, partitions in groupby(group.partitions, key=lambda partition: partition.topic):
            known = [value for partition in partitions if (value := value_of(partition)) is not None]
            if known:
                yield (name, escaped(topic)), sum(known)


async def _in_slices(lines: Iterator[str]) -> AsyncIterator[bytes]:
    """The lines in pieces, with a turn for others after each."""
    while piece := "".join(islice(lines, VALUES_PER_SLICE)):
        yield piece.encode()
        await sleep(0)
