"""A whole node that comes back after its process was killed: with many partitions, without waiting for itself, and stopped half way."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from odradek.base.clock import ManualClock, SystemClock
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.broker.assembly import NodeRun
from odradek.broker.log_opener import LogOpener
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.log_configuration import LogConfiguration
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE
from odradek.metadata.partition_registration import RECOVERED, RECOVERING, PartitionRegistration
from odradek.metadata.record_codec import decode_metadata_record
from odradek.metadata.transactions import MetadataTransactions
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.raft.metadata_log import METADATA_PARTITION, MetadataLog, metadata_log_directory
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.checkpoint_file import RECOVERY_POINT_CHECKPOINT, read_offset_checkpoint
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.recovery_progress import RecoveryProgress
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from odradek.testing.virtual_loop import VirtualLoop
from tests.storage.building import START_MS
from tests.storage.building import batch as marked_batch
from tests.storage.test_log_directories import TOPIC_ID, Machine
from tests.storage.test_log_opening import WornDisk, crashed_machine
from tests.support.node_in_process import SETTINGS, NodeInProcess
from tests.support.wire_client import WireClient

PARTITIONS_MANY = 300
# Each life of a node has a seed of its own, because the incarnation by which the controller tells one from another comes from the dice.


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def create_topic(client: WireClient, partitions_count: int) -> None:
    topic = CreatableTopic(name="orders", num_partitions=partitions_count, replication_factor=1)
    answer = client.request(CreateTopicsRequest(topics=[topic], timeout_ms=20_000), CreateTopicsResponse, 7)
    assert answer.topics[0].error_code == ErrorCode.NONE


def produce_to_each(client: WireClient, partitions_count: int) -> list[int]:
    """Write one record to each partition; the base offsets."""
    batch = encode_batch([Record(0, 1_700_000_000_000, None, b"kept", ())])
    data = [PartitionProduceData(index, batch) for index in range(partitions_count)]
    request = ProduceRequest(acks=-1, timeout_ms=20_000, topic_data=[TopicProduceData(name="orders", partition_data=data)])
    answers = client.request(request, ProduceResponse, 9).responses[0].partition_responses
    assert {answer.error_code for answer in answers} == {ErrorCode.NONE}
    return [answer.base_offset for answer in sorted(answers, key=lambda answer: answer.index)]


def log_ends(client: WireClient, partitions_count: int) -> list[int]:
    asked = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partitions_count)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="orders", partitions=asked)])
    answers = client.request(request, ListOffsetsResponse, 5).topics[0].partitions
    assert {answer.error_code for answer in answers} == {ErrorCode.NONE}
    return [answer.offset for answer in sorted(answers, key=lambda answer: answer.partition_index)]


def killed_copy(disk: SimulatedDisk) -> SimulatedDisk:
    """The disk as a process finds it that comes after one that was killed now."""
    copy = disk.copy()
    copy.crash(CrashKind.PROCESS, random.Random(0))
    return copy


def test_many_partitions_come_back_after_the_process_was_killed_and_after_a_clean_stop() -> None:
    disk = SimulatedDisk(now_ms)
    with NodeInProcess(filesystem=disk.mount(), seed=1) as node:
        client = node.client()
        create_topic(client, PARTITIONS_MANY)
        assert produce_to_each(client, PARTITIONS_MANY) == [0] * PARTITIONS_MANY
        killed = killed_copy(disk)
        client.close()

    for source in (killed, disk):
        with NodeInProcess(filesystem=source.mount(), seed=2) as restarted:
            client = restarted.client()
            assert log_ends(client, PARTITIONS_MANY) == [1] * PARTITIONS_MANY
            assert produce_to_each(client, PARTITIONS_MANY) == [1] * PARTITIONS_MANY
            client.close()


def test_lone_node_does_not_wait_for_the_session_of_the_one_that_was_killed() -> None:
    """Kafka refuses the new incarnation until the old session is over; whoever holds the directory's lock knows that nobody else lives."""
    session = {"broker.session.timeout.ms": "3600000", "broker.heartbeat.interval.ms": "1000"}
    disk = SimulatedDisk(now_ms)
    with NodeInProcess(session, filesystem=disk.mount(), seed=3) as node:
        client = node.client()
        create_topic(client, 1)
        killed = killed_copy(disk)
        client.close()

    with NodeInProcess(session, filesystem=killed.mount(), seed=4) as restarted:
        client = restarted.client()
        assert produce_to_each(client, 1) == [0]
        client.close()


