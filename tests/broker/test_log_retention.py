"""Retention as a node does it: at its hours, without getting into the way of others, and so that who waits hears of it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Hashable
from dataclasses import replace
from itertools import pairwise

import pytest

from odradek.base.clock import ManualClock
from odradek.base.error_codes import ErrorCode
from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.broker.log_housekeeping import SEGMENTS_PER_TURN_MAX, LogHousekeeping
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.log_configuration import LogConfiguration
from odradek.config.resource_type import ResourceType
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.testing.virtual_loop import InlineExecutor, run_in_virtual_time
from tests.broker.small_node import SmallNode
from tests.support.node_in_process import SETTINGS, NodeInProcess
from tests.support.wire_client import WireClient

MINUTE_MS = 60_000
# Two batches of a hundred bytes fill a segment.
SMALL = LogConfiguration(segment_bytes=400, retention_ms=MINUTE_MS)


class Household:
    """A small node and the housekeeping of its logs, in virtual time."""

    def __init__(self, configuration: LogConfiguration = SMALL, **settings: str) -> None:
        self.node = SmallNode(log_configuration=configuration)
        self.clock: ManualClock = self.node.clock
        self.pool = InlineExecutor()
        given = SETTINGS | {name.replace("_", "."): text for name, text in settings.items()}
        configured = DynamicConfiguration(load_broker_settings(given), 1)
        self.housekeeping = LogHousekeeping(self.node.logs, self.node.partitions, configured, self.clock, self.pool)

    def fill(self, topic: str, batches: int, *, index: int = 0) -> None:
        """Batches of now."""
        for _ in range(batches):
            self.node.append(topic, bytes(100), index=index, timestamp=self.clock.now_ms())

    def live(self, elapsed_ms: int) -> None:
        """Let the housekeeping do what is due in the next `elapsed_ms`."""
        until_ms = self.clock.monotonic_ms() + elapsed_ms

        async def story() -> None:
            task = asyncio.ensure_future(self.housekeeping.run())
            await asyncio.sleep(elapsed_ms / 1000)
            task.cancel()

        run_in_virtual_time(self.clock, story())
        assert self.clock.monotonic_ms() >= until_ms


def test_first_look_waits_for_the_initial_delay_and_the_next_for_the_interval() -> None:
    settings = {"log_initial_task_delay_ms": "30000", "log_retention_check_interval_ms": "300000"}
    household = Household(replace(SMALL, retention_ms=10_000), **settings)
    household.node.create_topic("orders")
    household.fill("orders", 3)
    log = household.node.partition("orders").log

    household.live(29_000)
    assert log.log_start_offset == 0
    household.live(2_000)
    assert (log.log_start_offset, log.log_end_offset, log.size) == (3, 3, 0)

    household.fill("orders", 3)
    household.live(200_000)
    assert log.log_start_offset == 3
    household.live(100_000)
    assert log.log_start_offset == 6


def test_files_leave_the_disk_after_their_delay() -> None:
    household = Household(replace(SMALL, file_delete_delay_ms=10_000), log_initial_task_delay_ms="0")
    household.node.create_topic("orders")
    household.fill("orders", 4)
    log = household.node.partition("orders").log
    household.clock.advance(2 * MINUTE_MS)

    household.live(5_000)
    names = log.place.filesystem.list_names(log.directory)
    assert f"{0:020d}.log.deleted" in names
    assert f"{0:020d}.log" not in names
    household.live(10_000)

    assert not [name for name in log.place.filesystem.list_names(log.directory) if name.endswith(".deleted")]


def test_changed_settings_act_at_the_next_look() -> None:
    household = Household(replace(SMALL, retention_ms=-1), log_initial_task_delay_ms="0", log_retention_check_interval_ms="1000")
    household.node.create_topic("orders")
    household.fill("orders", 6)
    partition = household.node.partition("orders")
    household.live(2 * MINUTE_MS)
    assert partition.log.log_start_offset == 0

    partition.configure(replace(SMALL, retention_ms=-1, retention_bytes=partition.log.segments.first.size))
    household.live(2_000)

    assert partition.log.log_start_offset == 4


def test_broken_log_does_not_keep_the_others_from_their_retention() -> None:
    household = Household(log_initial_task_delay_ms="0")
    household.node.create_topic("orders", 3)
    for index in range(3):
        household.fill("orders", 4, index=index)
    household.clock.advance(2 * MINUTE_MS)
    household.node.partition("orders", 1).log.go_offline()

    household.live(1_000)

    assert [household.node.partition("orders", index).log.log_start_offset for index in range(3)] == [4, 0, 4]


def test_segments_stay_when_the_name_of_the_new_one_cannot_be_made_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    household = Household(log_initial_task_delay_ms="0", log_retention_check_interval_ms="90000")
    household.node.create_topic("orders")
    household.fill("orders", 4)
    household.live(80_000)

    def refuse(filesystem: MemoryFileSystem, path: str) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(MemoryFileSystem, "fsync_directory", refuse)
    household.live(20_000)

    log = household.node.partition("orders").log
    assert (log.is_offline, log.log_start_offset, log.segments.base_offsets) == (True, 0, [0, 2, 4])


def test_others_have_their_turn_between_two_logs_and_two_portions() -> None:
    household = Household(log_initial_task_delay_ms="0")
    household.node.create_topic("orders", 50)
    household.fill("orders", 10 * SEGMENTS_PER_TURN_MAX, index=7)
    for index in range(50):
        household.fill("orders", 4, index=index)
    household.clock.advance(2 * MINUTE_MS)
    logs = [household.node.partition("orders", index).log for index in range(50)]
    segments_count = [sum(len(log.segments) for log in logs)]

    async def story() -> None:
        task = asyncio.ensure_future(household.housekeeping.run())
        while any(log.size for log in logs):
            await asyncio.sleep(0)
            segments_count.append(sum(len(log.segments) for log in logs))
        task.cancel()

    run_in_virtual_time(household.clock, story())

    gone = [before - after for before, after in pairwise(segments_count)]
    assert max(gone) <= SEGMENTS_PER_TURN_MAX
    assert len([count for count in gone if count > 0]) >= 50


class Waiting:
    """Somebody who waits for a partition."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def try_complete(self, key: Hashable) -> bool:
        self.keys.append(key)
        return False

    def expire(self) -> None:
        """Nothing to answer."""


