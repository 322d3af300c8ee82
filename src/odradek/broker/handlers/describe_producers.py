"""DescribeProducers (key 61): the producers a partition remembers, what they sent last, and which transaction they have open (KIP-664)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.controller.topic_names import topic_name_complaint
from odradek.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from odradek.storage.producer_entry import ProducerEntry

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: DescribeProducersRequest, context: RequestContext) -> DescribeProducersResponse:
    """Whoever holds the partition answers, leader or not."""
    response = DescribeProducersResponse()
    for topic in request.topics:
        complaint = topic_name_complaint(topic.name)
        answer = TopicResponse(name=topic.name)
        for index in topic.partition_indexes:
            if complaint is not None:
                partition = PartitionResponse(partition_index=index, error_code=ErrorCode.INVALID_TOPIC_EXCEPTION, error_message=complaint)
            elif topic.name not in node.image.topics.by_name:
                partition = PartitionResponse(
                    partition_index=index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, error_message="there is no such topic"
                )
            else:
                partition = _describe(node, topic.name, index)
            answer.partitions.append(partition)
        response.topics.append(answer)
    return response


def _describe(node: Node, topic: str, index: int) -> PartitionResponse:
    partition = node.partitions.get(topic, index)
    if partition is None:
        return PartitionResponse(partition_index=index, error_code=node.partitions.why_absent(topic, index, node.image))
    return PartitionResponse(partition_index=index, active_producers=[_state(it) for it in partition.log.producers.entries.values()])


def _state(entry: ProducerEntry) -> ProducerState:
    return ProducerState(
        producer_id=int(entry.producer_id),
        producer_epoch=int(entry.epoch),
        last_sequence=int(entry.last_sequence()),
        last_timestamp=int(entry.last_timestamp),
        coordinator_epoch=int(entry.coordinator_epoch),
        current_txn_start_offset=int(entry.transaction_first_offset),
    )
