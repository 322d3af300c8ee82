"""DeleteRecords (key 21): forget everything of a partition below an offset (KIP-107).

Only the log start moves, and is written down before the answer leaves, so that what was deleted stays deleted; the files go with the next
retention. The offset -1 stands for the high watermark. Records of a topic that is only compacted stay, because there the log is the table,
and those of internal topics stay because the cluster lives from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.broker.partition import Partition
from odradek.broker.request import RequestContext
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.errors import OffsetOutOfRange

if TYPE_CHECKING:
    from odradek.broker.node import Node

HIGH_WATERMARK: Final = -1
NO_LOW_WATERMARK: Final = -1


def handle(
    node: Node, request: DeleteRecordsRequest, context: RequestContext
) -> DeleteRecordsResponse | Coroutine[None, None, DeleteRecordsResponse]:
    """Each partition is answered with its low watermark, or with an error."""
    response = DeleteRecordsResponse()
    moved: list[tuple[Partition, DeleteRecordsPartitionResult]] = []
    for topic in request.topics:
        result = DeleteRecordsTopicResult(name=topic.name)
        for wish in topic.partitions:
            code, low_watermark = _delete_below(node, topic.name, wish.partition_index, wish.offset)
            answer = DeleteRecordsPartitionResult(partition_index=wish.partition_index, low_watermark=low_watermark, error_code=code)
            result.partitions.append(answer)
            partition = node.partitions.get(topic.name, wish.partition_index)
            if code == ErrorCode.NONE and partition is not None:
                moved.append((partition, answer))
        response.topics.append(result)
    return _when_durable(node, response, moved) if moved else response


async def _when_durable(
    node: Node, response: DeleteRecordsResponse, moved: list[tuple[Partition, DeleteRecordsPartitionResult]]
) -> DeleteRecordsResponse:
    """The response, once no crash can bring back what was deleted. Kafka answers before; its checkpoint comes within a minute.

    Where a full disk has no room for the checkpoint, the records are gone and their segments make room, but that is not promised yet.
    """
    work = node.logs.begin_checkpoint(Checkpoint.LOG_STARTS)
    await asyncio.get_running_loop().run_in_executor(node.pool, work.run)
    node.logs.end_checkpoint(work)
    unwritten = {directory.path for directory, _ in work.failures}
    for partition, answer in moved:
        if partition.log.is_offline or partition.log.directory.rpartition("/")[0] in unwritten:
            answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
            answer.low_watermark = NO_LOW_WATERMARK
    return response


def _delete_below(node: Node, topic: str, index: int, offset: int) -> tuple[ErrorCode, int]:
    partition = node.partitions.get(topic, index)
    if partition is None:
        return node.partitions.why_absent(topic, index, node.image), NO_LOW_WATERMARK
    refusal = _refusal(partition)
    if refusal == ErrorCode.NONE:
        try:
            if offset < HIGH_WATERMARK:
                return ErrorCode.OFFSET_OUT_OF_RANGE, NO_LOW_WATERMARK
            partition.delete_records_before(partition.high_watermark if offset == HIGH_WATERMARK else offset)
        except OffsetOutOfRange:
            return ErrorCode.OFFSET_OUT_OF_RANGE, NO_LOW_WATERMARK
        except StorageFailure:
            return ErrorCode.KAFKA_STORAGE_ERROR, NO_LOW_WATERMARK
        return ErrorCode.NONE, partition.low_watermark
    return refusal, NO_LOW_WATERMARK


def _refusal(partition: Partition) -> ErrorCode:
    if partition.is_internal:
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    refusal = partition.refusal(-1, is_leader_required=True)
    if refusal != ErrorCode.NONE:
        return refusal
    configuration = partition.log.configuration
    is_only_compacted = configuration.is_compacted and not configuration.is_deleted_by_retention
    return ErrorCode.POLICY_VIOLATION if is_only_compacted else ErrorCode.NONE
