"""Fetches of what is not in memory: read ahead in the pool, a few at a time, and answered behind it in their place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from odradek.broker.cold_reads import WARMING_MAX, ColdReads
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from odradek.storage.segment import READ_AHEAD_BYTES, LogSlice
from tests.broker.test_node import batch_of, create, fetch, produce, values_of
from tests.support.node_in_process import NodeInProcess


class SlowFile(MemoryFile):
    """A file whose reads wait until the test lets them go on."""

    def __init__(self, *, is_broken: bool = False) -> None:
        super().__init__(lambda: 0)
        self.is_broken = is_broken
        self.may_go_on = threading.Event()
        self.reads: list[tuple[int, int]] = []

    def pread(self, size: int, position: int) -> bytes:
        assert self.may_go_on.wait(10), "the test has forgotten this read"
        self.reads.append((size, position))
        if self.is_broken:
            raise OSError("broken")
        return bytes(size)


def run(story: Callable[[ColdReads], Awaitable[None]]) -> None:
    async def whole() -> None:
        with ThreadPoolExecutor(8) as pool:
            async with asyncio.timeout(10):
                await story(ColdReads(asyncio.get_running_loop(), pool))

    asyncio.run(whole())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_every_page_is_read_before_the_answer() -> None:
    async def story(reads: ColdReads) -> None:
        file = SlowFile()
        answered: list[int] = []
        reads.warm([LogSlice(file, 100, READ_AHEAD_BYTES + 7, 5)], lambda: answered.append(len(file.reads)))
        file.may_go_on.set()
        await until(lambda: bool(answered))
        assert answered == [2]
        assert file.reads == [(READ_AHEAD_BYTES, 100), (7, 100 + READ_AHEAD_BYTES)]

    run(story)


def test_few_are_read_for_at_a_time_and_the_rest_in_order() -> None:
    async def story(reads: ColdReads) -> None:
        files = [SlowFile() for _ in range(WARMING_MAX + 2)]
        answered: list[int] = []
        for number, file in enumerate(files):
            reads.warm([LogSlice(file, 0, 10, 1)], partial(answered.append, number))
        for file in files[WARMING_MAX:]:
            file.may_go_on.set()
        await asyncio.sleep(0.05)
        assert answered == []
        files[0].may_go_on.set()
        await until(lambda: len(answered) == 3)
        assert answered == [0, WARMING_MAX, WARMING_MAX + 1]
        files[1].may_go_on.set()
        await until(lambda: len(answered) == 4)

    run(story)


def test_who_has_gone_is_not_answered_and_not_read_for() -> None:
    async def story(reads: ColdReads) -> None:
        files = [SlowFile() for _ in range(WARMING_MAX + 2)]
        answered: list[int] = []
        warmings = [reads.warm([LogSlice(file, 0, 10, 1)], partial(answered.append, number)) for number, file in enumerate(files)]
        warmings[0].cancel()
        warmings[WARMING_MAX].cancel()
        for file in files:
            file.may_go_on.set()
        await until(lambda: len(answered) == WARMING_MAX)
        assert sorted(answered) == [1, WARMING_MAX + 1]
        assert files[WARMING_MAX].reads == []

    run(story)


def test_disk_that_fails_leaves_it_to_the_sending_to_say_so() -> None:
    async def story(reads: ColdReads) -> None:
        file = SlowFile(is_broken=True)
        file.may_go_on.set()
        answered: list[bool] = []
        reads.warm([LogSlice(file, 0, 10, 1)], lambda: answered.append(True))
        await until(lambda: bool(answered))

    run(story)


def test_fetch_of_what_is_cold_is_answered_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = MemoryFileSystem()
    with NodeInProcess(filesystem=filesystem) as node:
        client = node.client()
        create(client, "yesterday")
        for value in (b"one", b"two"):
            produce(client, "yesterday", batch_of(value))
        client.close()
    read_by: list[str] = []
    pread = MemoryFile.pread

    def noted(file: MemoryFile, size: int, position: int) -> bytes:
        read_by.append(threading.current_thread().name)
        return pread(file, size, position)

    with NodeInProcess(filesystem=filesystem) as node:
        client = node.client()
        monkeypatch.setattr(MemoryFile, "pread", noted)
        monkeypatch.setattr(MemoryFile, "pread_cached", lambda *_: None)
        assert fetch(client, "yesterday", 0) == (0, [b"one", b"two"])
        assert any(name.startswith("odradek-disk") for name in read_by)

        # The end of the log is in memory, whatever the file system says of it.
        read_by.clear()
        produce(client, "yesterday", batch_of(b"three"))
        assert fetch(client, "yesterday", 2) == (0, [b"three"])
        assert not any(name.startswith("odradek-disk") for name in read_by)

        # Requests that stand behind a cold fetch on the same connection are answered behind it.
        partitions = [FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)]
        client.send(FetchRequest(max_wait_ms=100, min_bytes=1, topics=[FetchTopic(topic="yesterday", partitions=partitions)]), 12)
        data = [TopicProduceData(name="yesterday", partition_data=[PartitionProduceData(0, batch_of(b"four"))])]
        client.send(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=data), 9)
        fetched = client.receive(FetchResponse, 12).responses[0].partitions[0]
        assert values_of(fetched.records or b"") == [b"one", b"two", b"three"]
        assert client.receive(ProduceResponse, 9).responses[0].partition_responses[0].base_offset == 3
        monkeypatch.undo()
        client.close()
