"""Transactions through a whole node: both protocols, what readers of committed records see, offsets that count with records, restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.broker import transactional_produce
from odradek.broker.handlers import add_partitions_to_txn, end_txn
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

SETTINGS = {
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
}
ID = "copier"
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
OLD, NEW = 11, 12
Producer = tuple[int, int]
WAIT_S_MAX = 20


class Cluster:
    """A node, the topic `orders` with two partitions, and coordinators that can be asked."""

    def __init__(self, node: NodeInProcess, *, is_new: bool = True) -> None:
        self.client: WireClient = node.client()
        if is_new:
            topic = CreatableTopic(name="orders", num_partitions=2, replication_factor=1)
            (created,) = self.client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics
            assert created.error_code == ErrorCode.NONE
        for key_type in (0, 1):
            self._await_coordinator(key_type)

    def _await_coordinator(self, key_type: int) -> None:
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[ID])
        deadline_s = time.monotonic() + WAIT_S_MAX
        while self.client.request(request, FindCoordinatorResponse, 4).coordinators[0].error_code != ErrorCode.NONE:
            assert time.monotonic() < deadline_s, "there is no coordinator"

    def begin(self, *, timeout_ms: int = 60_000, transactional_id: str = ID) -> Producer:
        """InitProducerId as clients send it: again, while they are told to."""
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < deadline_s:
            response = self.client.request(request, InitProducerIdResponse, 4)
            if response.error_code == ErrorCode.NONE:
                return response.producer_id, response.producer_epoch
            assert response.error_code in (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        raise AssertionError("the producer cannot begin")

    def announce(self, producer: Producer, *partitions: int) -> int:
        topics = [AddPartitionsToTxnTopic("orders", list(partitions))]
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=ID,
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=topics,
        )
        response = self.client.request(request, AddPartitionsToTxnResponse, 3)
        return response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code

    def produce(self, producer: Producer, value: bytes, sequence: int, *, partition: int = 0, version: int = OLD) -> int:
        batch = encode_batch(
            [Record(0, int(time.time() * 1000), None, value)],
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=sequence,
            is_transactional=True,
        )
        data = [TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=partition, records=batch)])]
        request = ProduceRequest(transactional_id=ID, acks=-1, timeout_ms=10_000, topic_data=data)
        return self.client.request(request, ProduceResponse, version).responses[0].partition_responses[0].error_code

    def end(self, producer: Producer, *, is_commit: bool = True, version: int = 4) -> EndTxnResponse:
        request = EndTxnRequest(transactional_id=ID, producer_id=producer[0], producer_epoch=producer[1], committed=is_commit)
        return self.client.request(request, EndTxnResponse, version)

    def read(self, isolation_level: int, partition: int = 0) -> list[bytes | None]:
        """What a consumer sees, with aborted records left out as it does; waits until no transaction is open before the end."""
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            isolation_level=isolation_level,
            topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition=partition, partition_max_bytes=1 << 20)])],
        )
        fetched = self.client.request(request, FetchResponse, 11).responses[0].partitions[0]
        coming = sorted((it.first_offset, it.producer_id) for it in fetched.aborted_transactions or ())
        aborting: set[int] = set()
        values: list[bytes | None] = []
        data = fetched.records or b""
        for position, header in iterate_batches(data):
            while coming and coming[0][0] <= header.base_offset:
                aborting.add(coming.pop(0)[1])
            if header.is_control():
                # Its transaction is over; what the producer writes next belongs to another.
                aborting.discard(int(header.producer_id))
            elif not (header.is_transactional() and int(header.producer_id) in aborting):
                values += [record.value for record in decode_records(data, position)]
        return values

    def read_when(self, expected: list[bytes]) -> None:
        """Committed records become what is expected, in the time that markers take."""
        deadline_s = time.monotonic() + WAIT_S_MAX
        while self.read(READ_COMMITTED) != expected:
            assert time.monotonic() < deadline_s, f"{self.read(READ_COMMITTED)} is not {expected}"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with NodeInProcess(SETTINGS) as node:
        yield Cluster(node)


def test_records_are_seen_together_when_they_are_committed(cluster: Cluster) -> None:
    producer = cluster.begin()
    assert cluster.announce(producer, 0, 1) == ErrorCode.NONE
    assert cluster.produce(producer, b"a", 0) == ErrorCode.NONE
    assert cluster.produce(producer, b"b", 0, partition=1) == ErrorCode.NONE
    assert cluster.read(READ_COMMITTED) == []
    assert cluster.read(READ_UNCOMMITTED) == [b"a"]
    end_offset = ListOffsetsRequest(
        replica_id=-1,
        isolation_level=READ_COMMITTED,
        topics=[ListOffsetsTopic(name="orders", partitions=[ListOffsetsPartition(0, -1, -1)])],
    )
    assert cluster.client.request(end_offset, ListOffsetsResponse, 7).topics[0].partitions[0].offset == 0

    assert cluster.end(producer).error_code == ErrorCode.NONE

    cluster.read_when([b"a"])
    assert cluster.read(READ_COMMITTED, partition=1) == [b"b"]


def test_records_of_an_aborted_transaction_are_never_seen(cluster: Cluster) -> None:
    producer = cluster.begin()
    cluster.announce(producer, 0)
    cluster.produce(producer, b"a", 0)
    cluster.end(producer, is_commit=False)
    while cluster.announce(producer, 0) == ErrorCode.CONCURRENT_TRANSACTIONS:
        pass
    cluster.produce(producer, b"b", 1)
    cluster.end(producer)

    cluster.read_when([b"b"])
    assert cluster.read(READ_UNCOMMITTED) == [b"a", b"b"]


def test_nothing_is_written_where_the_transaction_knows_nothing_of_it(cluster: Cluster) -> None:
    producer = cluster.begin()
    assert cluster.produce(producer, b"a", 0, version=10) == ErrorCode.INVALID_TXN_STATE
    assert cluster.produce(producer, b"a", 0, version=11) == ErrorCode.TRANSACTION_ABORTABLE
    cluster.announce(producer, 1)
    assert cluster.produce(producer, b"a", 0) == ErrorCode.TRANSACTION_ABORTABLE
    assert cluster.produce((producer[0] + 1, 0), b"a", 0, partition=1) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert cluster.produce((producer[0], 5), b"a", 0, partition=1) == ErrorCode.INVALID_PRODUCER_EPOCH

    assert cluster.read(READ_UNCOMMITTED) == []


def test_new_protocol_announces_nothing_and_has_another_epoch_after_every_end(cluster: Cluster) -> None:
    producer = cluster.begin()
    values = []
    for number in range(5):
        value = b"%d" % number
        assert cluster.produce(producer, value, 0, version=NEW) == ErrorCode.NONE
        ended = cluster.end(producer, version=5)
        assert (ended.error_code, ended.producer_id, ended.producer_epoch) == (0, producer[0], producer[1] + 1)
        assert cluster.produce(producer, b"late", 1, version=NEW) == ErrorCode.INVALID_PRODUCER_EPOCH
        producer = (ended.producer_id, ended.producer_epoch)
        values.append(value)

    cluster.read_when(values)


def test_next_transaction_never_finds_the_last_one_still_ending(cluster: Cluster) -> None:
    """On one node decision, markers and completion are one turn: a producer of the old protocol is not told to come back in 20 ms."""
    producer = cluster.begin()
    for number in range(20):
        assert cluster.announce(producer, 0, 1) == ErrorCode.NONE
        assert cluster.produce(producer, b"value", number) == ErrorCode.NONE
        assert cluster.end(producer).error_code == ErrorCode.NONE


def test_a_transaction_that_goes_well_needs_neither_handlers_nor_tasks(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all transactions ask for has a short way (`broker.transaction_path`); were it never taken, nobody would notice otherwise."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(add_partitions_to_txn, "handle", refuse)
    monkeypatch.setattr(end_txn, "handle", refuse)
    monkeypatch.setattr(transactional_produce, "join", refuse)
    old = cluster.begin()

    assert cluster.announce(old, 0, 1) == ErrorCode.NONE
    assert cluster.produce(old, b"old", 0) == ErrorCode.NONE
    assert cluster.end(old).error_code == ErrorCode.NONE
    new = cluster.begin()
    assert cluster.produce(new, b"new", 0, version=NEW) == ErrorCode.NONE
    ended = cluster.end(new, version=5)

    assert (ended.error_code, ended.producer_epoch) == (ErrorCode.NONE, new[1] + 1)
    cluster.read_when([b"old", b"new"])


def test_fenced_producer_writes_nothing(cluster: Cluster) -> None:
    first = cluster.begin()
    cluster.announce(first, 0)
    cluster.produce(first, b"of the first", 0)
    second = cluster.begin()
    assert second[1] > first[1]

    assert cluster.produce(first, b"zombie", 1) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert cluster.announce(first, 0) == ErrorCode.PRODUCER_FENCED
    assert cluster.end(first).error_code == ErrorCode.PRODUCER_FENCED
    cluster.announce(second, 0)
    cluster.produce(second, b"of the second", 0)
    cluster.end(second)
    cluster.read_when([b"of the second"])


def test_transaction_that_takes_too_long_is_aborted_and_holds_up_no_reader(cluster: Cluster) -> None:
    producer = cluster.begin(timeout_ms=200)
    cluster.announce(producer, 0)
    cluster.produce(producer, b"slow", 0)
    other = cluster.begin(transactional_id="other")
    batch = encode_batch([Record(0, 0, None, b"plain")])
    data = [TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch)])]
    cluster.client.request(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=data), ProduceResponse, 9)

    cluster.read_when([b"plain"])
    assert cluster.end(producer).error_code == ErrorCode.PRODUCER_FENCED
    assert other[1] == 0


# Offsets


def committed_offset(client: WireClient, *, is_stable_required: bool = False) -> tuple[int, int]:
    """The committed offset of the group and the error that comes with it."""
    group = OffsetFetchRequestGroup(group_id="readers", topics=[OffsetFetchRequestTopics("orders", Uuid(bytes(16)), [0])])
    request = OffsetFetchRequest(groups=[group], require_stable=is_stable_required)
    partition = client.request(request, OffsetFetchResponse, 8).groups[0].topics[0].partitions[0]
    return partition.committed_offset, partition.error_code


def commit_offset(cluster: Cluster, producer: Producer, offset: int, *, version: int) -> int:
    partition = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    request = TxnOffsetCommitRequest(
        transactional_id=ID,
        group_id="readers",
        producer_id=producer[0],
        producer_epoch=producer[1],
        topics=[TxnOffsetCommitRequestTopic("orders", [partition])],
    )
    response = cluster.client.request(request, TxnOffsetCommitResponse, version)
    return response.topics[0].partitions[0].error_code


@pytest.mark.parametrize("version", [3, 5])
def test_offsets_count_when_the_transaction_is_committed(cluster: Cluster, version: int) -> None:
    producer = cluster.begin()
    if version < 5:
        assert commit_offset(cluster, producer, 7, version=version) == ErrorCode.INVALID_TXN_STATE
        request = AddOffsetsToTxnRequest(transactional_id=ID, producer_id=producer[0], producer_epoch=producer[1], group_id="readers")
        assert cluster.client.request(request, AddOffsetsToTxnResponse, 3).error_code == ErrorCode.NONE
    assert commit_offset(cluster, producer, 7, version=version) == ErrorCode.NONE
    assert committed_offset(cluster.client) == (-1, 0)
    assert committed_offset(cluster.client, is_stable_required=True) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)

    assert cluster.end(producer, version=5 if version >= 5 else 4).error_code == ErrorCode.NONE

    deadline_s = time.monotonic() + WAIT_S_MAX
    while committed_offset(cluster.client, is_stable_required=True) != (7, 0):
        assert time.monotonic() < deadline_s


def test_offsets_of_an_aborted_transaction_are_forgotten(cluster: Cluster) -> None:
    producer = cluster.begin()
    commit_offset(cluster, producer, 7, version=5)
    cluster.end(producer, is_commit=False, version=5)

    deadline_s = time.monotonic() + WAIT_S_MAX
    while committed_offset(cluster.client, is_stable_required=True) != (-1, 0):
        assert time.monotonic() < deadline_s


# Restarts and operators


def test_transaction_that_is_open_while_the_node_is_away_goes_on() -> None:
    filesystem = MemoryFileSystem()
    with NodeInProcess(SETTINGS, filesystem) as node:
        cluster = Cluster(node)
        producer = cluster.begin()
        cluster.announce(producer, 0)
        cluster.produce(producer, b"before", 0)
        commit_offset(cluster, producer, 3, version=5)
    with NodeInProcess(SETTINGS, filesystem) as node:
        cluster = Cluster(node, is_new=False)
        assert cluster.read(READ_COMMITTED) == []
        deadline_s = time.monotonic() + WAIT_S_MAX
        while cluster.produce(producer, b"after", 1) != ErrorCode.NONE:
            assert time.monotonic() < deadline_s
        # Its records are taken because the log knows of the transaction; the coordinator may still be reading.
        while (code := cluster.end(producer).error_code) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            assert time.monotonic() < deadline_s
        assert code == ErrorCode.NONE

        cluster.read_when([b"before", b"after"])
        while committed_offset(cluster.client, is_stable_required=True) != (3, 0):
            assert time.monotonic() < deadline_s


def test_operator_sees_transactions_and_can_end_one(cluster: Cluster) -> None:
    producer = cluster.begin()
    cluster.announce(producer, 0)
    cluster.produce(producer, b"hanging", 0)
    listed = cluster.client.request(ListTransactionsRequest(), ListTransactionsResponse, 2).transaction_states
    assert [(it.transactional_id, it.producer_id, it.transaction_state) for it in listed] == [(ID, producer[0], "Ongoing")]
    filtered = ListTransactionsRequest(state_filters=["Empty", "Nonsense"], transactional_id_pattern="c.*")
    answer = cluster.client.request(filtered, ListTransactionsResponse, 2)
    assert (answer.transaction_states, answer.unknown_state_filters) == ([], ["Nonsense"])
    request = DescribeTransactionsRequest(transactional_ids=[ID, "nobody"])
    described, unknown = cluster.client.request(request, DescribeTransactionsResponse, 0).transaction_states
    assert (described.transaction_state, described.producer_id, described.topics[0].partitions) == ("Ongoing", producer[0], [0])
    assert unknown.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND

    marker = WritableTxnMarker(producer[0], producer[1], False, [WritableTxnMarkerTopic("orders", [0, 9])], coordinator_epoch=0)
    result = cluster.client.request(WriteTxnMarkersRequest(markers=[marker]), WriteTxnMarkersResponse, 1).markers[0]

    assert [it.error_code for it in result.topics[0].partitions] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert cluster.read(READ_COMMITTED) == []
    assert cluster.read(READ_UNCOMMITTED) == [b"hanging"]


def test_partitions_that_do_not_exist_are_refused_and_the_others_not_added(cluster: Cluster) -> None:
    producer = cluster.begin()
    transaction = AddPartitionsToTxnTransaction(ID, *producer, topics=[AddPartitionsToTxnTopic("orders", [0, 9])])
    response = cluster.client.request(AddPartitionsToTxnRequest(transactions=[transaction]), AddPartitionsToTxnResponse, 5)

    results = response.results_by_transaction[0].topic_results[0].results_by_partition
    assert [it.partition_error_code for it in results] == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert cluster.produce(producer, b"a", 0) == ErrorCode.TRANSACTION_ABORTABLE
