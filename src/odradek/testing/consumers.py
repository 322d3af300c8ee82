"""Consumers of a simulation: they read one topic from where they are, jump about, and show all that they get to the judge.

`read_everything` is the last look: each partition from its log start to its high watermark.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import CorruptRecords
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.testing.client import NoAnswer, SimulatedClient
from odradek.testing.history import BrokenPromise, PartitionHistory, TopicHistory
from odradek.testing.scene import RETRIABLE, UNKNOWN, Scene, back_off

VERSIONS_BY_NAME = (4, 7, 11, 12)
VERSIONS_BY_ID = (13, 15, 16, 17)
VERSION_BY_ID_MIN = 13
LIST_OFFSETS_VERSION = 7
EARLIEST = -2
LATEST = -1
FETCH_BYTES = (1, 500, 10_000, 1 << 20)
WAIT_MS_MAX = 800


@dataclass(frozen=True, slots=True)
class Fetched:
    """One partition's answer: the records from the fetched offset on, or an error."""

    code: ErrorCode
    records: tuple[tuple[int, bytes], ...]
    high_watermark: int


class Reader:
    """Asks for records and offsets, and shows the answers to the judge."""

    def __init__(self, scene: Scene, name: str, topic: TopicHistory) -> None:
        self.scene = scene
        self.name = name
        self.topic = topic
        self.dice = scene.dice_for(name)
        self.client: SimulatedClient = scene.client(name)

    async def fetch(self, partition: PartitionHistory, offset: int) -> Fetched:
        """The records at `offset` and behind.

        Raises:
            NoAnswer: and nothing is known.
        """
        version = self.dice.choice(VERSIONS_BY_ID if self.dice.random() < 0.7 or self.topic.is_name_shared else VERSIONS_BY_NAME)
        bytes_max = self.dice.choice(FETCH_BYTES)
        part = FetchPartition(partition=partition.index, fetch_offset=offset, partition_max_bytes=bytes_max)
        topic = self.topic
        named = FetchTopic(topic_id=topic.topic_id) if version >= VERSION_BY_ID_MIN else FetchTopic(topic=topic.name)
        named.partitions = [part]
        request = FetchRequest(max_wait_ms=self.dice.randint(0, WAIT_MS_MAX), min_bytes=1, max_bytes=bytes_max, topics=[named])
        asked = partition.moment()
        response = await self.client.request(request, FetchResponse, version)
        answer = response.responses[0].partitions[0]
        code = ErrorCode(answer.error_code)
        judge, now_ms = self.scene.judge, self.scene.now_ms
        fetched = Fetched(code, _records_of(answer, partition, offset), answer.high_watermark)
        self.scene.note(
            self.name,
            f"fetch {partition} from {offset}",
            {"error": code.name, "records": len(fetched.records), "high_watermark": answer.high_watermark, "version": version},
        )
        if code is ErrorCode.NONE:
            judge.was_read(partition, asked, offset, fetched.records, answer.high_watermark)
            self.scene.count("read", len(fetched.records))
        elif code is ErrorCode.OFFSET_OUT_OF_RANGE:
            judge.out_of_range(partition, asked, offset, now_ms)
        elif code in UNKNOWN:
            self.scene.check_unknown(topic, code)
        elif code not in RETRIABLE:
            raise BrokenPromise("no nonsense", f"{self.name} was answered {code.name} by {partition}")
        return fetched

    async def offset_at(self, partition: PartitionHistory, timestamp: int) -> int | None:
        """The log start (EARLIEST) or the high watermark (LATEST); None where the topic is gone or the node is not ready.

        Raises:
            NoAnswer: and nothing is known.
        """
        part = ListOffsetsPartition(partition_index=partition.index, timestamp=timestamp)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=self.topic.name, partitions=[part])])
        asked = partition.moment()
        response = await self.client.request(request, ListOffsetsResponse, LIST_OFFSETS_VERSION)
        answer = response.topics[0].partitions[0]
        code = ErrorCode(answer.error_code)
        what = "start" if timestamp == EARLIEST else "end"
        self.scene.note(self.name, f"asks for the {what} of {partition}", {"error": code.name, "offset": answer.offset})
        if self.topic.is_delete_asked:
            # Whose offset it is, the old topic's or that of a new one with its name, nobody knows.
            return None
        if code in UNKNOWN:
            self.scene.check_unknown(self.topic, code)
        if code is not ErrorCode.NONE:
            return None
        if timestamp == EARLIEST:
            self.scene.judge.start_told(partition, asked, answer.offset, self.scene.now_ms)
        else:
            self.scene.judge.end_told(partition, asked, answer.offset)
        return answer.offset


