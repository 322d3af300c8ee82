"""What a client knows of a cluster: its brokers, its topics, and who leads what. Values, read from answers to Metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.core.address import Address
from odradek.protocol.messages.metadata import MetadataResponse, MetadataResponseTopic

NO_LEADER: Final = -1


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as it advertises itself on the listener that was asked."""

    node_id: int
    address: Address

    def __str__(self) -> str:
        return f"{self.address} (broker {self.node_id})"


@dataclass(frozen=True, slots=True)
class PartitionDescription:
    """One partition; `leader_id` is -1 while it has none."""

    index: int
    leader_id: int
    replica_ids: tuple[int, ...]
    error_code: int


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """One topic. With an `error_code` other than 0 it has no partitions, as far as the client may know."""

    name: str
    is_internal: bool
    error_code: int
    partitions: Mapping[int, PartitionDescription]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, with the topics that were asked about."""

    brokers: Mapping[int, Broker]
    topics: Mapping[str, TopicDescription]

    def partition(self, partition: TopicPartition) -> PartitionDescription | None:
        """The partition; None where its topic or its number does not exist."""
        topic = self.topics.get(partition.topic)
        return None if topic is None else topic.partitions.get(partition.partition)


def cluster_of(response: MetadataResponse) -> Cluster:
    """What an answer to Metadata says."""
    brokers = {broker.node_id: Broker(broker.node_id, Address(broker.host, broker.port)) for broker in response.brokers}
    return Cluster(brokers, {topic.name: _topic_of(topic) for topic in response.topics if topic.name is not None})


def _topic_of(topic: MetadataResponseTopic) -> TopicDescription:
    partitions = {
        partition.partition_index: PartitionDescription(
            partition.partition_index,
            # A leader that is not available is still named in some errors, but nobody can be asked there.
            NO_LEADER if partition.error_code == ErrorCode.LEADER_NOT_AVAILABLE else partition.leader_id,
            tuple(partition.replica_nodes),
            partition.error_code,
        )
        for partition in sorted(topic.partitions, key=lambda partition: partition.partition_index)
    }
    return TopicDescription(topic.name or "", topic.is_internal, topic.error_code, partitions)
