"""Real clients of both protocols in one group, through a whole node: a rolling upgrade to KIP-848, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, ConsumerGroupType, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.node_in_process import NodeInProcess

SETTINGS = {
    "offsets.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "100",
    "group.consumer.assignment.interval.ms": "0",
}
GROUP = "readers"
TOPIC = "orders"
PARTITIONS = 6
WAIT_S_MAX = 30
POLL_S = 0.02


class Group:
    """Members by name; all are polled from here, and what they read is kept."""

    def __init__(self, bootstrap_servers: str, strategy: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._strategy = strategy
        self._members: dict[str, Consumer] = {}
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        self._producer = Producer({"bootstrap.servers": bootstrap_servers})
        self._written = 0
        self.read: list[int] = []

    def start(self, name: str, *, instance_id: str | None = None) -> None:
        """A member whose name begins with its protocol: `classic` or `consumer`."""
        is_classic = name.startswith("classic")
        configuration: dict[str, object] = {
            "bootstrap.servers": self._bootstrap_servers,
            "group.id": GROUP,
            "client.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "group.protocol": "classic" if is_classic else "consumer",
        }
        if is_classic:
            configuration |= {
                "partition.assignment.strategy": self._strategy,
                "heartbeat.interval.ms": 100,
                "session.timeout.ms": 6_000,
            }
        if instance_id is not None:
            configuration["group.instance.id"] = instance_id
        member = Consumer(configuration)
        member.subscribe([TOPIC])
        self._members[name] = member

    def stop(self, name: str) -> None:
        """It leaves."""
        self._members.pop(name).close()

    def close(self) -> None:
        for name in list(self._members):
            self.stop(name)

    def write(self, count: int) -> None:
        """As many records more, in all partitions."""
        for _ in range(count):
            self._producer.produce(TOPIC, str(self._written).encode(), partition=self._written % PARTITIONS)
            self._written += 1
        self._producer.flush(WAIT_S_MAX)

    def poll_until(self, is_reached: Callable[[], bool], what: str) -> None:
        """Let all members go on until something is so."""
        deadline_s = time.monotonic() + WAIT_S_MAX
        while not is_reached():
            assert time.monotonic() < deadline_s, f"not reached in {WAIT_S_MAX} s: {what}; {self.owned()}"
            for member in list(self._members.values()):
                message = member.poll(POLL_S)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    self.read.append(int(message.value() or b""))
                    self._commit(member)
                else:
                    assert error.code() != KafkaError._FATAL, error

    def _commit(self, member: Consumer) -> None:
        """What a member has read; where it has lost its place meanwhile, another reads it again."""
        member.commit(asynchronous=True)

    def owned(self) -> dict[str, list[int]]:
        return {name: sorted(it.partition for it in member.assignment()) for name, member in self._members.items()}

    def settle(self) -> None:
        """Every partition has one owner, and every member its share; what was written is read."""
        share = PARTITIONS // len(self._members)

        def is_settled() -> bool:
            owned = self.owned()
            everything = sorted(index for indexes in owned.values() for index in indexes)
            return everything == list(range(PARTITIONS)) and all(len(indexes) == share for indexes in owned.values())

        self.poll_until(is_settled, "every partition has one owner")
        self.write(PARTITIONS)
        self.poll_until(lambda: set(self.read) == set(range(self._written)), "everything is read")

    def type(self) -> ConsumerGroupType:
        listed = self._admin.list_consumer_groups(request_timeout=WAIT_S_MAX).result()
        (group,) = listed.valid
        kind: ConsumerGroupType = group.type
        return kind


@contextmanager
def group_of(strategy: str) -> Iterator[Group]:
    with NodeInProcess(SETTINGS) as node:
        bootstrap_servers = f"127.0.0.1:{node.port}"
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(WAIT_S_MAX)
        group = Group(bootstrap_servers, strategy)
        try:
            yield group
        finally:
            group.close()


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_group_is_upgraded_and_downgraded_while_its_members_go_on_reading(strategy: str) -> None:
    with group_of(strategy) as group:
        group.start("classic 1")
        group.start("classic 2")
        group.settle()
        assert group.type() is ConsumerGroupType.CLASSIC

        group.start("consumer 1")
        group.settle()
        assert group.type() is ConsumerGroupType.CONSUMER
        group.stop("classic 1")
        group.start("consumer 2")
        group.settle()
        group.stop("classic 2")
        group.settle()

        group.start("classic 3")
        group.settle()
        group.stop("consumer 1")
        group.settle()
        assert group.type() is ConsumerGroupType.CONSUMER
        group.stop("consumer 2")
        group.settle()
        assert group.type() is ConsumerGroupType.CLASSIC


def test_static_member_keeps_its_place_through_a_change_of_its_protocol() -> None:
    with group_of("range") as group:
        group.start("classic 1", instance_id="first")
        group.start("classic 2", instance_id="second")
        group.settle()

        for step in ("consumer 1", "consumer 2", "classic 1", "classic 2"):
            number = step[-1]
            group.stop(f"{'classic' if step.startswith('consumer') else 'consumer'} {number}")
            group.start(step, instance_id="first" if number == "1" else "second")
            group.settle()

        assert group.type() is ConsumerGroupType.CLASSIC
