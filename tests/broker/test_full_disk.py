"""A full disk, seen by clients: produce is refused, everything else goes on, and writes are taken again as soon as there is room."""

from __future__ import annotations

import asyncio
import errno
import random

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StartRefused
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.testing.client import NoAnswer
from odradek.testing.disk_faults import disk_error
from odradek.testing.disk_operations import WRITES, Fault, Operation
from odradek.testing.simulated_disk import CrashKind
from odradek.testing.simulated_node import NodeFailed
from tests.broker.sick_node import SickNode, tell

STORAGE_ERROR = (ErrorCode.KAFKA_STORAGE_ERROR, -1)
ROOM = 1 << 30


def fill(node: SickNode, left_bytes: int = 0) -> None:
    node.disk.capacity_bytes = node.disk.used_bytes + left_bytes


def test_produce_is_refused_while_the_disk_is_full_and_taken_again_without_a_restart() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders")
        assert await node.produce("orders", b"before") == (0, 0)
        fill(node, 100)

        for acks in (-1, 1, -1):
            assert await node.produce("orders", bytes(500), acks=acks) == STORAGE_ERROR
        assert await node.fetch("orders") == (0, [b"before"])
        assert (await node.directories())["/data"].error_code == 0

        node.disk.capacity_bytes = ROOM
        assert await node.produce("orders", b"after") == (0, 1)
        assert await node.fetch("orders") == (0, [b"before", b"after"])
        await asyncio.sleep(20)
        assert node.said("log directory has no room") == 1
        assert node.said("log directory has room again") == 1
        assert node.said("offline") == 0

    tell(story)


def test_idempotent_producer_gets_through_a_full_disk_with_every_record_once() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders")
        sequence = {"producer_id": 7, "producer_epoch": 0}
        assert await node.produce("orders", b"0", base_sequence=0, **sequence) == (0, 0)
        fill(node)
        assert await node.produce("orders", b"1", base_sequence=1, **sequence) == STORAGE_ERROR
        assert await node.produce("orders", b"2", base_sequence=2, **sequence) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
        node.disk.capacity_bytes = ROOM
        assert await node.produce("orders", b"1", base_sequence=1, **sequence) == (0, 1)
        assert await node.produce("orders", b"1", base_sequence=1, **sequence) == (0, 1)
        assert await node.produce("orders", b"2", base_sequence=2, **sequence) == (0, 2)
        assert await node.fetch("orders") == (0, [b"0", b"1", b"2"])
        await node.crash_and_start(CrashKind.PROCESS)
        assert await node.fetch("orders") == (0, [b"0", b"1", b"2"])

    tell(story)


