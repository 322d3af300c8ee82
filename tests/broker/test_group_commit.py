"""Group commit (`flush.messages`): one wait for the disk serves everybody, and nobody hears or reads before it is over."""

from __future__ import annotations

import asyncio
import errno
import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.broker.group_commit import GroupCommit, Outcome
from odradek.broker.partition import Partition
from odradek.config.log_configuration import LogConfiguration
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.filesystem import File
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from tests.broker.small_node import NODE_ID, SmallNode
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

P = ParamSpec("P")
T = TypeVar("T")
WAIT_S_MAX = 20
DURABLE = LogConfiguration(flush_messages=1)


class ManualExecutor(Executor):
    """A pool that works when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self.waiting.append(lambda: future.set_result(function(*arguments, **named)))
        return future

    def work(self, position: int) -> None:
        """Do one of the waiting pieces of work."""
        self.waiting.pop(position)()


class Desk:
    """A group commit over a small node's partitions; `told` has who was told what, in order."""

    def __init__(self, node: SmallNode) -> None:
        self.node = node
        self.pool = ManualExecutor()
        self.loop = asyncio.new_event_loop()
        self.commits = GroupCommit(self.loop, self.pool)
        self.told: list[tuple[str, set[Partition]]] = []

    def ask(self, name: str, *partitions: Partition) -> None:
        def done(outcome: Outcome) -> None:
            self.told.append((name, set(outcome)))

        self.commits.commit(partitions, done)

    def work(self, position: int = 0) -> None:
        """Let a disk finish a round, by default the one that waits longest, and the loop hear of it."""
        self.pool.work(position)
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(SmallNode(log_configuration=DURABLE))
    yield made
    made.loop.close()


def test_wishes_gather_while_the_disk_is_busy_and_are_served_together(desk: Desk) -> None:
    desk.node.create_topic("orders")
    partition = desk.node.partition("orders")
    desk.node.append("orders", b"a")
    desk.ask("first", partition)
    for name in ("second", "third", "fourth"):
        desk.node.append("orders", name.encode())
        desk.ask(name, partition)
    assert len(desk.pool.waiting) == 1

    desk.work()
    assert desk.told == [("first", set())]
    assert partition.log.recovery_point == 1
    assert len(desk.pool.waiting) == 1

    desk.work()
    assert [name for name, _ in desk.told] == ["first", "second", "third", "fourth"]
    assert partition.log.recovery_point == 4
    assert desk.pool.waiting == []


def test_nobody_sees_what_is_not_durable_yet(desk: Desk) -> None:
    desk.node.create_topic("orders")
    partition = desk.node.partition("orders")
    desk.node.append("orders", b"a", b"b")
    desk.ask("first", partition)
    desk.node.append("orders", b"c")
    assert (partition.log.log_end_offset, partition.high_watermark) == (3, 0)

    desk.work()
    partition.after_append()

    assert partition.high_watermark == 2


def test_who_promises_less_shows_more() -> None:
    """flush.messages=3: up to two records are shown and acknowledged before the disk has them, as with Kafka."""
    node = SmallNode(log_configuration=LogConfiguration(flush_messages=3))
    node.create_topic("orders")
    partition = node.partition("orders")
    node.append("orders", b"a", b"b")
    assert partition.high_watermark == 2
    assert not partition.log.is_flush_due

    node.append("orders", b"c")

    assert partition.high_watermark == 2
    assert partition.log.is_flush_due


