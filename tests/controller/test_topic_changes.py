"""DeleteTopics and CreatePartitions."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from tests.controller.a_cluster import Cluster

SOME_ID = Uuid(b"\x07" * 16)


def cluster_with(*topics: str, is_topic_deletion_enabled: bool = True) -> Cluster:
    cluster = Cluster(1, is_topic_deletion_enabled=is_topic_deletion_enabled)
    cluster.decide(CreateTopicsRequest(topics=[CreatableTopic(name=name, num_partitions=2, replication_factor=1) for name in topics]))
    return cluster


def delete(cluster: Cluster, *topics: DeleteTopicState) -> list[tuple[str | None, ErrorCode, str | None]]:
    response, _ = cluster.decide(DeleteTopicsRequest(topics=list(topics)))
    assert isinstance(response, DeleteTopicsResponse)
    return [(result.name, ErrorCode(result.error_code), result.error_message) for result in response.responses]


def test_topic_is_deleted_by_name_with_its_configs_and_can_be_made_again() -> None:
    cluster = cluster_with("a.b")

    assert delete(cluster, DeleteTopicState(name="a.b")) == [("a.b", ErrorCode.NONE, None)]

    assert cluster.image.topics.by_name == {}
    cluster.decide(CreateTopicsRequest(topics=[CreatableTopic(name="a_b", num_partitions=1, replication_factor=1)]))
    assert set(cluster.image.topics.by_name) == {"a_b"}


def test_topic_is_deleted_by_id() -> None:
    cluster = cluster_with("orders")

    assert delete(cluster, DeleteTopicState(topic_id=cluster.image.topics.by_name["orders"].id)) == [("orders", ErrorCode.NONE, None)]


def test_old_versions_name_topics_in_another_field() -> None:
    cluster = cluster_with("orders")

    cluster.decide(DeleteTopicsRequest(topic_names=["orders"]), api_version=5)

    assert cluster.image.topics.by_name == {}


def test_what_does_not_exist_or_is_named_wrongly_is_refused_and_the_rest_deleted() -> None:
    cluster = cluster_with("kept", "gone")
    kept_id = cluster.image.topics.by_name["kept"].id

    answers = delete(
        cluster,
        DeleteTopicState(name="gone"),
        DeleteTopicState(name="never"),
        DeleteTopicState(topic_id=SOME_ID),
        DeleteTopicState(),
        DeleteTopicState(name="kept", topic_id=kept_id),
        DeleteTopicState(name="twice"),
        DeleteTopicState(name="twice"),
    )

    assert sorted(answers, key=str) == sorted(
        [
            ("gone", ErrorCode.NONE, None),
            ("never", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition."),
            (None, ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID."),
            (None, ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified."),
            ("kept", ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id."),
            ("twice", ErrorCode.INVALID_REQUEST, "Duplicate topic name."),
        ],
        key=str,
    )
    assert set(cluster.image.topics.by_name) == {"kept"}


def test_topic_named_by_id_and_by_name_is_not_deleted() -> None:
    cluster = cluster_with("orders")

    answers = delete(cluster, DeleteTopicState(topic_id=cluster.image.topics.by_name["orders"].id), DeleteTopicState(name="orders"))

    assert answers == [("orders", ErrorCode.INVALID_REQUEST, "The provided topic name maps to an ID that was already supplied.")]


@pytest.mark.parametrize(("api_version", "code"), [(6, ErrorCode.TOPIC_DELETION_DISABLED), (2, ErrorCode.INVALID_REQUEST)])
def test_deletion_is_refused_when_it_is_switched_off(api_version: int, code: ErrorCode) -> None:
    cluster = cluster_with("orders", is_topic_deletion_enabled=False)

    with pytest.raises(RequestRefused) as refused:
        cluster.decide(DeleteTopicsRequest(), api_version=api_version)

    assert refused.value.code is code


def grow(cluster: Cluster, *topics: CreatePartitionsTopic, validate_only: bool = False) -> list[tuple[str, ErrorCode, str | None]]:
    response, _ = cluster.decide(CreatePartitionsRequest(topics=list(topics), validate_only=validate_only))
    assert isinstance(response, CreatePartitionsResponse)
    return [(result.name, ErrorCode(result.error_code), result.error_message) for result in response.results]


def test_topic_grows_to_the_count_asked_for() -> None:
    cluster = cluster_with("orders")

    assert grow(cluster, CreatePartitionsTopic(name="orders", count=5, assignments=None)) == [("orders", ErrorCode.NONE, None)]

    assert sorted(cluster.image.topics.by_name["orders"].partitions) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("topic", "code", "message"),
    [
        (
            CreatePartitionsTopic(name="orders", count=2, assignments=None),
            ErrorCode.INVALID_PARTITIONS,
            "Topic already has 2 partition(s).",
        ),
        (
            CreatePartitionsTopic(name="orders", count=1, assignments=None),
            ErrorCode.INVALID_PARTITIONS,
            "The topic orders currently has 2 partition(s); 1 would not be an increase.",
        ),
        (
            CreatePartitionsTopic(name="never", count=3, assignments=None),
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            None,
        ),
        (
            CreatePartitionsTopic(name="orders", count=4, assignments=[CreatePartitionsAssignment(broker_ids=[1])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            CreatePartitionsTopic(name="orders", count=3, assignments=[CreatePartitionsAssignment(broker_ids=[9])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
    ],
)
def test_impossible_growth_is_refused(topic: CreatePartitionsTopic, code: ErrorCode, message: str | None) -> None:
    cluster = cluster_with("orders")

    assert grow(cluster, topic) == [(topic.name, code, message)]

    assert len(cluster.image.topics.by_name["orders"].partitions) == 2


def test_topic_named_twice_does_not_grow() -> None:
    cluster = cluster_with("orders")
    asked = CreatePartitionsTopic(name="orders", count=3, assignments=None)

    assert grow(cluster, asked, asked) == [("orders", ErrorCode.INVALID_REQUEST, "Duplicate topic name.")]


def test_nothing_grows_when_only_validating() -> None:
    cluster = cluster_with("orders")

    assert grow(cluster, CreatePartitionsTopic(name="orders", count=3, assignments=None), validate_only=True) == [
        ("orders", ErrorCode.NONE, None)
    ]

    assert len(cluster.image.topics.by_name["orders"].partitions) == 2
