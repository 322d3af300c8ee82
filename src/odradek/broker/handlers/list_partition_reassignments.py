"""ListPartitionReassignments: partitions whose replicas are on the move (KIP-455). `kafka-topics --describe` always asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


def handle(node: Node, request: ListPartitionReassignmentsRequest, context: RequestContext) -> ListPartitionReassignmentsResponse:
    """Those among the partitions asked for, or among all; partitions that do not exist are passed over."""
    topics = node.image.topics.by_name
    if request.topics is None:
        asked = [_moving(topic, topic.partitions) for topic in topics.values()]
    else:
        asked = [_moving(topics[topic.name], topic.partition_indexes) for topic in request.topics if topic.name in topics]
    return ListPartitionReassignmentsResponse(error_message=None, topics=[topic for topic in asked if topic.partitions])


def _moving(topic: TopicImage, indexes: Iterable[int]) -> OngoingTopicReassignment:
    moving = OngoingTopicReassignment(name=topic.name)
    for index in indexes:
        registration = topic.partitions.get(index)
        if registration is not None and registration.is_reassigning:
            moving.partitions.append(
                OngoingPartitionReassignment(
                    partition_index=index,
                    replicas=list(registration.replicas),
                    adding_replicas=list(registration.adding_replicas),
                    removing_replicas=list(registration.removing_replicas),
                )
            )
    return moving
