"""The transaction coordinator's share of one partition of `__transaction_state` (`TransactionCoordinator.scala`).

Decides who may begin, join partitions to, and end transactions. An end is two steps: the decision is written, and once it is
committed the producer is answered and `MarkersDue` tells the driver to write a marker into every partition of the transaction; when
all have theirs the driver calls `markers_written`. After a crash the markers of every decided transaction are written again, which
does no harm.

Join, end and completion of a transaction come in two forms: as an `Outcome`, which can say everything, and, where nothing is refused or
out of the ordinary, as the batch that is to be written (`..._encoded`). mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.coordinator.deadlines import Deadlines
from odradek.coordinator.latest_records import LatestRecords
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Encoded, Moment, Outcome, Ticket
from odradek.coordinator.transaction.ending import Verdict, judge_new, judge_old
from odradek.coordinator.transaction.producer_requests import EndRequest
from odradek.coordinator.transaction.records import record_of, tombstone, transaction_of
from odradek.coordinator.transaction.settings import TransactionSettings
from odradek.coordinator.transaction.state_batch import encode_transaction
from odradek.coordinator.transaction.transaction import (
    AT_REST,
    EPOCH_BUMP_VERSION,
    NO_EPOCH,
    ONGOING,
    PREPARE_COMMIT,
    PREPARED,
    TWO_PHASE_TIMEOUT_MS,
    TopicPartitionName,
    Transaction,
    is_epoch_exhausted,
)
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.feature_levels import TRANSACTION_VERSION
from odradek.metadata.image import MetadataImage
from odradek.protocol.internal_records.transaction import TransactionLogKey, TransactionLogValue
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

# How many ids are forgotten in one batch; the rest has its turn right after.
TOMBSTONES_PER_OUTCOME_MAX: Final = 1_000

Action = Callable[[Moment], Iterable[Outcome]]


@final
class MarkersDue:
    """The outcome of the transaction that `ended` decides, to be written into its partitions once the decision is committed."""

    __slots__ = ("ended",)

    def __init__(self, ended: Transaction) -> None:
        self.ended = ended

    @property
    def transactional_id(self) -> str:
        return self.ended.transactional_id

    @property
    def producer_id(self) -> int:
        return self.ended.producer_id

    @property
    def epoch(self) -> int:
        return self.ended.epoch

    @property
    def is_commit(self) -> bool:
        return self.ended.state is PREPARE_COMMIT

    @property
    def partitions(self) -> frozenset[TopicPartitionName]:
        return self.ended.partitions

    @property
    def transaction_version(self) -> int:
        """The protocol of the producer, by which its markers are judged."""
        return self.ended.client_version


@final
class ProducerIdNeeded:
    """A transaction is late, and ending it takes another producer id: to be given with `abort_timed_out`."""

    __slots__ = ("transactional_id",)

    def __init__(self, transactional_id: str) -> None:
        self.transactional_id = transactional_id


@final
class TransactionShard:
    """One shard. Producer ids cannot be made here: where one is needed and not given, `needs_producer_id` says so beforehand."""

    def __init__(self, settings: Callable[[], TransactionSettings]) -> None:
        self._settings = settings
        self._transactions: dict[str, Transaction] = {}
        self._deadlines: Deadlines[Action] = Deadlines()
        # The cluster's transaction version.
        self._version = 0

    def get(self, transactional_id: str) -> Transaction | None:
        return self._transactions.get(transactional_id)

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._transactions.values()))

    def needs_producer_id(self, transactional_id: str) -> bool:
        """Whether beginning or ending a transaction now may take another producer id."""
        transaction = self._transactions.get(transactional_id)
        return transaction is None or is_epoch_exhausted(transaction.epoch)

    # InitProducerId

    def init_producer_id(self, ticket: Ticket, request: InitProducerIdRequest, fresh_producer_id: int, now: Moment) -> Outcome:
        """A producer begins: it is given the id and an epoch that fences its former self; what that had open is aborted first."""
        settings = self._settings()
        transactional_id = request.transactional_id or ""
        if request.enable2_pc and not settings.is_two_phase_commit_enabled:
            return _refused_init(ticket, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        if request.keep_prepared_txn:
            return _refused_init(ticket, ErrorCode.UNSUPPORTED_VERSION)
        if not request.enable2_pc and not 0 < request.transaction_timeout_ms <= settings.timeout_ms_max:
            return _refused_init(ticket, ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        timeout_ms = TWO_PHASE_TIMEOUT_MS if request.enable2_pc else request.transaction_timeout_ms
        expected = None if request.producer_id == NO_PRODUCER_ID else (request.producer_id, request.producer_epoch)
        transaction = self._transactions.get(transactional_id) or Transaction(
            transactional_id=transactional_id, producer_id=fresh_producer_id, timeout_ms=timeout_ms, update_ms=now.wall_ms
        )
        if expected is not None and not _may_be_its_own(transaction, *expected):
            return _refused_init(ticket, ErrorCode.PRODUCER_FENCED)
        if transaction.state in PREPARED:
            return _refused_init(ticket, ErrorCode.CONCURRENT_TRANSACTIONS)
        if transaction.state is ONGOING:
            outcome = self._abort(transaction, fresh_producer_id, now)
            outcome.answers.append((ticket, _init_response(ErrorCode.CONCURRENT_TRANSACTIONS)))
            return outcome
        begun = self._begun(transaction, expected, timeout_ms, fresh_producer_id, now)
        if begun is None:
            return _refused_init(ticket, ErrorCode.PRODUCER_FENCED)
        response = InitProducerIdResponse(producer_id=begun.producer_id, producer_epoch=begun.epoch)
        return Outcome([self._put(begun)], [(ticket, response)])

    def _begun(
        self, transaction: Transaction, expected: tuple[int, int] | None, timeout_ms: int, fresh_producer_id: int, now: Moment
    ) -> Transaction | None:
        if transaction.is_epoch_exhausted and (expected is None or expected[1] == transaction.epoch):
            return transaction.with_other_producer_id(fresh_producer_id, timeout_ms, now.wall_ms, is_epoch_remembered=expected is not None)
        return transaction.with_next_epoch(timeout_ms, None if expected is None else expected[1], now.wall_ms)

    def _abort(self, transaction: Transaction, fresh_producer_id: int, now: Moment) -> Outcome:
        """Abort what a producer has open, and fence it: it is late, or another has taken its name."""
        version = self._version
        if version >= EPOCH_BUMP_VERSION:
            next_id = fresh_producer_id if transaction.is_epoch_exhausted else NO_PRODUCER_ID
            ended = transaction.ending(is_commit=False, client_version=version, next_producer_id=next_id, now_ms=now.wall_ms)
        else:
            fenced = transaction.fenced()
            ended = fenced.ending(is_commit=False, client_version=0, next_producer_id=NO_PRODUCER_ID, now_ms=now.wall_ms)
        return self._ended(ended)

    # Partitions

    def add_partitions(
        self,
        ticket: Ticket,
        transactional_id: str,
        producer: tuple[int, int],
        partitions: frozenset[TopicPartitionName],
        client_version: int,
        now: Moment,
    ) -> Outcome:
        """The producer (id and epoch) is about to write to `partitions`. The answer is a refusal, of NONE where it may."""
        transaction = self._transactions.get(transactional_id)
        code = _refusal_of_partitions(transaction, transactional_id, producer)
        if transaction is None or code is not NO_ERROR:
            return Outcome.refusal(ticket, code)
        outcome = Outcome.refusal(ticket, NO_ERROR)
        if not _has_joined(transaction, partitions):
            outcome.records.append(self._put(transaction.with_partitions(partitions, client_version, now.wall_ms)))
        return outcome

    def add_partitions_encoded(
        self, transactional_id: str, producer: tuple[int, int], partitions: frozenset[TopicPartitionName], client_version: int, now: Moment
    ) -> Encoded | None:
        """As `add_partitions`, where they are added; None where there is anything else to be said."""
        transaction = self._transactions.get(transactional_id)
        if transaction is None or _refusal_of_partitions(transaction, transactional_id, producer) is not NO_ERROR:
            return None
        if _has_joined(transaction, partitions):
            return None
        return self._encoded(transaction.with_partitions(partitions, client_version, now.wall_ms), now)

    def verify_partition(self, transactional_id: str, producer: tuple[int, int], partition: TopicPartitionName) -> ErrorCode:
        """Whether the producer has said that it writes to `partition` in the transaction it is in."""
        transaction = self._transactions.get(transactional_id)
        code = _refusal_of_partitions(transaction, transactional_id, producer)
        if transaction is None or code is not NO_ERROR:
            return code
        return NO_ERROR if partition in transaction.partitions else ErrorCode.TRANSACTION_ABORTABLE

    # EndTxn

    def end(
        self,
        ticket: Ticket,
        transactional_id: str,
        producer: tuple[int, int],
        *,
        is_commit: bool,
        client_version: int,
        fresh_producer_id: int,
        now: Moment,
    ) -> Outcome:
        """Commit or abort. The producer is answered when that is decided for good; the partitions are told after that."""
        if not transactional_id:
            return _refused_end(ticket, ErrorCode.INVALID_REQUEST)
        transaction = self._transactions.get(transactional_id)
        if transaction is None:
            return _refused_end(ticket, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        is_new = client_version >= EPOCH_BUMP_VERSION
        verdict = _judged(transaction, producer, is_commit, is_new)
        if isinstance(verdict, ErrorCode):
            return _refused_end(ticket, verdict)
        if verdict is Verdict.REPEAT:
            return Outcome.answer(ticket, _end_response(transaction if is_new else None))
        next_id = fresh_producer_id if is_new and transaction.is_epoch_exhausted else NO_PRODUCER_ID
        version = client_version if is_new else 0
        ended = transaction.ending(is_commit=is_commit, client_version=version, next_producer_id=next_id, now_ms=now.wall_ms)
        outcome = self._ended(ended)
        outcome.answers.append((ticket, _end_response(ended.completed(now.wall_ms) if is_new else None)))
        return outcome

    def end_encoded(self, request: EndRequest, client_version: int, now: Moment) -> Encoded | None:
        """As `end`, where a transaction ends with its producer id; None where there is anything else to be said."""
        asked = request.producer
        transaction = self._transactions.get(asked.transactional_id)
        if transaction is None or transaction.is_epoch_exhausted:
            return None
        is_new = client_version >= EPOCH_BUMP_VERSION
        if _judged(transaction, (asked.producer_id, asked.producer_epoch), request.is_commit, is_new) is not Verdict.END:
            return None
        version = client_version if is_new else 0
        ended = transaction.ending(is_commit=request.is_commit, client_version=version, next_producer_id=NO_PRODUCER_ID, now_ms=now.wall_ms)
        if is_new:
            request.next_producer_id = ended.producer_id
            request.next_epoch = ended.epoch
        return self._encoded(ended, now, MarkersDue(ended))

    def markers_written(self, due: MarkersDue, now: Moment) -> Outcome:
        """Every partition has its marker."""
        if not self._is_ending(due):
            return Outcome()
        return Outcome([self._put(due.ended.completed(now.wall_ms))])

    def markers_written_encoded(self, due: MarkersDue, now: Moment) -> Encoded | None:
        """As `markers_written`; None where that changes nothing."""
        return self._encoded(due.ended.completed(now.wall_ms), now) if self._is_ending(due) else None

    def _is_ending(self, due: MarkersDue) -> bool:
        """Whether the markers are of the end that is under way, and not of one that was decided before."""
        return self._transactions.get(due.transactional_id) is due.ended

    def _ended(self, ended: Transaction) -> Outcome:
        return Outcome([self._put(ended)], deeds=[MarkersDue(ended)])

    # State

    def gatherer(self) -> LatestRecords:
        return LatestRecords()

    def _put(self, transaction: Transaction) -> CoordinatorRecord:
        self._transactions[transaction.transactional_id] = transaction
        return record_of(transaction, self._version)

    def _encoded(self, transaction: Transaction, now: Moment, deed: MarkersDue | None = None) -> Encoded:
        def take_in(base_offset: int) -> None:
            self._transactions[transaction.transactional_id] = transaction

        batch = encode_transaction(transaction, self._version, now.wall_ms)
        return Encoded(batch, take_in, () if deed is None else (deed,))

    def replay(self, record: CoordinatorRecord, *, offset: int, producer_id: int) -> None:
        assert isinstance(record.key, TransactionLogKey)
        transactional_id = record.key.transactional_id
        if record.value is None:
            self._transactions.pop(transactional_id, None)
        else:
            assert isinstance(record.value, TransactionLogValue)
            self._transactions[transactional_id] = transaction_of(transactional_id, record.value)

    def replay_end_of_transaction(self, producer_id: int, *, is_committed: bool) -> None:
        """Nobody writes to this topic in transactions."""

    def replay_gathered(self) -> Iterable[int]:
        """One record for each transactional id is not many."""
        return ()

    def on_loaded(self, image: MetadataImage, now: Moment) -> Outcome:
        """What was decided and may not have reached every partition is told again."""
        self._version = _version_of(image)
        settings = self._settings()
        self._deadlines.set("abort", now.monotonic_ms + settings.abort_interval_ms, self._abort_timed_out)
        self._deadlines.set("expiry", now.monotonic_ms + settings.id_expiration_interval_ms, self._expire_ids)
        return Outcome(deeds=[MarkersDue(it) for it in self if it.state in PREPARED])

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage, now: Moment) -> Iterable[Outcome]:
        self._version = _version_of(image)
        return ()

    # Time

    def next_deadline_ms(self) -> int | None:
        return self._deadlines.next_ms()

    def act_on_time(self, now: Moment) -> Iterator[Outcome]:
        while (action := self._deadlines.take_due(now.monotonic_ms)) is not None:
            yield from action(now)

    def _abort_timed_out(self, now: Moment) -> Iterator[Outcome]:
        self._deadlines.set("abort", now.monotonic_ms + self._settings().abort_interval_ms, self._abort_timed_out)
        for transaction in self:
            if not transaction.is_timed_out(now.wall_ms):
                continue
            if transaction.is_epoch_exhausted and self._version >= EPOCH_BUMP_VERSION:
                yield Outcome(deeds=[ProducerIdNeeded(transaction.transactional_id)])
            else:
                yield self._abort(transaction, NO_PRODUCER_ID, now)

    def abort_timed_out(self, transactional_id: str, fresh_producer_id: int, now: Moment) -> Outcome:
        """Abort one transaction that is late, with the producer id that it took to do so."""
        transaction = self._transactions.get(transactional_id)
        if transaction is None or not transaction.is_timed_out(now.wall_ms):
            return Outcome()
        return self._abort(transaction, fresh_producer_id, now)

    def _expire_ids(self, now: Moment) -> Iterator[Outcome]:
        settings = self._settings()
        self._deadlines.set("expiry", now.monotonic_ms + settings.id_expiration_interval_ms, self._expire_ids)
        expired = [it.transactional_id for it in self if it.state in AT_REST and it.update_ms <= now.wall_ms - settings.id_expiration_ms]
        for first in range(0, len(expired), TOMBSTONES_PER_OUTCOME_MAX):
            some = expired[first : first + TOMBSTONES_PER_OUTCOME_MAX]
            for transactional_id in some:
                del self._transactions[transactional_id]
            yield Outcome([tombstone(transactional_id) for transactional_id in some])


def _may_be_its_own(transaction: Transaction, producer_id: int, epoch: int) -> bool:
    """Whether a producer that says which id it had can be the one that has this transactional id."""
    if transaction.epoch == NO_EPOCH or producer_id == transaction.producer_id:
        return True
    return producer_id == transaction.previous_producer_id and is_epoch_exhausted(epoch)


def _refusal_of_partitions(transaction: Transaction | None, transactional_id: str, producer: tuple[int, int]) -> ErrorCode:
    if not transactional_id:
        return ErrorCode.INVALID_REQUEST
    if transaction is None or transaction.producer_id != producer[0]:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if transaction.epoch != producer[1]:
        return ErrorCode.PRODUCER_FENCED
    return ErrorCode.CONCURRENT_TRANSACTIONS if transaction.state in PREPARED else NO_ERROR


def _version_of(image: MetadataImage) -> int:
    return image.features.levels().get(TRANSACTION_VERSION, 0)


def _has_joined(transaction: Transaction, partitions: frozenset[TopicPartitionName]) -> bool:
    return transaction.state is ONGOING and partitions <= transaction.partitions


def _judged(transaction: Transaction, producer: tuple[int, int], is_commit: bool, is_new: bool) -> Verdict | ErrorCode:
    judge = judge_new if is_new else judge_old
    return judge(transaction, producer[0], producer[1], is_commit=is_commit)


def _init_response(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_EPOCH)


def _refused_init(ticket: Ticket, code: ErrorCode) -> Outcome:
    return Outcome.answer(ticket, _init_response(code))


def _end_response(transaction: Transaction | None) -> EndTxnResponse:
    """The producer of the new protocol is told what it is from now on."""
    if transaction is None:
        return EndTxnResponse()
    return EndTxnResponse(producer_id=transaction.producer_id, producer_epoch=transaction.epoch)


def _refused_end(ticket: Ticket, code: ErrorCode) -> Outcome:
    return Outcome.answer(ticket, EndTxnResponse(error_code=code))
