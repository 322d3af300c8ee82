"""What happens on a cluster of one broker while somebody looks at it: topics, records, groups with members and without, transactions.

It speaks the wire protocol by itself, one request at a time, so that what there is to see is known to the number; with Odradek or Apache
Kafka.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import uuid_to_text
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.support.raw_produce import batch_of, produce
from tests.support.wire_client import WireClient

ResponseType = TypeVar("ResponseType", bound=Message)

WAIT_S_MAX = 30
LATER = frozenset(
    {
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
    }
)
SESSION_TIMEOUT_MS = 45_000
BROKER_RESOURCE = 4
OPERATION_SET, OPERATION_DELETE = 0, 1


class ClusterWork:
    """Works through one connection to `host`:`port`, which ends with `close`."""

    def __init__(self, host: str, port: int) -> None:
        self.client = WireClient(host, port, timeout_s=WAIT_S_MAX)

    def close(self) -> None:
        self.client.close()

    def create_topic(self, name: str, partitions: int) -> None:
        request = CreateTopicsRequest(
            topics=[CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)], timeout_ms=30_000
        )
        (topic,) = self.client.request(request, CreateTopicsResponse, 7).topics
        assert topic.error_code == ErrorCode.NONE, topic
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            (found,) = self.client.request(asked, MetadataResponse, 12).topics
            if found.error_code == ErrorCode.NONE and all(one.error_code == ErrorCode.NONE for one in found.partitions):
                return
            assert time.monotonic() < deadline_s, found

    def delete_topic(self, name: str) -> None:
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=30_000)
        (topic,) = self.client.request(request, DeleteTopicsResponse, 6).responses
        assert topic.error_code == ErrorCode.NONE, topic

    def write(self, topic: str, partition: int, count: int, *, timestamp_ms: int | None = None) -> None:
        """So many records in one batch, of now or of this time."""
        moment_ms = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
        batch = batch_of([b"%d" % n for n in range(count)], timestamp_ms=moment_ms)
        deadline_s = time.monotonic() + WAIT_S_MAX
        # A broker of Apache Kafka may tell of a leader a moment before that one knows it.
        while (answer := produce(self.client, topic, partition, batch)).error_code != ErrorCode.NONE:
            assert answer.error_code in LATER, answer
            assert time.monotonic() < deadline_s, answer

    def set_broker_default(self, name: str, value: str | None) -> None:
        """Change a setting of all brokers while they run, or (None) have its default again; it acts a moment later."""
        operation = OPERATION_DELETE if value is None else OPERATION_SET
        resource = AlterConfigsResource(BROKER_RESOURCE, "", [AlterableConfig(name, operation, value)])
        (answer,) = self.client.request(IncrementalAlterConfigsRequest([resource]), IncrementalAlterConfigsResponse, 1).responses
        assert answer.error_code == ErrorCode.NONE, answer

    # Groups

    def commit(self, group: str, topic: str, offset_by_partition: dict[int, int]) -> None:
        """Commit as a tool does, for a group that nobody is in."""
        partitions = [
            OffsetCommitRequestPartition(partition_index=index, committed_offset=offset) for index, offset in offset_by_partition.items()
        ]
        request = OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=partitions)])
        self.find_coordinator(group, 0)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            response = self.client.request(request, OffsetCommitResponse, 9)
            codes = {partition.error_code for partition in response.topics[0].partitions}
            if codes == {ErrorCode.NONE}:
                return
            assert codes <= LATER, codes
            assert time.monotonic() < deadline_s, codes

    def join_consumer(self, group: str, topics: Sequence[str], member_id: str) -> int:
        """Join as a member of KIP-848 does, until it has what it shall have; its epoch."""
        self.find_coordinator(group, 0)
        request = ConsumerGroupHeartbeatRequest(
            group_id=group,
            member_id=member_id,
            member_epoch=0,
            rebalance_timeout_ms=60_000,
            subscribed_topic_names=list(topics),
            topic_partitions=[],
        )
        response = self._heartbeat(request)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while response.assignment is None:
            assert time.monotonic() < deadline_s, "nothing is assigned"
            response = self._heartbeat(
                ConsumerGroupHeartbeatRequest(group_id=group, member_id=member_id, member_epoch=response.member_epoch)
            )
        return response.member_epoch

    def leave_consumer(self, group: str, member_id: str) -> None:
        self._heartbeat(ConsumerGroupHeartbeatRequest(group_id=group, member_id=member_id, member_epoch=-1))

    def _heartbeat(self, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse:
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            response = self.client.request(request, ConsumerGroupHeartbeatResponse, 1)
            if response.error_code == ErrorCode.NONE:
                return response
            assert response.error_code in LATER, response
            assert time.monotonic() < deadline_s, response

    def join_classic(self, group: str, topic: str, partitions: Sequence[int]) -> str:
        """Join as the only member of a classic group, and give oneself these partitions; the member's id."""
        self.find_coordinator(group, 0)
        metadata = b"\x00\x01" + encode_message(ConsumerProtocolSubscription(topics=[topic]), 1)
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=SESSION_TIMEOUT_MS,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
        )
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            joined = self.client.request(request, JoinGroupResponse, 9)
            if joined.error_code == ErrorCode.NONE:
                break
            assert joined.error_code == ErrorCode.MEMBER_ID_REQUIRED or joined.error_code in LATER, joined
            assert time.monotonic() < deadline_s, joined
            request.member_id = joined.member_id
        assigned = ConsumerProtocolAssignment([ConsumerProtocolAssignmentTopicPartition(topic, list(partitions))])
        sync = SyncGroupRequest(
            group_id=group,
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"\x00\x01" + encode_message(assigned, 1))],
        )
        synced = self.client.request(sync, SyncGroupResponse, 5)
        assert synced.error_code == ErrorCode.NONE, synced
        return joined.member_id

    def find_coordinator(self, key: str, key_type: int) -> None:
        """Ask until there is one: its topic is made by the first who asks."""
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
        deadline_s = time.monotonic() + WAIT_S_MAX
        while (code := self.client.request(request, FindCoordinatorResponse, 4).coordinators[0].error_code) != ErrorCode.NONE:
            assert code in LATER, code
            assert time.monotonic() < deadline_s, "there is no coordinator"

    # Transactions

    def begin(self, transactional_id: str, *, timeout_ms: int = 60_000) -> tuple[int, int]:
        """The producer's id and epoch."""
        self.find_coordinator(transactional_id, 1)
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            response = self.client.request(request, InitProducerIdResponse, 4)
            if response.error_code == ErrorCode.NONE:
                return response.producer_id, response.producer_epoch
            assert response.error_code in LATER, response
            assert time.monotonic() < deadline_s, response

    def add_partitions(self, transactional_id: str, producer: tuple[int, int], topic: str, partitions: Sequence[int]) -> None:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=transactional_id,
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=[AddPartitionsToTxnTopic(topic, list(partitions))],
        )
        deadline_s = time.monotonic() + WAIT_S_MAX
        while True:
            response = self.client.request(request, AddPartitionsToTxnResponse, 3)
            codes = {one.partition_error_code for one in response.results_by_topic_v3_and_below[0].results_by_partition}
            if codes == {ErrorCode.NONE}:
                return
            assert codes <= LATER, codes
            assert time.monotonic() < deadline_s, codes

    def write_in_transaction(
        self, transactional_id: str, producer: tuple[int, int], topic: str, partition: int, *, timestamp_ms: int | None = None
    ) -> int:
        """One record; the error."""
        moment_ms = time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms
        batch = encode_batch(
            [Record(0, moment_ms, None, b"in a transaction")],
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=0,
            is_transactional=True,
        )
        data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])]
        request = ProduceRequest(transactional_id=transactional_id, acks=-1, timeout_ms=10_000, topic_data=data)
        return self.client.request(request, ProduceResponse, 11).responses[0].partition_responses[0].error_code

    def end(self, transactional_id: str, producer: tuple[int, int], *, is_commit: bool) -> None:
        request = EndTxnRequest(transactional_id=transactional_id, producer_id=producer[0], producer_epoch=producer[1], committed=is_commit)
        assert self.client.request(request, EndTxnResponse, 4).error_code == ErrorCode.NONE


def member_name(number: int) -> str:
    """An id that a member of KIP-848 could have drawn for itself."""
    return uuid_to_text((1_000_000 + number).to_bytes(16, "big"))  # type: ignore[arg-type]
