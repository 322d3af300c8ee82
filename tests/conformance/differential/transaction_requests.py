"""Requests of transactional producers, as short as the scripts about them can be told."""

from collections.abc import Sequence

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest
from odradek.protocol.messages.end_txn import EndTxnRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS, new_producer
from tests.conformance.differential.wire import Exchange

# Id and epoch.
Producer = tuple[int, int]

_NOT_YET = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)


def await_transaction_coordinator(exchange: Exchange) -> None:
    """Until every transactional id of the node has its coordinator, and there are ids for producers."""
    new_producer(exchange)
    names = [f"name-{number}" for number in range(12)]
    for name in names:
        while True:
            exchange.quietly(FindCoordinatorRequest(key=name, key_type=1), 1)
            answer = exchange.quietly(init(name, timeout_ms=-5), 4)
            assert isinstance(answer, InitProducerIdResponse)
            if answer.error_code not in _NOT_YET:
                break


def init(name: str | None, *, producer: Producer = (-1, -1), timeout_ms: int = 60_000) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=name, transaction_timeout_ms=timeout_ms, producer_id=producer[0], producer_epoch=producer[1]
    )


def begun(exchange: Exchange, name: str, *, timeout_ms: int = 60_000) -> Producer:
    """A producer that has just begun; nothing of this is written down."""
    while True:
        answer = exchange.quietly(init(name, timeout_ms=timeout_ms), 4)
        assert isinstance(answer, InitProducerIdResponse)
        # Whoever had the name before is still being put to rest.
        if answer.error_code not in (ErrorCode.CONCURRENT_TRANSACTIONS, *_NOT_YET):
            assert answer.error_code == ErrorCode.NONE
            return answer.producer_id, answer.producer_epoch


def _topics(places: Sequence[tuple[str, int]]) -> list[AddPartitionsToTxnTopic]:
    topics: dict[str, AddPartitionsToTxnTopic] = {}
    for topic, index in places:
        topics.setdefault(topic, AddPartitionsToTxnTopic(name=topic, partitions=[])).partitions.append(index)
    return list(topics.values())


def add(name: str, producer: Producer, *places: tuple[str, int]) -> AddPartitionsToTxnRequest:
    """As clients say it, up to version 3."""
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer[0],
        v3_and_below_producer_epoch=producer[1],
        v3_and_below_topics=_topics(places),
    )


def add_several(*transactions: AddPartitionsToTxnTransaction) -> AddPartitionsToTxnRequest:
    """As brokers say it, from version 4 on."""
    return AddPartitionsToTxnRequest(transactions=list(transactions))


def adding(name: str, producer: Producer, *places: tuple[str, int], is_verifying: bool = False) -> AddPartitionsToTxnTransaction:
    return AddPartitionsToTxnTransaction(name, producer[0], producer[1], verify_only=is_verifying, topics=_topics(places))


def add_offsets(name: str, producer: Producer, group: str) -> AddOffsetsToTxnRequest:
    return AddOffsetsToTxnRequest(transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], group_id=group)


def commit_offsets(
    name: str,
    producer: Producer,
    group: str,
    topic: str,
    *offsets: tuple[int, int],
    generation: int = -1,
    member_id: str = "",
    instance_id: str | None = None,
    metadata: str | None = "",
) -> TxnOffsetCommitRequest:
    """Commit offsets of a group, by partition and offset."""
    partitions = [
        TxnOffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=metadata)
        for index, offset in offsets
    ]
    return TxnOffsetCommitRequest(
        transactional_id=name,
        group_id=group,
        producer_id=producer[0],
        producer_epoch=producer[1],
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
    )


def end(name: str, producer: Producer, *, is_commit: bool) -> EndTxnRequest:
    return EndTxnRequest(transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], committed=is_commit)


def describe(name: str) -> DescribeTransactionsRequest:
    return DescribeTransactionsRequest(transactional_ids=[name])


def batch_of(producer: Producer, sequence: int, *values: str) -> bytes:
    """A transactional batch."""
    records = [Record(timestamp=MOMENT_MS + index, value=value.encode()) for index, value in enumerate(values)]
    return encode_batch(records, producer_id=producer[0], producer_epoch=producer[1], base_sequence=sequence, is_transactional=True)