def test_rolled_segment_is_not_read_again_after_a_crash_that_comes_soon() -> None:
    """Its flush is followed by the checkpoint that says so, not by a minute in which everything would be scanned."""
    disk = SimulatedDisk(now_ms)
    with NodeInProcess({"log.segment.bytes": "1048576"}, filesystem=disk.mount(), seed=11) as node:
        client = node.client()
        create_topic(client, 1)
        large = encode_batch([Record(0, 1_700_000_000_000, None, bytes(700_000), ())])
        for _ in range(3):
            data = [PartitionProduceData(0, large)]
            request = ProduceRequest(acks=-1, timeout_ms=20_000, topic_data=[TopicProduceData(name="orders", partition_data=data)])
            assert client.request(request, ProduceResponse, 9).responses[0].partition_responses[0].error_code == ErrorCode.NONE
        until = time.monotonic() + 20
        while recovery_point_on(disk) != 2:
            assert time.monotonic() < until, f"the recovery point on the disk is {recovery_point_on(disk)}"
            time.sleep(0.02)
        client.close()


def recovery_point_on(disk: SimulatedDisk) -> int:
    """What a process finds that comes after a crash now."""
    found = read_offset_checkpoint(killed_copy(disk).mount(), f"/data/{RECOVERY_POINT_CHECKPOINT}")
    return found.get(TopicPartition("orders", 0), -1)


class SlowOpening(MemoryFileSystem):
    """Reading a log takes long enough for somebody to change his mind."""

    is_slow = False
    reads = 0

    def open(self, path: str, *, create: bool = False):  # type: ignore[no-untyped-def]
        if self.is_slow and path.endswith(".log") and METADATA_PARTITION.topic not in path:
            self.reads += 1
            time.sleep(0.002)
        return super().open(path, create=create)


def test_stop_during_the_recovery_is_heard_and_the_next_start_finds_everything() -> None:
    filesystem = SlowOpening()
    with NodeInProcess(filesystem=filesystem, seed=5) as node:
        client = node.client()
        create_topic(client, PARTITIONS_MANY)
        produce_to_each(client, PARTITIONS_MANY)
        client.close()
    filesystem.unlink("/data/.kafka_cleanshutdown")
    filesystem.is_slow = True

    async def start_and_stop_at_once() -> bool:
        stop = asyncio.Event()
        is_ready = False

        def on_ready(report: object) -> None:
            nonlocal is_ready
            is_ready = True

        def on_recovery(progress: RecoveryProgress) -> None:
            stop.set()

        settings = load_broker_settings(SETTINGS)
        await asyncio.wait_for(NodeRun(settings, filesystem, SystemClock(), random.Random(0)).run(stop, on_ready, on_recovery), 20)
        return is_ready

    assert not asyncio.run(start_and_stop_at_once()), "it was ready before it was stopped: the opening was not slow enough"
    assert 0 < filesystem.reads < 2 * PARTITIONS_MANY
    assert not filesystem.exists("/data/.kafka_cleanshutdown"), "what was not opened was marked as clean"
    filesystem.is_slow = False

    with NodeInProcess(filesystem=filesystem, seed=6) as restarted:
        client = restarted.client()
        assert log_ends(client, PARTITIONS_MANY) == [1] * PARTITIONS_MANY
        client.close()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "odradek.broker.log_opener")
    return caplog


def test_log_says_what_is_scanned_and_when_it_is_done(told: pytest.LogCaptureFixture) -> None:
    machine = crashed_machine(logs_count=3, large=(2,))

    async def open_all() -> bool:
        logs = machine.look()
        with ThreadPoolExecutor(2) as pool:
            opener = LogOpener(logs, ManualClock(0), pool, threads_per_directory=2)
            is_open = await opener.open_all(lambda topic: machine.configuration, asyncio.Event())
        assert opener.progress().logs_done == 3
        assert opener.progress().bytes_done >= opener.progress().bytes_total > 5 << 20
        assert logs.get(TopicPartition("orders", 2)) is not None
        return is_open

    assert asyncio.run(open_all())
    assert [record.getMessage() for record in told.records] == ["the last stop was not clean: scanning logs", "logs are open"]
    assert told.records[0].__dict__["logs"] == 1


