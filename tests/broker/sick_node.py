"""One node in a test tube whose disk does what a test wants, and a client that asks it things; all in virtual time.

def test_...() -> None:
    async def story(node: SickNode) -> None:
        await node.create("orders")
        node.disk.capacity_bytes = node.disk.used_bytes
        assert await node.produce("orders", b"x") == (ErrorCode.KAFKA_STORAGE_ERROR, -1)

    tell(story)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from odradek.base.clock import ManualClock
from odradek.base.identifiers import Uuid
from odradek.protocol.message import Message
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.testing.client import SimulatedClient
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from odradek.testing.simulated_network import SimulatedNetwork
from odradek.testing.simulated_node import SimulatedNode, Surroundings
from odradek.testing.trace import Trace, TraceHandler
from odradek.testing.virtual_loop import VirtualLoop

ResponseType = TypeVar("ResponseType", bound=Message)

NODE = "node-1"
WAIT_S_MAX = 120
NO_TOPIC_ID = Uuid(bytes(16))


class SickNode:
    """The node, its disk, and somebody who asks."""

    def __init__(self, loop: VirtualLoop, clock: ManualClock, settings: Mapping[str, str]) -> None:
        self.clock = clock
        self.trace = Trace(clock, None)

        def dice_for(name: str) -> random.Random:
            return random.Random(name)

        self._network = SimulatedNetwork(loop, dice_for("network"))
        self._loop = loop
        self.node = SimulatedNode(NODE, Surroundings(loop, clock, self._network, self.trace, dice_for), settings)
        self._client = self.client()

    @property
    def disk(self) -> SimulatedDisk:
        return self.node.disk

    def client(self, *, timeout_ms: int = 60_000) -> SimulatedClient:
        """One more connection."""
        return SimulatedClient(self._loop, self._network.host("client"), self.node.address, timeout_ms=timeout_ms)

    def said(self, sentence: str) -> int:
        """How often the node has logged something with `sentence` in it."""
        return sum(sentence in line for line in self.trace.lines)

    async def crash_and_start(self, kind: CrashKind) -> None:
        await self.node.crash(kind)
        self._client.close()
        await self.node.start()

    async def restart(self) -> None:
        """Start again after a stop."""
        self._client.close()
        await self.node.start()

    async def delete(self, topic: str) -> int:
        """Delete a topic; the error code."""
        wanted = [DeleteTopicState(name=topic, topic_id=NO_TOPIC_ID)]
        response = await self.ask(DeleteTopicsRequest(topics=wanted, timeout_ms=30_000), DeleteTopicsResponse, 6)
        return response.responses[0].error_code

    async def ask(self, request: Message, response_type: type[ResponseType], version: int) -> ResponseType:
        return await self._client.request(request, response_type, version)

    async def create(self, name: str, partitions: int = 1, **settings: str) -> int:
        """Create a topic; the error code."""
        configs = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in settings.items()]
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=configs)
        response = await self.ask(CreateTopicsRequest(topics=[topic], timeout_ms=30_000), CreateTopicsResponse, 7)
        return response.topics[0].error_code

    async def produce(self, topic: str, *values: bytes, index: int = 0, acks: int = -1, **producer: int) -> tuple[int, int]:
        """Produce one batch; the error code and the base offset."""
        records = [Record(0, self.clock.now_ms(), None, value, []) for value in values]
        return await self.send(topic, encode_batch(records, **producer), index=index, acks=acks)  # type: ignore[arg-type]

    async def send(
        self, topic: str, batch: bytes, *, index: int = 0, acks: int = -1, client: SimulatedClient | None = None
    ) -> tuple[int, int]:
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=batch)])
        request = ProduceRequest(acks=acks, timeout_ms=10_000, topic_data=[data])
        response = await (client or self._client).request(request, ProduceResponse, 9)
        outcome = response.responses[0].partition_responses[0]
        return outcome.error_code, outcome.base_offset

    async def fetch(self, topic: str, offset: int = 0, *, index: int = 0, wait_ms: int = 0) -> tuple[int, list[bytes]]:
        """The error code, and the values from `offset` on."""
        wanted = FetchTopic(
            topic=topic, partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1 << 20, log_start_offset=-1)]
        )
        request = FetchRequest(max_wait_ms=wait_ms, min_bytes=1, max_bytes=1 << 20, topics=[wanted])
        response = await self.client().request(request, FetchResponse, 12)
        outcome = response.responses[0].partitions[0]
        data = bytes(outcome.records or b"")
        values = [
            record.value or b""
            for item in iterate_batches(data)
            for record in decode_records(data, item.position)
            if record.offset >= offset
        ]
        return outcome.error_code, values

    async def partition(self, topic: str, index: int = 0) -> MetadataResponsePartition:
        """What Metadata says of a partition."""
        wanted = MetadataRequestTopic(topic_id=NO_TOPIC_ID, name=topic)
        response = await self.ask(MetadataRequest(topics=[wanted], allow_auto_topic_creation=False), MetadataResponse, 12)
        return next(partition for partition in response.topics[0].partitions if partition.partition_index == index)

    async def directories(self) -> dict[str, DescribeLogDirsResult]:
        """What DescribeLogDirs says, by path."""
        response = await self.ask(DescribeLogDirsRequest(topics=None), DescribeLogDirsResponse, 5)
        return {result.log_dir: result for result in response.results}

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until `is_so`, in virtual time."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not await is_so():
                await asyncio.sleep(0.1)


def tell(story: Callable[[SickNode], Awaitable[None]], **settings: str) -> SickNode:
    """Run `story` with a node that has been started; it is stopped afterwards unless it has ended."""
    clock = ManualClock()
    loop = VirtualLoop(clock, random.Random(0))
    node = SickNode(loop, clock, {name.replace("_", "."): value for name, value in settings.items()})

    async def run() -> None:
        await node.node.start()
        await story(node)
        if node.node.is_running:
            await node.node.stop()

    with TraceHandler(node.trace) as handler:
        try:
            loop.run_until_complete(run())
        except BaseException:
            print("\n".join(node.trace.lines))
            if node.node.is_running:
                loop.run_until_complete(node.node.crash(CrashKind.PROCESS))
            raise
        finally:
            loop.close()
    assert handler.mistakes == []
    return node
