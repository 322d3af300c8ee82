"""What a partition is asked beside its records: the ends of its epochs, its producers, its size; and to forget its beginning."""

from __future__ import annotations

import asyncio
import errno

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.broker.handlers import delete_records, describe_log_dirs, describe_producers, offset_for_leader_epoch
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.log_configuration import LogConfiguration
from odradek.config.settings import Settings
from odradek.protocol.internal_records.metadata import PartitionChangeRecord
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from odradek.protocol.messages.describe_producers import DescribeProducersRequest, ProducerState, TopicRequest
from odradek.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.broker.small_node import SmallNode


@pytest.fixture
def node() -> SmallNode:
    node = SmallNode(Settings.of(BROKER_SETTINGS, {"log.dirs": "/data"}))
    node.create_topic("orders")
    return node


# OffsetForLeaderEpoch


def end_of_epoch(node: SmallNode, epoch: int, *, topic: str = "orders", believed_epoch: int = -1) -> tuple[int, int, int]:
    question = OffsetForLeaderPartition(partition=0, current_leader_epoch=believed_epoch, leader_epoch=epoch)
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic, [question])])
    response = offset_for_leader_epoch.handle(node.as_node, request, node.context(23, 4))
    ((answer,),) = [result.partitions for result in response.topics]
    return answer.error_code, answer.leader_epoch, answer.end_offset


def test_each_epoch_ends_where_the_next_begins(node: SmallNode) -> None:
    topic_id = node.partition("orders").topic_id
    node.append("orders", b"0", b"1")
    for _ in range(2):
        node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    node.append("orders", b"2")

    assert [end_of_epoch(node, epoch) for epoch in (0, 1, 2, 3)] == [(0, 0, 2), (0, 0, 2), (0, 2, 3), (0, -1, -1)]


def test_only_the_leader_knows_the_end_of_an_epoch(node: SmallNode) -> None:
    node.create_topic("copied", leader=2, replicas=(2, 1))

    assert end_of_epoch(node, 0, topic="copied") == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1, -1)
    assert end_of_epoch(node, 0, topic="nowhere") == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)
    assert end_of_epoch(node, 0, believed_epoch=9) == (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)


# DeleteRecords


def delete(node: SmallNode, offset: int, *, topic: str = "orders", index: int = 0) -> tuple[int, int]:
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(topic, [DeleteRecordsPartition(index, offset)])], timeout_ms=1_000)
    outcome = delete_records.handle(node.as_node, request, node.context(21, 2))
    response = outcome if isinstance(outcome, DeleteRecordsResponse) else asyncio.run(outcome)
    ((answer,),) = [result.partitions for result in response.topics]
    return answer.error_code, answer.low_watermark


def test_records_below_an_offset_are_forgotten_and_it_never_goes_back(node: SmallNode) -> None:
    node.append("orders", b"0", b"1", b"2")

    assert [delete(node, offset) for offset in (2, 1, -1)] == [(0, 2), (0, 2), (0, 3)]
    assert node.partition("orders").log.log_start_offset == 3


def test_log_start_is_on_the_disk_before_anybody_is_told(node: SmallNode) -> None:
    node.append("orders", b"0", b"1", b"2")
    (directory,) = node.logs.directories

    for offset in (2, 3):
        assert delete(node, offset) == (0, offset)
        assert directory.log_start_offsets() == {TopicPartition("orders", 0): offset}


@pytest.mark.parametrize(("number", "is_online"), [(errno.EIO, False), (errno.ENOSPC, True)])
def test_disk_that_refuses_the_log_start_is_told(node: SmallNode, monkeypatch: pytest.MonkeyPatch, number: int, is_online: bool) -> None:
    node.append("orders", b"0", b"1", b"2")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(MemoryFileSystem, "replace", refuse)

    assert delete(node, 2) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert node.logs.directories[0].is_online is is_online
    monkeypatch.undo()
    assert delete(node, 2) == ((0, 2) if is_online else (ErrorCode.KAFKA_STORAGE_ERROR, -1))


@pytest.mark.parametrize("offset", [4, 2**62, -2])
def test_offset_that_nobody_has_seen_cannot_be_deleted(node: SmallNode, offset: int) -> None:
    node.append("orders", b"0", b"1", b"2")

    assert delete(node, offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)


