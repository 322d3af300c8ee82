"""librdkafka, through confluent-kafka: the client under most languages' clients."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka import Message as DeliveredMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.conformance.clients.client import (
    OPERATION_SECONDS_MAX,
    PLAIN_WRITING,
    Ability,
    AtOffset,
    AtTimestamp,
    Beginning,
    ClientBroken,
    Codec,
    End,
    Message,
    ReadMessage,
    Refused,
    Start,
    TopicShape,
    Writing,
    nothing_to_do,
)

K = TypeVar("K")
T = TypeVar("T")


class Librdkafka:
    name = "librdkafka"
    abilities = frozenset(Ability)
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        wanted = NewTopic(topic, num_partitions=partition_count, replication_factor=replication_factor, config=settings or {})
        _only(self._admin.create_topics([wanted]))

    def grow_topic(self, topic: str, partition_count: int) -> None:
        _only(self._admin.create_partitions([NewPartitions(topic, partition_count)]))

    def delete_topic(self, topic: str) -> None:
        _only(self._admin.delete_topics([topic]))

    def describe_topic(self, topic: str) -> TopicShape:
        described = _only(self._admin.describe_topics(TopicCollection([topic])))
        return TopicShape(partition_count=len(described.partitions), replication_factor=len(described.partitions[0].replicas))

    def topic_names(self) -> set[str]:
        return set(self._admin.list_topics(timeout=OPERATION_SECONDS_MAX).topics)

    def topic_setting(self, topic: str, name: str) -> str:
        entries = _only(self._admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]))
        return str(entries[name].value)

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        _only(self._admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])]))

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        _only(self._admin.delete_records([TopicPartition(topic, partition, before_offset)]))

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "compression.type": writing.codec.value,
                "acks": writing.acks,
                "enable.idempotence": writing.is_idempotent,
                "message.max.bytes": 20_000_000,
                "linger.ms": 5,
                "message.timeout.ms": OPERATION_SECONDS_MAX * 1000,
                "topic.metadata.propagation.max.ms": 2000,
            }
        )
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: DeliveredMessage) -> None:
            if error is not None:
                failures.append(error)

        try:
            for message in messages:
                producer.produce(
                    topic,
                    partition=partition,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    timestamp=message.timestamp_ms or 0,
                    on_delivery=delivered,
                )
                producer.poll(0)
        except KafkaException as failure:
            raise _refused(failure) from failure
        if producer.flush(OPERATION_SECONDS_MAX) > 0:
            raise ClientBroken("messages were neither delivered nor refused")
        if failures:
            raise Refused(failures[0].name(), failures[0].str())

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(topic, partition, self._start_offset(consumer, topic, partition, start))])
            if isinstance(start, End):
                # The position is known when the end of the partition is announced.
                self._poll(consumer, until_end=True)
            when_positioned()
            return [self._poll(consumer, until_end=False) for _ in range(count)]
        except KafkaException as failure:
            raise _refused(failure) from failure
        finally:
            consumer.close()

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        consumer = self._consumer()
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=OPERATION_SECONDS_MAX)
            return first, end
        except KafkaException as failure:
            raise _refused(failure) from failure
        finally:
            consumer.close()

    def close(self) -> None:
        pass

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "never-joined",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "fetch.message.max.bytes": 20_000_000,
                # A consumer closes only when its last fetch has been answered.
                "fetch.wait.max.ms": 100,
            }
        )

    def _start_offset(self, consumer: Consumer, topic: str, partition: int, start: Start) -> int:
        match start:
            case Beginning():
                return OFFSET_BEGINNING
            case End():
                return OFFSET_END
            case AtOffset():
                return start.offset
            case AtTimestamp():
                question = [TopicPartition(topic, partition, start.timestamp_ms)]
                return consumer.offsets_for_times(question, timeout=OPERATION_SECONDS_MAX)[0].offset

    def _poll(self, consumer: Consumer, *, until_end: bool) -> ReadMessage:
        deadline = time.monotonic() + OPERATION_SECONDS_MAX
        while time.monotonic() < deadline:
            polled = consumer.poll(1.0)
            if polled is None:
                continue
            error = polled.error()
            if error is None:
                return _read_message(polled)
            if error.code() == KafkaError._PARTITION_EOF:
                if until_end:
                    return ReadMessage(offset=polled.offset() or 0, timestamp_ms=-1, key=None, value=None, headers=())
                continue
            raise Refused(error.name(), error.str())
        raise ClientBroken("no message came")


def _read_message(polled: DeliveredMessage) -> ReadMessage:
    offset = polled.offset()
    assert offset is not None
    headers = _headers(polled)
    key, value = polled.key(), polled.value()
    return ReadMessage(
        offset=offset,
        timestamp_ms=polled.timestamp()[1],
        key=None if key is None else _as_bytes(key),
        value=None if value is None else _as_bytes(value),
        headers=headers,
    )


def _headers(polled: DeliveredMessage) -> tuple[tuple[str, bytes | None], ...]:
    pairs = polled.headers() or []
    assert isinstance(pairs, list), "librdkafka gives headers in their order"
    return tuple((str(name), None if value is None else _as_bytes(value)) for name, value in pairs)


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _only(futures: Mapping[K, Future[T]]) -> T:
    (future,) = futures.values()
    try:
        return future.result(timeout=OPERATION_SECONDS_MAX)
    except KafkaException as failure:
        raise _refused(failure) from failure


def _refused(failure: KafkaException) -> Refused:
    error = failure.args[0]
    return Refused(error.name(), error.str())
