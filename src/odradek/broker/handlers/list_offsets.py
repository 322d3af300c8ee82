"""ListOffsets (key 2): which offset a partition has at a time, at its beginning or at its end.

Times below zero are names. -1 is what a consumer may read next to the end (the high watermark, or the last stable offset if it reads
committed records), and for anybody who is not a consumer the log end. What tiered storage would answer (-4, -5, -6) is answered as by a
node without it. A time is looked up in the log, and what a consumer cannot read yet counts as not there.

After an election the new leader may not know yet how much of its log is agreed on: until its high watermark has reached the beginning of
its reign, a consumer is told to ask again (KIP-207).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import NO_LEADER_EPOCH, NO_OFFSET, NO_TIMESTAMP
from odradek.broker.fetch_plan import READ_COMMITTED
from odradek.broker.partition import Partition
from odradek.broker.request import RequestContext
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from odradek.storage.segment import TimestampAt

if TYPE_CHECKING:
    from odradek.broker.node import Node

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6
# From which version of the request on each name is one.
VERSION_MIN_BY_NAME: Final[Mapping[int, int]] = MappingProxyType(
    {LATEST: 1, EARLIEST: 1, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
)
LEADER_EPOCH_VERSION_MIN: Final = 4
OFFSET_NOT_AVAILABLE_VERSION_MIN: Final = 5

CONSUMER_REPLICA_ID: Final = -1
DEBUGGING_REPLICA_ID: Final = -2
NOWHERE: Final = TimestampAt(NO_TIMESTAMP, NO_OFFSET, NO_LEADER_EPOCH)


def handle(node: Node, request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse:
    """Answer each partition on its own."""
    asked = Counter((topic.name, partition.partition_index) for topic in request.topics for partition in topic.partitions)
    response = ListOffsetsResponse()
    for topic in request.topics:
        answers = []
        # A partition that is asked for twice is refused once, as Kafka does.
        for question in {question.partition_index: question for question in topic.partitions}.values():
            if asked[topic.name, question.partition_index] > 1:
                found: TimestampAt | ErrorCode = ErrorCode.INVALID_REQUEST
            elif question.timestamp < 0 and context.api_version < VERSION_MIN_BY_NAME.get(question.timestamp, 1 << 15):
                found = ErrorCode.UNSUPPORTED_VERSION
            else:
                found = _find(node, topic.name, question, request)
            answers.append(_answer(question.partition_index, found, context.api_version))
        response.topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=answers))
    return response


def _find(node: Node, topic: str, question: ListOffsetsPartition, request: ListOffsetsRequest) -> TimestampAt | ErrorCode:
    partition = node.partitions.get(topic, question.partition_index)
    if partition is None:
        return node.partitions.why_absent(topic, question.partition_index, node.image)
    refusal = partition.refusal(question.current_leader_epoch, is_leader_required=request.replica_id != DEBUGGING_REPLICA_ID)
    if refusal != ErrorCode.NONE:
        return refusal
    try:
        if request.replica_id == CONSUMER_REPLICA_ID:
            return _find_for_consumer(partition, question.timestamp, request.isolation_level)
        return _find_below(partition, question.timestamp, partition.log.log_end_offset) or NOWHERE
    except StorageFailure:
        return ErrorCode.KAFKA_STORAGE_ERROR


def _find_for_consumer(partition: Partition, timestamp: int, isolation_level: int) -> TimestampAt | ErrorCode:
    log = partition.log
    end = log.last_stable_offset if isolation_level == READ_COMMITTED else log.high_watermark
    is_end_known = partition.leader_epoch_start_offset <= log.high_watermark
    if timestamp == LATEST and not is_end_known:
        return ErrorCode.OFFSET_NOT_AVAILABLE
    found = _find_below(partition, timestamp, end)
    if found is None:
        return NOWHERE if is_end_known else ErrorCode.OFFSET_NOT_AVAILABLE
    return found


def _find_below(partition: Partition, timestamp: int, end: int) -> TimestampAt | None:
    """What `timestamp` means in a log that is visible up to `end`; None for a time that no visible record has reached."""
    log = partition.log
    if timestamp == LATEST:
        return TimestampAt(NO_TIMESTAMP, end, partition.leader_epoch)
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return log.earliest()
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return NOWHERE
    found = log.offset_of_max_timestamp() if timestamp == MAX_TIMESTAMP else log.offset_for_timestamp(timestamp)
    return None if found is None or found.offset >= end else found


def _answer(index: int, found: TimestampAt | ErrorCode, version: int) -> ListOffsetsPartitionResponse:
    if isinstance(found, ErrorCode):
        if found == ErrorCode.OFFSET_NOT_AVAILABLE and version < OFFSET_NOT_AVAILABLE_VERSION_MIN:
            found = ErrorCode.LEADER_NOT_AVAILABLE
        return ListOffsetsPartitionResponse(partition_index=index, error_code=found)
    answer = ListOffsetsPartitionResponse(partition_index=index, timestamp=found.timestamp, offset=found.offset)
    if version >= LEADER_EPOCH_VERSION_MIN:
        answer.leader_epoch = found.leader_epoch
    return answer
