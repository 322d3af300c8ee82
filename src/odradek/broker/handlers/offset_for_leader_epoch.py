"""OffsetForLeaderEpoch (key 23): where a leader's reign ended, so that a reader finds where its copy parts from the log (KIP-101, 320)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: OffsetForLeaderEpochRequest, context: RequestContext) -> OffsetForLeaderEpochResponse:
    """Only the leader answers; the epoch it answers with is the largest it has that is not above the one asked for."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(topic=topic.topic, partitions=[_end_of_epoch(node, topic.topic, it) for it in topic.partitions])
            for topic in request.topics
        ]
    )


def _end_of_epoch(node: Node, topic: str, question: OffsetForLeaderPartition) -> EpochEndOffset:
    partition = node.partitions.get(topic, question.partition)
    if partition is None:
        return EpochEndOffset(error_code=node.partitions.why_absent(topic, question.partition, node.image), partition=question.partition)
    refusal = partition.refusal(question.current_leader_epoch, is_leader_required=True)
    if refusal != ErrorCode.NONE:
        return EpochEndOffset(error_code=refusal, partition=question.partition)
    epoch, end_offset = partition.end_of_epoch(question.leader_epoch)
    return EpochEndOffset(partition=question.partition, leader_epoch=epoch, end_offset=end_offset)
