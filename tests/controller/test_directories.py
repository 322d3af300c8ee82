"""Log directories of a broker as the controller sees them: which replica lies where, and what the failure of one does (KIP-858)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import UNASSIGNED_DIRECTORY, Uuid
from odradek.metadata.partition_registration import NO_LEADER, PartitionRegistration
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsRequestDirectoryData,
    AssignReplicasToDirsRequestPartitionData,
    AssignReplicasToDirsRequestTopicData,
    AssignReplicasToDirsResponse,
)
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest
from tests.controller.a_cluster import Cluster, registration

FIRST, SECOND = Uuid(b"\x21" * 16), Uuid(b"\x22" * 16)


def cluster_with_two_directories(*others: int) -> Cluster:
    """Broker 1 has two directories; `orders` has two partitions on it and on `others`."""
    cluster = Cluster(*others)
    request = registration(1)
    request.log_dirs = [FIRST, SECOND]
    cluster.decide(request)
    cluster.heartbeat(1)
    assignments = [CreatableReplicaAssignment(partition_index=index, broker_ids=[1, *others]) for index in (0, 1)]
    topic = CreatableTopic(name="orders", num_partitions=-1, replication_factor=-1, assignments=assignments)
    cluster.decide(CreateTopicsRequest(topics=[topic]))
    return cluster


def partition(cluster: Cluster, index: int) -> PartitionRegistration:
    return cluster.image.topics.by_name["orders"].partitions[index]


def assign(
    cluster: Cluster, directory: Uuid, *indexes: int, broker_id: int = 1, topic_id: Uuid | None = None
) -> tuple[list[int], list[MetadataRecord]]:
    """The error codes, and the records."""
    topic = AssignReplicasToDirsRequestTopicData(
        topic_id=topic_id or cluster.image.topics.by_name["orders"].id,
        partitions=[AssignReplicasToDirsRequestPartitionData(partition_index=index) for index in indexes],
    )
    request = AssignReplicasToDirsRequest(
        broker_id=broker_id,
        broker_epoch=cluster.image.cluster.brokers[1].epoch,
        directories=[AssignReplicasToDirsRequestDirectoryData(id=directory, topics=[topic])],
    )
    response, records = cluster.decide(request)
    assert isinstance(response, AssignReplicasToDirsResponse)
    assert response.directories[0].id == directory
    return [answer.error_code for answer in response.directories[0].topics[0].partitions], records


def lose(cluster: Cluster, *directories: Uuid) -> list[MetadataRecord]:
    """A heartbeat of broker 1 that says that they are offline."""
    broker = cluster.image.cluster.brokers[1]
    _, records = cluster.decide(
        BrokerHeartbeatRequest(
            broker_id=1, broker_epoch=broker.epoch, current_metadata_offset=cluster.next_offset, offline_log_dirs=list(directories)
        )
    )
    return records


def test_broker_with_several_directories_says_where_its_replicas_lie() -> None:
    cluster = cluster_with_two_directories()
    assert partition(cluster, 0).directories == (UNASSIGNED_DIRECTORY,)

    codes, records = assign(cluster, SECOND, 0)

    assert codes == [0]
    assert len(records) == 1
    assert partition(cluster, 0).directories == (SECOND,)
    assert (partition(cluster, 0).leader, partition(cluster, 0).leader_epoch) == (1, 0)
    assert assign(cluster, SECOND, 0) == ([0], [])


def test_what_cannot_be_assigned_is_answered_one_by_one() -> None:
    cluster = cluster_with_two_directories(2)

    assert assign(cluster, FIRST, 0, 7)[0] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert assign(cluster, FIRST, 0, topic_id=Uuid(b"\x55" * 16))[0] == [ErrorCode.UNKNOWN_TOPIC_ID]
    with pytest.raises(RequestRefused) as refused:
        assign(cluster, FIRST, 0, broker_id=9)
    assert refused.value.code == ErrorCode.BROKER_ID_NOT_REGISTERED


def test_failed_directory_takes_leadership_only_from_what_lies_in_it() -> None:
    cluster = cluster_with_two_directories(2)
    assign(cluster, FIRST, 0)
    assign(cluster, SECOND, 1)

    lose(cluster, SECOND)

    assert cluster.image.cluster.brokers[1].directories == (FIRST,)
    assert (partition(cluster, 0).leader, partition(cluster, 0).isr) == (1, (1, 2))
    assert (partition(cluster, 1).leader, partition(cluster, 1).isr) == (2, (2,))
    assert lose(cluster, SECOND) == []


def test_partition_without_another_replica_has_no_leader_until_its_directory_is_back() -> None:
    cluster = cluster_with_two_directories()
    assign(cluster, FIRST, 0)
    assign(cluster, SECOND, 1)
    lose(cluster, SECOND)
    assert (partition(cluster, 0).leader, partition(cluster, 1).leader) == (1, NO_LEADER)

    again = registration(1, incarnation=2)
    again.log_dirs = [FIRST, SECOND]
    cluster.let_time_pass(20_000)
    cluster.decide(again)
    cluster.heartbeat(1)

    assert (partition(cluster, 0).leader, partition(cluster, 1).leader) == (1, 1)


def test_replica_that_was_put_into_a_directory_that_has_failed_meanwhile_is_lost() -> None:
    cluster = cluster_with_two_directories(2)
    lose(cluster, SECOND)

    codes, _ = assign(cluster, SECOND, 0)

    assert codes == [0]
    assert (partition(cluster, 0).directories[0], partition(cluster, 0).leader) == (SECOND, 2)
