"""CreateTopics: what is made, and every refusal in the words and the order of Kafka 4.3."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.controller.topic_defaults import TopicDefaults
from odradek.protocol.internal_records.metadata import ConfigRecord, PartitionRecord, TopicRecord
from odradek.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from tests.controller.a_cluster import Cluster, directory_of


def create(cluster: Cluster, *topics: CreatableTopic, validate_only: bool = False) -> list[CreatableTopicResult]:
    response, _ = cluster.decide(CreateTopicsRequest(topics=list(topics), validate_only=validate_only))
    assert isinstance(response, CreateTopicsResponse)
    return response.topics


def refusal_of(cluster: Cluster, topic: CreatableTopic) -> tuple[ErrorCode, str | None]:
    offset = cluster.next_offset
    (result,) = create(cluster, topic)
    assert cluster.next_offset == offset
    return ErrorCode(result.error_code), result.error_message


def a_topic(name: str = "orders", partitions: int = 1, replication_factor: int = 1, **configs: str | None) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def assigned(*assignments: tuple[int, list[int]], partitions: int = -1, replication_factor: int = -1) -> CreatableTopic:
    return CreatableTopic(
        name="orders",
        num_partitions=partitions,
        replication_factor=replication_factor,
        assignments=[CreatableReplicaAssignment(partition_index=index, broker_ids=brokers) for index, brokers in assignments],
    )


def test_topic_is_written_as_topic_then_configs_then_partitions() -> None:
    cluster = Cluster(1)

    _, records = cluster.decide(CreateTopicsRequest(topics=[a_topic(partitions=2, retention_ms="5")]))

    topic = cluster.image.topics.by_name["orders"]
    assert records == [
        TopicRecord(name="orders", topic_id=topic.id),
        ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value="5"),
        new_partition(topic.id, 0),
        new_partition(topic.id, 1),
    ]
    assert cluster.image.configs.of_topic("orders") == {"retention.ms": "5"}


def new_partition(topic_id: Uuid, index: int) -> PartitionRecord:
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=[1],
        isr=[1],
        leader=1,
        leader_epoch=0,
        partition_epoch=0,
        directories=[directory_of(1)],
    )


def test_answer_tells_id_counts_and_effective_configs() -> None:
    cluster = Cluster(1)

    (result,) = create(cluster, a_topic(partitions=3, retention_ms="5"))

    assert (result.topic_id, result.num_partitions, result.replication_factor) == (cluster.image.topics.by_name["orders"].id, 3, 1)
    assert {config.name: config.value for config in result.configs or []}["retention.ms"] == "5"
    assert [config.name for config in result.configs or []] == sorted(config.name for config in result.configs or [])


def test_minus_one_takes_the_defaults_of_the_controller() -> None:
    cluster = Cluster(1, 2, defaults=TopicDefaults(partition_count=4, replication_factor=2))

    create(cluster, a_topic(partitions=-1, replication_factor=-1))

    partitions = cluster.image.topics.by_name["orders"].partitions
    assert len(partitions) == 4
    assert all(sorted(partition.replicas) == [1, 2] for partition in partitions.values())


def test_nothing_is_written_when_only_validating() -> None:
    cluster = Cluster(1)

    (result,) = create(cluster, a_topic(), validate_only=True)

    assert result.error_code == ErrorCode.NONE
    assert cluster.image.topics.by_name == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Topic name is invalid: the empty string is not allowed"),
        (".", "Topic name is invalid: '.' is not allowed"),
        ("..", "Topic name is invalid: '..' is not allowed"),
        ("a b", "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("ä", "Topic name is invalid: 'ä' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("x" * 250, f"Topic name is invalid: the length of '{'x' * 250}' is longer than the max allowed length 249"),
    ],
)
def test_illegal_name_is_refused(name: str, message: str) -> None:
    assert refusal_of(Cluster(1), a_topic(name)) == (ErrorCode.INVALID_TOPIC_EXCEPTION, message)


def test_name_that_differs_only_in_dots_and_underscores_is_refused_until_the_other_is_gone() -> None:
    cluster = Cluster(1)
    create(cluster, a_topic("a.b"))

    assert refusal_of(cluster, a_topic("a_b")) == (
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "Topic 'a_b' collides with existing topic: a.b",
    )


def test_existing_topic_is_refused_as_existing_even_if_it_collides_with_itself() -> None:
    cluster = Cluster(1)
    create(cluster, a_topic("a.b"))

    assert refusal_of(cluster, a_topic("a.b")) == (ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists.")


def test_name_given_twice_is_refused_once_and_the_others_are_made() -> None:
    cluster = Cluster(1)

    results = create(cluster, a_topic("twice"), a_topic("once"), a_topic("twice"))

    assert [(result.name, result.error_code, result.error_message) for result in results] == [
        ("once", ErrorCode.NONE, None),
        ("twice", ErrorCode.INVALID_REQUEST, "Duplicate topic name."),
    ]


def test_metadata_log_cannot_be_created() -> None:
    assert refusal_of(Cluster(1), a_topic("__cluster_metadata")) == (
        ErrorCode.INVALID_REQUEST,
        "Creation of internal topic __cluster_metadata is prohibited.",
    )


@pytest.mark.parametrize(
    ("topic", "code", "message"),
    [
        (a_topic(partitions=0), ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."),
        (a_topic(partitions=-2), ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."),
        (
            a_topic(partitions=0, replication_factor=0),
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            a_topic(replication_factor=3),
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) "
            "are registered or some brokers have all their log directories cordoned.",
        ),
        (a_topic(retention_ms=None), ErrorCode.INVALID_CONFIG, "Null value not supported for topic configs: retention.ms"),
        (a_topic(no_such="1"), ErrorCode.INVALID_CONFIG, "Unknown topic config name: no.such"),
        (
            assigned((0, [1]), partitions=1),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            assigned((0, [1]), replication_factor=1),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            assigned((0, [1]), (0, [1])),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            assigned((0, [1]), (2, [1])),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            assigned((0, [])),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            assigned((0, [1, 7])),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            assigned((0, [1, 1])),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
    ],
)
def test_impossible_topic_is_refused(topic: CreatableTopic, code: ErrorCode, message: str) -> None:
    assert refusal_of(Cluster(1), topic) == (code, message)


def test_assignments_of_different_length_are_refused() -> None:
    assert refusal_of(Cluster(1, 2), assigned((0, [1, 2]), (1, [1]))) == (
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, "
        "which have 2 replica(s).",
    )


def test_assigned_partition_is_led_by_its_first_broker_in_service() -> None:
    cluster = Cluster(1, 2)
    cluster.register(3)

    create(cluster, assigned((0, [3, 2, 1])))

    partition = cluster.image.topics.by_name["orders"].partitions[0]
    assert (partition.replicas, partition.isr, partition.leader) == ((3, 2, 1), (2, 1), 2)


def test_topic_is_refused_while_all_brokers_are_fenced() -> None:
    cluster = Cluster()
    cluster.register(1)

    assert refusal_of(cluster, a_topic()) == (
        ErrorCode.INVALID_REPLICATION_FACTOR,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.",
    )


def test_request_for_more_than_ten_thousand_partitions_is_refused_as_a_whole() -> None:
    cluster = Cluster(1)

    with pytest.raises(RequestRefused) as refused:
        create(cluster, a_topic("a", partitions=10_000), a_topic("b"))

    assert refused.value.code is ErrorCode.POLICY_VIOLATION


def test_request_whose_records_are_more_than_one_batch_may_have_is_refused_as_a_whole() -> None:
    """Ten thousand partitions are allowed; with the record of the topic itself they are one too many, in Kafka as well."""
    cluster = Cluster(1)

    with pytest.raises(RequestRefused) as refused:
        create(cluster, a_topic("a", partitions=10_000))

    assert refused.value.code is ErrorCode.POLICY_VIOLATION
    assert refused.value.message == "Unable to perform excessively large batch operation."
    assert create(cluster, a_topic("a", partitions=9_999))[0].num_partitions == 9_999
