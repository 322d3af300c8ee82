"""Whether a batch of a transaction may be written: nothing is written to a partition of which the producer's transaction does not know
(KIP-890).

A producer of the old protocol has announced the partition, which is verified; for one of the new protocol (Produce from version 12 on)
`transactional_produce` has added it before anything is written. Where the log has the transaction open already, both have happened.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.partition import Partition
from odradek.broker.produce_frame import TOPIC_ID_VERSION_MIN, ProduceFrame
from odradek.config.broker_log_settings import TRANSACTION_PARTITION_VERIFICATION_ENABLE
from odradek.records.header import BatchHeader, batch_size_at, parse_header
from odradek.wire.frame_cursor import text_of

if TYPE_CHECKING:
    from odradek.broker.node import Node

# From this version on a transactional producer does not announce its partitions (KIP-890).
IMPLICIT_JOIN_VERSION_MIN: Final[i64] = 12
ABORTABLE_VERSION_MIN: Final[i64] = 11

_RETRIABLE: Final = frozenset(
    {
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)


def refusal(node: Node, frame: ProduceFrame, partition: Partition, header: BatchHeader) -> ErrorCode:
    """Why the batch may not be written in its transaction, NONE if it may."""
    entry = partition.log.producers.entries.get(int(header.producer_id))
    if entry is not None and entry.transaction_first_offset >= 0 and entry.epoch == header.producer_epoch:
        return NO_ERROR
    if frame.version >= IMPLICIT_JOIN_VERSION_MIN and entry is None and header.base_sequence != 0:
        # Its state is lost here: what comes first may not be what it sent first.
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    transactional_id = frame.transactional_id or ""
    try:
        shard = node.transactions.peek(transactional_id)
    except RequestRefused as refused:
        code = refused.code
    else:
        producer = (int(header.producer_id), int(header.producer_epoch))
        code = shard.verify_partition(transactional_id, producer, (partition.topic, partition.index))
    if code is NO_ERROR or not node.configuration[TRANSACTION_PARTITION_VERIFICATION_ENABLE]:
        return NO_ERROR
    return as_produce_says(code, frame)


def as_produce_says(code: ErrorCode, frame: ProduceFrame) -> ErrorCode:
    """The coordinator's refusal in words that producers of every age understand."""
    if code is NO_ERROR:
        return code
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and frame.version < ABORTABLE_VERSION_MIN:
        return ErrorCode.INVALID_TXN_STATE
    if code in _RETRIABLE or (code is ErrorCode.CONCURRENT_TRANSACTIONS and frame.version < IMPLICIT_JOIN_VERSION_MIN):
        # Clients of every version try again after it, and do not look for another leader.
        return ErrorCode.NOT_ENOUGH_REPLICAS
    return code


def partitions_to_join(node: Node, frame: ProduceFrame, data: bytes) -> list[tuple[Partition, tuple[int, int]]]:
    """The partitions of which the producer's transaction does not know yet, and the producer (id and epoch) that writes to them."""
    unknown: list[tuple[Partition, tuple[int, int]]] = []
    for part in frame.parts:
        if frame.version >= TOPIC_ID_VERSION_MIN:
            partition = node.partitions.by_id(part.topic, part.index)
        else:
            partition = node.partitions.get(text_of(part.topic), part.index)
        if partition is None or not partition.is_leader or batch_size_at(data, part.start, part.end) <= 0:
            continue
        header = parse_header(data, part.start)
        if not header.is_transactional():
            continue
        entry = partition.log.producers.entries.get(int(header.producer_id))
        if entry is None or entry.transaction_first_offset < 0 or entry.epoch != header.producer_epoch:
            unknown.append((partition, (int(header.producer_id), int(header.producer_epoch))))
    return unknown
