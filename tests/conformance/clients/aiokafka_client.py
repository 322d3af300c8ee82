"""aiokafka: the asyncio client, with versions of the protocol that stopped years ago.

Its admin client gives back raw responses, so the error codes are looked up here as aiokafka itself names them. The adapter owns one event
loop and runs each operation on it to the end.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, for_code  # type: ignore[import-untyped]

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

T = TypeVar("T")


class Aiokafka:
    name = "aiokafka"
    abilities = frozenset(Ability)
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._loop = asyncio.new_event_loop()
        self._admin = self._run(self._started_admin())

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        wanted = NewTopic(topic, num_partitions=partition_count, replication_factor=replication_factor, topic_configs=settings or {})
        for answer in self._run(self._admin.create_topics([wanted])).topic_errors:
            _check(answer[1])

    def grow_topic(self, topic: str, partition_count: int) -> None:
        for answer in self._run(self._admin.create_partitions({topic: NewPartitions(partition_count)})).topic_errors:
            _check(answer[1])

    def delete_topic(self, topic: str) -> None:
        for answer in self._run(self._admin.delete_topics([topic])).topic_error_codes:
            _check(answer[1])

    def describe_topic(self, topic: str) -> TopicShape:
        (described,) = self._run(self._admin.describe_topics([topic]))
        _check(described["error_code"])
        partitions = described["partitions"]
        return TopicShape(partition_count=len(partitions), replication_factor=len(partitions[0]["replicas"]))

    def topic_names(self) -> set[str]:
        return set(self._run(self._admin.list_topics()))

    def topic_setting(self, topic: str, name: str) -> str:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = self._run(self._admin.describe_configs([resource]))
        code, _, _, _, entries = answer.resources[0]
        _check(code)
        return str(next(entry[1] for entry in entries if entry[0] == name))

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        (answer,) = self._run(self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})]))
        _check(answer.resources[0][0])

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        self._run(self._admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset)}))

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        self._run(self._write(topic, partition, messages, writing))

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        return self._run(self._read(topic, partition, start, count, when_positioned))

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        return self._run(self._offsets(TopicPartition(topic, partition)))

    def close(self) -> None:
        self._run(self._admin.close())
        self._loop.close()

    def _run(self, work: Coroutine[object, object, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(2 * OPERATION_SECONDS_MAX):
                return await work

        try:
            return self._loop.run_until_complete(bounded())
        except KafkaError as failure:
            raise Refused(type(failure).__name__, str(failure)) from failure
        except TimeoutError as failure:
            raise ClientBroken("the operation did not end") from failure

    async def _started_admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        return admin

    async def _write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=None if writing.codec is Codec.NONE else writing.codec.value,
            acks="all" if writing.acks == -1 else writing.acks,
            enable_idempotence=writing.is_idempotent,
            max_request_size=20_000_000,
            linger_ms=5,
        )
        await producer.start()
        try:
            sent = [
                await producer.send(
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
                await future
        except AssertionError as failure:
            raise Refused("AssertionError", str(failure)) from failure
        finally:
            await producer.stop()

    async def _read(self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None]) -> list[ReadMessage]:
        consumer = self._consumer()
        place = TopicPartition(topic, partition)
        await consumer.start()
        try:
            consumer.assign([place])
            await self._seek(consumer, place, start)
            await asyncio.to_thread(when_positioned)
            messages: list[ReadMessage] = []
            deadline = time.monotonic() + OPERATION_SECONDS_MAX
            while len(messages) < count:
                if time.monotonic() > deadline:
                    raise ClientBroken(f"{len(messages)} of {count} messages came")
                polled = await consumer.getmany(place, timeout_ms=1000, max_records=count - len(messages))
                messages += [
                    ReadMessage(
                        offset=record.offset,
                        timestamp_ms=record.timestamp,
                        key=record.key,
                        value=record.value,
                        headers=tuple(record.headers),
                    )
                    for record in polled.get(place, [])
                ]
            return messages
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer, place: TopicPartition, start: Start) -> None:
        match start:
            case Beginning():
                await consumer.seek_to_beginning(place)
            case End():
                await consumer.seek_to_end(place)
            case AtOffset():
                consumer.seek(place, start.offset)
            case AtTimestamp():
                found = (await consumer.offsets_for_times({place: start.timestamp_ms}))[place]
                consumer.seek(place, found.offset)

    async def _offsets(self, place: TopicPartition) -> tuple[int, int]:
        consumer = self._consumer()
        await consumer.start()
        try:
            return (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        finally:
            await consumer.stop()

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=20_000_000,
        )


def _check(code: int) -> None:
    if code != 0:
        raise Refused(for_code(code).__name__)
