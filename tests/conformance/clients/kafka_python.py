"""kafka-python 3: a pure Python client that speaks the newest versions."""

import re
import time
from collections.abc import Callable, Sequence

from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # type: ignore[import-untyped]
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from kafka.errors import KafkaError, for_code  # type: ignore[import-untyped]

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


class KafkaPython:
    name = "kafka-python"
    abilities = frozenset(Ability)
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        wanted = NewTopic(topic, num_partitions=partition_count, replication_factor=replication_factor, topic_configs=settings or {})
        self._asked(lambda: self._admin.create_topics([wanted]))

    def grow_topic(self, topic: str, partition_count: int) -> None:
        self._asked(lambda: self._admin.create_partitions({topic: partition_count}))

    def delete_topic(self, topic: str) -> None:
        self._asked(lambda: self._admin.delete_topics([topic]))

    def describe_topic(self, topic: str) -> TopicShape:
        described: list[dict[str, object]] = []
        self._asked(lambda: described.extend(self._admin.describe_topics([topic])))
        code = described[0]["error_code"]
        if code != 0:
            raise Refused(for_code(code).__name__)
        partitions = described[0]["partitions"]
        assert isinstance(partitions, list)
        return TopicShape(partition_count=len(partitions), replication_factor=len(partitions[0]["replica_nodes"]))

    def topic_names(self) -> set[str]:
        return set(self._admin.list_topics())

    def topic_setting(self, topic: str, name: str) -> str:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, None)
        described = self._admin.describe_configs([resource], config_filter="all")
        return str(described["topic"][topic][name]["value"])

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        answers: dict[str, dict[str, str]] = {}
        change = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        self._asked(lambda: answers.update(self._admin.alter_configs([change])))
        # A refusal is not raised here but told, as "[Error 40] NameOfTheError: sentence".
        found = re.match(r"\[Error \d+\] (\w+): (.*)", answers["topic"][topic])
        if found:
            raise Refused(found.group(1), found.group(2))

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        self._asked(lambda: self._admin.delete_records({TopicPartition(topic, partition): before_offset}))

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=None if writing.codec is Codec.NONE else writing.codec.value,
            acks="all" if writing.acks == -1 else writing.acks,
            enable_idempotence=writing.is_idempotent,
            max_request_size=20_000_000,
            linger_ms=5,
            max_block_ms=OPERATION_SECONDS_MAX * 1000,
        )
        try:
            sent = [
                producer.send(
                    topic,
                    partition=partition,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
            for future in sent:
                future.get(timeout=OPERATION_SECONDS_MAX)
        except (KafkaError, ValueError) as failure:
            raise _refused(failure) from failure
        finally:
            producer.close(timeout=OPERATION_SECONDS_MAX)

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        consumer = self._consumer()
        place = TopicPartition(topic, partition)
        try:
            consumer.assign([place])
            self._seek(consumer, place, start)
            when_positioned()
            messages: list[ReadMessage] = []
            deadline = time.monotonic() + OPERATION_SECONDS_MAX
            while len(messages) < count:
                if time.monotonic() > deadline:
                    raise ClientBroken(f"{len(messages)} of {count} messages came")
                polled = consumer.poll(timeout_ms=1000, max_records=count - len(messages))
                for records in polled.values():
                    messages += [
                        ReadMessage(
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                            key=record.key,
                            value=record.value,
                            headers=tuple(record.headers),
                        )
                        for record in records
                    ]
            return messages
        except KafkaError as failure:
            raise _refused(failure) from failure
        finally:
            consumer.close(autocommit=False)

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        consumer = self._consumer()
        place = TopicPartition(topic, partition)
        try:
            return consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
        except KafkaError as failure:
            raise _refused(failure) from failure
        finally:
            consumer.close(autocommit=False)

    def close(self) -> None:
        self._admin.close()

    def _asked(self, question: Callable[[], object]) -> None:
        try:
            question()
        except (KafkaError, ValueError) as failure:
            raise _refused(failure) from failure

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=20_000_000,
        )

    def _seek(self, consumer: KafkaConsumer, place: TopicPartition, start: Start) -> None:
        match start:
            case Beginning():
                consumer.seek_to_beginning(place)
            case End():
                consumer.seek_to_end(place)
                # The end is looked up when the position is asked for, and must be known before more is written.
                consumer.position(place)
            case AtOffset():
                consumer.seek(place, start.offset)
            case AtTimestamp():
                found = consumer.offsets_for_times({place: start.timestamp_ms})[place]
                consumer.seek(place, found.offset)


def _refused(failure: Exception) -> Refused:
    return Refused(type(failure).__name__, str(failure))
