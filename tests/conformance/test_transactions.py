"""Transactions of real clients: what readers of committed records see, who is fenced, and a copy that is exact."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.conformance.clients.client import Client, Message
from tests.conformance.copiers import COPIED_AT_ONCE as COPIED_AT_ONCE_BY_CLIENTS
from tests.conformance.copiers import COPIERS, Copy
from tests.conformance.eventually import eventually
from tests.conformance.nodes import COORDINATING, Node
from tests.support.reference_kafka import missing_reason
from tests.support.tool_server import ToolServer

PARTITIONS = 2
COPIED = 200
COPIED_AT_ONCE = 20
COPIED_BY_CLIENTS = 80
OPERATION_S = 30.0
READ_S_MAX = 30.0
NEWEST_TRANSACTION_VERSION = 2
TRANSACTIONS_TOOL = "org.apache.kafka.tools.TransactionsCommand"


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node(COORDINATING)


@pytest.fixture
def make_topic(topic: str, steward: Client) -> Callable[[str], str]:
    """Makes a topic of the scenario's own, of two partitions."""

    def make(suffix: str) -> str:
        name = f"{topic}-{suffix}"
        steward.create_topic(name, partition_count=PARTITIONS)
        eventually(lambda: name in steward.topic_names(), True)
        return name

    return make


@pytest.fixture
def begin(node: Node) -> Callable[[str], Producer]:
    """Makes producers of a transactional id, ready for their first transaction."""

    def begin(transactional_id: str) -> Producer:
        producer = Producer({"bootstrap.servers": node.bootstrap, "transactional.id": transactional_id})
        producer.init_transactions(OPERATION_S)
        return producer

    return begin