def test_who_waits_hears_that_the_log_start_moved() -> None:
    household = Household(log_initial_task_delay_ms="0")
    household.node.create_topic("orders")
    household.fill("orders", 4)
    partition = household.node.partition("orders")
    waiting = Waiting()
    household.node.purgatory.park(waiting, [partition], household.clock.monotonic_ms() + 10 * MINUTE_MS)

    partition.delete_records_before(1)
    assert waiting.keys == [partition]
    household.clock.advance(2 * MINUTE_MS)
    household.live(1_000)

    assert set(waiting.keys) == {partition}
    assert len(waiting.keys) > 1


# A whole node


def value_of(number: int) -> bytes:
    return b"%0100d" % number


def create(client: WireClient, name: str, **configs: str) -> None:
    wanted = [CreatableTopicConfig(key.replace("_", "."), text) for key, text in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1, configs=wanted)
    assert client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0].error_code == 0


def configure(client: WireClient, resource_type: ResourceType, name: str, setting: str, text: str) -> None:
    resource = AlterConfigsResource(resource_type, name, [AlterableConfig(setting, 0, text)])
    response = client.request(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1)
    assert response.responses[0].error_code == 0


def produce(client: WireClient, topic: str, count: int, timestamp: int) -> None:
    for number in range(count):
        batch = encode_batch([Record(0, timestamp, None, value_of(number))])
        data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(0, batch)])]
        response = client.request(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=data), ProduceResponse, 9)
        assert response.responses[0].partition_responses[0].error_code == 0