class SlowPool(Executor):
    """Does each work when seconds have passed on the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work_s: float) -> None:
        self._loop = loop
        self._work_s = work_s

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()

        def work() -> None:
            try:
                done.set_result(function(*arguments, **named))
            except Exception as error:  # the loop hears of it, as from a thread
                done.set_exception(error)

        self._loop.call_later(self._work_s, work)
        return done


def opened_in_virtual_time(
    machine: Machine, *, work_s: float, on_progress: Callable[[RecoveryProgress], None] | None = None
) -> LogDirectories:
    """Open the logs of `machine` with one thread for each directory, whose every work takes `work_s`."""
    loop = VirtualLoop(machine.clock)
    try:
        logs = machine.look()
        opener = LogOpener(logs, machine.clock, SlowPool(loop, work_s), threads_per_directory=1, on_progress=on_progress)
        assert loop.run_until_complete(opener.open_all(lambda topic: machine.configuration, asyncio.Event()))
        return logs
    finally:
        loop.close()


def test_log_tells_every_ten_seconds_how_far_the_recovery_is(told: pytest.LogCaptureFixture) -> None:
    machine = crashed_machine(logs_count=3, large=(1, 2))

    opened_in_virtual_time(machine, work_s=15.5)

    lines = [
        (record.getMessage(), record.__dict__["elapsed_ms"], record.__dict__["logs"]) for record in told.records[0:1] + told.records[2:]
    ]
    assert lines == [
        ("logs are being opened", 10_000, "0 of 3"),
        ("logs are being opened", 20_000, "1 of 3"),
        ("logs are being opened", 30_000, "1 of 3"),
        ("logs are being opened", 40_000, "2 of 3"),
        ("logs are open", 46_500, "3 of 3"),
    ]
    assert told.records[3].__dict__["left_ms"] > 0


def test_who_watches_hears_several_times_a_second_and_the_log_does_not(told: pytest.LogCaptureFixture) -> None:
    machine = crashed_machine(logs_count=3, large=(2,))
    heard: list[tuple[int, int]] = []

    opened_in_virtual_time(machine, work_s=1.05, on_progress=lambda progress: heard.append((progress.elapsed_ms, progress.logs_done)))

    assert heard == [*[(at, 0) for at in range(200, 1_001, 200)], *[(at, 2) for at in range(1_200, 2_001, 200)], (2_100, 3)]
    assert "logs are being opened" not in [record.getMessage() for record in told.records]


def test_disk_that_fails_ends_the_opening_of_its_directory_and_no_other() -> None:
    filesystem = WornDisk()
    machine = Machine(("/a", "/b"), filesystem)
    logs = machine.start()
    for index in range(4):
        logs.create(TopicPartition("orders", index), TOPIC_ID, machine.configuration).append(marked_batch("kept"), 1, START_MS)
    for directory in logs.directories:
        directory.release()
    filesystem.worn = "/a/"

    opened = opened_in_virtual_time(machine, work_s=1)

    assert [directory.is_online for directory in opened.directories] == [False, True]
    assert sorted(held.directory for held in opened if not held.is_offline) == ["/b/orders-1", "/b/orders-3"]


def registration_on(disk: SimulatedDisk) -> PartitionRegistration:
    """What the metadata log says of the first partition, to its end."""
    metadata_log = MetadataLog.open(
        disk.copy().mount(), metadata_log_directory("/data"), LogConfiguration(), ManualClock(now_ms()), was_clean=True
    )
    delta = MetadataDelta(EMPTY_IMAGE)
    transactions = MetadataTransactions()
    for batch in metadata_log.read(0):
        for value in batch.values:
            for record in transactions.feed(decode_metadata_record(value)):
                delta.replay(record)
    registration = delta.apply(0, 0).topics.partition("orders", 0)
    assert registration is not None
    return registration


def test_only_replica_leads_with_its_full_record_after_a_clean_restart_and_is_marked_after_a_crash() -> None:
    """KIP-966: who stopped cleanly is eligible; after a crash the last known leader may lack a tail, and its partition says so.

    The mark of a partition with one replica stays, as with Apache Kafka: a leader takes it away when its set in sync changes next.
    """
    disk = SimulatedDisk(now_ms)
    with NodeInProcess(filesystem=disk.mount(), seed=7) as node:
        client = node.client()
        create_topic(client, 1)
        client.close()
    with NodeInProcess(filesystem=disk.mount(), seed=8):
        after_clean_stop = registration_on(disk)
        disk_of_killed = killed_copy(disk)
    with NodeInProcess(filesystem=disk_of_killed.mount(), seed=9):
        after_crash = registration_on(disk_of_killed)
    with NodeInProcess(filesystem=disk_of_killed.mount(), seed=10):
        after_another_stop = registration_on(disk_of_killed)

    states = [(it.leader, it.isr, it.leader_recovery_state) for it in (after_clean_stop, after_crash, after_another_stop)]
    assert states == [(1, (1,), RECOVERED), (1, (1,), RECOVERING), (1, (1,), RECOVERING)]
