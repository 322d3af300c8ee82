"""What a node shows of its directory: topics, settings, and of every partition its offsets, epochs, producers and records.

Two nodes that were started on one directory, one after the other, must give the same picture, whichever of them is Apache Kafka. It is
asked for in plain requests, so that nothing a client remembers or makes up is in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import Message as ReadMessage
from confluent_kafka import TopicPartition as ConsumedPartition

from odradek.base.identifiers import TopicPartition, uuid_to_text
from odradek.config.resource_type import ResourceType
from odradek.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse
from odradek.protocol.messages.describe_producers import DescribeProducersRequest, DescribeProducersResponse, TopicRequest
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from odradek.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.support.wire_client import WireClient

READ_SECONDS_MAX: Final = 60
LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
SET_ON_TOPIC: Final = 1
SET_ON_BROKER: Final = frozenset({2, 3})


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPicture:
    """One partition. The digests are of offset, timestamp, key, value and headers of every record, uncommitted ones too or not."""

    offset_by_question: dict[int, tuple[int, int]]
    end_of_epoch: dict[int, int]
    producers: frozenset[tuple[int, int, int, int, int]]
    record_count: int
    digest: str
    committed_count: int
    committed_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A whole node."""

    topic_ids: dict[str, str]
    settings_by_topic: dict[str, dict[str, str | None]]
    broker_settings: dict[str, str | None]
    partitions: dict[TopicPartition, PartitionPicture]

    @property
    def record_count(self) -> int:
        return sum(partition.record_count for partition in self.partitions.values())

    def differences(self, other: Picture) -> list[str]:
        """Where the other one shows something else, in a line each."""
        lines = _field_differences("node", self, other, ("topic_ids", "settings_by_topic", "broker_settings"))
        for partition in sorted({*self.partitions, *other.partitions}):
            mine, theirs = self.partitions.get(partition), other.partitions.get(partition)
            if mine is None or theirs is None:
                lines.append(f"{partition}: {mine} and then {theirs}")
            else:
                lines += _field_differences(str(partition), mine, theirs, PartitionPicture.__slots__)
        return lines


def _field_differences(where: str, mine: object, theirs: object, names: Sequence[str]) -> list[str]:
    return [
        f"{where} {name}: {getattr(mine, name)} and then {getattr(theirs, name)}"
        for name in names
        if getattr(mine, name) != getattr(theirs, name)
    ]


def picture_of(bootstrap: str, *, timestamps: Sequence[int] = (), epochs: Sequence[int] = (0,)) -> Picture:
    """Ask a node for everything. `timestamps` are looked up in each partition, `epochs` are past reigns whose ends are asked for."""
    host, _, port = bootstrap.rpartition(":")
    client = WireClient(host, int(port))
    try:
        topics = client.request(MetadataRequest(topics=None, allow_auto_topic_creation=False), MetadataResponse, 12).topics
        names = sorted(topic.name for topic in topics if topic.name is not None)
        partitions = [TopicPartition(topic.name, part.partition_index) for topic in topics if topic.name for part in topic.partitions]
        everything = _read(bootstrap, partitions, "read_uncommitted")
        committed = _read(bootstrap, partitions, "read_committed")
        return Picture(
            topic_ids={topic.name: uuid_to_text(topic.topic_id) for topic in topics if topic.name is not None},
            settings_by_topic={name: _settings(client, ResourceType.TOPIC, name, frozenset({SET_ON_TOPIC})) for name in names},
            broker_settings=_settings(client, ResourceType.BROKER, "1", SET_ON_BROKER),
            partitions={
                partition: PartitionPicture(
                    offset_by_question=_offsets(client, partition, timestamps),
                    end_of_epoch={epoch: _end_of_epoch(client, partition, epoch) for epoch in epochs},
                    producers=_producers(client, partition),
                    record_count=everything[partition].count,
                    digest=everything[partition].digest,
                    committed_count=committed[partition].count,
                    committed_digest=committed[partition].digest,
                )
                for partition in partitions
            },
        )
    finally:
        client.close()


def _settings(client: WireClient, resource_type: int, name: str, sources: frozenset[int]) -> dict[str, str | None]:
    resource = DescribeConfigsResource(resource_type, name, None)
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=False, include_documentation=False)
    result = client.request(request, DescribeConfigsResponse, 4).results[0]
    assert result.error_code == 0, result.error_message
    return {config.name: config.value for config in result.configs if config.config_source in sources}


def _offsets(client: WireClient, partition: TopicPartition, timestamps: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Where records were deleted, Kafka finds times as long in what is deleted as its segments are there: nobody can promise the same."""
    questions = [EARLIEST, LATEST]
    if _offset(client, partition, EARLIEST)[0] == 0:
        questions += [MAX_TIMESTAMP, *timestamps]
    return {question: _offset(client, partition, question) for question in questions}


def _offset(client: WireClient, partition: TopicPartition, question: int) -> tuple[int, int]:
    """Offset and timestamp."""
    asked = [ListOffsetsTopic(partition.topic, [ListOffsetsPartition(partition.partition, -1, question)])]
    request = ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=asked)
    answer = client.request(request, ListOffsetsResponse, 7).topics[0].partitions[0]
    assert answer.error_code == 0, f"{partition} at {question}: {answer.error_code}"
    return answer.offset, answer.timestamp


def _end_of_epoch(client: WireClient, partition: TopicPartition, epoch: int) -> int:
    asked = [OffsetForLeaderTopic(partition.topic, [OffsetForLeaderPartition(partition.partition, -1, epoch)])]
    answer = client.request(OffsetForLeaderEpochRequest(replica_id=-1, topics=asked), OffsetForLeaderEpochResponse, 4)
    return answer.topics[0].partitions[0].end_offset


def _producers(client: WireClient, partition: TopicPartition) -> frozenset[tuple[int, int, int, int, int]]:
    request = DescribeProducersRequest(topics=[TopicRequest(partition.topic, [partition.partition])])
    answer = client.request(request, DescribeProducersResponse, 0).topics[0].partitions[0]
    assert answer.error_code == 0, answer.error_message
    return frozenset(
        (state.producer_id, state.producer_epoch, state.last_sequence, state.coordinator_epoch, state.current_txn_start_offset)
        for state in answer.active_producers
    )


class _Reading:
    """The records of one partition, as they come."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, message: ReadMessage) -> None:
        self.count += 1
        self._hash.update(repr((message.offset(), message.timestamp(), message.key(), message.value(), message.headers())).encode())


def _read(bootstrap: str, partitions: Sequence[TopicPartition], isolation: str) -> dict[TopicPartition, _Reading]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "check.crcs": True,
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
    )
    readings = {partition: _Reading() for partition in partitions}
    unfinished = set(partitions)
    deadline = time.monotonic() + READ_SECONDS_MAX
    try:
        consumer.assign([ConsumedPartition(partition.topic, partition.partition, OFFSET_BEGINNING) for partition in partitions])
        while unfinished:
            assert time.monotonic() < deadline, f"the end of {unfinished} did not come within {READ_SECONDS_MAX} s"
            for message in consumer.consume(2000, timeout=0.1):
                partition = TopicPartition(message.topic() or "", message.partition() or 0)
                error = message.error()
                if error is None:
                    readings[partition].add(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(partition)
                else:
                    raise AssertionError(f"{partition} could not be read: {error.str()}")
    finally:
        consumer.close()
    return readings
