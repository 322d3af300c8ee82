"""Readers of a simulation with transactions: what they are given, in which isolation, and from where to where it took them.

Records of aborted transactions are left out as Kafka's consumer does it (`CompletedFetch.java`): by the list that comes with a fetch, and
the markers between the records.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.control import ControlType, control_type_of
from odradek.testing.client import NoAnswer, SimulatedClient
from odradek.testing.coordinated_scene import TRY_AGAIN, CoordinatedScene
from odradek.testing.history import BrokenPromise
from odradek.testing.scene import back_off
from odradek.testing.transaction_operations import EndsTold, Isolation, Place, Polled

VERSIONS = (11, 12, 13, 17)
VERSION_BY_ID_MIN = 13
LIST_OFFSETS_VERSION = 7
EARLIEST, LATEST = -2, -1
FETCH_BYTES = (1, 400, 5_000, 1 << 20)
WAIT_MS_MAX = 500
LEVELS = {Isolation.READ_UNCOMMITTED: 0, Isolation.READ_COMMITTED: 1}


@dataclass(frozen=True, slots=True)
class Found:
    """What a poll came to."""

    records: tuple[tuple[int, str], ...]
    next_position: int


class TransactionalReader:
    """Asks for records and tells the history."""

    def __init__(self, scene: CoordinatedScene, name: str, isolation: Isolation, client: SimulatedClient | None = None) -> None:
        self.name = name
        self._scene = scene
        self._isolation = isolation
        self._dice: random.Random = scene.dice_for(f"{name}/reading")
        self.client = client or scene.client(name)

    async def poll(self, place: Place, position: int, *, transaction: str | None = None, bytes_max: int | None = None) -> Found:
        """The records from `position` on, as many as come; of how many bytes is left to the dice where nobody says it.

        Raises:
            NoAnswer: none, or not now.
        """
        scene, history = self._scene, self._scene.transactions
        version, bytes_max = self._dice.choice(VERSIONS), bytes_max or self._dice.choice(FETCH_BYTES)
        part = FetchPartition(partition=place[1], fetch_offset=position, partition_max_bytes=bytes_max)
        topic = FetchTopic(topic=place[0]) if version < VERSION_BY_ID_MIN else FetchTopic(topic_id=scene.growing[place[0]].topic_id)
        topic.partitions = [part]
        wait_ms = self._dice.randint(0, WAIT_MS_MAX)
        request = FetchRequest(
            max_wait_ms=wait_ms, min_bytes=1, max_bytes=bytes_max, isolation_level=LEVELS[self._isolation], topics=[topic]
        )
        asked_at = history.moment()
        response = await self.client.request(request, FetchResponse, version)
        if not response.responses:
            raise NoAnswer(f"{place} is not answered: {ErrorCode(response.error_code).name}")
        answer = response.responses[0].partitions[0]
        code = ErrorCode(answer.error_code)
        found = _found(answer, place, position) if code is ErrorCode.NONE else Found((), position)
        told = {"error": code.name, "to": found.next_position, "records": len(found.records), "stable": answer.last_stable_offset}
        scene.note(self.name, f"poll {place[0]}-{place[1]} from {position}", told)
        if code in TRY_AGAIN or code is ErrorCode.UNKNOWN_TOPIC_ID:
            raise NoAnswer(f"{place} is answered {code.name}")
        if code is not ErrorCode.NONE:
            raise BrokenPromise("no nonsense", f"{self.name} was answered {code.name} to a poll of {place[0]}-{place[1]} from {position}")
        scene.count("read", len(found.records))
        if found.next_position > position:
            history.add(
                Polled(
                    asked_at=asked_at,
                    at=history.moment(),
                    reader=self.name,
                    isolation=self._isolation,
                    topic=place[0],
                    partition=place[1],
                    position=position,
                    next_position=found.next_position,
                    records=found.records,
                    transaction=transaction,
                )
            )
        return found

    async def end_offset(self, place: Place, timestamp: int, isolation: Isolation) -> int:
        """The log start (EARLIEST), or the end (LATEST) that `isolation` lets one see.

        Raises:
            NoAnswer: it is not told now.
        """
        part = ListOffsetsPartition(partition_index=place[1], timestamp=timestamp)
        topics = [ListOffsetsTopic(name=place[0], partitions=[part])]
        request = ListOffsetsRequest(replica_id=-1, isolation_level=LEVELS[isolation], topics=topics)
        response = await self.client.request(request, ListOffsetsResponse, LIST_OFFSETS_VERSION)
        answer = response.topics[0].partitions[0]
        if answer.error_code != ErrorCode.NONE:
            raise NoAnswer(f"{place} does not tell its offsets: {ErrorCode(answer.error_code).name}")
        return answer.offset

    async def read_whole(self, place: Place) -> list[tuple[int, str]]:
        """Everything from the log start to the end.

        Raises:
            NoAnswer: not now.
        """
        position = await self.end_offset(place, EARLIEST, self._isolation)
        end = await self.end_offset(place, LATEST, self._isolation)
        records: list[tuple[int, str]] = []
        while position < end:
            found = await self.poll(place, position, bytes_max=FETCH_BYTES[-1])
            if found.next_position == position:
                raise NoAnswer(f"{place} gives nothing at {position}, before its end {end}")
            records += found.records
            position = found.next_position
        return records

    async def tell_ends(self, place: Place) -> EndsTold:
        """Where the partition begins and ends.

        Raises:
            NoAnswer: it is not told now.
        """
        start = await self.end_offset(place, EARLIEST, Isolation.READ_UNCOMMITTED)
        stable = await self.end_offset(place, LATEST, Isolation.READ_COMMITTED)
        end = await self.end_offset(place, LATEST, Isolation.READ_UNCOMMITTED)
        return EndsTold(
            at=self._scene.transactions.moment(),
            topic=place[0],
            partition=place[1],
            log_start_offset=start,
            last_stable_offset=stable,
            high_watermark=end,
        )


class WanderingReader:
    """Reads all topics for as long as the scene goes on, and now and then what it has read before."""

    def __init__(self, scene: CoordinatedScene, name: str, isolation: Isolation) -> None:
        self._scene = scene
        self._reader = TransactionalReader(scene, name, isolation)
        self._dice = scene.dice_for(name)
        self._positions: dict[Place, int] = {}

    async def run(self) -> None:
        scene, dice = self._scene, self._dice
        pace_ms = dice.choice((30, 150, 500))
        while not scene.is_over:
            await asyncio.sleep(dice.randint(0, pace_ms) / 1000)
            topic = dice.choice(list(scene.growing.values()))
            place = topic.name, dice.randrange(topic.partitions_count)
            position = self._positions.get(place, 0)
            is_again = dice.random() < 0.1
            try:
                found = await self._reader.poll(place, dice.randint(0, position) if is_again else position)
            except NoAnswer:
                await back_off(dice)
                continue
            if not is_again:
                self._positions[place] = found.next_position
        self._reader.client.close()


def _found(answer: PartitionData, place: Place, position: int) -> Found:
    data = answer.records or b""
    coming = sorted((it.first_offset, it.producer_id) for it in answer.aborted_transactions or ())
    aborting: set[int] = set()
    records: list[tuple[int, str]] = []
    next_position = position
    for at, header in iterate_batches(data):
        check_crc(data, at, header)
        producer_id = int(header.producer_id)
        while coming and coming[0][0] <= header.last_offset():
            aborting.add(coming.pop(0)[1])
        next_position = max(next_position, int(header.last_offset()) + 1)
        if header.is_control():
            if any(control_type_of(record.key) is ControlType.ABORT for record in decode_records(data, at)):
                aborting.discard(producer_id)
        elif not (header.is_transactional() and producer_id in aborting):
            records += [(record.offset, (record.value or b"").decode()) for record in decode_records(data, at) if record.offset >= position]
    return Found(tuple(records), next_position)
