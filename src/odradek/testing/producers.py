"""Producers of a simulation: each writes to one topic, one request at a time, and knows what it was promised.

An idempotent producer sends what got no answer again, word for word, until it is answered, and now and then what was answered already;
the node must give it the offset that it gave before. A plain producer sends again or gives up, by its dice. Now and then somebody
sends a damaged batch, which must be refused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.header import HEADER_SIZE
from odradek.records.record import Record
from odradek.testing.client import NoAnswer
from odradek.testing.history import BrokenPromise, Moment, PartitionHistory, SentRecord, TopicHistory
from odradek.testing.scene import RETRIABLE, UNKNOWN, Scene, back_off

INIT_PRODUCER_ID_VERSION = 4
VERSIONS_BY_NAME = (3, 7, 9, 11, 12)
VERSION_BY_ID = 13
PRODUCE_TIMEOUT_MS = 3_000
RECORDS_MAX = 6
# Most records are small; some fill a pipe.
FILLING_SIZES = (0, 0, 0, 20, 200, 2_000, 40_000)
# What fits into the smallest segments, a whole batch of them.
SMALL_FILLING_SIZES = (0, 0, 20, 200, 1_000)
CODECS = (Codec.NONE, Codec.NONE, Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4)
# Zstandard came with version 7 (KIP-110).
VERSION_OF_ZSTD = 7
# How many of its newest batches the node recognises (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
RECOGNISED_BATCHES = 5
SEQUENCE_REFUSALS = frozenset(
    {
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.UNKNOWN_PRODUCER_ID,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
    }
)
DAMAGE_REFUSALS = frozenset({ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD})


class ProducerKind(Enum):
    """What a producer does when it hears nothing, and what it asks for."""

    IDEMPOTENT = "idempotent"
    PLAIN = "plain"
    # acks=0: it never hears anything.
    SILENT = "silent"


@dataclass(slots=True)
class Batch:
    """A batch as it was sent; `base_offset` is -1 until it is acknowledged, as it was asked for in the node's life `life`."""

    data: bytes
    values: list[bytes]
    base_offset: int = -1
    life: int = 0


@dataclass(slots=True)
class Course:
    """Where a producer stands in one partition."""

    partition: PartitionHistory
    next_number: int = 0
    next_sequence: int = 0
    acknowledged: list[Batch] = field(default_factory=list)


