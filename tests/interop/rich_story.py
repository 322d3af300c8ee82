"""A story that leaves something of every kind in a node's directory, told to Apache Kafka or to Odradek alike.

Every codec, headers and nulls, old and stamped times, many small segments, an idempotent producer whose every batch is known here, deleted
records, retention, a deleted topic, a topic that grew, settings of topics and of the broker. Transactions are told to whoever
coordinates them; `append_transactions` puts the same into the files of a stopped node that does not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from odradek.base.clock import SystemClock
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import PartitionProduceResponse
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec as BatchCodec
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.record import Record
from odradek.storage.filesystem import RealFileSystem
from odradek.storage.log import Log
from tests.conformance.clients.client import Codec, Message, Writing
from tests.conformance.clients.librdkafka import Librdkafka
from tests.conformance.corpus import BINARY_MESSAGES, FIRST_TIMESTAMP_MS, TEXT_MESSAGES, stamped
from tests.support.raw_produce import batch_of, produce
from tests.support.wire_client import WireClient

SEGMENT_BYTES: Final = 40_000
SMALL_SEGMENTS: Final = {"internal.segment.bytes": str(SEGMENT_BYTES), "index.interval.bytes": "100", "retention.ms": "-1"}
# Topics of the node's own would have fifty partitions each. Kafka writes down a log start only once a minute unless it is told otherwise,
# and loses it when it is killed before.
LASTING_SETTINGS: Final = {
    "log.initial.task.delay.ms": "100",
    "log.flush.start.offset.checkpoint.interval.ms": "100",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
}
# Retention has to be seen at work while the story is told, and at no other time.
NODE_SETTINGS: Final = LASTING_SETTINGS | {
    "log.retention.check.interval.ms": "300",
    "metadata.log.max.record.bytes.between.snapshots": "2000",
}
CHANGE_SECONDS_MAX: Final = 20
TRANSACTIONS_TOPIC: Final = "transactions"
SEQUENCED = TopicPartition("sequenced", 0)
# Times that every stamped partition is asked for: before, between and after its records.
TIMESTAMPS: Final = (FIRST_TIMESTAMP_MS - 1, FIRST_TIMESTAMP_MS + 2500, FIRST_TIMESTAMP_MS + 10**9)


class Sequencer:
    """An idempotent producer of our own making, that can do what real ones do only by accident: send a batch twice, or leave one out."""

    def __init__(self, bootstrap: str) -> None:
        self.producer_id = new_producer_id(bootstrap)
        self._next_sequence = 0
        self._last_batch = b""
        self._last_offset = -1

    def append(self, bootstrap: str, record_count: int = 3) -> None:
        batch = self._batch(self._next_sequence, record_count)
        answer = self._send(bootstrap, batch)
        assert answer[0] == ErrorCode.NONE, f"sequence {self._next_sequence} was refused with {answer[0]}"
        self._next_sequence += record_count
        self._last_batch, self._last_offset = batch, answer[1]

    def check_that_a_repetition_is_recognised(self, bootstrap: str) -> None:
        assert self._send(bootstrap, self._last_batch) == (ErrorCode.NONE, self._last_offset)

    def check_that_a_gap_is_refused(self, bootstrap: str) -> None:
        assert self._send(bootstrap, self._batch(self._next_sequence + 1, 1))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def _batch(self, sequence: int, record_count: int) -> bytes:
        values = [b"%d" % (sequence + index) for index in range(record_count)]
        now_ms = int(time.time() * 1000)
        return batch_of(values, timestamp_ms=now_ms, producer_id=self.producer_id, producer_epoch=0, base_sequence=sequence)

    def _send(self, bootstrap: str, batch: bytes) -> tuple[int, int]:
        client = connected(bootstrap)
        answers: list[PartitionProduceResponse] = []

        def ask() -> bool:
            answers.append(produce(client, SEQUENCED.topic, SEQUENCED.partition, batch))
            # A topic that was just made is known to the controller first.
            return answers[-1].error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

        try:
            wait_until(ask, f"{SEQUENCED} does not come into being")
        finally:
            client.close()
        return answers[-1].error_code, answers[-1].base_offset


def connected(bootstrap: str) -> WireClient:
    host, _, port = bootstrap.rpartition(":")
    return WireClient(host, int(port))


def new_producer_id(bootstrap: str) -> int:
    """A broker that has no block of ids yet says so, and is asked again."""
    client = connected(bootstrap)
    answers: list[InitProducerIdResponse] = []

    def ask() -> bool:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        answers.append(client.request(request, InitProducerIdResponse, 4))
        return answers[-1].error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS

    try:
        wait_until(ask, "there are no producer ids")
    finally:
        client.close()
    assert answers[-1].error_code == ErrorCode.NONE
    return answers[-1].producer_id


def tell(bootstrap: str) -> Sequencer:
    """Everything but transactions, to a node that was started with `NODE_SETTINGS`."""
    client = Librdkafka(bootstrap)
    written = [*TEXT_MESSAGES, *BINARY_MESSAGES]
    client.create_topic("codecs", partition_count=1, settings=SMALL_SEGMENTS)
    for codec in Codec:
        client.write("codecs", 0, stamped(written), Writing(codec=codec))
        client.write("codecs", 0, noise(12, seed=ord(codec.value[0])), Writing(codec=codec, is_idempotent=True))
    client.grow_topic("codecs", 3)
    client.write("codecs", 2, stamped(written), Writing(acks=1))
    client.create_topic("stamped-by-the-broker", partition_count=1, settings={"message.timestamp.type": "LogAppendTime"})
    for codec in Codec:
        client.write("stamped-by-the-broker", 0, written, Writing(codec=codec))
    client.create_topic("recompressed", partition_count=1, settings={"compression.type": "zstd", "retention.ms": "-1"})
    client.write("recompressed", 0, stamped(written), Writing(codec=Codec.GZIP))
    client.create_topic("keyed", partition_count=1, settings={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.9"})
    client.write("keyed", 0, [Message(key=b"%d" % (n % 5), value=b"%d" % n) for n in range(50)])
    _shorten(client)
    _let_retention_work(client)
    client.create_topic("deleted", partition_count=2)
    client.write("deleted", 1, written)
    client.delete_topic("deleted")
    client.create_topic(TRANSACTIONS_TOPIC, partition_count=1, settings=SMALL_SEGMENTS)
    client.alter_topic_setting("keyed", "max.message.bytes", "500000")
    client.alter_topic_setting("recompressed", "retention.bytes", "123456789")
    _set_on_all_brokers(bootstrap, "message.max.bytes", "2000000")
    client.create_topic(SEQUENCED.topic, partition_count=1, settings=SMALL_SEGMENTS)
    sequencer = Sequencer(bootstrap)
    for _ in range(7):
        sequencer.append(bootstrap)
    return sequencer


def tell_more(bootstrap: str, sequencer: Sequencer) -> None:
    """What the next owner of the directory adds: the producers of the former one go on, others come."""
    sequencer.check_that_a_repetition_is_recognised(bootstrap)
    sequencer.check_that_a_gap_is_refused(bootstrap)
    sequencer.append(bootstrap)
    sequencer.check_that_a_repetition_is_recognised(bootstrap)
    assert new_producer_id(bootstrap) > sequencer.producer_id, "producer ids are given once"
    client = Librdkafka(bootstrap)
    for codec in Codec:
        # A producer whose last record is old is forgotten, sooner or later; these are to stay.
        client.write("codecs", 1, TEXT_MESSAGES, Writing(codec=codec, is_idempotent=True))
        client.write("codecs", 2, stamped(TEXT_MESSAGES), Writing(codec=codec))
    client.write("codecs", 0, noise(6, seed=len(client.topic_names())))
    _, end = client.offsets("shortened", 0)
    client.write("shortened", 0, noise(4, seed=end))
    client.delete_records("shortened", 0, end + 1)
    name = f"added-{len(client.topic_names())}"
    client.create_topic(name, partition_count=2, settings={"retention.bytes": "1000000"})
    client.write(name, 1, TEXT_MESSAGES)


def tell_transactions(bootstrap: str) -> None:
    """A committed transaction, an aborted one, and one of both kinds again, to a node that coordinates them."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"of-{time.monotonic_ns()}", "linger.ms": 1})
    producer.init_transactions(60)
    for number, is_committed in enumerate((True, False, True, False)):
        producer.begin_transaction()
        for value in noise(8, seed=number):
            producer.produce(TRANSACTIONS_TOPIC, value.value, key=b"%d" % number, partition=0)
        producer.flush(30)
        if is_committed:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)


