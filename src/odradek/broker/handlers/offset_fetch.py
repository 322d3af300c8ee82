"""OffsetFetch (key 9): how far groups have come; several groups at once from version 8 on, topics by id from version 10 on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.request import RequestContext
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node

BATCHED_VERSION_MIN: Final = 8
TOPIC_IDS_VERSION_MIN: Final = 10
TOP_LEVEL_ERROR_VERSION_MIN: Final = 2
INVALID_OFFSET: Final = -1


async def handle(node: Node, request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse:
    """One answer for each group."""
    if context.api_version >= BATCHED_VERSION_MIN:
        groups = [await _fetch(node, group, context, is_stable_required=request.require_stable) for group in request.groups]
        return OffsetFetchResponse(groups=groups)
    topics = (
        None
        if request.topics is None
        else [OffsetFetchRequestTopics(topic.name, ZERO_UUID, topic.partition_indexes) for topic in request.topics]
    )
    single = OffsetFetchRequestGroup(group_id=request.group_id, topics=topics)
    return _for_one_group(await _fetch(node, single, context, is_stable_required=request.require_stable))


async def _fetch(
    node: Node, group: OffsetFetchRequestGroup, context: RequestContext, *, is_stable_required: bool
) -> OffsetFetchResponseGroup:
    has_topic_ids = context.api_version >= TOPIC_IDS_VERSION_MIN
    unknown: list[OffsetFetchResponseTopics] = []
    asked = group
    if has_topic_ids and group.topics is not None:
        asked = OffsetFetchRequestGroup(group.group_id, group.member_id, group.member_epoch, [])
        for topic in group.topics:
            found = node.image.topics.by_id.get(topic.topic_id)
            if found is None:
                unknown.append(_refused_topic(topic, ErrorCode.UNKNOWN_TOPIC_ID))
            else:
                assert asked.topics is not None
                asked.topics.append(OffsetFetchRequestTopics(found.name, topic.topic_id, topic.partition_indexes))
    try:
        answer = await node.groups.ask(
            group.group_id, lambda shard, ticket, now: shard.fetch_offsets(ticket, asked, is_stable_required=is_stable_required)
        )
    except RequestRefused as refused:
        return _refused_group(group, refused.code, context)
    answered = cast(OffsetFetchResponse, answer).groups[0]
    if has_topic_ids and group.topics is None:
        answered.topics = [topic for topic in answered.topics if _has_id(node, topic)]
    answered.topics += unknown
    return answered


def _has_id(node: Node, topic: OffsetFetchResponseTopics) -> bool:
    """Give the topic its id; without one it cannot be said."""
    found = node.image.topics.by_name.get(topic.name)
    if found is not None and topic.topic_id == ZERO_UUID:
        topic.topic_id = found.id
    return topic.topic_id != ZERO_UUID


def _refused_topic(topic: OffsetFetchRequestTopics, code: ErrorCode) -> OffsetFetchResponseTopics:
    partitions = [
        OffsetFetchResponsePartitions(partition_index=index, committed_offset=INVALID_OFFSET, error_code=code)
        for index in topic.partition_indexes
    ]
    return OffsetFetchResponseTopics(name=topic.name, topic_id=topic.topic_id, partitions=partitions)


def _refused_group(group: OffsetFetchRequestGroup, code: ErrorCode, context: RequestContext) -> OffsetFetchResponseGroup:
    """Before version 2 the only place for an error is a partition."""
    if context.api_version >= TOP_LEVEL_ERROR_VERSION_MIN:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=code)
    return OffsetFetchResponseGroup(group_id=group.group_id, topics=[_refused_topic(topic, code) for topic in group.topics or ()])


def _for_one_group(group: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    topics = [
        OffsetFetchResponseTopic(
            name=topic.name,
            partitions=[
                OffsetFetchResponsePartition(
                    partition.partition_index,
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.metadata,
                    partition.error_code,
                )
                for partition in topic.partitions
            ],
        )
        for topic in group.topics
    ]
    return OffsetFetchResponse(error_code=group.error_code, topics=topics)