def test_failed_wait_refuses_everybody_behind_it_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has refused once and says yes the next time may have lost what the first wait was for."""
    desk.node.create_topic("orders")
    partition = desk.node.partition("orders")
    desk.node.append("orders", b"a")
    desk.ask("first", partition)
    desk.node.append("orders", b"b")
    desk.ask("second", partition)

    with monkeypatch.context() as broken:
        broken.setattr(type(partition.log.segments.active.log.file()), "fsync", _refuse)
        desk.work()
    desk.work()

    assert desk.told == [("first", {partition}), ("second", {partition})]
    assert partition.log.is_offline
    assert partition.log.recovery_point == 0


def test_disks_have_rounds_of_their_own() -> None:
    node = SmallNode(log_configuration=DURABLE)
    # The registry takes the directory with the fewest logs: one partition on each of two disks.
    node.logs = _two_disks(node)
    node.partitions._logs = node.logs
    node.create_topic("orders", 2)
    desk = Desk(node)
    slow, fast = node.partition("orders", 0), node.partition("orders", 1)
    assert slow.log.directory.rpartition("/")[0] != fast.log.directory.rpartition("/")[0]
    node.append("orders", b"a", index=0)
    node.append("orders", b"a", index=1)
    desk.ask("slow", slow)
    desk.ask("both", slow, fast)
    desk.ask("fast", fast)

    desk.work(1)
    assert desk.told == [], "who waits for both disks waits for the slow one"
    desk.work(1)
    assert desk.told == [("fast", set())]
    desk.work()
    desk.work()

    assert desk.told == [("fast", set()), ("slow", set()), ("both", set())]
    assert desk.pool.waiting == []
    desk.loop.close()


def _two_disks(node: SmallNode) -> LogDirectories:
    filesystem = MemoryFileSystem()
    for number, path in enumerate(("/one", "/two")):
        filesystem.make_directories(path)
        directory_id = Uuid(bytes(15) + bytes([100 + number]))
        write_meta_properties(filesystem, path, MetaProperties(cluster_id="small", node_id=NODE_ID, directory_id=directory_id), 0)
    return LogDirectories.open(filesystem, ("/one", "/two"), node.clock, random.Random(3), node_id=NODE_ID)


def _refuse(file: File) -> None:
    raise OSError(errno.EIO, "the disk is sick")


# The whole node.


class GatedFile:
    """A file whose fsync waits at the gate of its file system."""

    def __init__(self, file: File, gate: Callable[[], None]) -> None:
        self._file, self._gate = file, gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def fsync(self) -> None:
        self._gate()


class GatedFileSystem(MemoryFileSystem):
    """Counts the fsyncs of the logs of one topic, and lets them return only when the gate is open."""

    __slots__ = ("entered", "gate", "topic")

    def __init__(self, topic: str) -> None:
        super().__init__(lambda: int(time.time() * 1000))
        self.topic = topic
        self.entered: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self, path: str, *, create: bool = False) -> File:  # type: ignore[override]
        file = super().open(path, create=create)
        if f"/{self.topic}-" not in path or not path.endswith(".log"):
            return file

        def wait() -> None:
            self.entered.append(path)
            assert self.gate.wait(WAIT_S_MAX)

        return cast(File, GatedFile(file, wait))


@contextmanager
def gated_node() -> Iterator[tuple[NodeInProcess, GatedFileSystem]]:
    filesystem = GatedFileSystem("durable")
    with NodeInProcess(filesystem=filesystem) as node:
        client = node.client()
        configs = [CreatableTopicConfig(name="flush.messages", value="1")]
        topic = CreatableTopic(name="durable", num_partitions=2, replication_factor=1, configs=configs)
        client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
        client.close()
        yield node, filesystem


def offset_of(client: WireClient, partition: int, *, is_consumer: bool) -> int:
    """What a consumer may read up to, or where the log ends."""
    topic = ListOffsetsTopic(name="durable", partitions=[ListOffsetsPartition(partition_index=partition, timestamp=-1)])
    request = ListOffsetsRequest(replica_id=-1 if is_consumer else -2, topics=[topic])
    return client.request(request, ListOffsetsResponse, 5).topics[0].partitions[0].offset


def produce_request(partition: int, acks: int) -> ProduceRequest:
    batch = encode_batch([Record(timestamp=1_790_000_000_000, value=b"x")])
    data = [TopicProduceData(name="durable", partition_data=[PartitionProduceData(partition, batch)])]
    return ProduceRequest(acks=acks, timeout_ms=15_000, topic_data=data)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"


@pytest.mark.parametrize("acks", [1, -1])
def test_no_answer_leaves_before_the_disk_has_the_records_and_few_waits_serve_many(acks: int) -> None:
    with gated_node() as (node, filesystem):
        witness = node.client()
        producers = [node.client() for _ in range(30)]
        filesystem.gate.clear()
        del filesystem.entered[:]

        for producer in producers:
            producer.send(produce_request(0, acks), 9)
        wait_until(lambda: offset_of(witness, 0, is_consumer=False) == len(producers))

        # Everything is in the log, the disk has been asked once and has not answered, and nobody has been told anything. The thread that
        # asks it may come to that a moment after the log end has moved.
        wait_until(lambda: len(filesystem.entered) > 0)
        assert len(filesystem.entered) == 1
        assert offset_of(witness, 0, is_consumer=True) == 0
        readable, _, _ = select.select([producer._socket for producer in producers], [], [], 0)
        assert readable == []

        filesystem.gate.set()
        answers = [producer.receive(ProduceResponse, 9).responses[0].partition_responses[0] for producer in producers]

        assert [answer.error_code for answer in answers] == [ErrorCode.NONE] * len(producers)
        assert sorted(answer.base_offset for answer in answers) == list(range(len(producers)))
        # One round for those who came first, one for all who came while it was under way.
        assert len(filesystem.entered) <= 2
        wait_until(lambda: offset_of(witness, 0, is_consumer=True) == len(producers))
        for client in (*producers, witness):
            client.close()


def test_repetition_of_what_is_not_durable_yet_waits_too() -> None:
    """A producer that lost its connection asks again; being told "I know that one" is an acknowledgement."""
    batch = encode_batch([Record(timestamp=1_790_000_000_000, value=b"x")], producer_id=5, producer_epoch=0, base_sequence=0)
    data = [TopicProduceData(name="durable", partition_data=[PartitionProduceData(0, batch)])]
    request = ProduceRequest(acks=1, timeout_ms=15_000, topic_data=data)
    with gated_node() as (node, filesystem):
        witness, first, second = node.client(), node.client(), node.client()
        filesystem.gate.clear()
        first.send(request, 9)
        wait_until(lambda: offset_of(witness, 0, is_consumer=False) == 1)

        second.send(request, 9)
        for _ in range(20):
            offset_of(witness, 0, is_consumer=False)
        readable, _, _ = select.select([first._socket, second._socket], [], [], 0)
        assert readable == []

        filesystem.gate.set()
        assert [client.receive(ProduceResponse, 9).responses[0].partition_responses[0].base_offset for client in (first, second)] == [0, 0]
        for client in (first, second, witness):
            client.close()


def test_other_partitions_are_served_while_a_disk_is_waited_for() -> None:
    """The topic without the promise answers at once, and its reader reads."""
    with gated_node() as (node, filesystem):
        client, waiting = node.client(), node.client()
        topic = CreatableTopic(name="quick", num_partitions=1, replication_factor=1)
        client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
        filesystem.gate.clear()
        waiting.send(produce_request(0, 1), 9)
        wait_until(lambda: len(filesystem.entered) >= 1)

        batch = encode_batch([Record(timestamp=1_790_000_000_000, value=b"x")])
        data = [TopicProduceData(name="quick", partition_data=[PartitionProduceData(0, batch)])]
        answer = client.request(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=data), ProduceResponse, 9)

        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        filesystem.gate.set()
        assert waiting.receive(ProduceResponse, 9).responses[0].partition_responses[0].error_code == ErrorCode.NONE
        client.close()
        waiting.close()