class Producer:
    """One producer and its topic."""

    def __init__(self, scene: Scene, name: str, topic: TopicHistory, kind: ProducerKind) -> None:
        self._scene = scene
        self.name = name
        self._topic = topic
        self._kind = kind
        self._dice = scene.dice_for(name)
        self._client = scene.client(name)
        self._courses = [Course(partition) for partition in topic.partitions]
        self._producer_id = -1
        self._producer_epoch = -1
        self._version = VERSION_BY_ID if topic.is_name_shared else self._dice.choice((*VERSIONS_BY_NAME, VERSION_BY_ID, VERSION_BY_ID))
        self._acks = {ProducerKind.IDEMPOTENT: -1, ProducerKind.SILENT: 0}.get(kind, self._dice.choice((1, 1, -1)))

    async def run(self) -> None:
        """Produce until the scene is over or the topic is gone."""
        pace_ms = self._dice.choice((60, 250, 800))
        while not self._scene.is_over and not self._topic.is_delete_asked:
            await asyncio.sleep(self._dice.randint(0, pace_ms) / 1000)
            course = self._dice.choice(self._courses)
            if self._kind is ProducerKind.IDEMPOTENT and self._producer_id < 0:
                await self._become_known()
            elif self._dice.random() < 0.03:
                await self._send_damaged(course)
            elif self._kind is ProducerKind.IDEMPOTENT and course.acknowledged and self._dice.random() < 0.25:
                await self._send_again(course)
            elif self._kind is not ProducerKind.SILENT and self._dice.random() < 0.2:
                await self._produce_many(course)
            else:
                await self._produce(course)
        self._client.close()

    async def _become_known(self) -> None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
        try:
            response = await self._client.request(request, InitProducerIdResponse, INIT_PRODUCER_ID_VERSION)
        except NoAnswer:
            await back_off(self._dice)
            return
        if response.error_code:
            await back_off(self._dice)
            return
        self._producer_id, self._producer_epoch = response.producer_id, response.producer_epoch
        self._scene.note(self.name, "is producer", {"id": self._producer_id, "epoch": self._producer_epoch})

    async def _produce(self, course: Course) -> None:
        """One new batch, sent until its fate is known or nobody cares."""
        batch = self._new_batch(course)
        if self._kind is ProducerKind.SILENT:
            try:
                await self._client.tell(self._request(course, batch.data), self._version)
            except NoAnswer:
                await back_off(self._dice)
            return
        while not self._scene.is_over:
            outcome = await self._ask(course, batch)
            if outcome is None or outcome in RETRIABLE:
                if self._kind is ProducerKind.PLAIN and (outcome is not None or self._dice.random() < 0.5):
                    return
                await back_off(self._dice)
                continue
            self._settle(course, batch, outcome)
            return

    async def _produce_many(self, course: Course) -> None:
        """Several batches that leave together, so that the node has them in one turn."""
        partition = course.partition
        batches = [self._new_batch(course) for _ in range(self._dice.randint(2, RECOGNISED_BATCHES - 1))]
        waiting = dict.fromkeys(range(len(batches)))
        asked, was_flushed, life = partition.moment(), self._topic.flushed_since, self._scene.node.lives_count
        number = 0
        try:
            requests = [self._request(course, batch.data) for batch in batches]
            async for response in self._client.request_many(requests, ProduceResponse, self._version):
                answer = response.responses[0].partition_responses[0]
                code = ErrorCode(answer.error_code)
                self._scene.note(self.name, f"produce one of many to {partition}", {"error": code.name, "offset": answer.base_offset})
                if code is ErrorCode.NONE:
                    batches[number].life = life
                    self._acknowledge(course, batches[number], asked, answer.base_offset, was_flushed)
                    course.acknowledged.append(batches[number])
                    del waiting[number]
                number += 1
        except NoAnswer as silence:
            self._scene.note(self.name, f"produce many to {partition}: only {number} answers", {"reason": silence})
        if self._kind is ProducerKind.IDEMPOTENT:
            await self._insist(course, [batches[number] for number in waiting])
        del course.acknowledged[:-RECOGNISED_BATCHES]

    async def _insist(self, course: Course, waiting: list[Batch]) -> None:
        """Send what got no good answer again, one by one, in order.

        The node cannot be held to that: of a batch before the last one it may have forgotten that it has it (`_send_again`).
        """
        for batch in waiting:
            outcome: ErrorCode | None = None
            while (outcome is None or outcome in RETRIABLE) and not self._scene.is_over:
                await back_off(self._dice)
                outcome = await self._ask(course, batch)
            if outcome is not ErrorCode.NONE:
                if outcome is not None and outcome in UNKNOWN:
                    self._scene.check_unknown(self._topic, outcome)
                self._start_over()
                return
            course.acknowledged.append(batch)

    def _settle(self, course: Course, batch: Batch, outcome: ErrorCode) -> None:
        """A new batch was answered for good."""
        if outcome is ErrorCode.NONE:
            course.acknowledged.append(batch)
            del course.acknowledged[:-RECOGNISED_BATCHES]
        elif outcome in SEQUENCE_REFUSALS and self._kind is ProducerKind.IDEMPOTENT:
            last = course.acknowledged[-1].values[-1] if course.acknowledged else None
            self._scene.judge.sequence_refused(course.partition, last, int(outcome))
            self._start_over()
        elif outcome in UNKNOWN:
            self._scene.check_unknown(self._topic, outcome)
        else:
            raise BrokenPromise("no nonsense", f"{self.name} was answered {outcome.name} by {course.partition}")

    def _start_over(self) -> None:
        """The node has forgotten what a power cut took: go on as another producer."""
        self._producer_id = -1
        for course in self._courses:
            course.next_sequence = 0
            course.acknowledged.clear()

    async def _send_again(self, course: Course) -> None:
        """Send one of the newest acknowledged batches once more: the answer must be the same."""
        life = self._scene.node.lives_count
        # Of what was before its start the node remembers the last batch only, as Kafka does: no more is in a snapshot.
        since = [batch for batch in course.acknowledged if batch.life == life]
        batch = self._dice.choice(since or course.acknowledged[-1:])
        partition = course.partition
        asked = partition.moment()
        is_known = batch.values[0] in partition.offset_of
        answer = await self._send(course, batch.data)
        if answer is None or answer.error_code in RETRIABLE or partition.is_outdated(asked):
            return
        code = ErrorCode(answer.error_code)
        if code in UNKNOWN:
            self._scene.check_unknown(self._topic, code)
        elif not is_known:
            # A power cut took it. Whatever the node makes of it now, it is not to be relied on.
            self._start_over()
        elif code is not ErrorCode.NONE:
            self._scene.judge.sequence_refused(partition, batch.values[0], int(code))
        elif answer.base_offset != batch.base_offset:
            raise BrokenPromise(
                "nothing doubled",
                f"{partition} had {self.name}'s batch at {batch.base_offset} and says {answer.base_offset} when it comes again",
            )

    async def _send_damaged(self, course: Course) -> None:
        """A batch that lost a bit on its way must not be taken."""
        record = Record(timestamp=self._scene.now_ms, value=b"damaged " + bytes(30))
        data = bytearray(encode_batch([record]))
        data[self._dice.randrange(HEADER_SIZE, len(data))] ^= 1 << self._dice.randrange(8)
        answer = await self._send(course, bytes(data))
        if answer is not None and answer.error_code == 0 and self._acks != 0:
            raise BrokenPromise("nothing foreign", f"{course.partition} took a damaged batch at {answer.base_offset}")
        if answer is not None and answer.error_code in UNKNOWN:
            self._scene.check_unknown(self._topic, answer.error_code)

    async def _ask(self, course: Course, batch: Batch) -> ErrorCode | None:
        """Send `batch`; its outcome, None if there was no answer."""
        partition = course.partition
        asked: Moment = partition.moment()
        was_flushed = self._topic.flushed_since
        batch.life = self._scene.node.lives_count
        answer = await self._send(course, batch.data)
        if answer is None:
            return None
        code = ErrorCode(answer.error_code)
        if code is ErrorCode.NONE:
            self._acknowledge(course, batch, asked, answer.base_offset, was_flushed)
        return code

    def _acknowledge(self, course: Course, batch: Batch, asked: Moment, base_offset: int, was_flushed: int | None) -> None:
        """Show the judge what the node promised. It is for the disk if `flush.messages` was 1 from before the request until now."""
        is_durable = was_flushed is not None and was_flushed == self._topic.flushed_since
        batch.base_offset = base_offset
        self._scene.judge.acknowledged(course.partition, asked, base_offset, batch.values, is_durable=is_durable)
        self._scene.count("acknowledged", len(batch.values))

    async def _send(self, course: Course, data: bytes) -> PartitionProduceResponse | None:
        if self._acks == 0:
            await self._tell(course, data)
            return None
        partition = course.partition
        try:
            response = await self._client.request(self._request(course, data), ProduceResponse, self._version)
        except NoAnswer as silence:
            self._scene.note(self.name, f"produce to {partition} got no answer", {"reason": silence})
            return None
        answer = response.responses[0].partition_responses[0]
        self._scene.note(
            self.name,
            f"produce to {partition}",
            {"error": ErrorCode(answer.error_code).name, "offset": answer.base_offset, "bytes": len(data)},
        )
        return answer

    async def _tell(self, course: Course, data: bytes) -> None:
        try:
            await self._client.tell(self._request(course, data), self._version)
        except NoAnswer:
            await back_off(self._dice)

    def _request(self, course: Course, data: bytes) -> ProduceRequest:
        topic, is_by_id = self._topic, self._version >= VERSION_BY_ID
        part = PartitionProduceData(index=course.partition.index, records=data)
        named = (
            TopicProduceData(topic_id=topic.topic_id, partition_data=[part])
            if is_by_id
            else TopicProduceData(name=topic.name, partition_data=[part])
        )
        return ProduceRequest(acks=self._acks, timeout_ms=PRODUCE_TIMEOUT_MS, topic_data=[named])

    def _new_batch(self, course: Course) -> Batch:
        dice, now_ms = self._dice, self._scene.now_ms
        is_idempotent = self._kind is ProducerKind.IDEMPOTENT
        sizes = SMALL_FILLING_SIZES if self._topic.has_small_segments else FILLING_SIZES
        values: list[bytes] = []
        for _ in range(dice.randint(1, RECORDS_MAX)):
            name = f"{self.name}/{self._topic.name}-{course.partition.index}/{course.next_number}"
            values.append(name.encode() + b" " + bytes(dice.choice(sizes)))
            record = SentRecord(self.name, course.next_number, is_idempotent, now_ms)
            course.partition.send(values[-1], record)
            course.next_number += 1
        data = encode_batch(
            [Record(timestamp=now_ms, value=value) for value in values],
            compression=dice.choice(CODECS if self._version < VERSION_OF_ZSTD else (*CODECS, Codec.ZSTD)),
            producer_id=self._producer_id if is_idempotent else -1,
            producer_epoch=self._producer_epoch if is_idempotent else -1,
            base_sequence=course.next_sequence if is_idempotent else -1,
        )
        course.next_sequence += len(values)
        return Batch(data, values)
