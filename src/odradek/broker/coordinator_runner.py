"""Runs one shard of a coordinator on the partition that keeps its state: loads it, asks it, writes what it decides, lets answers go.

A decision's records are staged in the log as one batch at once, and written with everything else at the end of the turn; its answers,
and those of decisions without records that may rest on earlier ones, wait until the high watermark has passed what was staged before
them. That is looked at right after the turn's writes (`after_writes`); only what waits for replicas is parked. When a write fails or the
leadership goes, everybody who waits is refused and the shard is thrown away; a partition that is still led is loaded again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar, final

from odradek.base.clock import Clock
from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import CorruptRecords, RequestRefused, StorageFailure
from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.broker.append_turn import AppendTurn
from odradek.broker.coordinator_loading import REPLAYED_RECORDS_MAX, EndOfTransaction, GatheredRecord, GatheredRecords
from odradek.broker.later import Later
from odradek.broker.partition import Partition
from odradek.broker.purgatory import Purgatory
from odradek.coordinator.record import RecordTypes, decode_record
from odradek.coordinator.shard import Answer, Encoded, Moment, Outcome, Refusal, Shard, Ticket
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.header import parse_header
from odradek.records.record import Record

log = logging.getLogger("odradek.broker.coordinator")

AnyShard = TypeVar("AnyShard", bound=Shard)


class RunnerState(Enum):
    """Whether the shard can be asked."""

    LOADING = "loading"
    ACTIVE = "active"
    # The log could not be read or written; tried again with the next reign.
    FAILED = "failed"
    OVER = "over"


# For every request: Python 3.11 looks for a member of an enum with 900 instructions.
ACTIVE: Final = RunnerState.ACTIVE
NOT_COMPRESSED: Final = Codec.NONE


@dataclass(frozen=True, slots=True)
class RunnerParts:
    """What all runners of a node share. An answer waits `commit_timeout_ms` for its records to be committed; `load_bytes_max` are read of
    log at once while loading. `base_sequence` is what batches say of their place in a sequence that nobody keeps.
    """

    clock: Clock
    pool: Executor
    purgatory: Purgatory
    appends: AppendTurn
    record_types: RecordTypes
    commit_timeout_ms: Callable[[], int]
    load_bytes_max: int
    compression: Codec
    base_sequence: int


@final
class _Decided:
    """An answer that is known and may not leave, or deeds that may not be done, before the log is committed up to `end_offset`.

    `then` gives the answer, for NONE, or refuses it; None where nobody waits for one any more.
    """

    __slots__ = ("deadline_ms", "deeds", "end_offset", "then")

    def __init__(self, end_offset: int, deadline_ms: int, then: Callable[[ErrorCode], None] | None, deeds: Sequence[object] = ()) -> None:
        self.end_offset = end_offset
        self.deadline_ms = deadline_ms
        self.then = then
        self.deeds = deeds


class ShardRunner(Generic[AnyShard]):
    """One shard for one reign of this node over `partition`."""

    def __init__(
        self,
        partition: Partition,
        make_shard: Callable[[], AnyShard],
        image: Callable[[], MetadataImage],
        parts: RunnerParts,
        perform: Callable[[ShardRunner[AnyShard], object], None],
        on_staged: Callable[[ShardRunner[AnyShard]], None],
    ) -> None:
        """`perform(runner, deed)` does what an outcome asked for, once that is committed. `on_staged(runner)` hears of everything that was
        staged, and has `after_writes` called when that is written.
        """
        self.partition = partition
        self.state = RunnerState.LOADING
        self._perform = perform
        self._on_staged = on_staged
        self._image = image
        self._parts = parts
        self._shard: AnyShard = make_shard()
        self._tickets = 0
        self._waiting: dict[Ticket, Later[Answer]] = {}
        self._decided: deque[_Decided] = deque()
        # Where the log ends once everything that was staged here is written.
        self._end_offset = 0
        self._is_parked = False
        # Records of types that this release does not know.
        self._unknown_count = 0

    # Loading

    async def load(self) -> None:
        """Read the partition and begin to coordinate. What cannot be read makes the runner fail, not the node."""
        started_ms = self._parts.clock.monotonic_ms()
        gathered = GatheredRecords(self._shard.gatherer())
        try:
            await self._gather(gathered)
            replayed = await self._replay(gathered)
        except (CorruptRecords, StorageFailure, OSError) as error:
            if self.state is RunnerState.LOADING:
                self.state = RunnerState.FAILED
                log.error("coordinator could not load", extra={"partition": str(self.partition.topic_partition), "reason": str(error)})
            return
        if self.state is not RunnerState.LOADING:
            return
        self._end_offset = self.partition.log.log_end_offset
        self.state = ACTIVE
        self._take(self._shard.on_loaded(self._image(), self._now()))
        log.info(
            "coordinator loaded",
            extra={
                "partition": str(self.partition.topic_partition),
                "records": gathered.records_count,
                "replayed": replayed,
                "duration_ms": self._parts.clock.monotonic_ms() - started_ms,
            },
        )

    async def _gather(self, gathered: GatheredRecords) -> None:
        loop = asyncio.get_running_loop()
        held = self.partition.log
        offset = held.log_start_offset
        while self.state is RunnerState.LOADING and offset < held.log_end_offset:
            piece = held.read(offset, self._parts.load_bytes_max)
            first_offset = offset
            await loop.run_in_executor(self._parts.pool, lambda: gathered.take(piece.read(), first_offset))  # noqa: B023
            assert piece.next_offset > offset
            offset = piece.next_offset

    async def _replay(self, gathered: GatheredRecords) -> int:
        """How many records and markers there were."""
        count = 0
        for item in gathered.in_order():
            self._replay_one(item)
            count += 1
            if count % REPLAYED_RECORDS_MAX == 0 and not await self._has_paused():
                return count
        for part_count in self._shard.replay_gathered():
            count += part_count
            if not await self._has_paused():
                return count
        if self._unknown_count:
            extra = {"partition": str(self.partition.topic_partition), "records": self._unknown_count}
            log.warning("records of unknown types were skipped", extra=extra)
        return count

    async def _has_paused(self) -> bool:
        """Let others have the loop; False if the loading is over with that."""
        await asyncio.sleep(0)
        return self.state is RunnerState.LOADING

    def _replay_one(self, item: GatheredRecord | EndOfTransaction) -> None:
        if isinstance(item, EndOfTransaction):
            self._shard.replay_end_of_transaction(item.producer_id, is_committed=item.is_committed)
            return
        record = decode_record(self._parts.record_types, item.key, item.value)
        if record is None:
            self._unknown_count += 1
        else:
            self._shard.replay(record, offset=item.offset, producer_id=item.producer_id)

    # Asking

    def ask(self, question: Callable[[AnyShard, Ticket, Moment], Outcome]) -> Later[Answer]:
        """Have the shard decide; the answer is there once what it rests on is committed.

        Raises:
            RequestRefused: the shard cannot be asked now.
        """
        if self.state is not ACTIVE:
            raise RequestRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if self.state is RunnerState.LOADING else ErrorCode.NOT_COORDINATOR)
        self._tickets += 1
        ticket = Ticket(self._tickets)
        later: Later[Answer] = Later()
        self._waiting[ticket] = later
        try:
            self._take(question(self._shard, ticket, self._now()))
        except BaseException:
            self._waiting.pop(ticket, None)
            raise
        return later

    def ask_encoded(self, question: Callable[[AnyShard, Moment], Encoded | None], then: Callable[[ErrorCode], None] | None) -> bool:
        """As `ask`, for what is decided and encoded in one step. `then` is called once that is committed, or with why it is not; None
        where nobody waits for it.

        False where nothing was decided: `ask` tells why, or does what cannot be done like this.
        """
        if self.state is not ACTIVE or self._parts.compression is not NOT_COMPRESSED:
            return False
        now = self._now()
        encoded = question(self._shard, now)
        if encoded is None or len(encoded.batch) > self.partition.produce_rules.message_bytes_max:
            return False
        try:
            base_offset = self._stage(encoded.batch, now.wall_ms)
        except StorageFailure as error:
            self._cannot_write(error)
            return False
        encoded.take_in(base_offset)
        if then is not None or encoded.deeds:
            self._decided.append(_Decided(self._end_offset, self._commit_deadline_ms(now.monotonic_ms), then, encoded.deeds))
        return True

    def peek(self) -> AnyShard | None:
        """The shard for reading, None while it cannot be asked. What it says may not be committed yet."""
        return self._shard if self.state is ACTIVE else None

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        if self.state is ACTIVE:
            self._take_all(self._shard.on_metadata_update(delta, image, self._now()))

    def next_deadline_ms(self) -> int | None:
        return self._shard.next_deadline_ms() if self.state is ACTIVE else None

    def act_on_time(self) -> None:
        """Have the shard do what is due. A mistake of ours in it costs this shard its state, which is read again, and no other anything."""
        if self.state is not ACTIVE:
            return
        try:
            self._take_all(self._shard.act_on_time(self._now()))
        except Exception:
            log.exception("coordinator could not do what was due", extra={"partition": str(self.partition.topic_partition)})
            self.fail()

    def _take_all(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._take(outcome)
            if self.state is not ACTIVE:
                return

    def act(self, outcome_of: Callable[[AnyShard, Moment], Outcome]) -> None:
        """Have the shard decide something that nobody waits for."""
        if self.state is ACTIVE:
            self._take(outcome_of(self._shard, self._now()))

    def marker_staged(self, producer_id: int, *, is_committed: bool) -> None:
        """A marker was staged behind everything else in this partition: what is decided from now on rests on it."""
        assert self.state is ACTIVE, "whoever loads this partition may or may not have read the marker"
        self._shard.replay_end_of_transaction(producer_id, is_committed=is_committed)
        self._note_staged(self.partition.log.staged_end_offset)

    def _take(self, outcome: Outcome) -> None:
        """Stage the records, apply them, and let the answers wait for the commit."""
        now = self._now()
        if outcome.records:
            batch = self._encoded(outcome, now.wall_ms)
            if len(batch) > self.partition.produce_rules.message_bytes_max:
                self._take(outcome.instead(now))
                return
            try:
                base_offset = self._stage(batch, now.wall_ms) if outcome.producer is None else self._stage_in_transaction(batch)
            except StorageFailure as error:
                self._cannot_write(error)
                return
            if base_offset < 0:
                outcome = Outcome(answers=[(ticket, Refusal(ErrorCode.INVALID_PRODUCER_EPOCH)) for ticket, _ in outcome.answers])
            producer_id = NO_PRODUCER_ID if outcome.producer is None else outcome.producer[0]
            for delta, record in enumerate(outcome.records):
                if not record.is_applied:
                    self._shard.replay(record, offset=base_offset + delta, producer_id=producer_id)
        for ticket, answer in outcome.answers:
            later = self._waiting.pop(ticket, None)
            if later is not None:
                self._decided.append(_Decided(self._end_offset, self._commit_deadline_ms(now.monotonic_ms), _giving(later, answer)))
        if outcome.deeds:
            self._decided.append(_Decided(self._end_offset, self._commit_deadline_ms(now.monotonic_ms), None, outcome.deeds))
        self.release()

    def _cannot_write(self, error: StorageFailure) -> None:
        log.error("coordinator cannot write", extra={"partition": str(self.partition.topic_partition), "reason": str(error)})
        self.fail()

    def _encoded(self, outcome: Outcome, now_ms: int) -> bytes:
        entries = [Record(0, now_ms, record.encoded_key(), record.encoded_value()) for record in outcome.records]
        if outcome.producer is None:
            return encode_batch(entries, compression=self._parts.compression, base_sequence=self._parts.base_sequence)
        producer_id, producer_epoch = outcome.producer
        return encode_batch(
            entries,
            base_offset=self.partition.log.staged_end_offset,
            leader_epoch=self.partition.leader_epoch,
            compression=self._parts.compression,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            base_sequence=self._parts.base_sequence,
            is_transactional=True,
        )

    def _stage(self, batch: bytes, now_ms: int) -> int:
        """Stage a batch for the end of the turn; its base offset."""
        partition = self.partition
        staged = partition.log.stage(batch, 0, parse_header(batch, 0), partition.leader_epoch, now_ms)
        self._note_staged(int(staged.last_offset) + 1)
        return int(staged.base_offset)

    def _stage_in_transaction(self, batch: bytes) -> int:
        """Stage a batch of a producer's transaction; its base offset, -1 if the producer is fenced."""
        held = self.partition.log
        base_offset = held.staged_end_offset
        if held.stage_of_coordinator(batch) != NO_ERROR:
            return -1
        self._note_staged(held.staged_end_offset)
        return base_offset

    def _note_staged(self, end_offset: int) -> None:
        self._end_offset = end_offset
        self._parts.appends.add_partition(self.partition)
        self._parts.appends.request_end()
        self._on_staged(self)

    # Answers

    def release(self) -> bool:
        """Let go what is committed; True if nothing waits any more."""
        decided = self._decided
        committed = self.partition.high_watermark
        while decided and decided[0].end_offset <= committed:
            self._let_go(decided.popleft())
        return not decided

    def _let_go(self, decided: _Decided) -> None:
        if decided.then is not None:
            decided.then(NO_ERROR)
        for deed in decided.deeds:
            self._perform(self, deed)

    def after_writes(self) -> None:
        """The turn's writes are done: what was staged is in the log, or will never be. What is not committed with that waits."""
        # A log that could not be written takes back what was staged in it.
        if self.state is ACTIVE and self.partition.log.staged_end_offset < self._end_offset:
            self.fail()
        else:
            self._release_or_wait()

    def _release_or_wait(self) -> None:
        if not self.release() and not self._is_parked:
            self._is_parked = True
            self._parts.purgatory.park(_Waiting(self), (self.partition,), self._decided[0].deadline_ms)

    def expire(self) -> None:
        """What was decided first has waited long enough for its commit (`offsets.commit.timeout.ms`)."""
        self._is_parked = False
        now_ms = self._parts.clock.monotonic_ms()
        for late in self._decided:
            if late.deadline_ms > now_ms:
                break
            if late.then is not None:
                then, late.then = late.then, None
                then(ErrorCode.COORDINATOR_NOT_AVAILABLE)
            # What is to be done then is done whenever it is committed.
            late.deadline_ms = self._commit_deadline_ms(now_ms)
        self._release_or_wait()

    def unparked(self) -> None:
        """Nothing waits for the high watermark any more."""
        self._is_parked = False

    def fail(self) -> None:
        """A write failed: what the shard believes is not what the log says."""
        self.stop(RunnerState.FAILED)

    def stop(self, state: RunnerState = RunnerState.OVER, code: ErrorCode = ErrorCode.NOT_COORDINATOR) -> None:
        """This node coordinates here no longer: everybody who waits has to ask elsewhere, or again."""
        self.state = state
        waiting, self._waiting = self._waiting, {}
        decided, self._decided = self._decided, deque()
        for later in waiting.values():
            later.give(Refusal(code))
        for late in decided:
            if late.then is not None:
                late.then(code)

    def _commit_deadline_ms(self, decided_ms: int) -> int:
        """Until when what was decided at `decided_ms`, in monotonic time, has to be committed."""
        return decided_ms + self._parts.commit_timeout_ms()

    def _now(self) -> Moment:
        return Moment(self._parts.clock.now_ms(), self._parts.clock.monotonic_ms())


class _Waiting:
    """The decided answers of a runner, parked under its partition until the high watermark moves."""

    __slots__ = ("_runner",)

    def __init__(self, runner: ShardRunner[AnyShard]) -> None:
        self._runner: ShardRunner[AnyShard] = runner

    def try_complete(self, key: Hashable) -> bool:
        is_done = self._runner.release()
        if is_done:
            self._runner.unparked()
        return is_done

    def expire(self) -> None:
        self._runner.expire()


def _giving(later: Later[Answer], answer: Answer) -> Callable[[ErrorCode], None]:
    """Gives the answer, or says why there is none."""
    return lambda code: later.give(answer if code is NO_ERROR else Refusal(code))
