"""A transaction shard in a world that can fail at every step: a log whose end is not durable yet, partitions that are told one by one of
the end of a transaction, answers that are lost with a crash.

As in the driver (`broker.coordinator_runner`) a decision is applied at once, and its answers and deeds wait until its batch is durable. A
crash keeps what is durable and any number of the batches behind; a new shard replays them. Partitions are durable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.coordinator.shard import Answer, Moment, Outcome, Refusal, Ticket
from odradek.coordinator.transaction.records import RECORD_TYPES, record_of
from odradek.coordinator.transaction.settings import TransactionSettings
from odradek.coordinator.transaction.shard import MarkersDue, ProducerIdNeeded, TransactionShard
from odradek.coordinator.transaction.transaction import EPOCH_MAX, NO_EPOCH, Transaction
from tests.coordinator.transaction.transaction_fields import changed
from tests.coordinator.transaction.transaction_story import START_MS, Producer, image_of

Place = tuple[str, int]


@dataclass(slots=True)
class Write:
    """A record in a partition; `is_committed` is None while its transaction is open."""

    transaction: str
    is_committed: bool | None = None


@dataclass(slots=True)
class ModelPartition:
    """One partition: the newest epoch of each producer, its open writes, all writes."""

    epochs: dict[int, int] = field(default_factory=dict)
    open_writes: dict[int, list[Write]] = field(default_factory=dict)

    def has_open(self, producer: Producer) -> bool:
        return bool(self.open_writes.get(producer[0])) and self.epochs.get(producer[0]) == producer[1]

    def write(self, producer: Producer, write: Write) -> bool:
        """False if the producer is fenced here."""
        if producer[1] < self.epochs.get(producer[0], NO_EPOCH):
            return False
        self.epochs[producer[0]] = producer[1]
        self.open_writes.setdefault(producer[0], []).append(write)
        return True

    def mark(self, due: MarkersDue) -> bool:
        """End the producer's transaction; False if the marker comes from before the producer's epoch."""
        if due.epoch < self.epochs.get(due.producer_id, NO_EPOCH):
            return False
        self.epochs[due.producer_id] = due.epoch
        for write in self.open_writes.pop(due.producer_id, []):
            write.is_committed = due.is_commit
        return True


@dataclass(slots=True)
class Telling:
    """Markers that are due, and who has to be told yet."""

    due: MarkersDue
    remaining: list[Place]


class TransactionWorld:
    """One shard and everything around it."""

    def __init__(self, places: tuple[Place, ...], *, version: int = 2) -> None:
        self.partitions = {place: ModelPartition() for place in places}
        self.image = image_of(version)
        self.version = version
        self.elapsed_ms = 0
        self.batches: list[list[CoordinatorRecord]] = []
        self.durable_count = 0
        self.tellings: list[Telling] = []
        self.needed: list[str] = []
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._callbacks: dict[Ticket, Callable[[Answer], None]] = {}
        self._tickets = 0
        self._producer_ids = 1000
        self.shard = self._loaded()

    @property
    def now(self) -> Moment:
        return Moment(START_MS + self.elapsed_ms, self.elapsed_ms)

    def fresh_id(self) -> int:
        self._producer_ids += 1
        return self._producer_ids

    def fresh_id_for(self, transactional_id: str) -> int:
        """As the driver takes one before it asks."""
        return self.fresh_id() if self.shard.needs_producer_id(transactional_id) else -1

    def wear_out(self, transactional_id: str) -> None:
        """Let the id have one epoch left that can be given out."""
        transaction = Transaction(
            transactional_id=transactional_id, producer_id=self.fresh_id(), epoch=EPOCH_MAX - 3, timeout_ms=60_000, update_ms=START_MS
        )
        self._append([record_of(transaction, self.version)])
        self.shard.replay(self.batches[-1][0], offset=0, producer_id=-1)
        self.flush()

    # Asking

    def ask(self, question: Callable[[Ticket], Outcome], on_answer: Callable[[Answer], None]) -> Answer:
        """What was decided; `on_answer` hears of it when it is durable, or never."""
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self._callbacks[ticket] = on_answer
        outcome = question(ticket)
        (decided,) = [answer for answered, answer in outcome.answers if answered == ticket]
        self._take(outcome)
        return decided

    def _take(self, outcome: Outcome) -> None:
        if outcome.records:
            assert all(record.is_applied for record in outcome.records)
            self._append(outcome.records)
        for ticket, answer in outcome.answers:
            on_answer = self._callbacks.pop(ticket)
            self._waiting.append((len(self.batches), lambda on_answer=on_answer, answer=answer: on_answer(answer)))  # type: ignore[misc]
        for deed in outcome.deeds:
            self._waiting.append((len(self.batches), lambda deed=deed: self._do(deed)))  # type: ignore[misc]

    def _append(self, records: list[CoordinatorRecord]) -> None:
        self.batches.append(list(records))

    def _do(self, deed: object) -> None:
        if isinstance(deed, MarkersDue):
            self.tellings.append(Telling(deed, sorted(deed.partitions)))
            self._complete_if_told(self.tellings[-1])
        else:
            assert isinstance(deed, ProducerIdNeeded)
            self.needed.append(deed.transactional_id)

    # What goes on around

    def flush(self, batches_count: int | None = None) -> None:
        """Make the next batches durable, all by default, and let go what waited for them."""
        ahead = len(self.batches) - self.durable_count
        self.durable_count += ahead if batches_count is None else min(ahead, batches_count)
        while self._waiting and self._waiting[0][0] <= self.durable_count:
            self._waiting.pop(0)[1]()

    def tell_one(self, number: int) -> None:
        """Write one of the markers that are due."""
        if not self.tellings:
            return
        telling = self.tellings[number % len(self.tellings)]
        place = telling.remaining[number % len(telling.remaining)]
        assert self.partitions[place].mark(telling.due), f"a marker of {telling.due} is refused by {place}"
        telling.remaining.remove(place)
        self._complete_if_told(telling)

    def _complete_if_told(self, telling: Telling) -> None:
        if not telling.remaining:
            self.tellings.remove(telling)
            self._take(self.shard.markers_written(telling.due, self.now))

    def give_producer_ids(self) -> None:
        needed, self.needed = self.needed, []
        for transactional_id in needed:
            self._take(self.shard.abort_timed_out(transactional_id, self.fresh_id(), self.now))

    def advance(self, elapsed_ms: int) -> None:
        end_ms = self.elapsed_ms + elapsed_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.elapsed_ms = max(deadline_ms, self.elapsed_ms)
            for outcome in self.shard.act_on_time(self.now):
                self._take(outcome)
        self.elapsed_ms = end_ms

    def crash(self, batches_kept: int) -> int:
        """Lose the end of the log but for `batches_kept`, and all that waited; how many batches there are now."""
        del self.batches[self.durable_count + batches_kept :]
        self.durable_count = len(self.batches)
        self._waiting.clear()
        self._callbacks.clear()
        self.tellings.clear()
        self.needed.clear()
        self.shard = self._loaded()
        return len(self.batches)

    def _loaded(self) -> TransactionShard:
        shard = self.replayed()
        self._take(shard.on_loaded(self.image, self.now))
        return shard

    def replayed(self) -> TransactionShard:
        """What a new coordinator makes of the log, with what is not durable yet."""
        shard = TransactionShard(TransactionSettings)
        for offset, record in enumerate(record for batch in self.batches for record in batch):
            decoded = decode_record(RECORD_TYPES, record.encoded_key(), record.encoded_value())
            assert decoded is not None
            shard.replay(decoded, offset=offset, producer_id=-1)
        return shard

    def recorded(self, live: Transaction) -> Transaction:
        """What of a transaction its record holds."""
        kept = changed(live, last_epoch=NO_EPOCH)
        return kept if self.version else changed(kept, previous_producer_id=-1, next_producer_id=-1, client_version=0)


def code_of(answer: Answer) -> ErrorCode:
    """The error of any answer."""
    if isinstance(answer, Refusal):
        return answer.code
    return ErrorCode(answer.error_code)  # type: ignore[attr-defined]
