"""Members of consumer groups that keep notes of all they do (`ownership`), each in a thread of its own.

They commit what they have read now and then, and always before they give a partition back. A member notes what it has read before it
commits it, so that a kill can take notes only of what the next owner reads again.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as DeliveredMessage

from tests.integration.ownership import Assigned, CommitAcknowledged, CommitAsked, Ended, Leaving, Note, Read, Released

SESSION_MS: Final = 4000
# librdkafka waits as long for the answer to a heartbeat of KIP-848, and then says again what it has: without what it is being given at that
# very moment, which the coordinator may then give to another. So this is longer than an answer takes on a busy machine.
HEARTBEAT_MS: Final = 1000
# A member that does not ask for records for so long is out; and the longest that a rebalance waits for anybody.
POLL_INTERVAL_MS: Final = 10_000
COMMITS_EVERY_S: Final = 0.5
POLL_S: Final = 0.1
READ_NOTED_MAX: Final = 200
LEAVE_SECONDS_MAX: Final = 40

CLASSIC: Final = "classic"
CONSUMER: Final = "consumer"

# What a node has to be told so that the members above may live so fast.
NODE_SETTINGS: Final[Mapping[str, str]] = {
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "500",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": str(SESSION_MS),
    "group.consumer.min.heartbeat.interval.ms": str(HEARTBEAT_MS),
    "group.consumer.heartbeat.interval.ms": str(HEARTBEAT_MS),
    "offsets.topic.num.partitions": "3",
    "offsets.topic.replication.factor": "1",
}
# What librdkafka does when it has lost every broker: with the default, "rebootstrap", it forgets them, and what was asked of a coordinator
# that it forgot (a commit, offsets of a transaction) may wait for ever, whatever its time limit is.
KEEPS_BROKERS: Final[Mapping[str, str]] = {"metadata.recovery.strategy": "none"}
# What a client tells of while the node is down, or the member was thought dead; it goes on by itself.
_PASSING: Final = frozenset(
    {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._MAX_POLL_EXCEEDED, KafkaError._TIMED_OUT}
)


def now_ms() -> int:
    """The clock of all notes; every process on the machine has the same."""
    return time.monotonic_ns() // 1_000_000


def value_of(partition: int, offset: int) -> bytes:
    """What the record at an offset holds; members refuse any other."""
    return b"%d|%d" % (partition, offset)


class Notebook:
    """What a member notes, and the positions that it would commit."""

    def __init__(self, member: str, take: Callable[[Note], None]) -> None:
        self.member = member
        self.positions: dict[int, int] = {}
        self._take = take
        self._reading: dict[int, tuple[int, int]] = {}
        self._committed: dict[int, int] = {}

    def assigned(self, partitions: Iterable[int], epoch: int | None) -> None:
        self._take(Assigned(member=self.member, at_ms=now_ms(), partitions=tuple(partitions), epoch=epoch))

    def released(self, partitions: Iterable[int], *, is_lost: bool = False) -> None:
        self._flush()
        released = tuple(partitions)
        for partition in released:
            self.positions.pop(partition, None)
            self._committed.pop(partition, None)
        self._take(Released(member=self.member, at_ms=now_ms(), partitions=released, is_lost=is_lost))

    def leaving(self) -> None:
        self._flush()
        self._take(Leaving(member=self.member, at_ms=now_ms()))

    def ended(self) -> None:
        self._flush()
        self._take(Ended(member=self.member, at_ms=now_ms()))

    def read(self, partition: int, offset: int, value: object) -> None:
        """Raises AssertionError when the record is another than was written there."""
        assert value == value_of(partition, offset), f"{partition} holds {value!r} at {offset}"
        first, next_offset = self._reading.get(partition, (offset, offset))
        if offset != next_offset or next_offset - first == READ_NOTED_MAX:
            self._flush()
            first = offset
        self._reading[partition] = (first, offset + 1)
        self.positions[partition] = offset + 1

    def asked(self) -> CommitAsked | None:
        """What there is to commit; None if nothing has changed since the last time."""
        self._flush()
        offsets = {partition: offset for partition, offset in self.positions.items() if self._committed.get(partition) != offset}
        if not offsets:
            return None
        asked = CommitAsked(member=self.member, at_ms=now_ms(), offsets=offsets)
        self._take(asked)
        return asked

    def acknowledged(self, asked: CommitAsked, partitions: Iterable[int]) -> None:
        offsets = {partition: asked.offsets[partition] for partition in partitions}
        self._committed |= offsets
        self._take(CommitAcknowledged(member=self.member, at_ms=now_ms(), asked_ms=asked.at_ms, offsets=offsets))

    def _flush(self) -> None:
        for partition, (first, next_offset) in self._reading.items():
            self._take(Read(member=self.member, at_ms=now_ms(), partition=partition, first=first, last=next_offset - 1))
        self._reading.clear()


class NotingMember(ABC):
    """One member at work from its making until it is told to leave."""

    def __init__(self, name: str, bootstrap: str, topic: str, take: Callable[[Note], None], seed: int) -> None:
        """The group has the name of the topic. `take` is called in the member's thread, which is ready to `start`."""
        self.name = name
        self.refusals: list[str] = []
        self.failure: BaseException | None = None
        self.notebook = Notebook(name, take)
        self.bootstrap = bootstrap
        self.topic = topic
        self.is_leaving = threading.Event()
        self._dice = random.Random(seed)
        self._next_commit_s = 0.0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin_leaving(self) -> None:
        """Have it commit, leave the group and end."""
        self.is_leaving.set()

    def await_end(self) -> None:
        """Raises AssertionError when it does not come to its end, or something went wrong meanwhile."""
        self._thread.join(LEAVE_SECONDS_MAX)
        assert not self._thread.is_alive(), f"{self.name} does not come to its end"
        if self.failure is not None:
            raise AssertionError(f"{self.name} has failed: {self.failure!r}") from self.failure

    @abstractmethod
    def live(self) -> None:
        """Be a member until `is_leaving`, then leave."""

    def is_commit_due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_commit_s:
            return False
        self._next_commit_s = now_s + COMMITS_EVERY_S * (0.2 + self._dice.random())
        return True

    def _work(self) -> None:
        try:
            self.live()
        except BaseException as failure:  # told by `await_end`, in the thread of the test
            self.failure = failure
        finally:
            self.notebook.ended()


