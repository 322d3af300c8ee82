"""Kafka Streams with exactly-once processing, killed and started again: no word is counted twice, and none is left out."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.conformance.clients.client import Client, Message
from tests.conformance.eventually import eventually
from tests.conformance.nodes import COORDINATING, Node
from tests.support.reference_kafka import compiled_classes, java_command, missing_reason

WORD_COUNT = Path(__file__).with_name("clients") / "streams" / "WordCount.java"
JAVA_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PARTITIONS = 2
LINES = 400
WORDS_A_LINE = 3
VOCABULARY = tuple(f"word-{n}" for n in range(25))
# So that a kill finds it at work: all lines take a second at least.
LINE_MS = 5
SEEN_S_MAX = 90.0


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node(COORDINATING)


@pytest.fixture
def topics(topic: str, steward: Client) -> tuple[str, str]:
    """A source and a target."""
    names = (f"{topic}-in", f"{topic}-out")
    for name in names:
        steward.create_topic(name, partition_count=PARTITIONS)
    eventually(lambda: steward.topic_names() >= set(names), True)
    return names


@pytest.fixture
def count_words(
    topics: tuple[str, str], node: Node, topic: str, tmp_path: Path, absent: Callable[[str], None]
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the programme, each time with the same name and directory; what still runs is ended with the test."""
    reason = missing_reason()
    if reason:
        absent(reason)
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        arguments = [node.bootstrap, topic, str(tmp_path / "state"), *topics, str(LINE_MS)]
        command = java_command(JAVA_OPTIONS, "WARN", "WordCount", arguments, classes=compiled_classes(WORD_COUNT))
        with (tmp_path / f"run-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


class Reader:
    """Counts as they come in the target, in the order of each word."""

    def __init__(self, bootstrap: str, topic: str, isolation_level: str) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": isolation_level,
            "enable.auto.commit": False,
        }
        self._consumer = Consumer(settings)
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        self.counts: defaultdict[str, list[int]] = defaultdict(list)

    @property
    def seen(self) -> int:
        return sum(map(len, self.counts.values()))

    def read_until(self, count: int, running: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SEEN_S_MAX
        while self.seen < count:
            assert time.monotonic() < deadline, f"{self.seen} of {count} counts have come"
            assert running.poll() is None, "the programme has ended"
            self.read(0.2)

    def read(self, seconds: float) -> None:
        for message in self._consumer.consume(500, seconds):
            assert message.error() is None, message.error()
            key, value = message.key(), message.value()
            assert key is not None
            assert value is not None
            self.counts[str(key, "utf-8")].append(int(value))

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def read(node: Node, topics: tuple[str, str]) -> Iterator[Callable[[str], Reader]]:
    readers: list[Reader] = []

    def reader(isolation_level: str) -> Reader:
        readers.append(Reader(node.bootstrap, topics[1], isolation_level))
        return readers[-1]

    yield reader
    for one in readers:
        one.close()


# Two starts of a JVM and the sessions of a killed process, on a machine that does other work.
@pytest.mark.timeout(300)
def test_words_are_counted_exactly_once_though_the_counter_is_killed(
    count_words: Callable[[], subprocess.Popen[bytes]], read: Callable[[str], Reader], topics: tuple[str, str], steward: Client
) -> None:
    dice = random.Random(20260701)
    lines = [" ".join(dice.choices(VOCABULARY, k=WORDS_A_LINE)) for _ in range(LINES)]
    for partition in range(PARTITIONS):
        steward.write(topics[0], partition, [Message(key=None, value=line.encode()) for line in lines[partition::PARTITIONS]])
    expected = Counter(word for line in lines for word in line.split())

    killed = count_words()
    uncommitted = read("read_uncommitted")
    uncommitted.read_until(1, killed)
    killed.kill()
    killed.wait()
    uncommitted.read(1.0)
    assert uncommitted.seen < LINES * WORDS_A_LINE, "all was done before the kill"

    second = count_words()
    committed = read("read_committed")
    committed.read_until(LINES * WORDS_A_LINE, second)
    assert second.stdin is not None
    second.stdin.close()
    assert second.wait(timeout=30) == 0
    # What is there after the end in good order is there for good.
    committed.read(1.0)

    assert committed.counts == {word: list(range(1, count + 1)) for word, count in expected.items()}
