"""The controller on its log, whole: started, asked, stopped, started again, on a disk in memory."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from odradek.base.clock import ManualClock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, StartRefused
from odradek.base.identifiers import Uuid, random_uuid
from odradek.broker.broker_lifecycle import BrokerLifecycle
from odradek.broker.controller_driver import ControllerDriver, ControllerTimes
from odradek.broker.metadata_publisher import MetadataPublisher
from odradek.broker.producer_id_source import ProducerIdSource
from odradek.broker.raft_driver import RaftDriver
from odradek.config.log_configuration import LogConfiguration
from odradek.config.settings import Settings
from odradek.controller.activation import bootstrap_records
from odradek.controller.config_rules import ConfigRules
from odradek.controller.controller import Controller, ControllerSettings
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata.cluster import Endpoint
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage
from odradek.metadata.partition_registration import NO_LEADER
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
    DescribeQuorumResponse,
)
from odradek.raft.control_records import QuorumHistory
from odradek.raft.metadata_log import MetadataLog
from odradek.raft.node import RaftTimeouts
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import BOOTSTRAP_SNAPSHOT, encode_snapshot, list_snapshots, write_snapshot
from odradek.raft.snapshot_schedule import SnapshotSettings
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet
from odradek.storage.memory_filesystem import MemoryFileSystem

DIRECTORY = "/data/__cluster_metadata-0"
DIRECTORY_ID = Uuid(b"\x09" * 16)
LOCAL = Voter(key=VoterKey(1, DIRECTORY_ID), endpoints=(VoterEndpoint("CONTROLLER", "127.0.0.1", 9093),))
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"


@dataclass
class RunningController:
    driver: ControllerDriver
    publisher: MetadataPublisher
    lifecycle: BrokerLifecycle

    async def create(self, *names: str) -> CreateTopicsResponse:
        topics = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names]
        response = await self.driver.decide(CreateTopicsRequest(topics=topics), 7)
        assert isinstance(response, CreateTopicsResponse)
        return response


def formatted() -> MemoryFileSystem:
    filesystem = MemoryFileSystem()
    filesystem.make_directories(DIRECTORY)
    quorum = QuorumHistory(kraft_version=1, voters=VoterSet.of([LOCAL]))
    write_snapshot(
        filesystem, DIRECTORY, BOOTSTRAP_SNAPSHOT, encode_snapshot([], epoch=0, last_contained_log_timestamp_ms=0, now_ms=0, quorum=quorum)
    )
    return filesystem


@asynccontextmanager
async def running(
    filesystem: MemoryFileSystem, *, snapshot_bytes: int = 20 << 20, leaves_in_order: bool = True
) -> AsyncIterator[RunningController]:
    clock, dice = ManualClock(), random.Random(1)
    with ThreadPoolExecutor(1) as pool:
        log = MetadataLog.open(filesystem, DIRECTORY, LogConfiguration(), clock, was_clean=False)
        raft = RaftDriver.open(
            log,
            QuorumStateFile(filesystem, DIRECTORY),
            local=LOCAL,
            static_voters=None,
            timeouts=RaftTimeouts(),
            clock=clock,
            pool=pool,
            dice=dice,
        )
        controller = Controller(
            ControllerSettings(node_id=1, cluster_id=CLUSTER_ID, topic_defaults=TopicDefaults()), ConfigRules(Settings(), 1), dice
        )
        publisher = MetadataPublisher()
        driver = ControllerDriver(
            controller=controller,
            raft=raft,
            publisher=publisher,
            bootstrap=bootstrap_records(),
            clock=clock,
            pool=pool,
            times=ControllerTimes(),
            snapshots=SnapshotSettings(record_bytes_between_snapshots_max=snapshot_bytes),
        )
        await driver.start()
        previous = publisher.image.cluster.brokers.get(1)
        lifecycle = BrokerLifecycle(
            controller=driver,
            publisher=publisher,
            node_id=1,
            cluster_id=CLUSTER_ID,
            incarnation_id=random_uuid(random.Random()),
            rack=None,
            broker_endpoints=[Endpoint("PLAINTEXT", "127.0.0.1", 9092)],
            controller_endpoints=[Endpoint("CONTROLLER", "127.0.0.1", 9093)],
            directory_ids=[DIRECTORY_ID],
            previous_broker_epoch=previous.epoch if previous is not None and leaves_in_order else -1,
            heartbeat_interval_ms=2000,
            directory_failure_timeout_ms=30_000,
            cordoned_directory_ids=list,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(driver.run())
            await lifecycle.start()
            yield RunningController(driver, publisher, lifecycle)
            if leaves_in_order:
                assert await lifecycle.leave()
            await driver.stop()
        raft.close()


def in_a_loop(test: Callable[[], Coroutine[object, object, None]]) -> Callable[[], None]:
    """Run an async test to its end in a loop of its own."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Told:
    """A subscriber that writes down which topics it heard of."""

    def __init__(self) -> None:
        self.topics: list[list[str]] = []

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        self.topics.append(sorted(topic.name for topic in delta.topics.changed_topics.values()))


