"""kcat: librdkafka from the command line, in the version that Debian ships (years older than confluent-kafka's).

It cannot manage topics. Reading uses a format with lengths, so that any bytes come through; writing takes one run
for each stretch of messages that agree in headers, in having a key and in being null, because those are options of the whole run.
"""

import itertools
import re
import subprocess
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

# Offset, timestamp, lengths and headers on one line, then exactly the bytes of the key and the value.
_FORMAT: Final = r"%o %T %K %S %h\n%k%s\n"
_END_OF_KEY: Final = b"\x1f"
_END_OF_MESSAGE: Final = b"\x1e"
_ERROR: Final = re.compile(r"Broker: (.*?)(?: \(broker \d+\))?$|Local: (.*)$", re.MULTILINE)
_REACHED_END: Final = "Reached end of topic"


class Kcat:
    name = "kcat"
    abilities = frozenset(
        {
            Ability.CHOOSE_ACKS,
            Ability.IDEMPOTENCE,
            Ability.READ_FROM_TIMESTAMP,
            Ability.READ_FROM_END,
            Ability.TIMESTAMP_OFFSETS,
        }
    )
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None:
        raise NotImplementedError("kcat cannot create topics")

    def grow_topic(self, topic: str, partition_count: int) -> None:
        raise NotImplementedError("kcat cannot grow topics")

    def delete_topic(self, topic: str) -> None:
        raise NotImplementedError("kcat cannot delete topics")

    def topic_setting(self, topic: str, name: str) -> str:
        raise NotImplementedError("kcat cannot describe settings")

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None:
        raise NotImplementedError("kcat cannot alter settings")

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        raise NotImplementedError("kcat cannot delete records")

    def describe_topic(self, topic: str) -> TopicShape:
        listed = self._run("-L", "-t", topic, "-X", "allow.auto.create.topics=false").decode()
        refused = re.search(r"with 0 partitions: Broker: (.*)", listed)
        if refused:
            raise Refused(refused.group(1))
        count = re.search(r"with (\d+) partitions", listed)
        replicas = re.search(r"replicas: (\d+(?:,\d+)*)", listed)
        if count is None or replicas is None:
            raise ClientBroken(f"kcat listed {listed}")
        return TopicShape(partition_count=int(count.group(1)), replication_factor=len(replicas.group(1).split(",")))

    def topic_names(self) -> set[str]:
        return set(re.findall(r'topic "(.*?)" with', self._run("-L").decode()))

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None:
        common = ["-P", "-t", topic, "-p", str(partition), "-X", f"acks={writing.acks}", "-X", "message.max.bytes=20000000"]
        common += ["-X", f"compression.codec={writing.codec.value}", "-X", f"enable.idempotence={str(writing.is_idempotent).lower()}"]
        common += ["-X", "topic.metadata.propagation.max.ms=2000"]
        for options, run in itertools.groupby(messages, key=_message_options):
            lines = [_message_line(message) for message in run]
            self._run(*common, *options, standard_input=_END_OF_MESSAGE.join(lines) + _END_OF_MESSAGE)

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        options = ["-C", "-t", topic, "-p", str(partition), "-o", _start_option(start), "-c", str(count), "-f", _FORMAT, "-u"]
        options += ["-X", "auto.offset.reset=error", "-X", "allow.auto.create.topics=false", "-X", "fetch.message.max.bytes=20000000"]
        options += ["-X", "fetch.wait.max.ms=100"]
        if not isinstance(start, End):
            when_positioned()
            return _parse(self._run(*options), count)
        return self._read_from_end(options, count, when_positioned)

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        first, end = (self._run("-Q", "-t", f"{topic}:{partition}:{special}").decode() for special in (-2, -1))
        return int(first.split()[-1]), int(end.split()[-1])

    def close(self) -> None:
        pass

    def _read_from_end(self, options: list[str], count: int, when_positioned: Callable[[], None]) -> list[ReadMessage]:
        process = subprocess.Popen(self._command(options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if _REACHED_END in line.decode():
                    break
            when_positioned()
            output, errors = process.communicate(timeout=OPERATION_SECONDS_MAX)
        except subprocess.TimeoutExpired as failure:
            raise ClientBroken("kcat did not end") from failure
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise _refused(errors.decode())
        return _parse(output, count)

    def _run(self, *options: str, standard_input: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                self._command(options), input=standard_input, capture_output=True, timeout=OPERATION_SECONDS_MAX, check=False
            )
        except subprocess.TimeoutExpired as failure:
            raise ClientBroken("kcat did not end") from failure
        if done.returncode != 0:
            raise _refused(done.stderr.decode())
        return done.stdout

    def _command(self, options: Sequence[str]) -> list[str]:
        return ["kcat", "-b", self._bootstrap, "-m", "10", *options]


def _message_options(message: Message) -> tuple[str, ...]:
    options = ["-D", _END_OF_MESSAGE.decode()]
    if message.key is not None:
        options += ["-K", _END_OF_KEY.decode()]
    if message.value is None:
        # With this option an empty value, and an empty key, is a null.
        options.append("-Z")
    for name, value in message.headers:
        options += ["-H", name if value is None else f"{name}={value.decode()}"]
    return tuple(options)


def _message_line(message: Message) -> bytes:
    value = message.value or b""
    return value if message.key is None else message.key + _END_OF_KEY + value


def _start_option(start: Start) -> str:
    match start:
        case Beginning():
            return "beginning"
        case End():
            return "end"
        case AtOffset():
            return str(start.offset)
        case AtTimestamp():
            return f"s@{start.timestamp_ms}"


def _parse(output: bytes, count: int) -> list[ReadMessage]:
    messages: list[ReadMessage] = []
    position = 0
    while position < len(output):
        line_end = output.index(b"\n", position)
        offset, timestamp, key_size, value_size, headers = output[position:line_end].decode().split(" ", 4)
        key_end = line_end + 1 + max(0, int(key_size))
        value_end = key_end + max(0, int(value_size))
        messages.append(
            ReadMessage(
                offset=int(offset),
                timestamp_ms=int(timestamp),
                key=None if int(key_size) < 0 else output[line_end + 1 : key_end],
                value=None if int(value_size) < 0 else output[key_end:value_end],
                headers=_parse_headers(headers),
            )
        )
        position = value_end + 1
    if len(messages) != count:
        raise ClientBroken(f"kcat printed {len(messages)} of {count} messages")
    return messages


def _parse_headers(text: str) -> tuple[tuple[str, bytes | None], ...]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    return tuple((name, None if value == "NULL" else value.encode()) for name, _, value in pairs)


def _refused(errors: str) -> Refused:
    found = _ERROR.search(errors)
    if found is None:
        return Refused("ERROR", errors[-500:])
    return Refused(found.group(1) or found.group(2), errors[-500:])
