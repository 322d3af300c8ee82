"""Topics for measurements: made, filled, checked and removed with one plain connection, the same for every broker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from benchmarks.brokers import Broker
from benchmarks.odradek_install import NotMeasurable
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse

CREATE_VERSION: Final = 7
CREATE_PARTITIONS_VERSION: Final = 3
DELETE_VERSION: Final = 6
# A request may make 10,000 records at the most, and a topic is one more than its partitions.
PARTITIONS_AT_ONCE: Final = 5000
LATEST: Final = -1
LEADERS_SECONDS_MAX: Final = 120
ASK_INTERVAL_S: Final = 0.02


def create_topic(broker: Broker, name: str, partition_count: int, configs: Mapping[str, str] | None = None) -> None:
    """A topic that has a leader for each partition when this returns.

    Raises:
        NotMeasurable: it was refused, or its partitions found no leader.
    """
    create_topics(broker, [name], min(partition_count, PARTITIONS_AT_ONCE), configs)
    for count in range(2 * PARTITIONS_AT_ONCE, partition_count + PARTITIONS_AT_ONCE, PARTITIONS_AT_ONCE):
        _grow(broker, name, min(count, partition_count))
    await_leaders(broker, name, partition_count)


def _grow(broker: Broker, name: str, partition_count: int) -> None:
    client = broker.client()
    try:
        request = CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=name, count=partition_count, assignments=None)], timeout_ms=60_000
        )
        response = client.request(request, CreatePartitionsResponse, CREATE_PARTITIONS_VERSION)
    finally:
        client.close()
    if response.results[0].error_code != 0:
        raise NotMeasurable(f"{name} did not grow to {partition_count} partitions: {response.results[0].error_message}")


def create_topics(broker: Broker, names: list[str], partition_count: int, configs: Mapping[str, str] | None = None) -> None:
    """All of them with one request.

    Raises:
        NotMeasurable: one was refused.
    """
    settings = [CreatableTopicConfig(key, text) for key, text in (configs or {}).items()]
    topics = [CreatableTopic(name=name, num_partitions=partition_count, replication_factor=1, configs=settings) for name in names]
    client = broker.client()
    try:
        response = client.request(CreateTopicsRequest(topics=topics, timeout_ms=60_000), CreateTopicsResponse, CREATE_VERSION)
    finally:
        client.close()
    refused = [f"{topic.name}: {topic.error_code} {topic.error_message}" for topic in response.topics if topic.error_code != 0]
    if refused or len(response.topics) != len(names):
        raise NotMeasurable(f"topics were not created: {refused[:3]}")


def delete_topics(broker: Broker, names: list[str]) -> None:
    """Raises NotMeasurable when one is refused."""
    states = [DeleteTopicState(name=name) for name in names]
    client = broker.client()
    try:
        response = client.request(DeleteTopicsRequest(topics=states, timeout_ms=60_000), DeleteTopicsResponse, DELETE_VERSION)
    finally:
        client.close()
    refused = [f"{topic.name}: {topic.error_code}" for topic in response.responses if topic.error_code != 0]
    if refused:
        raise NotMeasurable(f"topics were not deleted: {refused[:3]}")


def await_leaders(broker: Broker, name: str, partition_count: int) -> None:
    """Wait until every partition of a topic has a leader and tells its end.

    Raises:
        NotMeasurable: it took too long.
    """
    until = time.monotonic() + LEADERS_SECONDS_MAX
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    client = broker.client()
    try:
        while time.monotonic() < until:
            topic = client.request(request, MetadataResponse, 12).topics[0]
            led = [partition for partition in topic.partitions if partition.error_code == 0 and partition.leader_id >= 0]
            if len(led) == partition_count and _ends(broker, name, partition_count) is not None:
                return
            time.sleep(ASK_INTERVAL_S)
    finally:
        client.close()
    raise NotMeasurable(f"not all {partition_count} partitions of {name} have a leader after {LEADERS_SECONDS_MAX} s")


def end_offsets(broker: Broker, name: str, partition_count: int) -> list[int]:
    """The end of each partition.

    Raises:
        NotMeasurable: a partition does not tell.
    """
    ends = _ends(broker, name, partition_count)
    if ends is None:
        raise NotMeasurable(f"a partition of {name} does not tell its end")
    return ends


def check_record_count(broker: Broker, name: str, partition_count: int, expected: int) -> None:
    """Whatever was acknowledged must be in the log, and nothing else.

    Raises:
        NotMeasurable: the ends of the partitions do not add up to `expected`.
    """
    found = sum(end_offsets(broker, name, partition_count))
    if found != expected:
        raise NotMeasurable(f"{name} holds {found} records where {expected} were acknowledged")


def _ends(broker: Broker, name: str, partition_count: int) -> list[int] | None:
    partitions = [ListOffsetsPartition(index, -1, LATEST) for index in range(partition_count)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=partitions)])
    client = broker.client()
    try:
        response = client.request(request, ListOffsetsResponse, 7)
    finally:
        client.close()
    answered = response.topics[0].partitions
    if any(partition.error_code != 0 for partition in answered):
        return None
    return [partition.offset for partition in sorted(answered, key=lambda partition: partition.partition_index)]