def append_transactions(data_directory: Path) -> None:
    """The same as `tell_transactions` into the files of a node that was stopped, with two producers at a time and a third left open."""
    clock = SystemClock()
    now_ms = clock.now_ms()
    log = Log.open(
        RealFileSystem(),
        str(data_directory / f"{TRANSACTIONS_TOPIC}-0"),
        TopicPartition(TRANSACTIONS_TOPIC, 0),
        LogConfiguration(segment_bytes=SEGMENT_BYTES, index_interval_bytes=100),
        clock,
        was_clean=True,
    )
    sequences = dict.fromkeys((900_001, 900_002, 900_003), 0)

    def data(producer_id: int, values: list[bytes]) -> None:
        records = [Record(0, now_ms, b"k", value, ()) for value in values]
        batch = encode_batch(
            records,
            compression=BatchCodec.LZ4,
            producer_id=producer_id,
            producer_epoch=3,
            base_sequence=sequences[producer_id],
            is_transactional=True,
        )
        sequences[producer_id] += len(values)
        assert log.append(batch, 0, now_ms).error_code == ErrorCode.NONE

    def end(producer_id: int, how: ControlType) -> None:
        marker = encode_end_marker(how, coordinator_epoch=5, producer_id=producer_id, producer_epoch=3, timestamp=now_ms)
        assert log.append(marker, 0, now_ms).error_code == ErrorCode.NONE

    first, second, third = sequences
    for number in range(6):
        data(first, [message.value or b"" for message in noise(5, seed=number)])
        data(second, [b"between %d" % number])
        end(first, ControlType.ABORT if number % 2 else ControlType.COMMIT)
        data(first, [b"small"])
        end(second, ControlType.COMMIT if number % 3 else ControlType.ABORT)
        end(first, ControlType.ABORT)
    data(third, [b"this one is left open"])
    log.close()