def test_client_that_wants_no_answer_learns_of_a_full_disk_from_the_end_of_its_connection() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders")
        client = node.client()
        record = Record(0, node.clock.now_ms(), None, bytes(500), [])
        data = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=encode_batch([record]))])
        silent = ProduceRequest(acks=0, timeout_ms=10_000, topic_data=[data])
        await client.tell(silent, 9)
        assert (await client.request(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0
        fill(node, 100)
        await client.tell(silent, 9)
        await asyncio.sleep(1)
        with pytest.raises(NoAnswer):
            await client.request(ApiVersionsRequest(), ApiVersionsResponse, 0)
        assert await node.fetch("orders") == (0, [bytes(500)])

    tell(story)


def test_retention_makes_room_at_once_when_the_disk_is_full() -> None:
    """Neither its hour nor the delay of deletions is waited for: nothing but room on the disk depends on either."""

    async def story(node: SickNode) -> None:
        await node.create("orders", segment_bytes="1048576", retention_bytes="2000000")
        for _ in range(12):
            assert (await node.produce("orders", bytes(500_000)))[0] == 0
        before = node.disk.used_bytes
        fill(node, 1000)
        assert await node.produce("orders", bytes(500_000)) == STORAGE_ERROR

        async def is_taken() -> bool:
            return (await node.produce("orders", bytes(500_000)))[0] == 0

        await node.until(is_taken)
        assert node.disk.used_bytes < before - 2_000_000
        assert node.clock.monotonic_ms() < 60_000

    hour = "3600000"
    tell(story, log_initial_task_delay_ms=hour, log_retention_check_interval_ms=hour, log_segment_delete_delay_ms=hour)


def test_topics_are_refused_while_the_metadata_log_has_no_room_and_the_node_lives_on() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders")
        await node.produce("orders", b"before")
        fill(node)
        assert await node.create("refused") == ErrorCode.KAFKA_STORAGE_ERROR
        await asyncio.sleep(30)
        assert await node.create("refused") == ErrorCode.KAFKA_STORAGE_ERROR
        assert await node.fetch("orders") == (0, [b"before"])

        node.disk.capacity_bytes = ROOM
        assert await node.create("refused") == 0
        assert await node.create("refused") == ErrorCode.TOPIC_ALREADY_EXISTS
        assert await node.produce("refused", b"x") == (0, 0)
        producer = await node.ask(InitProducerIdRequest(transactional_id=None), InitProducerIdResponse, 4)
        assert producer.error_code == 0
        assert node.said("metadata log has no room") == 1
        assert node.said("metadata log has room again") == 1
        await node.crash_and_start(CrashKind.POWER)
        assert (await node.partition("refused")).error_code == 0

    tell(story)


def test_partition_without_room_for_its_files_is_served_as_soon_as_there_is() -> None:
    async def story(node: SickNode) -> None:
        def refuse(operation: Operation, path: str, size: int) -> Fault | None:
            needs_room = operation in WRITES or operation in (Operation.CREATE, Operation.MAKE_DIRECTORY)
            return Fault(disk_error(errno.ENOSPC)) if needs_room and "/late-" in path else None

        node.node.disk_fault = refuse
        assert await node.create("late", partitions=2) == 0
        for index in (0, 1):
            assert await node.produce("late", b"x", index=index) == STORAGE_ERROR
            assert (await node.fetch("late", index=index))[0] == ErrorCode.KAFKA_STORAGE_ERROR
        await asyncio.sleep(5)
        assert node.said("partition is offline") == 2
        node.node.disk_fault = None
        await asyncio.sleep(5)
        for index in (0, 1):
            assert await node.produce("late", b"x", index=index) == (0, 0)
        assert await node.create("other") == 0

    tell(story)


def test_flush_that_finds_no_room_for_the_indexes_refuses_the_promise_and_loses_nothing() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders", flush_messages="1", index_interval_bytes="0")
        assert await node.produce("orders", b"0") == (0, 0)

        def refuse(operation: Operation, path: str, size: int) -> Fault | None:
            return Fault(disk_error(errno.ENOSPC), size // 2) if operation in WRITES and path.endswith("index") else None

        node.node.disk_fault = refuse
        sequence = {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0}
        assert await node.produce("orders", b"1", **sequence) == STORAGE_ERROR
        node.node.disk_fault = None
        # The batch is in the log; sent again it is known, and now there is room to keep the promise.
        assert await node.produce("orders", b"1", **sequence) == (0, 1)
        assert await node.produce("orders", b"2") == (0, 2)
        await node.crash_and_start(CrashKind.POWER)
        # What a crash has left is shown once it has been made durable anew.
        assert await node.fetch("orders", wait_ms=10_000) == (0, [b"0", b"1", b"2"])

    tell(story)


@pytest.mark.parametrize("seed", range(4))
def test_producers_get_through_a_disk_that_fills_and_empties_with_every_record_once_and_in_order(seed: int) -> None:
    """Many requests of one turn, segments that are rolled in the middle of it, and no room at any moment."""
    dice = random.Random(seed)
    batches_each = 40
    refused = 0

    async def producer(node: SickNode, number: int) -> None:
        nonlocal refused
        client = node.client()
        for sequence in range(batches_each):
            record = Record(0, node.clock.now_ms(), None, b"%d:%d:" % (number, sequence) + bytes(dice.randrange(100_000)), [])
            batch = encode_batch([record], producer_id=number, producer_epoch=0, base_sequence=sequence)
            while True:
                code, _ = await node.send("orders", batch, client=client, acks=dice.choice((1, -1)))
                if code == 0:
                    break
                assert code == ErrorCode.KAFKA_STORAGE_ERROR
                refused += 1
                await asyncio.sleep(dice.random() * 0.2)

    async def story(node: SickNode) -> None:
        await node.create("orders", segment_bytes="1048576")
        is_over = False

        async def weather() -> None:
            while not is_over:
                fill(node, dice.choice((0, 1000, 200_000)))
                await asyncio.sleep(dice.random())
                node.disk.capacity_bytes = ROOM
                await asyncio.sleep(dice.random() * 0.2)

        changing = asyncio.ensure_future(weather())
        await asyncio.gather(*(producer(node, number) for number in range(1, 7)))
        is_over = True
        await changing
        for _ in range(2):
            found: dict[int, list[int]] = {}
            offset = 0
            while True:
                code, values = await node.fetch("orders", offset)
                assert code == 0
                if not values:
                    break
                offset += len(values)
                for value in values:
                    number, sequence, _ = value.split(b":", 2)
                    found.setdefault(int(number), []).append(int(sequence))
            assert found == {number: list(range(batches_each)) for number in range(1, 7)}
            await node.crash_and_start(CrashKind.PROCESS)

    tell(story)
    assert refused > 10, f"seed {seed}"


def test_node_stops_on_a_full_disk_and_starts_again_when_there_is_room_with_everything_that_was_acknowledged() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders", index_interval_bytes="0")
        for number in range(5):
            assert await node.produce("orders", b"%d" % number) == (0, number)
        fill(node)
        assert await node.produce("orders", b"refused") == STORAGE_ERROR
        await node.node.stop()
        with pytest.raises(NodeFailed):
            await node.restart()
        assert isinstance(node.node.failure, StartRefused)
        assert "No space left on device" in str(node.node.failure)
        node.disk.capacity_bytes = ROOM
        await node.restart()
        assert await node.fetch("orders") == (0, [b"%d" % number for number in range(5)])
        assert await node.produce("orders", b"after") == (0, 5)

    tell(story)