@in_a_loop
async def test_topic_is_applied_on_this_node_when_the_answer_comes() -> None:
    async with running(formatted()) as node:
        told = Told()
        node.publisher.add(told)

        response = await node.create("orders")

        assert response.topics[0].error_code == ErrorCode.NONE
        assert "orders" in node.publisher.image.topics.by_name
        assert told.topics[-1] == ["orders"]


@in_a_loop
async def test_restart_finds_everything_and_leads_again() -> None:
    filesystem = formatted()
    async with running(filesystem) as node:
        await node.create("orders", "payments")
        first_epoch = node.publisher.image.cluster.brokers[1].epoch

    async with running(filesystem) as node:
        image = node.publisher.image

        assert set(image.topics.by_name) == {"orders", "payments"}
        assert {topic.partitions[0].leader for topic in image.topics.by_name.values()} == {1}
        assert image.cluster.brokers[1].epoch > first_epoch
        assert node.driver.raft.node.epoch == 2


@in_a_loop
async def test_crash_does_not_keep_the_node_from_serving_at_once() -> None:
    filesystem = formatted()
    async with running(filesystem, leaves_in_order=False) as node:
        await node.create("orders")

    async with running(filesystem, leaves_in_order=False) as node:
        assert node.publisher.image.topics.by_name["orders"].partitions[0].leader == 1


@in_a_loop
async def test_restart_from_a_snapshot_finds_the_same() -> None:
    filesystem = formatted()
    async with running(filesystem, snapshot_bytes=1) as node:
        await node.create("orders")
    assert list_snapshots(filesystem, DIRECTORY)[-1] > BOOTSTRAP_SNAPSHOT

    async with running(filesystem) as node:
        assert set(node.publisher.image.topics.by_name) == {"orders"}


@in_a_loop
async def test_requests_of_one_turn_see_each_other_and_share_a_commit() -> None:
    async with running(formatted()) as node:
        before = node.driver.raft.node.log_end_offset

        first, second = await asyncio.gather(node.create("orders"), node.create("orders"))

        assert (first.topics[0].error_code, second.topics[0].error_code) == (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS)
        assert node.driver.raft.node.log_end_offset == before + 2


@in_a_loop
async def test_leaving_takes_the_leaderships_away() -> None:
    async with running(formatted()) as node:
        await node.create("orders")
        publisher = node.publisher

    assert publisher.image.topics.by_name["orders"].partitions[0].leader == NO_LEADER
    assert publisher.image.cluster.brokers[1].is_fenced


@in_a_loop
async def test_request_is_refused_when_the_controller_has_stopped() -> None:
    async with running(formatted()) as node:
        stopped = node

    with pytest.raises(RequestRefused) as refused:
        await stopped.create("orders")
    assert refused.value.code is ErrorCode.NOT_CONTROLLER


@in_a_loop
async def test_producer_ids_are_never_given_twice() -> None:
    async with running(formatted()) as node:
        source = ProducerIdSource(node.driver, 1, lambda: node.lifecycle.epoch)

        ids = await asyncio.gather(*(source.next_id() for _ in range(2500)))

        assert sorted(ids) == list(range(2500))
        assert node.publisher.image.producer_ids.next_producer_id == 3000


@in_a_loop
async def test_quorum_is_described_by_its_leader() -> None:
    async with running(formatted()) as node:
        asked = DescribeQuorumRequestTopicData(
            topic_name="__cluster_metadata", partitions=[DescribeQuorumRequestPartitionData(partition_index=0)]
        )
        response = await node.driver.decide(DescribeQuorumRequest(topics=[asked]), 2)

        assert isinstance(response, DescribeQuorumResponse)
        partition = response.topics[0].partitions[0]
        assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (1, 1, node.driver.raft.high_watermark)
        assert [voter.replica_directory_id for voter in partition.current_voters] == [DIRECTORY_ID]
        assert response.nodes[0].listeners[0].port == 9093


@in_a_loop
async def test_node_without_voters_does_not_start() -> None:
    with pytest.raises(StartRefused, match="names no voters"):
        async with running(MemoryFileSystem()):
            pass


@in_a_loop
async def test_node_that_belongs_to_a_larger_quorum_does_not_start() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories(DIRECTORY)
    others = VoterSet.of([LOCAL, Voter(key=VoterKey(2, DIRECTORY_ID), endpoints=LOCAL.endpoints)])
    batches = encode_snapshot(
        [], epoch=0, last_contained_log_timestamp_ms=0, now_ms=0, quorum=QuorumHistory(kraft_version=1, voters=others)
    )
    write_snapshot(filesystem, DIRECTORY, BOOTSTRAP_SNAPSHOT, batches)

    with pytest.raises(StartRefused, match="nodes 1, 2"):
        async with running(filesystem):
            pass
