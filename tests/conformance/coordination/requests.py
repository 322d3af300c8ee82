"""Requests to coordinators as the scripts send them: with what matters to a script as arguments, and the rest as clients fill it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group import consumer_embedding
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatRequestTopicPartitions
from odradek.protocol.messages.end_txn import EndTxnRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS

SUBSCRIPTION_VERSION: Final = 3
ASSIGNMENT_VERSION: Final = 3
# Longer than any script lasts, and within the bounds of both protocols.
LONG_MS: Final = 50_000
Partitions = Mapping[str, Sequence[int]]
Producer = tuple[int, int]


# The classic protocol


def subscription(topics: Sequence[str], owned: Partitions | None = None) -> bytes:
    """What Kafka's consumers say of themselves when they join."""
    message = ConsumerProtocolSubscription(
        topics=list(topics),
        owned_partitions=[
            ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=list(indexes)) for topic, indexes in (owned or {}).items()
        ],
    )
    out = bytearray(SUBSCRIPTION_VERSION.to_bytes(2, "big"))
    message.encode(out, SUBSCRIPTION_VERSION)
    return bytes(out)


def assignment(partitions: Partitions) -> bytes:
    """What their leader gives them."""
    entries = [ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=list(indexes)) for topic, indexes in partitions.items()]
    return consumer_embedding.encode_assignment(ConsumerProtocolAssignment(entries), ASSIGNMENT_VERSION)


def join(
    group: str,
    member_id: str = "",
    *,
    protocols: Mapping[str, bytes],
    instance_id: str | None = None,
    protocol_type: str = "consumer",
    session_timeout_ms: int = LONG_MS,
) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=LONG_MS,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type=protocol_type,
        protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols.items()],
    )


# The consumer protocol


def consumer_join(
    group: str,
    member_id: str,
    *,
    topics: Sequence[str] | None = None,
    regex: str | None = None,
    instance_id: str | None = None,
    assignor: str | None = None,
    rack: str | None = None,
) -> ConsumerGroupHeartbeatRequest:
    return ConsumerGroupHeartbeatRequest(
        group_id=group,
        member_id=member_id,
        member_epoch=0,
        instance_id=instance_id,
        rack_id=rack,
        rebalance_timeout_ms=LONG_MS,
        subscribed_topic_names=None if topics is None else list(topics),
        subscribed_topic_regex=regex,
        server_assignor=assignor,
        topic_partitions=[],
    )


def consumer_beat(
    group: str,
    member_id: str,
    epoch: int,
    *,
    owned: Mapping[Uuid, Sequence[int]] | None = None,
    instance_id: str | None = None,
    topics: Sequence[str] | None = None,
    regex: str | None = None,
) -> ConsumerGroupHeartbeatRequest:
    """`owned` is what the member has, None as long as that has not changed."""
    partitions = None
    if owned is not None:
        partitions = [
            ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=topic, partitions=list(indexes)) for topic, indexes in owned.items()
        ]
    return ConsumerGroupHeartbeatRequest(
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        instance_id=instance_id,
        subscribed_topic_names=None if topics is None else list(topics),
        subscribed_topic_regex=regex,
        topic_partitions=partitions,
    )


# Offsets


def commit(
    group: str,
    topic: str,
    offsets: Mapping[int, int],
    *,
    member_id: str = "",
    epoch: int = -1,
    metadata: str | None = "",
    leader_epoch: int = -1,
    retention_ms: int = -1,
    topic_id: Uuid = ZERO_UUID,
) -> OffsetCommitRequest:
    """Offsets by partition."""
    partitions = [
        OffsetCommitRequestPartition(
            partition_index=index, committed_offset=offset, committed_leader_epoch=leader_epoch, committed_metadata=metadata
        )
        for index, offset in offsets.items()
    ]
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=epoch,
        member_id=member_id,
        retention_time_ms=retention_ms,
        topics=[OffsetCommitRequestTopic(name=topic, topic_id=topic_id, partitions=partitions)],
    )


def fetch_offsets(group: str, topic: str | None, partitions: Sequence[int] = (), *, is_stable_required: bool = False) -> OffsetFetchRequest:
    topics = None if topic is None else [OffsetFetchRequestTopics(name=topic, partition_indexes=list(partitions))]
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=topics)], require_stable=is_stable_required)


def commit_in_transaction(
    transactional_id: str,
    producer: Producer,
    group: str,
    topic: str,
    offsets: Mapping[int, int],
    *,
    member_id: str = "",
    generation: int = -1,
    metadata: str | None = "",
) -> TxnOffsetCommitRequest:
    partitions = [
        TxnOffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=metadata)
        for index, offset in offsets.items()
    ]
    return TxnOffsetCommitRequest(
        transactional_id=transactional_id,
        group_id=group,
        producer_id=producer[0],
        producer_epoch=producer[1],
        generation_id=generation,
        member_id=member_id,
        topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
    )


# Transactions


def init(transactional_id: str, producer: Producer = (-1, -1), *, timeout_ms: int = 60_000) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=timeout_ms, producer_id=producer[0], producer_epoch=producer[1]
    )


def add_partitions(transactional_id: str, producer: Producer, partitions: Partitions) -> AddPartitionsToTxnRequest:
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=producer[0],
        v3_and_below_producer_epoch=producer[1],
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(indexes)) for topic, indexes in partitions.items()],
    )


def end(transactional_id: str, producer: Producer, *, is_commit: bool) -> EndTxnRequest:
    return EndTxnRequest(transactional_id=transactional_id, producer_id=producer[0], producer_epoch=producer[1], committed=is_commit)


def produce(
    transactional_id: str | None, producer: Producer, topic: str, sequence: int, *, is_transactional: bool = True, partition: int = 0
) -> ProduceRequest:
    """One record of a producer. With a topic name: below version 13."""
    batch = encode_batch(
        [Record(timestamp=MOMENT_MS, value=b"of sequence %d" % sequence)],
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=sequence,
        is_transactional=is_transactional,
    )
    data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])]
    return ProduceRequest(transactional_id=transactional_id, acks=-1, timeout_ms=5000, topic_data=data)


def marker(
    producer: Producer, partitions: Partitions, *, is_commit: bool, transaction_version: int = 0, coordinator_epoch: int = 0
) -> WritableTxnMarker:
    return WritableTxnMarker(
        producer_id=producer[0],
        producer_epoch=producer[1],
        transaction_result=is_commit,
        topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=list(indexes)) for topic, indexes in partitions.items()],
        coordinator_epoch=coordinator_epoch,
        transaction_version=transaction_version,
    )


def write_markers(*markers: WritableTxnMarker) -> WriteTxnMarkersRequest:
    return WriteTxnMarkersRequest(markers=list(markers))
