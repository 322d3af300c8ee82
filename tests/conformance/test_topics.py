"""Topics as each client manages them."""

import pytest

from tests.conformance.clients.client import Ability, Client, TopicShape
from tests.conformance.clients.registry import JUDGES, judges_that
from tests.conformance.eventually import eventually


@pytest.mark.parametrize("judge", judges_that(Ability.MANAGE_TOPICS))
def test_created_topic_is_listed_and_described(client: Client, topic: str) -> None:
    client.create_topic(topic, partition_count=3)

    eventually(lambda: topic in client.topic_names(), True)
    eventually(lambda: client.describe_topic(topic), TopicShape(partition_count=3, replication_factor=1))


@pytest.mark.parametrize("judge", judges_that(Ability.MANAGE_TOPICS))
def test_deleted_topic_is_gone_and_its_name_is_free(client: Client, topic: str) -> None:
    client.create_topic(topic, partition_count=3)

    client.delete_topic(topic)

    eventually(lambda: topic in client.topic_names(), False)
    client.create_topic(topic, partition_count=1)
    eventually(lambda: client.describe_topic(topic).partition_count, 1)


@pytest.mark.parametrize("judge", judges_that(Ability.GROW_TOPICS))
def test_grown_topic_has_more_partitions(client: Client, topic: str) -> None:
    client.create_topic(topic, partition_count=2)
    eventually(lambda: client.describe_topic(topic).partition_count, 2)

    client.grow_topic(topic, 5)

    eventually(lambda: client.describe_topic(topic).partition_count, 5)


@pytest.mark.parametrize("judge", judges_that(Ability.TOPIC_SETTINGS))
def test_setting_given_at_creation_is_described_beside_defaults(client: Client, topic: str) -> None:
    client.create_topic(topic, partition_count=1, settings={"retention.ms": "123456789", "cleanup.policy": "compact"})

    eventually(lambda: client.topic_setting(topic, "retention.ms"), "123456789")
    assert client.topic_setting(topic, "cleanup.policy") == "compact"
    assert client.topic_setting(topic, "max.message.bytes") == "1048588"


@pytest.mark.parametrize("judge", judges_that(Ability.TOPIC_SETTINGS))
def test_altered_setting_is_described(client: Client, topic: str) -> None:
    client.create_topic(topic, partition_count=1)
    eventually(lambda: topic in client.topic_names(), True)

    client.alter_topic_setting(topic, "max.message.bytes", "2000")

    eventually(lambda: client.topic_setting(topic, "max.message.bytes"), "2000")


@pytest.mark.parametrize("judge", list(JUDGES))
def test_topic_that_another_client_made_is_described(client: Client, made_topic: str) -> None:
    eventually(lambda: made_topic in client.topic_names(), True)
    eventually(lambda: client.describe_topic(made_topic), TopicShape(partition_count=1, replication_factor=1))
