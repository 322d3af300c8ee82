"""The Java client, through Apache Kafka's own command line tools: one JVM per operation.

The console producer takes lines of text, so what it writes is text; the console consumer prints bytes as they are, between separators that
no message contains. The tools name an error by the class of its exception, which stands first on the line that tells it.
"""

import re
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
from tests.support.reference_kafka import ToolOutcome, run_tool

TOPIC_COMMAND: Final = "org.apache.kafka.tools.TopicCommand"
CONFIG_COMMAND: Final = "kafka.admin.ConfigCommand"
CONSOLE_PRODUCER: Final = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER: Final = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GET_OFFSETS: Final = "org.apache.kafka.tools.GetOffsetShell"

# The tools read separators as regular expressions, so these have no character that means something there.
_FIELD: Final = "<field>"
_LINE: Final = "<line>"
_NULL: Final = "<null>"
_ERROR: Final = re.compile(r"org\.apache\.kafka\.(?:common|clients)(?:\.\w+)*\.(\w+Exception)")
_SENTENCE: Final = re.compile(r"^Error while executing \S+ command : (.*)$|^(?:Exception in thread .*?|ERROR) ?(.*)$", re.MULTILINE)


class JavaTools:
    name = "java-tools"
    abilities = frozenset({Ability.MANAGE_TOPICS, Ability.GROW_TOPICS, Ability.TOPIC_SETTINGS, Ability.CHOOSE_ACKS, Ability.IDEMPOTENCE})
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        arguments = ["--create", "--topic", topic, "--partitions", str(partition_count), "--replication-factor", str(replication_factor)]
        for name, value in (settings or {}).items():
            arguments += ["--config", f"{name}={value}"]
        self._run(TOPIC_COMMAND, *arguments)

    def grow_topic(self, topic: str, partition_count: int) -> None:
        self._run(TOPIC_COMMAND, "--alter", "--topic", topic, "--partitions", str(partition_count))

    def delete_topic(self, topic: str) -> None:
        self._run(TOPIC_COMMAND, "--delete", "--topic", topic)

    def describe_topic(self, topic: str) -> TopicShape:
        described = self._run(TOPIC_COMMAND, "--describe", "--topic", topic).text
        found = re.search(r"PartitionCount: (\d+)\s+ReplicationFactor: (\d+)", described)
        if found is None:
            raise ClientBroken(f"the topic was described as {described}")
        return TopicShape(partition_count=int(found.group(1)), replication_factor=int(found.group(2)))

    def topic_names(self) -> set[str]:
        return set(self._run(TOPIC_COMMAND, "--list").text.split())

    def topic_setting(self, topic: str, name: str) -> str:
        described = self._run(CONFIG_COMMAND, "--describe", "--topic", topic, "--all").text
        found = re.search(rf"^\s*{re.escape(name)}=(\S*)", described, re.MULTILINE)
        if found is None:
            raise ClientBroken(f"{name} is not in {described}")
        return found.group(1)

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        self._run(CONFIG_COMMAND, "--alter", "--topic", topic, "--add-config", f"{name}={value}")

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        raise NotImplementedError("the tool takes a file of offsets; test_java_tools uses it")

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        """The console producer chooses partitions itself, so the scenario's topic must have exactly one."""
        assert partition == 0, "the console producer cannot choose a partition"
        lines = "".join(_line(message) + "\n" for message in messages)
        properties = {
            "parse.key": "true",
            "parse.headers": "true",
            "key.separator": _FIELD,
            "headers.delimiter": _FIELD,
            "headers.separator": "<header>",
            "headers.key.separator": "<is>",
            "null.marker": _NULL,
        }
        arguments = ["--topic", topic, "--compression-codec", writing.codec.value, "--request-required-acks", str(writing.acks)]
        for name, value in properties.items():
            arguments += ["--reader-property", f"{name}={value}"]
        arguments += ["--command-property", f"enable.idempotence={str(writing.is_idempotent).lower()}"]
        arguments += ["--command-property", "max.request.size=20000000", "--max-block-ms", "5000"]
        outcome = self._run(CONSOLE_PRODUCER, *arguments, standard_input=lines.encode())
        # The tool ends well even when a message was refused; its log says so. A warning is only a retry.
        if " ERROR " in outcome.errors or "Exception in thread" in outcome.errors:
            _raise_refused(outcome)

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        when_positioned()
        properties = {
            "print.timestamp": "true",
            "print.offset": "true",
            "print.headers": "true",
            "print.key": "true",
            "print.value": "true",
            "key.separator": _FIELD,
            "line.separator": _LINE,
            "headers.separator": "<header>",
            "null.literal": _NULL,
        }
        arguments = ["--topic", topic, "--partition", str(partition), "--offset", _start_option(start), "--max-messages", str(count)]
        arguments += ["--timeout-ms", str(OPERATION_SECONDS_MAX * 1000 // 2)]
        for name, value in properties.items():
            arguments += ["--formatter-property", f"{name}={value}"]
        arguments += ["--command-property", "auto.offset.reset=none", "--command-property", "allow.auto.create.topics=false"]
        arguments += ["--command-property", "max.partition.fetch.bytes=20000000"]
        outcome = self._run(CONSOLE_CONSUMER, *arguments)
        messages = [_parse(line) for line in outcome.output.split(_LINE.encode())[:-1]]
        if len(messages) != count:
            _raise_refused(outcome)
        return messages

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        first, end = (
            self._run(GET_OFFSETS, "--topic-partitions", f"{topic}:{partition}", "--time", special).text.strip().rsplit(":", 1)[-1]
            for special in ("earliest", "latest")
        )
        return int(first), int(end)

    def close(self) -> None:
        pass

    def _run(self, class_name: str, *arguments: str, standard_input: bytes = b"") -> ToolOutcome:
        outcome = run_tool(class_name, ["--bootstrap-server", self._bootstrap, *arguments], standard_input=standard_input)
        if outcome.exit_code != 0:
            _raise_refused(outcome)
        return outcome


def _raise_refused(outcome: ToolOutcome) -> None:
    said = outcome.errors + outcome.text
    named = _ERROR.findall(said)
    # The last cause is the node's own word; the outer exceptions are wrappings.
    if named:
        raise Refused(named[-1], said[-800:])
    sentence = _SENTENCE.search(said)
    raise Refused((sentence.group(1) or sentence.group(2)).strip() if sentence else "ERROR", said[-800:])


def _line(message: Message) -> str:
    headers = "<header>".join(f"{name}<is>{_NULL if value is None else value.decode()}" for name, value in message.headers)
    key = _NULL if message.key is None else message.key.decode()
    value = _NULL if message.value is None else message.value.decode()
    return f"{headers or _NULL}{_FIELD}{key}{_FIELD}{value}"


def _start_option(start: Start) -> str:
    match start:
        case Beginning():
            return "earliest"
        case AtOffset():
            return str(start.offset)
        case End() | AtTimestamp():
            raise NotImplementedError("the console consumer cannot start there with a known position")


def _parse(line: bytes) -> ReadMessage:
    timestamp, offset, headers, key, value = line.split(_FIELD.encode(), 4)
    return ReadMessage(
        offset=int(offset.partition(b":")[2]),
        timestamp_ms=int(timestamp.partition(b":")[2]),
        key=_nullable(key),
        value=_nullable(value),
        headers=_parse_headers(headers),
    )


def _parse_headers(text: bytes) -> tuple[tuple[str, bytes | None], ...]:
    if text == b"NO_HEADERS":
        return ()
    pairs = [pair.partition(b":") for pair in text.split(b"<header>")]
    return tuple((name.decode(), _nullable(value)) for name, _, value in pairs)


def _nullable(value: bytes) -> bytes | None:
    return None if value == _NULL.encode() else value
