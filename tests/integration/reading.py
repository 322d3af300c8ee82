"""Reading back: all that is there at the end, and a reader that comes along the whole way."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError
from confluent_kafka import Message as DeliveredMessage
from confluent_kafka import TopicPartition as ConsumedPartition

from odradek.base.identifiers import TopicPartition
from odradek.testing.transaction_operations import Isolation
from tests.integration.account import Seen, identity_in

READ_SECONDS_MAX: Final = 60
_MESSAGES_PER_POLL: Final = 2000


def read_everything(bootstrap: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, list[Seen]]:
    """Every record of the partitions, each from its first offset to its end."""
    consumer = _consumer(bootstrap, partitions)
    read: dict[TopicPartition, list[Seen]] = {partition: [] for partition in partitions}
    unfinished = set(partitions)
    deadline = time.monotonic() + READ_SECONDS_MAX
    try:
        while unfinished:
            assert time.monotonic() < deadline, f"the end of {unfinished} did not come within {READ_SECONDS_MAX} s"
            for message in consumer.consume(_MESSAGES_PER_POLL, timeout=0.1):
                partition = _partition_of(message)
                error = message.error()
                if error is None:
                    read[partition].append(_seen(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(partition)
                else:
                    raise AssertionError(f"{partition} could not be read: {error.str()}")
    finally:
        consumer.close()
    return read


@dataclass(frozen=True, slots=True)
class ReadToEnd:
    """One partition as a reader of one isolation level sees it: offsets with values, and where the reader came to its end."""

    records: list[tuple[int, bytes]]
    end: int


def read_to_end(bootstrap: str, partitions: Sequence[TopicPartition], isolation: Isolation) -> dict[TopicPartition, ReadToEnd]:
    """Every record that a reader of `isolation` is shown, each partition up to the end that it is shown."""
    consumer = _consumer(bootstrap, partitions, isolation)
    records: dict[TopicPartition, list[tuple[int, bytes]]] = {partition: [] for partition in partitions}
    ends: dict[TopicPartition, int] = {}
    deadline = time.monotonic() + READ_SECONDS_MAX
    try:
        while len(ends) < len(partitions):
            assert time.monotonic() < deadline, f"the end of all but {ends} did not come within {READ_SECONDS_MAX} s"
            for message in consumer.consume(_MESSAGES_PER_POLL, timeout=0.1):
                partition, offset, value, error = _partition_of(message), message.offset(), message.value(), message.error()
                assert offset is not None
                if error is None and isinstance(value, bytes):
                    records[partition].append((offset, value))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                    ends[partition] = offset
                else:
                    raise AssertionError(f"{partition} could not be read: {error}")
    finally:
        consumer.close()
    return {partition: ReadToEnd(records[partition], ends[partition]) for partition in partitions}


class Companion:
    """A consumer that reads through every crash; whatever it was shown must still be there in the end."""

    def __init__(self, bootstrap: str, partitions: Sequence[TopicPartition]) -> None:
        self.seen: dict[TopicPartition, list[Seen]] = {partition: [] for partition in partitions}
        self.refused: list[str] = []
        self._consumer = _consumer(bootstrap, partitions)
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="companion", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join(READ_SECONDS_MAX)
        self._consumer.close()

    def faults(self, read: dict[TopicPartition, list[Seen]]) -> list[str]:
        """What it was shown that `read`, all that is there in the end, does not hold at the same place."""
        faults = [f"the companion was refused: {sentence}" for sentence in self.refused]
        for partition, seen in self.seen.items():
            if seen != read[partition][: len(seen)]:
                first = next(
                    (n for n, (then, now) in enumerate(zip(seen, read[partition], strict=False)) if then != now), len(read[partition])
                )
                faults.append(f"{partition} shows something else at {first} than it did: {seen[first]}")
        return faults

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            for message in self._consumer.consume(_MESSAGES_PER_POLL, timeout=0.05):
                error = message.error()
                if error is None:
                    self.seen[_partition_of(message)].append(_seen(message))
                elif error.code() != KafkaError._PARTITION_EOF and not error.retriable() and error.code() not in _CONNECTION_ERRORS:
                    self.refused.append(f"{error.name()} {error.str()}")


_CONNECTION_ERRORS: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE})


def _consumer(bootstrap: str, partitions: Sequence[TopicPartition], isolation: Isolation = Isolation.READ_COMMITTED) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation.value,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "fetch.wait.max.ms": 50,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,
        }
    )
    consumer.assign([ConsumedPartition(partition.topic, partition.partition, OFFSET_BEGINNING) for partition in partitions])
    return consumer


def _partition_of(message: DeliveredMessage) -> TopicPartition:
    topic, partition = message.topic(), message.partition()
    assert topic is not None, f"a message of no topic: {message.error()}"
    assert partition is not None, f"a message of no partition: {message.error()}"
    return TopicPartition(topic, partition)


def _seen(message: DeliveredMessage) -> Seen:
    offset, value = message.offset(), message.value()
    assert offset is not None
    return Seen(offset, identity_in(value if isinstance(value, bytes) else None))