class Consumer:
    """Reads one topic for as long as the scene goes on."""

    def __init__(self, scene: Scene, name: str, topic: TopicHistory) -> None:
        self._scene = scene
        self._topic = topic
        self._reader = Reader(scene, name, topic)
        self._dice = self._reader.dice
        self._positions = dict.fromkeys(range(len(topic.partitions)), 0)

    async def run(self) -> None:
        """Read until the scene is over or the topic is gone."""
        pace_ms = self._dice.choice((60, 300, 800))
        self._reader.client.pause_ms = self._dice.choice((0, 0, 0, 5, 40))
        while not self._scene.is_over and not self._topic.is_delete_asked:
            await asyncio.sleep(self._dice.randint(0, pace_ms) / 1000)
            partition = self._dice.choice(self._topic.partitions)
            try:
                await self._read(partition)
            except NoAnswer:
                await back_off(self._dice)
        self._reader.client.close()

    async def _read(self, partition: PartitionHistory) -> None:
        kind = self._dice.random()
        if kind < 0.1:
            await self._reader.offset_at(partition, self._dice.choice((EARLIEST, LATEST)))
            return
        position = self._positions[partition.index]
        if kind < 0.2:
            # Read again what was read or acknowledged before.
            low, high = partition.log_start, max(partition.log_start, partition.visible_end)
            await self._reader.fetch(partition, self._dice.randint(low, high))
            return
        fetched = await self._reader.fetch(partition, position)
        if fetched.records:
            self._positions[partition.index] = fetched.records[-1][0] + 1
        elif fetched.code is ErrorCode.OFFSET_OUT_OF_RANGE:
            start = await self._reader.offset_at(partition, EARLIEST)
            if start is not None:
                self._positions[partition.index] = start


async def read_everything(scene: Scene, name: str) -> None:
    """Each partition of each living topic, from its start to its end.

    Raises:
        BrokenPromise: something is not as it was promised.
        NoAnswer: the node does not answer, or does not serve all partitions yet.
    """
    for topic in scene.living_topics():
        reader = Reader(scene, name, topic)
        for partition in topic.partitions:
            start = await reader.offset_at(partition, EARLIEST)
            end = await reader.offset_at(partition, LATEST)
            if start is None or end is None:
                raise NoAnswer(f"{partition} does not tell its offsets")
            position = start
            while position < end:
                fetched = await reader.fetch(partition, position)
                if not fetched.records and partition.may_be_hole(position, end):
                    break
                if fetched.code is ErrorCode.OFFSET_OUT_OF_RANGE:
                    # Retention has gone on meanwhile; the judge has looked whether it may.
                    moved = await reader.offset_at(partition, EARLIEST)
                    if moved is not None and moved > position:
                        position = moved
                        continue
                if not fetched.records:
                    raise NoAnswer(f"{partition} answers {fetched.code.name} to a fetch from {position}")
                position = fetched.records[-1][0] + 1
        reader.client.close()


def _records_of(answer: PartitionData, partition: PartitionHistory, offset: int) -> tuple[tuple[int, bytes], ...]:
    """The records from `offset` on in an answer.

    Raises:
        BrokenPromise: a batch is damaged.
    """
    data = answer.records or b""
    found: list[tuple[int, bytes]] = []
    try:
        for batch in iterate_batches(data):
            check_crc(data, batch.position, batch.header)
            found += [(record.offset, record.value or b"") for record in decode_records(data, batch.position) if record.offset >= offset]
    except CorruptRecords as error:
        raise BrokenPromise("nothing foreign", f"{partition} gave a damaged batch to a fetch from {offset}: {error}") from error
    return tuple(found)
