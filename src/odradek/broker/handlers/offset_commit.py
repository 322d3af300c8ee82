"""OffsetCommit (key 8): a group notes how far it has come.

Topics and partitions that do not exist are answered here, each for itself; the coordinator decides on the rest as a whole. From
version 10 on topics are named by their ids, and offsets are kept with the id, so that those of a deleted topic do not count for its
successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.handlers.group_asking import caller_of
from odradek.broker.request import RequestContext
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node

TOPIC_IDS_VERSION_MIN: Final = 10


async def handle(node: Node, request: OffsetCommitRequest, context: RequestContext) -> OffsetCommitResponse:
    """One answer for each partition."""
    caller = caller_of(context)
    known: list[OffsetCommitRequestTopic] = []
    refused: list[OffsetCommitResponseTopic] = []
    for topic in request.topics:
        _sort_out(topic, node.image, known, refused, has_topic_ids=context.api_version >= TOPIC_IDS_VERSION_MIN)
    if not known:
        return OffsetCommitResponse(topics=refused)
    request.topics = known
    answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.commit_offsets(ticket, request, caller, now))
    response = cast(OffsetCommitResponse, answer)
    response.topics = _merged([*refused, *response.topics])
    return response


def _sort_out(
    topic: OffsetCommitRequestTopic,
    image: MetadataImage,
    known: list[OffsetCommitRequestTopic],
    refused: list[OffsetCommitResponseTopic],
    *,
    has_topic_ids: bool,
) -> None:
    found = image.topics.by_id.get(topic.topic_id) if has_topic_ids else image.topics.by_name.get(topic.name)
    if found is None:
        code = ErrorCode.UNKNOWN_TOPIC_ID if has_topic_ids else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        answered = OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id if has_topic_ids else ZERO_UUID)
        answered.partitions = [OffsetCommitResponsePartition(partition.partition_index, code) for partition in topic.partitions]
        refused.append(answered)
        return
    topic.name, topic.topic_id = found.name, found.id
    absent = [partition.partition_index for partition in topic.partitions if partition.partition_index not in found.partitions]
    if absent:
        answered = OffsetCommitResponseTopic(name=found.name, topic_id=found.id)
        answered.partitions = [OffsetCommitResponsePartition(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) for index in absent]
        refused.append(answered)
        topic.partitions = [partition for partition in topic.partitions if partition.partition_index in found.partitions]
    if topic.partitions:
        known.append(topic)


def _merged(topics: list[OffsetCommitResponseTopic]) -> list[OffsetCommitResponseTopic]:
    """Each topic once."""
    by_topic: dict[tuple[bytes, str], OffsetCommitResponseTopic] = {}
    for topic in topics:
        first = by_topic.setdefault((topic.topic_id, topic.name), topic)
        if first is not topic:
            first.partitions += topic.partitions
    return list(by_topic.values())
