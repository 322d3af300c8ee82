"""How a client is a member of a consumer group: one kind for each client, protocol and assigner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from confluent_kafka import Consumer
from kafka import KafkaConsumer  # type: ignore[import-untyped]

from tests.conformance.clients import toolchain
from tests.conformance.clients.json_lines_process import JsonLinesProcess
from tests.support.tool_server import ToolServer

POLL_S: Final = 0.1
COMMIT_SECONDS_MAX: Final = 20.0
Seen = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a member joins, and by which means."""

    bootstrap: str
    group: str
    topic: str
    java: Callable[[], ToolServer]
    """The JVM of the session, started when the first asks for it."""


class GroupClient(Protocol):
    """What a member does, in the words of no client in particular."""

    def poll(self) -> list[Seen]:
        """Partition and offset of what has come; waits for `POLL_S` at most."""
        ...

    def owned(self) -> frozenset[int]:
        """The partitions assigned now."""
        ...

    def commit(self) -> None:
        """Commit what has been polled, and wait for the answer."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Librdkafka:
    """confluent-kafka, in either protocol."""

    def __init__(self, place: Place, settings: Mapping[str, Any]) -> None:
        common = {
            "bootstrap.servers": place.bootstrap,
            "group.id": place.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        self._consumer = Consumer({**common, **settings})
        self._consumer.subscribe([place.topic])

    def poll(self) -> list[Seen]:
        seen = []
        for message in self._consumer.consume(100, POLL_S):
            error = message.error()
            assert error is None, error
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            seen.append((partition, offset))
        return seen

    def owned(self) -> frozenset[int]:
        return frozenset(one.partition for one in self._consumer.assignment())

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


class Aiokafka:
    """aiokafka, classic protocol, on an event loop of the member's own thread."""

    def __init__(self, place: Place) -> None:
        self._loop = asyncio.new_event_loop()
        self._consumer = self._loop.run_until_complete(self._started(place))

    async def _started(self, place: Place) -> Any:
        consumer = AIOKafkaConsumer(
            place.topic,
            bootstrap_servers=place.bootstrap,
            group_id=place.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        return consumer

    def poll(self) -> list[Seen]:
        batches = self._loop.run_until_complete(self._consumer.getmany(timeout_ms=int(POLL_S * 1000)))
        return [(record.partition, record.offset) for records in batches.values() for record in records]

    def owned(self) -> frozenset[int]:
        return frozenset(one.partition for one in self._consumer.assignment())

    def commit(self) -> None:
        self._loop.run_until_complete(self._consumer.commit())

    def close(self) -> None:
        self._loop.run_until_complete(self._consumer.stop())
        self._loop.close()


class KafkaPython:
    """kafka-python, classic protocol. It knows the partitions of its topic before it joins: FINDINGS.md says what happens otherwise."""

    def __init__(self, place: Place) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=place.bootstrap,
            group_id=place.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=300,
        )
        self._consumer.subscribe([place.topic])
        assert self._consumer.partitions_for_topic(place.topic)

    def poll(self) -> list[Seen]:
        batches = self._consumer.poll(timeout_ms=int(POLL_S * 1000))
        return [(record.partition, record.offset) for records in batches.values() for record in records]

    def owned(self) -> frozenset[int]:
        return frozenset(one.partition for one in self._consumer.assignment())

    def commit(self) -> None:
        self._consumer.commit()

    def close(self) -> None:
        self._consumer.close()


class JsonLinesMember:
    """A programme of its own for the member: `franz_go/group.go`, `kafkajs/group.js`, `sarama/main.go`."""

    def __init__(self, place: Place, command: Sequence[str], protocol: str = "") -> None:
        self._process = JsonLinesProcess([*command, place.bootstrap])
        self._owned: frozenset[int] = frozenset()
        self._process.ask("group_join", group=place.group, topic=place.topic, protocol=protocol)

    def poll(self) -> list[Seen]:
        told: Any = self._process.ask("group_poll")
        self._owned = frozenset(told["owned"])
        return [(partition, offset) for partition, offset in told["seen"]]

    def owned(self) -> frozenset[int]:
        return self._owned

    def commit(self) -> None:
        self._process.ask("group_commit")

    def close(self) -> None:
        try:
            self._process.ask("group_leave")
        finally:
            self._process.close()


class Java:
    """Apache Kafka's VerifiableConsumer, in either protocol. It commits whatever it is given, at once."""

    def __init__(self, place: Place, settings: Mapping[str, str]) -> None:
        common = {
            "bootstrap.servers": place.bootstrap,
            "group.id": place.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
        }
        self._consumer = place.java().consume(place.topic, {**common, **settings})
        self._owned: set[int] = set()
        self._committed: dict[int, int] = {}
        self._seen: dict[int, int] = {}

    def poll(self) -> list[Seen]:
        seen = []
        for event in self._consumer.events(POLL_S):
            match event["name"]:
                case "partitions_assigned":
                    self._owned |= _partitions(event)
                case "partitions_revoked":
                    self._owned -= _partitions(event)
                case "record_data":
                    seen.append((event["partition"], event["offset"]))
                case "offsets_committed":
                    assert event["success"], event
                    self._committed |= {one["partition"]: one["offset"] for one in event["offsets"]}
        assert not self._consumer.has_ended, "the consumer has ended"
        self._seen |= {partition: offset + 1 for partition, offset in seen}
        return seen

    def owned(self) -> frozenset[int]:
        return frozenset(self._owned)

    def commit(self) -> None:
        deadline = time.monotonic() + COMMIT_SECONDS_MAX
        while self._committed != self._seen:
            assert time.monotonic() < deadline, f"read up to {self._seen}, committed is {self._committed}"
            assert self.poll() == [], "more has come while it was to commit"

    def close(self) -> None:
        self._consumer.close()


def _partitions(event: Mapping[str, Any]) -> set[int]:
    return {one["partition"] for one in event["partitions"]}


@dataclass(frozen=True, slots=True)
class Kind:
    join: Callable[[Place], GroupClient]
    missing_reason: Callable[[], str | None] = toolchain.nothing_missing


def _librdkafka(settings: Mapping[str, str]) -> Kind:
    return Kind(lambda place: Librdkafka(place, settings))


def _java(settings: Mapping[str, str]) -> Kind:
    return Kind(lambda place: Java(place, settings), toolchain.missing_java_tools)


def _franz_go(protocol: str) -> Kind:
    return Kind(lambda place: JsonLinesMember(place, [str(toolchain.franz_go_program())], protocol), toolchain.missing_franz_go)


KINDS: Final[Mapping[str, Kind]] = {
    "librdkafka-range": _librdkafka({"partition.assignment.strategy": "range"}),
    "librdkafka-roundrobin": _librdkafka({"partition.assignment.strategy": "roundrobin"}),
    "librdkafka-cooperative": _librdkafka({"partition.assignment.strategy": "cooperative-sticky"}),
    "librdkafka-consumer": _librdkafka({"group.protocol": "consumer"}),
    "aiokafka": Kind(Aiokafka),
    "kafka-python": Kind(KafkaPython),
    "java-classic": _java({"group.protocol": "classic", "heartbeat.interval.ms": "300"}),
    "java-consumer": _java({"group.protocol": "consumer"}),
    "kafkajs": Kind(lambda place: JsonLinesMember(place, toolchain.kafkajs_command()), toolchain.missing_kafkajs),
    "franz-go-cooperative": _franz_go("cooperative-sticky"),
    "franz-go-consumer": _franz_go("consumer"),
    "sarama": Kind(lambda place: JsonLinesMember(place, [str(toolchain.sarama_program())]), toolchain.missing_sarama),
}
