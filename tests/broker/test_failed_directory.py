"""A log directory that fails, seen by clients: its partitions answer a storage error, the rest is served, nothing is forgotten."""

from __future__ import annotations

import asyncio
import errno

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.testing.disk_faults import disk_error
from odradek.testing.disk_operations import SYNCS, WRITES, Fault, Operation
from odradek.testing.simulated_disk import CrashKind
from tests.broker.sick_node import SickNode, tell

TWO = "/data,/other"
STORAGE_ERROR = (ErrorCode.KAFKA_STORAGE_ERROR, -1)


def break_directory(node: SickNode, directory: str, *, only: frozenset[Operation] | None = None) -> None:
    """Every operation there fails from now on, or those in `only`."""

    def refuse(operation: Operation, path: str, size: int) -> Fault | None:
        is_there = path == directory or path.startswith(directory + "/")
        return Fault(disk_error(errno.EIO, path)) if is_there and (only is None or operation in only) else None

    node.node.disk_fault = refuse


async def partitions_by_directory(node: SickNode, topic: str) -> dict[str, list[int]]:
    found = {}
    for path, result in (await node.directories()).items():
        found[path] = sorted(
            partition.partition_index for of_topic in result.topics if of_topic.name == topic for partition in of_topic.partitions
        )
    return found


async def spread(node: SickNode) -> tuple[int, int]:
    """A topic with a record in each of its partitions; one that lies in `/data`, one that lies in `/other`."""
    await node.create("orders", partitions=4)
    for index in range(4):
        assert await node.produce("orders", b"%d" % index, index=index) == (0, 0)
    where = await partitions_by_directory(node, "orders")
    assert sorted(where) == ["/data", "/other"]
    assert [len(indexes) for indexes in where.values()] == [2, 2]
    await asyncio.sleep(1)
    return where["/data"][0], where["/other"][0]


async def list_offset(node: SickNode, index: int) -> int:
    wanted = ListOffsetsTopic(name="orders", partitions=[ListOffsetsPartition(partition_index=index, timestamp=-1)])
    response = await node.ask(ListOffsetsRequest(replica_id=-1, topics=[wanted]), ListOffsetsResponse, 7)
    return response.topics[0].partitions[0].error_code


def test_partitions_of_a_failed_directory_answer_a_storage_error_and_the_rest_is_served() -> None:
    async def story(node: SickNode) -> None:
        healthy, sick = await spread(node)
        parked = asyncio.ensure_future(node.fetch("orders", 1, index=sick, wait_ms=60_000))
        await asyncio.sleep(0.5)
        before_ms = node.clock.monotonic_ms()
        break_directory(node, "/other")

        assert await node.produce("orders", b"lost", index=sick) == STORAGE_ERROR
        assert await parked == (ErrorCode.KAFKA_STORAGE_ERROR, [])
        assert node.clock.monotonic_ms() - before_ms < 5_000
        assert await node.produce("orders", b"still lost", index=sick) == STORAGE_ERROR
        assert (await node.fetch("orders", index=sick))[0] == ErrorCode.KAFKA_STORAGE_ERROR
        assert await list_offset(node, sick) == ErrorCode.KAFKA_STORAGE_ERROR
        assert await node.produce("orders", b"more", index=healthy) == (0, 1)
        assert (await node.fetch("orders", index=healthy))[0] == 0

        async def is_known() -> bool:
            return (await node.partition("orders", sick)).leader_id == -1

        await node.until(is_known)
        partition = await node.partition("orders", sick)
        assert (partition.error_code, partition.offline_replicas) == (ErrorCode.LEADER_NOT_AVAILABLE, [1])
        partition = await node.partition("orders", healthy)
        assert (partition.error_code, partition.leader_id, partition.offline_replicas) == (0, 1, [])
        # Still so, now that the metadata says that nobody leads it.
        assert await node.produce("orders", b"still lost", index=sick) == STORAGE_ERROR
        assert {path: result.error_code for path, result in (await node.directories()).items()} == {
            "/data": 0,
            "/other": ErrorCode.KAFKA_STORAGE_ERROR,
        }
        assert await node.create("later", partitions=2) == 0
        assert await node.produce("later", b"x", index=0) == (0, 0)
        assert (await partitions_by_directory(node, "later"))["/data"] == [0, 1]
        assert node.said("log directory is offline") == 1

    tell(story, log_dirs=TWO)


@pytest.mark.parametrize("only", [SYNCS, WRITES])
def test_failed_directory_comes_back_with_the_next_start_and_has_everything_that_was_acknowledged(only: frozenset[Operation]) -> None:
    async def story(node: SickNode) -> None:
        healthy, sick = await spread(node)
        await node.create("flushed", partitions=4, flush_messages="1")
        break_directory(node, "/other", only=only)
        outcomes = {index: await node.produce("flushed", b"x", index=index) for index in range(4)}
        assert sorted(outcomes.values()) == [(0, 0), (0, 0), STORAGE_ERROR, STORAGE_ERROR]
        await asyncio.sleep(10)
        node.node.disk_fault = None
        await node.crash_and_start(CrashKind.PROCESS)
        await asyncio.sleep(5)
        for index in range(4):
            assert await node.fetch("orders", index=index) == (0, [b"%d" % index])
            if outcomes[index][0] == 0:
                assert await node.fetch("flushed", index=index) == (0, [b"x"])
        for index in (healthy, sick):
            assert await node.produce("orders", b"again", index=index) == (0, 1)

    tell(story, log_dirs=TWO)


