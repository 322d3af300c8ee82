"""DescribeTopicPartitions: topics in the order of their names, a page of partitions at a time (KIP-966).

A page ends after so many partitions, and the cursor says where the next begins. The only API that shows eligible leader replicas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.authorized_operations import TOPIC_OPERATIONS
from odradek.broker.visible_replicas import VisibleReplicas
from odradek.config.broker_network_settings import MAX_REQUEST_PARTITION_SIZE_LIMIT
from odradek.controller.topic_names import is_internal_topic, topic_name_complaint
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


def handle(node: Node, request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    """One page."""
    names = _names_from_cursor(request, list(node.image.topics.by_name))
    limit = max(min(node.settings[MAX_REQUEST_PARTITION_SIZE_LIMIT], request.response_partition_limit), 1)
    page = _Page(node, context, limit)
    for name in names:
        first_index = request.cursor.partition_index if request.cursor is not None and name == request.cursor.topic_name else 0
        if not page.add(name, first_index):
            break
    return page.response


def _names_from_cursor(request: DescribeTopicPartitionsRequest, all_names: list[str]) -> list[str]:
    asked = [topic.name for topic in request.topics]
    if request.cursor is None:
        return sorted(set(asked or all_names))
    names = sorted({name for name in (asked or all_names) if name >= request.cursor.topic_name})
    if asked and request.cursor.topic_name not in names:
        raise RequestRefused(
            ErrorCode.INVALID_REQUEST,
            f"DescribeTopicPartitionsRequest topic list should contain the cursor topic: {request.cursor.topic_name}",
        )
    if request.cursor.partition_index < 0:
        raise RequestRefused(
            ErrorCode.INVALID_REQUEST,
            "DescribeTopicPartitionsRequest cursor partition must be valid: "
            f"Cursor(topicName='{request.cursor.topic_name}', partitionIndex={request.cursor.partition_index})",
        )
    return names


class _Page:
    """Fills one response up to a number of partitions."""

    __slots__ = ("_image", "_remaining", "_replicas", "response")

    def __init__(self, node: Node, context: RequestContext, limit: int) -> None:
        self._image = node.image
        self._replicas = VisibleReplicas(node, self._image, context)
        self._remaining = limit
        self.response = DescribeTopicPartitionsResponse()

    def add(self, name: str, first_index: int) -> bool:
        """Add the topic's partitions from `first_index`; whether there is room for another topic."""
        if self._remaining == 0:
            self.response.next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=0)
            return False
        topic = self._image.topics.by_name.get(name)
        if topic is None:
            self.response.topics.append(_unknown(name))
            return True
        end_index = min(first_index + self._remaining, len(topic.partitions))
        self.response.topics.append(self._described(topic, first_index, end_index))
        if end_index < len(topic.partitions):
            self.response.next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=end_index)
            return False
        self._remaining -= max(end_index - first_index, 0)
        return True

    def _described(self, topic: TopicImage, first_index: int, end_index: int) -> DescribeTopicPartitionsResponseTopic:
        return DescribeTopicPartitionsResponseTopic(
            name=topic.name,
            topic_id=topic.id,
            is_internal=is_internal_topic(topic.name),
            partitions=[self._partition(index, topic.partitions[index]) for index in range(first_index, end_index)],
            topic_authorized_operations=TOPIC_OPERATIONS,
        )

    def _partition(self, index: int, registration: PartitionRegistration) -> DescribeTopicPartitionsResponsePartition:
        return DescribeTopicPartitionsResponsePartition(
            partition_index=index,
            leader_id=self._replicas.leader(registration),
            leader_epoch=registration.leader_epoch,
            replica_nodes=list(registration.replicas),
            isr_nodes=list(registration.isr),
            eligible_leader_replicas=list(registration.eligible_leader_replicas),
            last_known_elr=list(registration.last_known_elr),
            offline_replicas=self._replicas.offline(registration),
        )


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    is_legal = topic_name_complaint(name) is None
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if is_legal else ErrorCode.INVALID_TOPIC_EXCEPTION,
        name=name,
        is_internal=is_internal_topic(name),
        topic_authorized_operations=TOPIC_OPERATIONS,
    )
