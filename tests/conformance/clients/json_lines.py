"""A client in another language, as a process that answers one JSON object a line.

The programmes under `franz_go/` and `kafkajs/` share this notation, which is written at the head of each. A process that says nothing in
time, or dies, is `ClientBroken` with the end of what it said on its standard error.
"""

import base64
import json
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Final

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

_READ_SIZE_BYTES: Final = 1 << 20

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class JsonLinesClient:
    def __init__(self, name: str, command: Sequence[str], abilities: frozenset[Ability], codecs: frozenset[Codec]) -> None:
        self.name = name
        self.abilities = abilities
        self.codecs = codecs
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process, closed in close()
        self._process = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0)
        self._unread = b""
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._answer()

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        wanted: dict[str, Json] = dict(settings or {})
        self._ask("create_topic", topic=topic, partition_count=partition_count, replication_factor=replication_factor, settings=wanted)

    def grow_topic(self, topic: str, partition_count: int) -> None:
        self._ask("grow_topic", topic=topic, partition_count=partition_count)

    def delete_topic(self, topic: str) -> None:
        self._ask("delete_topic", topic=topic)

    def describe_topic(self, topic: str) -> TopicShape:
        shape = self._ask("describe_topic", topic=topic)
        assert isinstance(shape, dict)
        return TopicShape(partition_count=_integer(shape["partition_count"]), replication_factor=_integer(shape["replication_factor"]))

    def topic_names(self) -> set[str]:
        return {str(name) for name in _sequence(self._ask("topic_names"))}

    def topic_setting(self, topic: str, name: str) -> str:
        return str(self._ask("topic_setting", topic=topic, name=name))

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        self._ask("alter_topic_setting", topic=topic, name=name, value=value)

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        self._ask("delete_records", topic=topic, partition=partition, before_offset=before_offset)

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        self._ask(
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
        self._send({"op": "read", "topic": topic, "partition": partition, "start": _start_json(start), "count": count})
        if self._answer() != {"positioned": True}:
            raise ClientBroken("the reader did not say that it has its position")
        when_positioned()
        self._send({"op": "continue"})
        return [_read_message(one) for one in _sequence(self._result(self._answer()))]

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        first, end = _sequence(self._ask("offsets", topic=topic, partition=partition))
        return _integer(first), _integer(end)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=OPERATION_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        self._errors.close()

    def _ask(self, operation: str, **arguments: Json) -> Json:
        self._send({"op": operation, **arguments})
        return self._result(self._answer())

    def _send(self, question: dict[str, Json]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        except BrokenPipeError as failure:
            raise self._broken("the client ended") from failure

    def _result(self, answer: dict[str, Json]) -> Json:
        if "result" not in answer:
            raise ClientBroken(f"no result in {answer}")
        return answer["result"]

    def _answer(self) -> dict[str, Json]:
        answer = json.loads(self._line())
        if "refused" in answer:
            raise Refused(answer["refused"], answer["sentence"])
        assert isinstance(answer, dict)
        return answer

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + 2 * OPERATION_SECONDS_MAX
        pieces = [self._unread]
        while b"\n" not in pieces[-1]:
            if not self._selector.select(timeout=max(0.0, deadline - time.monotonic())):
                raise self._broken("the client said nothing in time")
            piece = self._process.stdout.read(_READ_SIZE_BYTES)
            if not piece:
                raise self._broken("the client ended")
            pieces.append(piece)
        line, _, self._unread = b"".join(pieces).partition(b"\n")
        return line

    def _broken(self, sentence: str) -> ClientBroken:
        self._errors.seek(0)
        return ClientBroken(f"{sentence}: {self._errors.read()[-2000:].decode(errors='replace')}")


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
