"""OffsetDelete (key 47): forget offsets of a group that its members do not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: OffsetDeleteRequest, context: RequestContext) -> OffsetDeleteResponse:
    """One answer for each partition; those that do not exist are refused here."""
    known: list[OffsetDeleteRequestTopic] = []
    answered: dict[str, OffsetDeleteResponseTopic] = {}
    for topic in request.topics:
        found = node.image.topics.by_name.get(topic.name)
        existing = [partition for partition in topic.partitions if found is not None and partition.partition_index in found.partitions]
        if existing:
            known.append(OffsetDeleteRequestTopic(name=topic.name, partitions=existing))
        if len(existing) < len(topic.partitions):
            answered[topic.name] = OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(partition.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                    for partition in topic.partitions
                    if partition not in existing
                ],
            )
    request.topics = known
    answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.delete_offsets(ticket, request))
    response = cast(OffsetDeleteResponse, answer)
    if response.error_code != ErrorCode.NONE:
        return response
    for decided in response.topics:
        refused = answered.get(decided.name)
        if refused is None:
            answered[decided.name] = decided
        else:
            refused.partitions += decided.partitions
    response.topics = list(answered.values())
    return response
