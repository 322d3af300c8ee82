"""Which broker has to be asked: the coordinator of a group or a transactional id, the leader of a partition, or one that is known already
(`CoordinatorStrategy`, `PartitionLeaderStrategy`, `AllBrokersStrategy`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import IntEnum
from typing import Final, Generic, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.core.address import Address
from odradek.client.core.cluster import NO_LEADER, Broker, cluster_of
from odradek.client.core.keyed_call import AT_COORDINATOR, Ask, Findings, K, RetryRule, Verdict, in_parts
from odradek.client.errors import Refused
from odradek.protocol.message import Message
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse

# FindCoordinator takes many keys at once from here on (KIP-699, Kafka 3.0).
BATCHED_SINCE_VERSION: Final = 4

_TOPIC_RULE: Final = RetryRule(again=frozenset({ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.BROKER_NOT_AVAILABLE}))
_PARTITION_RULE: Final = RetryRule(
    again=frozenset(
        {
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.REPLICA_NOT_AVAILABLE,
            ErrorCode.LEADER_NOT_AVAILABLE,
            ErrorCode.BROKER_NOT_AVAILABLE,
            ErrorCode.KAFKA_STORAGE_ERROR,
        }
    )
)


class CoordinatorKind(IntEnum):
    """`key_type` of FindCoordinator."""

    GROUP = 0
    TRANSACTION = 1


@final
class CoordinatorLookup:
    """The coordinator of a group or of a transactional id."""

    def __init__(self, kind: CoordinatorKind) -> None:
        self._kind = kind

    def fixed(self, key: str) -> int | None:
        return None

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for part in in_parts(keys):
            request = FindCoordinatorRequest(key_type=self._kind, coordinator_keys=list(part))
            yield Ask(request, FindCoordinatorResponse, part, version_min=BATCHED_SINCE_VERSION)

    def read(self, ask: Ask[str], response: Message) -> Findings[str]:
        assert isinstance(response, FindCoordinatorResponse)
        findings: Findings[str] = Findings()
        for found in response.coordinators:
            if found.error_code == ErrorCode.NONE:
                findings.node_by_key[found.key] = found.node_id
                findings.brokers.append(Broker(found.node_id, Address(found.host, found.port)))
            elif AT_COORDINATOR.of(found.error_code) is Verdict.REFUSED:
                findings.refused[found.key] = Refused(found.error_code, found.error_message)
            else:
                findings.pending[found.key] = found.error_code
        return findings


@final
class LeaderLookup:
    """The leader of a partition. A partition that does not exist is refused at once: whoever asks here has not just created it."""

    def fixed(self, key: TopicPartition) -> int | None:
        return None

    def asks(self, keys: Collection[TopicPartition]) -> Iterator[Ask[TopicPartition]]:
        for part in in_parts(keys):
            topics = [MetadataRequestTopic(name=name) for name in dict.fromkeys(key.topic for key in part)]
            yield Ask(MetadataRequest(topics=topics, allow_auto_topic_creation=False), MetadataResponse, part, version_min=4)

    def read(self, ask: Ask[TopicPartition], response: Message) -> Findings[TopicPartition]:
        assert isinstance(response, MetadataResponse)
        cluster = cluster_of(response)
        findings: Findings[TopicPartition] = Findings(brokers=list(cluster.brokers.values()))
        for key in ask.keys:
            topic, partition = cluster.topics.get(key.topic), cluster.partition(key)
            if topic is not None and topic.error_code != ErrorCode.NONE:
                code, rule = topic.error_code, _TOPIC_RULE
            elif partition is None:
                code, rule = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, _TOPIC_RULE
            else:
                code, rule = partition.error_code, _PARTITION_RULE
            if partition is not None and code == ErrorCode.NONE and partition.leader_id != NO_LEADER:
                findings.node_by_key[key] = partition.leader_id
            elif code != ErrorCode.NONE and rule.of(code) is Verdict.REFUSED:
                findings.refused[key] = Refused(code)
            else:
                findings.pending[key] = code or ErrorCode.LEADER_NOT_AVAILABLE
        return findings


@final
class KnownBroker(Generic[K]):
    """Nothing has to be looked up: whom to ask follows from the key."""

    def __init__(self, node_id_of: Callable[[K], int]) -> None:
        self._node_id_of = node_id_of

    def fixed(self, key: K) -> int | None:
        return self._node_id_of(key)

    def asks(self, keys: Collection[K]) -> Iterator[Ask[K]]:
        raise AssertionError("the broker is known")

    def read(self, ask: Ask[K], response: Message) -> Findings[K]:
        raise AssertionError("the broker is known")


def each_broker() -> KnownBroker[int]:
    """The keys are the brokers themselves, by node id: each is asked what only it knows."""
    return KnownBroker(lambda node_id: node_id)
