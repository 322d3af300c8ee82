"""Produce in a transaction: nothing is written to a partition of which the producer's transaction does not know (KIP-890).

A producer of the old protocol has announced the partition, which is verified; one of the new protocol (Produce from version 12 on)
has not, and the partition is added for it before anything is written. Where the log has the transaction open already, both have
happened. Between the look at the coordinator's state and the staging of the batch nothing else runs, so no marker can come between
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.produce_frame import TOPIC_ID_VERSION_MIN, ProduceFrame
from odradek.config.broker_log_settings import TRANSACTION_PARTITION_VERIFICATION_ENABLE
from odradek.config.broker_transaction_settings import ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS, ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS
from odradek.records.header import BatchHeader, batch_size_at, parse_header

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.partition import Partition
    from odradek.broker.produce_path import ProducePath
    from odradek.net.frame_connection import FrameConnection

IMPLICIT_JOIN_VERSION_MIN: Final = 12
ABORTABLE_VERSION_MIN: Final = 11
# The transaction version of a producer that does not announce its partitions.
CLIENT_VERSION: Final = 2

# Refusals that a code alone says too little about.
SENTENCES: Final = {
    ErrorCode.INVALID_TXN_STATE: "The partition was not added to the transaction.",
    ErrorCode.NOT_ENOUGH_REPLICAS: "Whether the partition was added to the transaction cannot be found out now.",
}

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
        return ErrorCode.NONE
    if frame.version >= IMPLICIT_JOIN_VERSION_MIN and entry is None and header.base_sequence != 0:
        # Its state is lost here: what comes first may not be what it sent first.
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if not node.configuration[TRANSACTION_PARTITION_VERIFICATION_ENABLE]:
        return ErrorCode.NONE
    transactional_id = frame.transactional_id or ""
    try:
        shard = node.transactions.peek(transactional_id)
    except RequestRefused as refused:
        return as_produce_says(refused.code, frame)
    producer = (int(header.producer_id), int(header.producer_epoch))
    return as_produce_says(shard.verify_partition(transactional_id, producer, (partition.topic, partition.index)), frame)


def as_produce_says(code: ErrorCode, frame: ProduceFrame) -> ErrorCode:
    """The coordinator's refusal in words that producers of every age understand."""
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and frame.version < ABORTABLE_VERSION_MIN:
        return ErrorCode.INVALID_TXN_STATE
    if code in _RETRIABLE or (code is ErrorCode.CONCURRENT_TRANSACTIONS and frame.version < IMPLICIT_JOIN_VERSION_MIN):
        # Clients of every version try again after it, and do not look for another leader.
        return ErrorCode.NOT_ENOUGH_REPLICAS
    return code


def has_to_join(node: Node, frame: ProduceFrame, data: bytes) -> bool:
    """Whether a partition of the request is not known to be in the producer's transaction."""
    return next(_unknown(node, frame, data), None) is not None


def _unknown(node: Node, frame: ProduceFrame, data: bytes) -> Iterator[tuple[Partition, tuple[int, int]]]:
    """The partitions that have yet to be added, and the producer (id and epoch) that writes to them."""
    for part in frame.parts:
        if frame.version >= TOPIC_ID_VERSION_MIN:
            partition = node.partitions.by_id(part.topic, part.index)
        else:
            partition = node.partitions.get(part.topic.decode(), part.index)
        if partition is None or not partition.is_leader or batch_size_at(data, part.start, part.end) <= 0:
            continue
        header = parse_header(data, part.start)
        if not header.is_transactional():
            continue
        entry = partition.log.producers.entries.get(int(header.producer_id))
        if entry is None or entry.transaction_first_offset < 0 or entry.epoch != header.producer_epoch:
            yield partition, (int(header.producer_id), int(header.producer_epoch))


async def join(node: Node, connection: FrameConnection, frame: ProduceFrame, data: bytes, produce: ProducePath) -> None:
    """Add what is missing to the transaction and decide the request; a refusal is the answer to all of it."""
    try:
        code = await _add(node, frame, data)
        if code is not ErrorCode.NONE:
            frame.refusal_code = as_produce_says(code, frame)
        produce.decide(connection, frame, data)
    except Exception as error:  # a mistake of ours: this connection ends, everybody else goes on
        connection.close(f"a transactional produce request could not be decided: {error!r}")
    finally:
        connection.unblock()


async def _add(node: Node, frame: ProduceFrame, data: bytes) -> ErrorCode:
    """Add the partitions; a transaction that is just ending is given a moment, as a broker does for its clients."""
    transactional_id = frame.transactional_id or ""
    missing = list(_unknown(node, frame, data))
    if not missing:
        return ErrorCode.NONE
    producer = missing[0][1]
    places = frozenset((partition.topic, partition.index) for partition, _ in missing)
    wait_ms = node.configuration[ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS]
    deadline_ms = node.clock.monotonic_ms() + node.configuration[ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS]
    while True:
        try:
            await node.transactions.ask(
                transactional_id,
                lambda shard, ticket, now: shard.add_partitions(ticket, transactional_id, producer, places, CLIENT_VERSION, now),
            )
            code = ErrorCode.NONE
        except RequestRefused as refused:
            code = refused.code
        if code is not ErrorCode.CONCURRENT_TRANSACTIONS or node.clock.monotonic_ms() >= deadline_ms:
            return code
        await asyncio.sleep(wait_ms / 1000)
