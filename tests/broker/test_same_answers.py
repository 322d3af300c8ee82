"""The same conversation with a node under different settings, and with stops in between, is answered in the same words.

The script is drawn from a seed, which the failure tells; the answers are compared field by field: offsets, errors, log starts, times found,
and every byte that was fetched.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.batch import iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

# A producer whose last record is older than a day is forgotten when the node starts, as by Kafka: these are of now.
MOMENT_MS = int(time.time() * 1000)
PARTITIONS = 2
STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a topic is kept, and how often its node stops."""

    topic: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)
    stops: int = 0


SETTINGS = {
    "small segments, dense index": Setting(topic={"internal.segment.bytes": "500", "index.interval.bytes": "0"}),
    "full indexes": Setting(topic={"segment.index.bytes": "24", "index.interval.bytes": "0"}),
    "every write flushed": Setting(topic={"flush.messages": "1", "internal.segment.bytes": "700"}),
    "some writes flushed": Setting(topic={"flush.messages": "3", "flush.ms": "1"}),
    "rolled by time": Setting(topic={"segment.ms": "20", "segment.jitter.ms": "10"}),
    "three stops": Setting(topic={"internal.segment.bytes": "500"}, stops=3),
}


class Conversation:
    """One script with one node; `answers` has everything that was said."""

    def __init__(self, seed: int, setting: Setting) -> None:
        self._dice = random.Random(seed)
        self._setting = setting
        self._sequence = [0] * PARTITIONS
        self._last: list[bytes | None] = [None] * PARTITIONS
        self.answers: list[object] = []

    def hold(self) -> None:
        filesystem = MemoryFileSystem()
        lives = self._setting.stops + 1
        for life in range(lives):
            with NodeInProcess(self._setting.node, filesystem) as node:
                client = node.client()
                if life == 0:
                    self._create(client)
                for _ in range(STEPS * life // lives, STEPS * (life + 1) // lives):
                    self._step(client)
                client.close()

    def _create(self, client: WireClient) -> None:
        configs = [CreatableTopicConfig(name=name, value=value) for name, value in self._setting.topic.items()]
        topic = CreatableTopic(name="same", num_partitions=PARTITIONS, replication_factor=1, configs=configs)
        created = client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
        assert created.topics[0].error_code == 0

    def _step(self, client: WireClient) -> None:
        step = self._dice.choice(
            [self._produce, self._produce, self._produce_in_order, self._repeat, self._fetch, self._find, self._delete]
        )
        step(client, self._dice.randrange(PARTITIONS))

    def _produce(self, client: WireClient, partition: int) -> None:
        dice = self._dice
        records = [
            Record(index, MOMENT_MS + dice.randrange(-500, 500), None, dice.randbytes(dice.randrange(60)))
            for index in range(dice.randrange(1, 5))
        ]
        self._send(client, partition, encode_batch(records, compression=dice.choice([Codec.NONE, Codec.GZIP])))

    def _produce_in_order(self, client: WireClient, partition: int) -> None:
        sequence = self._sequence[partition]
        batch = encode_batch([Record(0, MOMENT_MS, None, b"%d" % sequence)], producer_id=9, producer_epoch=0, base_sequence=sequence)
        self._sequence[partition] += 1
        self._last[partition] = batch
        self._send(client, partition, batch)

    def _repeat(self, client: WireClient, partition: int) -> None:
        last = self._last[partition]
        if last is not None:
            self._send(client, partition, last)

    def _send(self, client: WireClient, partition: int, batch: bytes) -> None:
        data = [TopicProduceData(name="same", partition_data=[PartitionProduceData(partition, batch)])]
        request = ProduceRequest(acks=self._dice.choice([1, -1]), timeout_ms=5000, topic_data=data)
        self.answers.append(client.request(request, ProduceResponse, 9).responses)

    def _fetch(self, client: WireClient, partition: int) -> None:
        """Everything that can be read, whatever the pieces, and the answer behind the end."""
        offset, data = self._offset_at(client, partition, -2), b""
        while True:
            wish = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
            request = FetchRequest(max_wait_ms=0, min_bytes=0, topics=[FetchTopic(topic="same", partitions=[wish])])
            answered = client.request(request, FetchResponse, 12).responses[0].partitions[0]
            if not answered.records:
                break
            for batch in iterate_batches(answered.records):
                # Every start of a node is another reign, and its number stands in the batch: the only bytes that may differ.
                begin, end = batch.position, batch.position + int(batch.header.size)
                data += answered.records[begin : begin + 12] + answered.records[begin + 16 : end]
                offset = int(batch.header.next_offset())
        self.answers.append((answered, data))

    def _find(self, client: WireClient, partition: int) -> None:
        for timestamp in (MOMENT_MS + self._dice.randrange(-550, 550), -1, -2, -3):
            self.answers.append((timestamp, self._offset_at(client, partition, timestamp)))

    def _delete(self, client: WireClient, partition: int) -> None:
        first, end = (self._offset_at(client, partition, timestamp) for timestamp in (-2, -1))
        wish = DeleteRecordsPartition(partition, first + (end - first) // 3)
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic("same", [wish])], timeout_ms=1000)
        self.answers.append(client.request(request, DeleteRecordsResponse, 2).topics)

    def _offset_at(self, client: WireClient, partition: int, timestamp: int) -> int:
        wish = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="same", partitions=[wish])])
        return client.request(request, ListOffsetsResponse, 7).topics[0].partitions[0].offset


@pytest.mark.parametrize("seed", [1, 2])
def test_settings_do_not_show_in_any_answer(seed: int) -> None:
    plain = Conversation(seed, Setting())
    plain.hold()
    assert len(plain.answers) >= STEPS

    for name, setting in SETTINGS.items():
        other = Conversation(seed, setting)
        other.hold()
        assert other.answers == plain.answers, f"seed {seed}, {name}"