def test_records_of_a_table_are_kept_unless_it_is_also_deleted_by_time(node: SmallNode) -> None:
    node.log_configuration_by_topic = {
        "table": LogConfiguration(is_compacted=True, is_deleted_by_retention=False),
        "both": LogConfiguration(is_compacted=True, is_deleted_by_retention=True),
    }
    for topic in ("table", "both"):
        node.create_topic(topic)

    assert [delete(node, -1, topic=topic) for topic in ("table", "both")] == [(ErrorCode.POLICY_VIOLATION, -1), (0, 0)]


def test_records_are_not_deleted_where_they_are_not_led(node: SmallNode) -> None:
    node.create_topic("copied", leader=2, replicas=(2, 1))
    node.create_topic("__consumer_offsets")

    assert [delete(node, -1, topic=topic)[0] for topic in ("copied", "nowhere", "__consumer_offsets")] == [
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
    ]


# DescribeProducers


def test_producers_are_described_with_what_they_sent_last(node: SmallNode) -> None:
    node.append("orders", b"by nobody in particular")
    records = [Record(0, 1_000, None, b"x", ())] * 3
    batch = encode_batch(records, producer_id=9, producer_epoch=2, base_sequence=0, is_transactional=True)
    node.partition("orders").log.append(batch, 0, 0)

    response = describe_producers.handle(
        node.as_node, DescribeProducersRequest(topics=[TopicRequest("orders", [0, 5])]), node.context(61, 0)
    )

    known, unknown = response.topics[0].partitions
    assert known.active_producers == [
        ProducerState(
            producer_id=9, producer_epoch=2, last_sequence=2, last_timestamp=1_000, coordinator_epoch=-1, current_txn_start_offset=1
        )
    ]
    assert (unknown.partition_index, unknown.error_code) == (5, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def test_producers_of_a_topic_that_cannot_exist_are_an_error_of_its_name(node: SmallNode) -> None:
    response = describe_producers.handle(node.as_node, DescribeProducersRequest(topics=[TopicRequest("no/such", [0])]), node.context(61, 0))

    (answer,) = response.topics[0].partitions
    assert answer.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert "no/such" in (answer.error_message or "")


# DescribeLogDirs


def test_directories_are_described_with_their_partitions_and_their_room(node: SmallNode) -> None:
    node.create_topic("refunds", partitions=2)
    node.append("orders", b"x" * 1_000)

    response = describe_log_dirs.handle(node.as_node, DescribeLogDirsRequest(topics=None), node.context(35, 5))

    (directory,) = response.results
    described = {(topic.name, it.partition_index): it.partition_size for topic in directory.topics for it in topic.partitions}
    assert described == {("orders", 0): node.partition("orders").log.size, ("refunds", 0): 0, ("refunds", 1): 0}
    assert described["orders", 0] > 1_000
    assert (directory.log_dir, directory.error_code, directory.is_cordoned) == ("/data", 0, False)
    assert 0 < directory.usable_bytes <= directory.total_bytes


def test_only_what_is_asked_for_is_described(node: SmallNode) -> None:
    node.create_topic("refunds", partitions=2)
    request = DescribeLogDirsRequest(topics=[DescribableLogDirTopic("refunds", [1, 7])])

    response = describe_log_dirs.handle(node.as_node, request, node.context(35, 5))

    assert [(topic.name, [it.partition_index for it in topic.partitions]) for topic in response.results[0].topics] == [("refunds", [1])]


def test_failed_directory_is_described_by_its_failure() -> None:
    node = SmallNode(Settings.of(BROKER_SETTINGS, {"log.dirs": "/data,/gone"}))
    node.logs.directories[0].failure = OSError("worn out")

    response = describe_log_dirs.handle(node.as_node, DescribeLogDirsRequest(topics=None), node.context(35, 5))

    assert [(result.log_dir, result.error_code, result.topics) for result in response.results] == [
        ("/data", ErrorCode.KAFKA_STORAGE_ERROR, []),
        ("/gone", ErrorCode.KAFKA_STORAGE_ERROR, []),
    ]
