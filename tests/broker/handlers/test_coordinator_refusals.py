"""Refusals of groups and transactions that handlers decide: a coordinator that cannot answer now, what does not exist, and in which words a
version of an API says what the coordinator has refused. One case an error; the coordinators' own are in tests/coordinator.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Iterator
from typing import Any, cast

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.broker.dispatch import refusal_for
from odradek.coordinator.transaction.settings import TransactionSettings
from odradek.coordinator.transaction.shard import TransactionShard
from odradek.coordinator.transaction.transaction import Transaction
from odradek.protocol import apis
from odradek.protocol.message import Message
from odradek.protocol.messages import (
    add_offsets_to_txn,
    add_partitions_to_txn,
    consumer_group_describe,
    consumer_group_heartbeat,
    delete_groups,
    describe_groups,
    describe_producers,
    describe_transactions,
    end_txn,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join_group,
    leave_group,
    list_groups,
    list_transactions,
    offset_commit,
    offset_delete,
    offset_fetch,
    sync_group,
    txn_offset_commit,
    write_txn_markers,
)
from odradek.wire.structure import Structure
from tests.broker.small_node import SmallNode
from tests.coordinator.refusal_case import RefusalCase, ids_of

UNKNOWN_ID = Uuid(bytes([9]) * 16)
PRODUCER = 7
NAME = "copier"


class FakeCoordinator:
    """A coordinator that refuses, with `code`, whatever it is asked; or answers with `answer`."""

    def __init__(self, code: ErrorCode = ErrorCode.NONE, answer: Message | None = None) -> None:
        self._code = code
        self._answer = answer
        # Of a transaction that nobody writes to: all that is verified in it is not in it.
        self.shard = TransactionShard(TransactionSettings)
        self.shard._put(Transaction(transactional_id=NAME, producer_id=PRODUCER, epoch=0, timeout_ms=1_000, update_ms=0))

    async def ask(self, key: str, question: object) -> Message | None:
        self._refuse()
        return self._answer

    def peek(self, key: str) -> TransactionShard:
        self._refuse()
        return self.shard

    def shards(self) -> Iterator[TransactionShard]:
        self._refuse()
        return iter([self.shard])

    async def producer_id_for(self, key: str) -> int:
        self._refuse()
        return 5

    def partition_index_of(self, key: str) -> int | None:
        return None if self._code is ErrorCode.COORDINATOR_NOT_AVAILABLE else 0

    def _refuse(self) -> None:
        if self._code is not ErrorCode.NONE:
            raise RequestRefused(self._code)


def told(
    request: Message,
    version: int,
    *,
    groups: FakeCoordinator | None = None,
    transactions: FakeCoordinator | None = None,
) -> ErrorCode:
    """The one error in the answer to a request, wherever it stands; the topic "orders" is there, and one partition of it."""
    node = SmallNode()
    node.create_topic("orders")
    fake: Any = node
    fake.groups = groups or FakeCoordinator()
    fake.transactions = transactions or FakeCoordinator()
    fake.configuration = node.settings
    handler = importlib.import_module(f"odradek.broker.handlers.{apis.api_of(request.API_KEY).module}")
    context = node.context(request.API_KEY, version)

    async def answer() -> Message:
        answered = handler.handle(node.as_node, request, context)
        return cast(Message, await answered if inspect.isawaitable(answered) else answered)

    try:
        response = asyncio.run(answer())
    except RequestRefused as refused:
        response = refusal_for(refused, request, context)
    # Whatever is said, the version must be able to say it.
    response.encode(bytearray(), version)
    codes = set(codes_in(response))
    assert len(codes) <= 1, f"several errors: {codes}"
    return next(iter(codes), ErrorCode.NONE)


def codes_in(value: object) -> Iterator[ErrorCode]:
    """Every error of an answer."""
    if isinstance(value, list):
        for one in value:
            yield from codes_in(one)
    elif isinstance(value, Structure):
        for name in value.__slots__:
            part = getattr(value, name)
            if name.endswith("error_code") and part:
                yield ErrorCode(part)
            else:
                yield from codes_in(part)


def committed(topic: str = "orders", *, topic_id: Uuid | None = None, partition: int = 0) -> offset_commit.OffsetCommitRequest:
    place = offset_commit.OffsetCommitRequestPartition(partition_index=partition)
    named = offset_commit.OffsetCommitRequestTopic(name=topic, partitions=[place])
    if topic_id is not None:
        named.topic_id = topic_id
    return offset_commit.OffsetCommitRequest(group_id="readers", topics=[named])


def fetched(*, topic_id: Uuid | None = None) -> offset_fetch.OffsetFetchRequest:
    topic = offset_fetch.OffsetFetchRequestTopics(name="orders", partition_indexes=[0])
    if topic_id is not None:
        topic = offset_fetch.OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0])
    return offset_fetch.OffsetFetchRequest(groups=[offset_fetch.OffsetFetchRequestGroup(group_id="readers", topics=[topic])])


def deleted(topic: str = "orders") -> offset_delete.OffsetDeleteRequest:
    partitions = [offset_delete.OffsetDeleteRequestPartition(partition_index=0)]
    return offset_delete.OffsetDeleteRequest(
        group_id="readers", topics=[offset_delete.OffsetDeleteRequestTopic(name=topic, partitions=partitions)]
    )


def committed_in_transaction(topic: str = "orders", *, group: str = "readers", epoch: int = 0) -> txn_offset_commit.TxnOffsetCommitRequest:
    partitions = [txn_offset_commit.TxnOffsetCommitRequestPartition(partition_index=0)]
    return txn_offset_commit.TxnOffsetCommitRequest(
        transactional_id=NAME,
        group_id=group,
        producer_id=PRODUCER,
        producer_epoch=epoch,
        topics=[txn_offset_commit.TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
    )


def added(topic: str = "orders") -> add_partitions_to_txn.AddPartitionsToTxnRequest:
    topics = [add_partitions_to_txn.AddPartitionsToTxnTopic(name=topic, partitions=[0])]
    return add_partitions_to_txn.AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=NAME, v3_and_below_producer_id=PRODUCER, v3_and_below_topics=topics
    )


def added_by_broker(*, is_verified: bool) -> add_partitions_to_txn.AddPartitionsToTxnRequest:
    topics = [add_partitions_to_txn.AddPartitionsToTxnTopic(name="orders", partitions=[0])]
    wish = add_partitions_to_txn.AddPartitionsToTxnTransaction(NAME, PRODUCER, 0, is_verified, topics)
    return add_partitions_to_txn.AddPartitionsToTxnRequest(transactions=[wish])


def marked(topic: str = "orders", *, epoch: int = 0) -> write_txn_markers.WriteTxnMarkersRequest:
    topics = [write_txn_markers.WritableTxnMarkerTopic(name=topic, partition_indexes=[0])]
    marker = write_txn_markers.WritableTxnMarker(producer_id=PRODUCER, producer_epoch=epoch, topics=topics)
    return write_txn_markers.WriteTxnMarkersRequest(markers=[marker])


def described_producers(topic: str, partition: int = 0) -> describe_producers.DescribeProducersRequest:
    return describe_producers.DescribeProducersRequest(topics=[describe_producers.TopicRequest(name=topic, partition_indexes=[partition])])


ADDED_OFFSETS = add_offsets_to_txn.AddOffsetsToTxnRequest(transactional_id=NAME, producer_id=PRODUCER, group_id="readers")
INIT = init_producer_id.InitProducerIdRequest(transactional_id=NAME, transaction_timeout_ms=1_000)
# By API, the newest version, and a request that is well-formed.
ASKED: dict[str, tuple[int, Message]] = {
    "JoinGroup": (9, join_group.JoinGroupRequest(group_id="readers")),
    "SyncGroup": (5, sync_group.SyncGroupRequest(group_id="readers", protocol_type="consumer", protocol_name="range")),
    "Heartbeat": (4, heartbeat.HeartbeatRequest(group_id="readers")),
    "LeaveGroup": (5, leave_group.LeaveGroupRequest(group_id="readers")),
    "OffsetFetch": (9, fetched()),
    "OffsetCommit": (9, committed()),
    "OffsetDelete": (0, deleted()),
    "DescribeGroups": (6, describe_groups.DescribeGroupsRequest(groups=["readers"])),
    "ListGroups": (5, list_groups.ListGroupsRequest()),
    "DeleteGroups": (2, delete_groups.DeleteGroupsRequest(groups_names=["readers"])),
    "ConsumerGroupHeartbeat": (1, consumer_group_heartbeat.ConsumerGroupHeartbeatRequest(group_id="readers")),
    "ConsumerGroupDescribe": (1, consumer_group_describe.ConsumerGroupDescribeRequest(group_ids=["readers"])),
    "InitProducerId": (5, INIT),
    "AddPartitionsToTxn": (3, added()),
    "AddOffsetsToTxn": (4, ADDED_OFFSETS),
    "TxnOffsetCommit": (5, committed_in_transaction()),
    "EndTxn": (5, end_txn.EndTxnRequest(transactional_id=NAME)),
    "ListTransactions": (2, list_transactions.ListTransactionsRequest()),
    "DescribeTransactions": (0, describe_transactions.DescribeTransactionsRequest(transactional_ids=[NAME])),
}
UNAVAILABLE = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)


def told_by_one_who_cannot(api: str, code: ErrorCode) -> ErrorCode:
    version, request = ASKED[api]
    refusing = FakeCoordinator(code)
    return told(request, version, groups=refusing, transactions=refusing)


def _unavailable(api: str, code: ErrorCode) -> RefusalCase:
    return RefusalCase(api, "a_coordinator_that_cannot_answer", code, lambda: told_by_one_who_cannot(api, code))


def _case(api: str, who: str, code: ErrorCode, version: int, request: Message, **fakes: FakeCoordinator) -> RefusalCase:
    return RefusalCase(api, f"{who}_in_version_{version}", code, lambda: told(request, version, **fakes))


FENCED = FakeCoordinator(ErrorCode.PRODUCER_FENCED)


def fenced_init(version: int) -> ErrorCode:
    fenced = init_producer_id.InitProducerIdResponse(error_code=ErrorCode.PRODUCER_FENCED)
    return told(INIT, version, transactions=FakeCoordinator(answer=fenced))


def fenced_end(version: int) -> ErrorCode:
    fenced = end_txn.EndTxnResponse(error_code=ErrorCode.PRODUCER_FENCED)
    return told(end_txn.EndTxnRequest(transactional_id=NAME), version, transactions=FakeCoordinator(answer=fenced))


SHARE = find_coordinator.FindCoordinatorRequest(key_type=2, coordinator_keys=["readers:x:0"])
UNKNOWN_KIND = find_coordinator.FindCoordinatorRequest(key_type=9, coordinator_keys=["readers"])
NO_PROTOCOL = sync_group.SyncGroupRequest(group_id="readers")
NO_NAME = describe_transactions.DescribeTransactionsRequest(transactional_ids=[""])
UNKNOWN_NAME = describe_transactions.DescribeTransactionsRequest(transactional_ids=["nobody"])
BAD_PATTERN = list_transactions.ListTransactionsRequest(transactional_id_pattern="(")
ID_ALONE = init_producer_id.InitProducerIdRequest(transactional_id=NAME, transaction_timeout_ms=1, producer_id=5)
EMPTY_NAME = init_producer_id.InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1)

CASES = [
    # A heartbeat of a member whose coordinator is loading is taken for good.
    *(
        _unavailable(api, code)
        for api in ASKED
        for code in UNAVAILABLE
        if (api, code) != ("Heartbeat", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    ),
    _case("FindCoordinator", "a_share_partition", ErrorCode.COORDINATOR_NOT_AVAILABLE, 6, SHARE),
    _case("FindCoordinator", "a_share_partition", ErrorCode.INVALID_REQUEST, 5, SHARE),
    _case("FindCoordinator", "an_unknown_kind", ErrorCode.INVALID_REQUEST, 6, UNKNOWN_KIND),
    _case("SyncGroup", "one_who_names_no_protocol", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, 5, NO_PROTOCOL),
    _case("ConsumerGroupDescribe", "no_name", ErrorCode.INVALID_GROUP_ID, 1, consumer_group_describe.ConsumerGroupDescribeRequest([""])),
    _case("OffsetCommit", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 9, committed("bills")),
    _case("OffsetCommit", "an_unknown_partition", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 9, committed(partition=7)),
    _case("OffsetCommit", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_ID, 10, committed("", topic_id=UNKNOWN_ID)),
    RefusalCase("OffsetFetch", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_ID, lambda: told_of_unknown_id()),
    RefusalCase("OffsetDelete", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, lambda: told_of_unknown_topic()),
    _case("TxnOffsetCommit", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 5, committed_in_transaction("bills")),
    _case("TxnOffsetCommit", "no_name", ErrorCode.INVALID_GROUP_ID, 5, committed_in_transaction(group="")),
    _case("TxnOffsetCommit", "a_fenced_producer", ErrorCode.INVALID_PRODUCER_EPOCH, 3, committed_in_transaction(epoch=1)),
    _case("TxnOffsetCommit", "a_fenced_producer", ErrorCode.INVALID_PRODUCER_EPOCH, 5, committed_in_transaction(), transactions=FENCED),
    _case("TxnOffsetCommit", "a_group_that_is_not_in_it", ErrorCode.INVALID_TXN_STATE, 3, committed_in_transaction()),
    _case("TxnOffsetCommit", "a_group_that_is_not_in_it", ErrorCode.TRANSACTION_ABORTABLE, 4, committed_in_transaction()),
    _case(
        "TxnOffsetCommit",
        "a_coordinator_that_is_loading",
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        1,
        committed_in_transaction(),
        transactions=FakeCoordinator(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
    ),
    _case("AddPartitionsToTxn", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 3, added("bills")),
    _case("AddPartitionsToTxn", "a_fenced_producer", ErrorCode.INVALID_PRODUCER_EPOCH, 1, added(), transactions=FENCED),
    _case("AddPartitionsToTxn", "a_fenced_producer", ErrorCode.PRODUCER_FENCED, 2, added(), transactions=FENCED),
    _case("AddPartitionsToTxn", "a_fenced_producer", ErrorCode.PRODUCER_FENCED, 5, added_by_broker(is_verified=True), transactions=FENCED),
    _case("AddPartitionsToTxn", "what_is_not_in_it", ErrorCode.TRANSACTION_ABORTABLE, 5, added_by_broker(is_verified=True)),
    _case("AddOffsetsToTxn", "a_fenced_producer", ErrorCode.INVALID_PRODUCER_EPOCH, 1, ADDED_OFFSETS, transactions=FENCED),
    _case("AddOffsetsToTxn", "a_fenced_producer", ErrorCode.PRODUCER_FENCED, 2, ADDED_OFFSETS, transactions=FENCED),
    RefusalCase("EndTxn", "a_fenced_producer_in_version_1", ErrorCode.INVALID_PRODUCER_EPOCH, lambda: fenced_end(1)),
    RefusalCase("EndTxn", "a_fenced_producer_in_version_2", ErrorCode.PRODUCER_FENCED, lambda: fenced_end(2)),
    RefusalCase("InitProducerId", "a_fenced_producer_in_version_3", ErrorCode.INVALID_PRODUCER_EPOCH, lambda: fenced_init(3)),
    RefusalCase("InitProducerId", "a_fenced_producer_in_version_4", ErrorCode.PRODUCER_FENCED, lambda: fenced_init(4)),
    _case("InitProducerId", "an_id_without_an_epoch", ErrorCode.INVALID_REQUEST, 4, ID_ALONE),
    _case("InitProducerId", "an_empty_name", ErrorCode.INVALID_REQUEST, 4, EMPTY_NAME),
    _case("DescribeTransactions", "no_name", ErrorCode.INVALID_REQUEST, 0, NO_NAME),
    _case("DescribeTransactions", "an_unknown_name", ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, 0, UNKNOWN_NAME),
    _case("ListTransactions", "what_is_no_expression", ErrorCode.INVALID_REGULAR_EXPRESSION, 2, BAD_PATTERN),
    _case("WriteTxnMarkers", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 1, marked("bills")),
    _case("WriteTxnMarkers", "a_negative_epoch", ErrorCode.INVALID_PRODUCER_EPOCH, 1, marked(epoch=-1)),
    _case("DescribeProducers", "an_unknown_topic", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0, described_producers("bills")),
    _case("DescribeProducers", "an_unknown_partition", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0, described_producers("orders", 7)),
    _case("DescribeProducers", "a_name_that_no_topic_has", ErrorCode.INVALID_TOPIC_EXCEPTION, 0, described_producers("a b")),
]


def told_of_unknown_id() -> ErrorCode:
    """The coordinator has nothing to say of it."""
    empty = offset_fetch.OffsetFetchResponse(groups=[offset_fetch.OffsetFetchResponseGroup(group_id="readers", topics=[])])
    return told(fetched(topic_id=UNKNOWN_ID), 10, groups=FakeCoordinator(answer=empty))


def told_of_unknown_topic() -> ErrorCode:
    return told(deleted("bills"), 0, groups=FakeCoordinator(answer=offset_delete.OffsetDeleteResponse(topics=[])))


@pytest.mark.parametrize("case", CASES, ids=ids_of(CASES))
def test_refusal(case: RefusalCase) -> None:
    assert case.ask() is case.code


def test_heartbeat_is_taken_for_good_while_its_coordinator_is_loading() -> None:
    """Nobody's session has begun there."""
    assert told_by_one_who_cannot("Heartbeat", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) is ErrorCode.NONE


def test_partition_that_exists_is_not_attempted_where_another_does_not() -> None:
    """All or none (OPERATION_NOT_ATTEMPTED)."""
    node = SmallNode()
    node.create_topic("orders")
    topics = [add_partitions_to_txn.AddPartitionsToTxnTopic(name=name, partitions=[0]) for name in ("orders", "bills")]
    request = add_partitions_to_txn.AddPartitionsToTxnRequest(v3_and_below_transactional_id=NAME, v3_and_below_topics=topics)
    handler = importlib.import_module("odradek.broker.handlers.add_partitions_to_txn")

    answer = asyncio.run(handler.handle(node.as_node, request, node.context(request.API_KEY, 3)))

    assert list(codes_in(answer)) == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