@final
class LibrdkafkaMember(NotingMember):
    """confluent-kafka: of the classic protocol, cooperative, or of KIP-848."""

    def __init__(
        self,
        protocol: str,
        name: str,
        bootstrap: str,
        topic: str,
        take: Callable[[Note], None],
        seed: int,
        *,
        session_ms: int = SESSION_MS,
    ) -> None:
        """`session_ms` is for the classic protocol; in the other one the node says it."""
        super().__init__(name, bootstrap, topic, take, seed)
        self._settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "client.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "max.poll.interval.ms": max(POLL_INTERVAL_MS, session_ms),
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
            **KEEPS_BROKERS,
        }
        if protocol == CONSUMER:
            self._settings["group.protocol"] = "consumer"
        else:
            self._settings |= {"session.timeout.ms": session_ms, "heartbeat.interval.ms": HEARTBEAT_MS}
            self._settings["partition.assignment.strategy"] = "cooperative-sticky"

    def live(self) -> None:
        consumer = Consumer(self._settings)
        consumer.subscribe([self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        try:
            while not self.is_leaving.is_set():
                message = consumer.poll(POLL_S)
                if message is not None:
                    self._on_message(message)
                if self.is_commit_due():
                    self._commit(consumer)
        finally:
            self.notebook.leaving()
            consumer.close()

    def _on_message(self, message: DeliveredMessage) -> None:
        """Raises KafkaException when the client will never be a member again: it says so once, and polls that find nothing hide it."""
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._FATAL:
                raise KafkaException(error)
            if error.code() not in _PASSING:
                self.refusals.append(f"{error.name()} {error.str()}")
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.notebook.read(partition, offset, message.value())

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.notebook.assigned((one.partition for one in partitions), _epoch_of(consumer))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit(consumer)
        self.notebook.released(one.partition for one in partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.notebook.released((one.partition for one in partitions), is_lost=True)

    def _commit(self, consumer: Consumer) -> None:
        asked = self.notebook.asked()
        if asked is None:
            return
        offsets = [TopicPartition(self.topic, partition, offset) for partition, offset in asked.offsets.items()]
        try:
            answered = consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as failure:
            self.refusals.append(f"commit: {failure.args[0].name()}")
            return
        assert answered is not None, "a commit that is waited for has an answer"
        self.notebook.acknowledged(asked, [one.partition for one in answered if one.error is None])
        self.refusals += [f"commit of {one.partition}: {one.error.name()}" for one in answered if one.error is not None]


def _epoch_of(consumer: Consumer) -> int | None:
    """The generation, or the member's epoch, which librdkafka keeps behind the first seven bytes of what it calls opaque."""
    opaque = bytes(consumer.consumer_group_metadata())
    return int.from_bytes(opaque[7:11], "little", signed=True) if opaque.startswith(b"CGMDv2:") else None