def values_read(node: Node, topic: str, isolation_level: str) -> list[bytes]:
    """Everything that a reader finds up to the end it is shown, in no order across partitions."""
    settings: dict[str, Any] = {
        "bootstrap.servers": node.bootstrap,
        "group.id": "reader",
        "isolation.level": isolation_level,
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        values: list[bytes] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + READ_S_MAX
        while len(ended) < PARTITIONS:
            assert time.monotonic() < deadline, f"partitions {ended} have ended, {len(values)} records read"
            for message in consumer.consume(100, 0.5):
                value = message.value()
                if message.error() is not None:
                    ended.add(message.partition())
                elif value is not None:
                    values.append(value)
        return values
    finally:
        consumer.close()


def committed(node: Node, topic: str) -> list[bytes]:
    return sorted(values_read(node, topic, "read_committed"))


def test_readers_of_committed_records_see_all_of_a_transaction_or_nothing(
    begin: Callable[[str], Producer], make_topic: Callable[[str], str], node: Node
) -> None:
    out = make_topic("out")
    producer = begin(out)
    producer.begin_transaction()
    producer.produce(out, b"one", partition=0)
    producer.produce(out, b"two", partition=1)
    producer.flush(OPERATION_S)
    assert committed(node, out) == []
    assert sorted(values_read(node, out, "read_uncommitted")) == [b"one", b"two"]
    producer.commit_transaction(OPERATION_S)
    producer.begin_transaction()
    producer.produce(out, b"three", partition=0)
    producer.flush(OPERATION_S)
    producer.abort_transaction(OPERATION_S)

    eventually(lambda: committed(node, out), [b"one", b"two"])
    assert sorted(values_read(node, out, "read_uncommitted")) == [b"one", b"three", b"two"]


def test_a_second_producer_of_the_id_fences_the_first(
    begin: Callable[[str], Producer], make_topic: Callable[[str], str], node: Node
) -> None:
    out = make_topic("out")
    first = begin(out)
    first.begin_transaction()
    first.produce(out, b"left open", partition=0)
    first.flush(OPERATION_S)

    second = begin(out)
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction(OPERATION_S)
    second.begin_transaction()
    second.produce(out, b"of the second", partition=0)
    second.commit_transaction(OPERATION_S)

    error = fenced.value.args[0]
    assert (error.name(), error.fatal()) in [("_FENCED", True), ("PRODUCER_FENCED", True), ("INVALID_PRODUCER_EPOCH", True)]
    eventually(lambda: committed(node, out), [b"of the second"])


def test_a_copy_with_its_offsets_is_exact_though_its_copier_is_replaced(
    begin: Callable[[str], Producer], make_topic: Callable[[str], str], steward: Client, node: Node
) -> None:
    source, out = make_topic("in"), make_topic("out")
    for partition in range(PARTITIONS):
        steward.write(source, partition, [Message(key=None, value=b"%d-%d" % (partition, n)) for n in range(COPIED // PARTITIONS)])

    for _ in range(4):
        _copy(begin(out), node, source, out, COPIED // 4)

    expected = sorted(b"%d-%d" % (partition, n) for partition in range(PARTITIONS) for n in range(COPIED // PARTITIONS))
    eventually(lambda: committed(node, out), expected)


def _copy(producer: Producer, node: Node, source: str, out: str, count: int) -> None:
    """Copy so many records, a few in each transaction, and abort every third; a new consumer goes on where the offsets are."""
    consumer = Consumer(
        {"bootstrap.servers": node.bootstrap, "group.id": out, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    try:
        consumer.subscribe([source])
        copied = transactions = 0
        deadline = time.monotonic() + READ_S_MAX
        while copied < count:
            assert time.monotonic() < deadline, f"{copied} of {count} copied"
            messages = [message for message in consumer.consume(min(COPIED_AT_ONCE, count - copied), 0.5) if message.error() is None]
            if not messages:
                continue
            before = [TopicPartition(source, one.partition, one.offset) for one in _positions(messages, source, 0)]
            producer.begin_transaction()
            for message in messages:
                producer.produce(out, message.value(), partition=message.partition() or 0)
            producer.send_offsets_to_transaction(_positions(messages, source, 1), consumer.consumer_group_metadata(), OPERATION_S)
            transactions += 1
            if transactions % 3 == 0:
                producer.abort_transaction(OPERATION_S)
                for position in before:
                    consumer.seek(position)
            else:
                producer.commit_transaction(OPERATION_S)
                copied += len(messages)
    finally:
        consumer.close()


def _positions(messages: list[Any], topic: str, behind: int) -> list[TopicPartition]:
    """By partition the first offset, or with `behind` 1 the one after the last."""
    offsets: dict[int, list[int]] = {}
    for message in messages:
        offsets.setdefault(message.partition(), []).append(message.offset())
    return [TopicPartition(topic, partition, max(all_) + 1 if behind else min(all_)) for partition, all_ in offsets.items()]


@pytest.fixture
def told_of_producer(node: Node, java: Callable[[], ToolServer], absent: Callable[[str], None]) -> Callable[[str], int]:
    """Asks for the epoch of a transactional id's producer."""
    reason = missing_reason()
    if reason:
        absent(reason)

    def told(transactional_id: str) -> int:
        arguments = ["--bootstrap-server", node.bootstrap, "describe", "--transactional-id", transactional_id]
        outcome = java().run(TRANSACTIONS_TOOL, arguments)
        heading, row = [line.split() for line in outcome.text.splitlines() if line.strip()]
        return int(row[heading.index("ProducerEpoch")])

    return told


@pytest.fixture
def transaction_version(node: Node, java: Callable[[], ToolServer], absent: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """Moves the version of transactions that the cluster has agreed on, and moves it back to the newest."""
    reason = missing_reason()
    if reason:
        absent(reason)

    def move(level: int, direction: str = "downgrade") -> None:
        arguments = ["--bootstrap-server", node.bootstrap, direction, "--feature", f"transaction.version={level}"]
        outcome = java().run("org.apache.kafka.tools.FeatureCommand", arguments)
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        _await_level(node, java(), level)

    yield move
    move(NEWEST_TRANSACTION_VERSION, "upgrade")


def _await_level(node: Node, server: ToolServer, level: int) -> None:
    def finalized() -> str:
        told = server.run("org.apache.kafka.tools.FeatureCommand", ["--bootstrap-server", node.bootstrap, "describe"]).text
        return "".join(re.findall(r"^Feature: transaction.version\s.*FinalizedVersionLevel: (\d+)", told, re.MULTILINE))

    eventually(finalized, str(level))


@pytest.fixture
def exact_copy(
    make_topic: Callable[[str], str], steward: Client, node: Node, java: Callable[[], ToolServer], absent: Callable[[str], None]
) -> Callable[[str], str]:
    """Has a kind of copier copy, and sees that the copy is exact; tells the target, and so the transactional id."""

    def copied(kind: str) -> str:
        reason = COPIERS[kind].missing_reason()
        if reason:
            absent(reason)
        source, target = make_topic("in"), make_topic("out")
        each = COPIED_BY_CLIENTS // PARTITIONS
        for partition in range(PARTITIONS):
            steward.write(source, partition, [Message(key=None, value=b"%d-%d" % (partition, n)) for n in range(each)])
        COPIERS[kind].copy(
            Copy(bootstrap=node.bootstrap, source=source, target=target, partition_count=PARTITIONS, records_each=each, java=java)
        )
        expected = sorted(b"%d-%d" % (partition, n) for partition in range(PARTITIONS) for n in range(each))
        eventually(lambda: committed(node, target), expected)
        return target

    return copied


@pytest.mark.parametrize("kind", [kind for kind in COPIERS if kind != "java"])
def test_a_copy_is_exact_though_a_transaction_was_left_open_and_copiers_are_replaced(kind: str, exact_copy: Callable[[str], str]) -> None:
    exact_copy(kind)


def test_a_copy_by_java_is_exact_and_each_transaction_has_its_epoch(
    exact_copy: Callable[[str], str], told_of_producer: Callable[[str], int]
) -> None:
    """KIP-890: the epoch grows at the end of each transaction, so that nothing late can join the next one."""
    target = exact_copy("java")

    assert told_of_producer(target) >= COPIED_BY_CLIENTS // COPIED_AT_ONCE_BY_CLIENTS


@pytest.mark.parametrize("level", [0, 1])
def test_a_copy_by_java_is_exact_where_the_cluster_is_of_an_older_version(
    level: int, exact_copy: Callable[[str], str], told_of_producer: Callable[[str], int], transaction_version: Callable[[int], None]
) -> None:
    """A Java producer follows the finalized `transaction.version`: below 2 it announces its partitions, and has one epoch."""
    transaction_version(level)

    target = exact_copy("java")

    # Two runs for each partition, and the first is epoch 0.
    assert told_of_producer(target) == 2 * PARTITIONS - 1


def test_aiokafka_commits_and_aborts(make_topic: Callable[[str], str], node: Node) -> None:
    out = make_topic("out")

    async def story() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=node.bootstrap, transactional_id=out)
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(out, b"kept", partition=0)
            await producer.begin_transaction()
            await producer.send_and_wait(out, b"dropped", partition=1)
            await producer.abort_transaction()
        finally:
            await producer.stop()

    asyncio.run(story())

    eventually(lambda: committed(node, out), [b"kept"])


def test_the_transactions_tool_tells_of_one_that_is_open(
    begin: Callable[[str], Producer],
    make_topic: Callable[[str], str],
    node: Node,
    java: Callable[[], ToolServer],
    absent: Callable[[str], None],
) -> None:
    reason = missing_reason()
    if reason:
        absent(reason)
    out = make_topic("out")
    producer = begin(out)
    producer.begin_transaction()
    producer.produce(out, b"one", partition=1)
    producer.flush(OPERATION_S)

    def told(*arguments: str) -> str:
        outcome = java().run(TRANSACTIONS_TOOL, ["--bootstrap-server", node.bootstrap, *arguments])
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        return outcome.text

    listed = told("list")
    assert re.search(rf"^{re.escape(out)}\s+1\s+\d+\s+Ongoing", listed, re.MULTILINE), listed
    described = told("describe", "--transactional-id", out)
    assert re.search(rf"Ongoing\s+\d+\s+\S+\s+\d+\s+{re.escape(out)}-1", described), described
    producer.commit_transaction(OPERATION_S)
    eventually(lambda: bool(re.search(rf"^{re.escape(out)}\s+1\s+\d+\s+CompleteCommit", told("list"), re.MULTILINE)), True)