def test_directory_that_cannot_be_read_is_offline_too() -> None:
    async def story(node: SickNode) -> None:
        healthy, sick = await spread(node)
        await node.produce("orders", b"more", index=sick)
        # A new process remembers nothing of where batches lie.
        await node.crash_and_start(CrashKind.PROCESS)
        break_directory(node, "/other", only=frozenset({Operation.READ}))
        wanted = ListOffsetsTopic(name="orders", partitions=[ListOffsetsPartition(partition_index=sick, timestamp=1)])
        response = await node.ask(ListOffsetsRequest(replica_id=-1, topics=[wanted]), ListOffsetsResponse, 7)
        assert response.topics[0].partitions[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert (await node.fetch("orders", 1, index=sick))[0] == ErrorCode.KAFKA_STORAGE_ERROR
        assert await node.fetch("orders", index=healthy) == (0, [b"%d" % healthy])
        assert (await node.directories())["/other"].error_code == ErrorCode.KAFKA_STORAGE_ERROR

    tell(story, log_dirs=TWO)


def test_node_ends_when_it_cannot_tell_the_controller_of_a_failed_directory() -> None:
    """`log.dir.failure.timeout.ms`."""

    async def story(node: SickNode) -> None:
        _, sick = await spread(node)
        # There is no room for what the controller would have to note.
        node.disk.capacity_bytes = node.disk.used_bytes
        break_directory(node, "/other")
        began_ms = node.clock.monotonic_ms()
        assert await node.produce("orders", b"lost", index=sick) == STORAGE_ERROR

        async def has_ended() -> bool:
            return not node.node.is_running

        await node.until(has_ended)
        assert 15_000 <= node.clock.monotonic_ms() - began_ms < 25_000
        assert "could not be told" in str(node.node.failure.exceptions[0])  # type: ignore[union-attr]

    tell(story, log_dirs=TWO, log_dir_failure_timeout_ms="15000")


def test_node_starts_without_a_broken_directory_and_makes_none_of_its_partitions_anew() -> None:
    async def story(node: SickNode) -> None:
        healthy, sick = await spread(node)
        await node.node.stop()
        break_directory(node, "/other")
        await node.restart()
        assert await node.fetch("orders", index=healthy) == (0, [b"%d" % healthy])
        assert await node.produce("orders", b"x", index=healthy) == (0, 1)
        assert (await node.fetch("orders", index=sick))[0] == ErrorCode.KAFKA_STORAGE_ERROR
        assert await node.produce("orders", b"x", index=sick) == STORAGE_ERROR
        assert (await node.directories())["/other"].error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert (await node.partition("orders", sick)).leader_id == -1
        assert (await partitions_by_directory(node, "orders"))["/data"] != [0, 1, 2, 3]
        assert await node.create("later") == 0
        assert await node.produce("later", b"x") == (0, 0)

        await node.node.stop()
        node.node.disk_fault = None
        await node.restart()
        assert await node.fetch("orders", index=sick) == (0, [b"%d" % sick])
        assert await node.produce("orders", b"x", index=sick) == (0, 1)

    tell(story, log_dirs=TWO)


def test_topic_deleted_while_its_directory_is_broken_does_not_come_back_with_it() -> None:
    async def story(node: SickNode) -> None:
        await spread(node)
        break_directory(node, "/other")
        await asyncio.gather(*(node.produce("orders", b"x", index=index) for index in range(1)))
        for index in range(4):
            await node.produce("orders", b"x", index=index)
        await asyncio.sleep(3)
        assert await node.delete("orders") == 0
        assert await node.create("orders", partitions=4) == 0
        for index in range(4):
            assert await node.produce("orders", b"new", index=index) == (0, 0)
        node.node.disk_fault = None
        await node.crash_and_start(CrashKind.PROCESS)
        for index in range(4):
            assert await node.fetch("orders", index=index) == (0, [b"new"])
        await asyncio.sleep(10)
        assert not [name for name in node.disk.mount().list_names("/other") if name.startswith("orders")]

    tell(story, log_dirs=TWO)


@pytest.mark.parametrize(("directories", "broken"), [(TWO, "/data"), ("/data", "/data")])
def test_node_ends_without_the_directory_of_the_metadata_log(directories: str, broken: str) -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders", partitions=2)
        break_directory(node, broken)

        async def has_ended() -> bool:
            return not node.node.is_running

        await node.until(has_ended)
        assert isinstance(node.node.failure, BaseExceptionGroup)
        failures = node.node.failure.exceptions
        assert all(isinstance(failure, StorageFailure) for failure in failures), failures

    tell(story, log_dirs=directories)