def fetch(client: WireClient, topic: str, offset: int, *, bytes_min: int, wait_ms: int = 15_000) -> tuple[int, list[int]]:
    partitions = [FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)]
    request = FetchRequest(max_wait_ms=wait_ms, min_bytes=bytes_min, topics=[FetchTopic(topic=topic, partitions=partitions)])
    answered = client.request(request, FetchResponse, 12).responses[0].partitions[0]
    records = answered.records or b""
    return answered.error_code, [record.offset for batch in iterate_batches(records) for record in decode_records(records, batch.position)]


def offset_at(client: WireClient, topic: str, timestamp: int) -> int:
    """-2 is the log start, -1 the high watermark."""
    topics = [ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)])]
    response = client.request(ListOffsetsRequest(replica_id=-1, topics=topics), ListOffsetsResponse, 5)
    return response.topics[0].partitions[0].offset


@pytest.mark.parametrize("of_whom", [ResourceType.TOPIC, ResourceType.BROKER])
def test_node_drops_what_a_changed_setting_no_longer_keeps(of_whom: ResourceType) -> None:
    """A fetch that waits for more is told that its offset is gone; the rest is served, before and after a restart."""
    node = NodeInProcess({"log.retention.check.interval.ms": "20", "log.initial.task.delay.ms": "0"})
    with node:
        client = node.client()
        create(client, "orders", internal_segment_bytes="400", retention_ms="-1")
        produce(client, "orders", 10, timestamp=1_000)
        assert fetch(client, "orders", 0, bytes_min=1) == (ErrorCode.NONE, list(range(2)))
        assert offset_at(client, "orders", -2) == 0
        waiting = node.client()
        partitions = [FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)]
        waiting.send(FetchRequest(max_wait_ms=15_000, min_bytes=1 << 20, topics=[FetchTopic(topic="orders", partitions=partitions)]), 12)

        if of_whom is ResourceType.TOPIC:
            configure(client, ResourceType.TOPIC, "orders", "retention.bytes", "600")
        else:
            configure(client, ResourceType.BROKER, "", "log.retention.bytes", "600")

        answered = waiting.receive(FetchResponse, 12).responses[0].partitions[0]
        assert answered.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        start = offset_at(client, "orders", -2)
        assert (start, offset_at(client, "orders", -1)) == (6, 10)
    again = NodeInProcess({"log.initial.task.delay.ms": "3600000"}, node.filesystem)
    with again:
        client = again.client()
        assert (offset_at(client, "orders", -2), offset_at(client, "orders", -1)) == (6, 10)
        assert fetch(client, "orders", 6, bytes_min=1) == (ErrorCode.NONE, [6, 7])
        assert fetch(client, "orders", 5, bytes_min=1)[0] == ErrorCode.OFFSET_OUT_OF_RANGE


def test_deleted_records_go_from_the_disk_and_stay_away_after_a_restart() -> None:
    node = NodeInProcess({"log.initial.task.delay.ms": "3600000"})
    with node:
        client = node.client()
        create(client, "orders", internal_segment_bytes="400", retention_ms="-1")
        produce(client, "orders", 10, timestamp=1_000)
        topics = [DeleteRecordsTopic("orders", [DeleteRecordsPartition(0, 5)])]
        response = client.request(DeleteRecordsRequest(topics=topics, timeout_ms=1000), DeleteRecordsResponse, 2)
        assert (response.topics[0].partitions[0].error_code, response.topics[0].partitions[0].low_watermark) == (0, 5)
    again = NodeInProcess({"log.retention.check.interval.ms": "20", "log.initial.task.delay.ms": "0"}, node.filesystem)
    with again:
        client = again.client()
        assert offset_at(client, "orders", -2) == 5
        assert fetch(client, "orders", 5, bytes_min=1) == (ErrorCode.NONE, [5])
    names = node.filesystem.list_names("/data/orders-0")
    assert not [name for name in names if name.endswith(".log") and name < f"{4:020d}"]
