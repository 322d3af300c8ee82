"""What is asked about offsets: those that groups have committed, and those at which partitions begin and end
(`ListConsumerGroupOffsetsHandler`, `AlterConsumerGroupOffsetsHandler`, `DeleteConsumerGroupOffsetsHandler`, `ListOffsetsHandler`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, final

from odradek.base.error_codes import ERROR_TABLE, ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.core.keyed_call import AT_COORDINATOR, Answered, Ask, RetryRule, Verdict, in_parts
from odradek.client.core.lookups import CoordinatorKind, CoordinatorLookup, LeaderLookup
from odradek.client.errors import Refused
from odradek.protocol.message import Message
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse

# From version 8 on OffsetFetch takes many groups (KIP-709); from 10 on it and OffsetCommit name topics by id, which a tool has no use for.
_MANY_GROUPS_SINCE_VERSION: Final = 8
_TOPIC_NAMES_UNTIL_VERSION: Final = 9

LATEST_TIMESTAMP: Final = -1
EARLIEST_TIMESTAMP: Final = -2
UNKNOWN_OFFSET: Final = -1
CONSUMER_REPLICA_ID: Final = -1
# How long a leader may look for an offset in remote storage (KIP-1075); as long as a client waits for an answer.
LOOKING_MS_MAX: Final = 30_000

_RETRIABLE: Final = frozenset(code for code, entry in ERROR_TABLE.items() if entry.retriable)
# A partition that is not where it was is looked up anew, which also finds out that it is gone.
AT_LEADER: Final = RetryRule(
    again=_RETRIABLE,
    elsewhere=frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}),
)


@final
@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset; `leader_epoch` is None where none was committed with it."""

    offset: int
    leader_epoch: int | None
    metadata: str


CommittedByPartition = dict[TopicPartition, Committed]
# What became of each partition: None where it was done.
ErrorByPartition = dict[TopicPartition, Refused | None]


@final
class FetchOffsets:
    """Everything that groups have committed. A group that does not exist has committed nothing."""

    def __init__(self) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.GROUP)

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for part in in_parts(keys):
            groups = [OffsetFetchRequestGroup(group_id=group_id, topics=None) for group_id in part]
            yield Ask(
                OffsetFetchRequest(groups=groups),
                OffsetFetchResponse,
                part,
                version_min=_MANY_GROUPS_SINCE_VERSION,
                version_max=_TOPIC_NAMES_UNTIL_VERSION,
            )

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, CommittedByPartition]:
        assert isinstance(response, OffsetFetchResponse)
        answered: Answered[str, CommittedByPartition] = Answered()
        for group in response.groups:
            if group.error_code != ErrorCode.NONE:
                answered.judge(group.group_id, group.error_code, None, AT_COORDINATOR)
                continue
            answered.done[group.group_id] = {
                TopicPartition(topic.name, found.partition_index): Committed(
                    found.committed_offset,
                    found.committed_leader_epoch if found.committed_leader_epoch >= 0 else None,
                    found.metadata or "",
                )
                for topic in group.topics
                for found in topic.partitions
                if found.error_code == ErrorCode.NONE and found.committed_offset != UNKNOWN_OFFSET
            }
        return answered


@final
class CommitOffsets:
    """New offsets for a group that nobody is in."""

    def __init__(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.GROUP)
        self._offsets = dict(sorted(offsets.items()))
        self._rule = AT_COORDINATOR.also_again(ErrorCode.REBALANCE_IN_PROGRESS)

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for group_id in keys:
            topics = [
                OffsetCommitRequestTopic(
                    name=name,
                    partitions=[
                        OffsetCommitRequestPartition(partition_index=partition.partition, committed_offset=offset)
                        for partition, offset in offsets
                    ],
                )
                for name, offsets in groupby(self._offsets.items(), key=lambda item: item[0].topic)
            ]
            request = OffsetCommitRequest(group_id=group_id, topics=topics)
            yield Ask(request, OffsetCommitResponse, [group_id], version_max=_TOPIC_NAMES_UNTIL_VERSION)

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, ErrorByPartition]:
        assert isinstance(response, OffsetCommitResponse)
        (group_id,) = ask.keys
        answered: Answered[str, ErrorByPartition] = Answered()
        errors: ErrorByPartition = {}
        for topic in response.topics:
            for partition in topic.partitions:
                code = partition.error_code
                if code != ErrorCode.NONE and self._rule.of(code) is not Verdict.REFUSED:
                    # The coordinator could not decide anything; what it says of one partition holds for all.
                    answered.judge(group_id, code, None, self._rule)
                    return answered
                errors[TopicPartition(topic.name, partition.partition_index)] = None if code == ErrorCode.NONE else Refused(code)
        answered.done[group_id] = errors
        return answered


@final
class DeleteOffsets:
    """Offsets that a group shall forget."""

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.GROUP)
        self._partitions = sorted(partitions)

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        topics = [
            OffsetDeleteRequestTopic(
                name=name, partitions=[OffsetDeleteRequestPartition(partition_index=partition.partition) for partition in partitions]
            )
            for name, partitions in groupby(self._partitions, key=lambda partition: partition.topic)
        ]
        for group_id in keys:
            yield Ask(OffsetDeleteRequest(group_id=group_id, topics=topics), OffsetDeleteResponse, [group_id])

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, ErrorByPartition]:
        assert isinstance(response, OffsetDeleteResponse)
        (group_id,) = ask.keys
        answered: Answered[str, ErrorByPartition] = Answered()
        if response.error_code != ErrorCode.NONE:
            answered.judge(group_id, response.error_code, None, AT_COORDINATOR)
            return answered
        answered.done[group_id] = {
            TopicPartition(topic.name, partition.partition_index): Refused(partition.error_code) if partition.error_code else None
            for topic in response.topics
            for partition in topic.partitions
        }
        return answered


@final
class ListOffsets:
    """An offset of each partition: its first, its next (the high watermark), or the first of a record of this time or later.

    -1 where no record is as late as that. What is not committed by its transaction counts.
    """

    def __init__(self, timestamp_ms: int) -> None:
        """`LATEST_TIMESTAMP`, `EARLIEST_TIMESTAMP`, or milliseconds since 1970."""
        self.lookup = LeaderLookup()
        self._timestamp_ms = timestamp_ms

    def asks(self, keys: Collection[TopicPartition]) -> Iterator[Ask[TopicPartition]]:
        for part in in_parts(sorted(keys)):
            topics = [
                ListOffsetsTopic(
                    name=name,
                    partitions=[
                        ListOffsetsPartition(partition_index=partition.partition, timestamp=self._timestamp_ms) for partition in partitions
                    ],
                )
                for name, partitions in groupby(part, key=lambda partition: partition.topic)
            ]
            request = ListOffsetsRequest(replica_id=CONSUMER_REPLICA_ID, topics=topics, timeout_ms=LOOKING_MS_MAX)
            yield Ask(request, ListOffsetsResponse, part)

    def read(self, node_id: int, ask: Ask[TopicPartition], response: Message) -> Answered[TopicPartition, int]:
        assert isinstance(response, ListOffsetsResponse)
        answered: Answered[TopicPartition, int] = Answered()
        for topic in response.topics:
            for found in topic.partitions:
                partition = TopicPartition(topic.name, found.partition_index)
                if found.error_code == ErrorCode.NONE:
                    answered.done[partition] = found.offset
                else:
                    answered.judge(partition, found.error_code, None, AT_LEADER)
        return answered
