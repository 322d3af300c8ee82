"""A client in another language, behind the vocabulary of every judge."""

import base64
from collections.abc import Callable, Sequence

from tests.conformance.clients.client import (
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
    Start,
    TopicShape,
    Writing,
    nothing_to_do,
)
from tests.conformance.clients.json_lines_process import Json, JsonLinesProcess


class JsonLinesClient(JsonLinesProcess):
    def __init__(self, name: str, command: Sequence[str], abilities: frozenset[Ability], codecs: frozenset[Codec]) -> None:
        super().__init__(command)
        self.name = name
        self.abilities = abilities
        self.codecs = codecs

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        wanted: dict[str, Json] = dict(settings or {})
        self.ask("create_topic", topic=topic, partition_count=partition_count, replication_factor=replication_factor, settings=wanted)

    def grow_topic(self, topic: str, partition_count: int) -> None:
        self.ask("grow_topic", topic=topic, partition_count=partition_count)

    def delete_topic(self, topic: str) -> None:
        self.ask("delete_topic", topic=topic)

    def describe_topic(self, topic: str) -> TopicShape:
        shape = self.ask("describe_topic", topic=topic)
        assert isinstance(shape, dict)
        return TopicShape(partition_count=_integer(shape["partition_count"]), replication_factor=_integer(shape["replication_factor"]))

    def topic_names(self) -> set[str]:
        return {str(name) for name in _sequence(self.ask("topic_names"))}

    def topic_setting(self, topic: str, name: str) -> str:
        return str(self.ask("topic_setting", topic=topic, name=name))

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        self.ask("alter_topic_setting", topic=topic, name=name, value=value)

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        self.ask("delete_records", topic=topic, partition=partition, before_offset=before_offset)

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        self.ask(
            "write",
            topic=topic,
            partition=partition,
            messages=[_message_json(message) for message in messages],
            codec=writing.codec.value,
            acks=writing.acks,
            is_idempotent=writing.is_idempotent,
        )

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        self.send({"op": "read", "topic": topic, "partition": partition, "start": _start_json(start), "count": count})
        if self.answer() != {"positioned": True}:
            raise ClientBroken("the reader did not say that it has its position")
        when_positioned()
        self.send({"op": "continue"})
        return [_read_message(one) for one in _sequence(self.result(self.answer()))]

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        first, end = _sequence(self.ask("offsets", topic=topic, partition=partition))
        return _integer(first), _integer(end)


def _message_json(message: Message) -> Json:
    headers: list[Json] = [[name, _text(value)] for name, value in message.headers]
    return {"key": _text(message.key), "value": _text(message.value), "headers": headers, "timestamp_ms": message.timestamp_ms}


def _start_json(start: Start) -> Json:
    match start:
        case Beginning():
            return {"kind": "beginning"}
        case End():
            return {"kind": "end"}
        case AtOffset():
            return {"kind": "offset", "offset": start.offset}
        case AtTimestamp():
            return {"kind": "timestamp", "timestamp_ms": start.timestamp_ms}


def _read_message(one: Json) -> ReadMessage:
    assert isinstance(one, dict)
    headers = [_sequence(pair) for pair in _sequence(one["headers"])]
    return ReadMessage(
        offset=_integer(one["offset"]),
        timestamp_ms=_integer(one["timestamp_ms"]),
        key=_bytes(one["key"]),
        value=_bytes(one["value"]),
        headers=tuple((str(name), _bytes(value)) for name, value in headers),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: Json) -> bytes | None:
    return None if text is None else base64.b64decode(str(text))


def _integer(value: Json) -> int:
    assert isinstance(value, int)
    return value


def _sequence(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value
