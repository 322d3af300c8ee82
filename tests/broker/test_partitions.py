"""The registry follows the metadata: partitions come, change their leader and their settings, and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.config.resource_type import CLUSTER_DEFAULT, ResourceType
from odradek.metadata.partition_registration import NO_LEADER
from odradek.protocol.internal_records.metadata import ConfigRecord, PartitionChangeRecord, RemoveTopicRecord, TopicRecord
from odradek.records.header import parse_header
from odradek.storage.leader_epochs import LeaderEpochs
from tests.broker.small_node import NODE_ID, SmallNode, batch_of, partition_record


def test_partition_is_found_by_name_and_by_id() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", partitions=2)

    assert node.partitions.get("orders", 1) is node.partitions.by_id(topic_id, 1)
    assert [str(partition.topic_partition) for partition in node.partitions] == ["orders-0", "orders-1"]
    assert node.partitions.get("orders", 2) is None
    assert node.partitions.by_id(Uuid(b"another-topic-id"), 0) is None


def test_only_replicas_of_this_node_are_held() -> None:
    node = SmallNode()
    node.create_topic("far", leader=2, replicas=(2, 3))

    assert len(node.partitions) == 0
    assert node.partitions.why_absent("far", 0, node.image) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert node.partitions.why_absent("far", 1, node.image) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_leader_opens_its_epoch_in_the_log() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", leader_epoch=3)
    node.append("orders", b"0")

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=NODE_ID))

    partition = node.partition("orders")
    assert (partition.is_leader, partition.leader_epoch, partition.leader_epoch_start_offset) == (True, 4, 1)
    assert [(it.epoch, it.start_offset) for it in partition.log.leader_epochs.entries] == [(3, 0), (4, 1)]


def test_what_was_staged_belongs_to_the_reign_that_took_it() -> None:
    """In one turn of the loop a batch is taken and the leader is fenced: the batch is in the log, visible, and in the old epoch."""
    node = SmallNode()
    topic_id = node.create_topic("orders", leader_epoch=3)
    partition = node.partition("orders")
    batch = batch_of(b"0", b"1")
    partition.log.stage(batch, 0, parse_header(batch, 0), partition.leader_epoch, node.clock.now_ms())

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=NO_LEADER))
    assert (partition.is_leader, partition.high_watermark, partition.log.log_end_offset) == (False, 2, 2)

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=NODE_ID))
    assert [(it.epoch, it.start_offset) for it in partition.log.leader_epochs.entries] == [(3, 0), (5, 2)]


@pytest.mark.parametrize(("replicas", "seen"), [((NODE_ID,), 1), ((NODE_ID, 2), 0)])
def test_what_an_fsync_finishes_after_the_reign_is_seen_if_nobody_else_can_lead(replicas: tuple[int, ...], seen: int) -> None:
    node = SmallNode(log_configuration=LogConfiguration(flush_messages=1))
    topic_id = node.create_topic("orders", replicas=replicas)
    node.append("orders", b"0")
    partition = node.partition("orders")

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=NO_LEADER, isr=[], eligible_leader_replicas=[NODE_ID]))
    assert partition.high_watermark == 0
    partition.log.flush()
    partition.after_append()

    assert partition.high_watermark == seen


def test_leadership_comes_and_goes_with_the_registration() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", replicas=(1, 2))
    partition = node.partition("orders")

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=2))
    assert (partition.is_leader, partition.leader_id, partition.leader_epoch_start_offset) == (False, 2, -1)

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    assert (partition.is_leader, partition.leader_epoch) == (True, 2)


def test_deleted_topic_is_gone_with_its_logs() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", partitions=2)
    partition = node.partition("orders")

    node.delete_topic(topic_id)

    assert len(node.partitions) == 0
    assert len(node.logs) == 0
    assert partition.refusal(-1, is_leader_required=False) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_topic_created_again_in_the_same_delta_has_an_empty_log() -> None:
    node = SmallNode()
    former_id = node.create_topic("orders")
    node.append("orders", b"of the former")
    new_id = Uuid(b"the-id-after-it-")

    node.replay(RemoveTopicRecord(topic_id=former_id), TopicRecord(name="orders", topic_id=new_id), partition_record(new_id))

    partition = node.partition("orders")
    assert (partition.topic_id, partition.log.log_end_offset) == (new_id, 0)
    assert node.partitions.by_id(former_id, 0) is None


def test_log_of_a_topic_that_was_replaced_while_the_node_was_away_is_not_taken_over() -> None:
    node = SmallNode()
    node.logs.create(TopicPartition("orders", 0), Uuid(b"id-of-a-former--"), LogConfiguration())

    topic_id = node.create_topic("orders")

    assert node.partition("orders").log.topic_id == topic_id


def test_replica_that_moved_away_is_dropped() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", replicas=(1, 2))

    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, replicas=[2], isr=[2], leader=2))

    assert node.partitions.get("orders", 0) is None
    assert node.partitions.why_absent("orders", 0, node.image) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert len(node.logs) == 0


def test_changed_settings_of_a_topic_reach_its_logs() -> None:
    node = SmallNode()
    for topic in ("orders", "refunds"):
        node.create_topic(topic)
    node.log_configuration_by_topic["orders"] = LogConfiguration(max_message_bytes=7)
    node.log_configuration_by_topic["refunds"] = LogConfiguration(max_message_bytes=8)

    node.replay(ConfigRecord(resource_type=ResourceType.TOPIC, resource_name="orders", name="max.message.bytes", value="7"))

    assert [node.partition(topic).log.configuration.max_message_bytes for topic in ("orders", "refunds")] == [7, 1_048_588]


@pytest.mark.parametrize("broker", [CLUSTER_DEFAULT, str(NODE_ID)])
def test_changed_settings_of_the_node_reach_all_logs(broker: str) -> None:
    node = SmallNode()
    node.create_topic("orders")
    node.default_log_configuration = replace(node.default_log_configuration, retention_ms=99)

    node.replay(ConfigRecord(resource_type=ResourceType.BROKER, resource_name=broker, name="log.retention.ms", value="99"))

    assert node.partition("orders").log.configuration.retention_ms == 99


def test_partition_whose_disk_fails_is_offline_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    node = SmallNode()
    create = node.logs.create

    def create_but_for_one(partition: TopicPartition, *others: object) -> object:
        if partition.partition == 0:
            raise StorageFailure("worn out")
        return create(partition, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(type(node.logs), "create", lambda logs, *arguments: create_but_for_one(*arguments))

    topic_id = node.create_topic("orders", partitions=2)

    assert (node.partitions.get("orders", 0), node.partitions.get("orders", 1) is None) == (None, False)
    assert node.partitions.why_absent("orders", 0, node.image) == ErrorCode.KAFKA_STORAGE_ERROR
    node.delete_topic(topic_id)
    assert node.partitions.why_absent("orders", 0, node.image) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_leader_that_cannot_note_its_epoch_does_not_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders")

    def fail(epochs: object, epoch: int, start_offset: int) -> bool:
        raise OSError("worn out")

    monkeypatch.setattr(LeaderEpochs, "assign", fail)
    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=NODE_ID))

    assert node.partitions.get("orders", 0) is None
    assert node.partitions.why_absent("orders", 0, node.image) == ErrorCode.KAFKA_STORAGE_ERROR


# Replicas in sync


def test_high_watermark_follows_the_log_of_a_leader_that_is_alone() -> None:
    node = SmallNode()
    node.create_topic("orders")

    node.append("orders", b"0", b"1")

    assert node.partition("orders").high_watermark == 2


def test_high_watermark_stands_while_too_few_are_in_sync() -> None:
    """What acks=1 writes meanwhile is kept, but not shown."""
    node = SmallNode(log_configuration=LogConfiguration(min_insync_replicas=2))
    topic_id = node.create_topic("orders", replicas=(1, 2))
    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, isr=[1]))
    partition = node.partition("orders")

    node.append("orders", b"0")

    assert (partition.log.log_end_offset, partition.high_watermark, partition.has_enough_in_sync) == (1, 0, False)


def test_topic_with_one_replica_cannot_ask_for_two_in_sync() -> None:
    node = SmallNode(log_configuration=LogConfiguration(min_insync_replicas=2))
    node.create_topic("orders")
    node.append("orders", b"0")

    assert node.partition("orders").has_enough_in_sync
    assert node.partition("orders").high_watermark == 1
