"""Offsets by time and by name, for consumers and for others (KIP-79, 207, 320, 734, 1005, 1023)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.broker.handlers import list_offsets
from odradek.config.log_configuration import LogConfiguration
from odradek.protocol.internal_records.metadata import PartitionChangeRecord
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from tests.broker.small_node import SmallNode, batch_of

LIST_OFFSETS = 2
LATEST_VERSION = 11
CONSUMER, FOLLOWER, DEBUGGER = -1, 2, -2
FOUND_NOTHING = ListOffsetsPartitionResponse(partition_index=0)


@pytest.fixture
def node() -> SmallNode:
    """`orders-0` has offsets 0 to 2 at the times 1000, 1001, 1002 and offset 3 at the time 500."""
    node = SmallNode()
    node.create_topic("orders", leader_epoch=4)
    node.append("orders", b"0", b"1", b"2", timestamp=1_000)
    node.append("orders", b"3", timestamp=500)
    return node


def ask(
    node: SmallNode,
    timestamp: int,
    *,
    topic: str = "orders",
    index: int = 0,
    version: int = LATEST_VERSION,
    replica_id: int = CONSUMER,
    isolation: int = 0,
    leader_epoch: int = -1,
) -> ListOffsetsPartitionResponse:
    question = ListOffsetsPartition(index, leader_epoch, timestamp)
    request = ListOffsetsRequest(replica_id=replica_id, isolation_level=isolation, topics=[ListOffsetsTopic(topic, [question])])
    response = list_offsets.handle(node.as_node, request, node.context(LIST_OFFSETS, version))
    response.encode(bytearray(), version)
    ((answer,),) = [answered.partitions for answered in response.topics]
    return answer


def test_names_of_offsets_are_answered(node: SmallNode) -> None:
    node.partition("orders").log.delete_records_before(1)

    answers = {name: ask(node, name) for name in (-1, -2, -3, -4, -5, -6)}

    assert {name: (answer.timestamp, answer.offset, answer.leader_epoch) for name, answer in answers.items()} == {
        list_offsets.LATEST: (-1, 4, 4),
        list_offsets.EARLIEST: (-1, 1, 4),
        list_offsets.MAX_TIMESTAMP: (1_002, 2, 4),
        list_offsets.EARLIEST_LOCAL: (-1, 1, 4),
        list_offsets.LATEST_TIERED: (-1, -1, -1),
        list_offsets.EARLIEST_PENDING_UPLOAD: (-1, -1, -1),
    }


@pytest.mark.parametrize(("timestamp", "found"), [(0, (1_000, 0)), (1_001, (1_001, 1)), (1_002, (1_002, 2)), (1_003, (-1, -1))])
def test_time_is_answered_with_the_first_record_not_earlier(node: SmallNode, timestamp: int, found: tuple[int, int]) -> None:
    answer = ask(node, timestamp)

    assert (answer.error_code, (answer.timestamp, answer.offset)) == (0, found)


def test_empty_partition_has_a_beginning_and_an_end_but_no_time() -> None:
    node = SmallNode()
    node.create_topic("orders")

    assert [ask(node, name).offset for name in (-1, -2, -3, 0)] == [0, 0, -1, -1]


def test_consumer_is_told_of_what_it_can_read_and_others_of_the_log_end(node: SmallNode) -> None:
    node.partition("orders").log.append(batch_of(b"4", timestamp=9_000), 4, 0)

    assert [ask(node, list_offsets.LATEST, replica_id=it).offset for it in (CONSUMER, FOLLOWER, DEBUGGER)] == [4, 5, 5]
    assert [ask(node, 9_000, replica_id=it).offset for it in (CONSUMER, FOLLOWER)] == [-1, 4]


@pytest.mark.parametrize(
    ("name", "version_min"), [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, LATEST_VERSION + 1), (-(2**63), LATEST_VERSION + 1)]
)
def test_name_from_a_later_version_is_refused(node: SmallNode, name: int, version_min: int) -> None:
    refused = {version for version in range(1, LATEST_VERSION + 1) if ask(node, name, version=version).error_code}

    assert refused == set(range(1, version_min))
    assert ask(node, name, version=version_min - 1).error_code == ErrorCode.UNSUPPORTED_VERSION


def test_leader_epoch_is_told_from_version_4_on(node: SmallNode) -> None:
    assert [ask(node, -1, version=version).leader_epoch for version in (3, 4)] == [-1, 4]


@pytest.mark.parametrize(
    ("believed_epoch", "error"), [(3, ErrorCode.FENCED_LEADER_EPOCH), (4, ErrorCode.NONE), (5, ErrorCode.UNKNOWN_LEADER_EPOCH)]
)
def test_leader_epoch_of_the_client_is_checked(node: SmallNode, believed_epoch: int, error: ErrorCode) -> None:
    assert ask(node, -1, leader_epoch=believed_epoch).error_code == error


def test_partitions_that_are_not_here_are_told_apart(node: SmallNode) -> None:
    node.create_topic("far", leader=2, replicas=(2,))
    node.create_topic("copied", leader=2, replicas=(2, 1))

    codes = [
        ask(node, -1, topic="nowhere").error_code,
        ask(node, -1, index=7).error_code,
        ask(node, -1, topic="far").error_code,
        ask(node, -1, topic="copied").error_code,
        ask(node, -1, topic="copied", replica_id=DEBUGGER).error_code,
    ]

    assert codes == [
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NONE,
    ]


def test_partition_asked_for_twice_is_an_invalid_request(node: SmallNode) -> None:
    twice = [ListOffsetsPartition(0, -1, -1), ListOffsetsPartition(0, -1, -2)]

    response = list_offsets.handle(
        node.as_node, ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic("orders", twice)]), node.context(LIST_OFFSETS, 11)
    )

    assert [it.error_code for it in response.topics[0].partitions] == [ErrorCode.INVALID_REQUEST]


def node_whose_high_watermark_trails() -> SmallNode:
    """A new reign began at offset 2, but only offset 0 is agreed on: the second replica is in sync and has not spoken."""
    node = SmallNode(log_configuration=LogConfiguration(min_insync_replicas=2))
    topic_id = node.create_topic("orders", replicas=(1, 2))
    partition = node.partition("orders")
    partition.log.append(batch_of(b"0", b"1", timestamp=1_000), 0, 0)
    partition.log.advance_high_watermark(1)
    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    return node


def test_consumer_of_a_new_leader_that_does_not_know_its_end_is_told_to_ask_again() -> None:
    """KIP-207: before version 5 in words of old."""
    node = node_whose_high_watermark_trails()

    assert ask(node, list_offsets.LATEST).error_code == ErrorCode.OFFSET_NOT_AVAILABLE
    assert ask(node, list_offsets.LATEST, version=4).error_code == ErrorCode.LEADER_NOT_AVAILABLE
    assert ask(node, 1_001).error_code == ErrorCode.OFFSET_NOT_AVAILABLE
    assert ask(node, 1_000).offset == 0
    assert ask(node, list_offsets.EARLIEST).offset == 0
    assert ask(node, list_offsets.LATEST, replica_id=FOLLOWER).offset == 2