def noise(count: int, *, seed: int) -> list[Message]:
    """Messages of a kilobyte or two that no codec makes smaller, so that segments roll."""
    dice = random.Random(seed)
    return [Message(key=b"%d" % index, value=dice.randbytes(dice.randint(500, 2500))) for index in range(count)]


def _write_noise(client: Librdkafka, topic: str, partition: int, count: int) -> None:
    """In batches that fit a small segment."""
    for first in range(0, count, 12):
        client.write(topic, partition, noise(12, seed=first + partition))


def _shorten(client: Librdkafka) -> None:
    """Records deleted up to the middle of a segment, with whole segments below."""
    client.create_topic("shortened", partition_count=2, settings=SMALL_SEGMENTS)
    for partition in (0, 1):
        _write_noise(client, "shortened", partition, 60)
    client.delete_records("shortened", 0, 45)
    client.delete_records("shortened", 1, 60)


def _let_retention_work(client: Librdkafka) -> None:
    client.create_topic("retained", partition_count=1, settings={"internal.segment.bytes": str(SEGMENT_BYTES), "retention.bytes": "60000"})
    _write_noise(client, "retained", 0, 84)
    wait_until(lambda: client.offsets("retained", 0)[0] > 0, "retention does not begin")
    client.alter_topic_setting("retained", "retention.bytes", "-1")


def wait_until(what: Callable[[], bool], sentence: str) -> None:
    deadline = time.monotonic() + CHANGE_SECONDS_MAX
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.05)


def _set_on_all_brokers(bootstrap: str, name: str, value: str) -> None:
    client = connected(bootstrap)
    try:
        resource = AlterConfigsResource(ResourceType.BROKER, "", [AlterableConfig(name, AlterOperation.SET, value)])
        answer = client.request(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1).responses[0]
        assert answer.error_code == ErrorCode.NONE, answer.error_message
    finally:
        client.close()
