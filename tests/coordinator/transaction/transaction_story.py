"""A shard of the transaction coordinator with a log of records, a clock moved by hand, and partitions that note the markers they are given.

After every step a second shard that replays the records must know the same, but for what records do not hold; and what can be decided as
a batch at once must come to the same (`encoded_twin`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.coordinator.shard import Moment, Outcome, Refusal, Ticket
from odradek.coordinator.transaction.records import RECORD_TYPES, record_of
from odradek.coordinator.transaction.settings import TransactionSettings
from odradek.coordinator.transaction.shard import MarkersDue, ProducerIdNeeded, TransactionShard
from odradek.coordinator.transaction.transaction import EPOCH_MAX, NO_EPOCH, Transaction
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.feature_levels import TRANSACTION_VERSION
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.protocol.internal_records.metadata import FeatureLevelRecord
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.coordinator.transaction.encoded_twin import EncodedTwin
from tests.coordinator.transaction.transaction_fields import changed, fields_of

ID = "copier"
START_MS = 1_700_000_000_000
Producer = tuple[int, int]


def image_of(transaction_version: int) -> MetadataImage:
    """A cluster whose transactions are of this version."""
    delta = MetadataDelta(EMPTY_IMAGE)
    if transaction_version:
        delta.replay(FeatureLevelRecord(name=TRANSACTION_VERSION, feature_level=transaction_version))
    return delta.apply(offset=1, epoch=1, append_time_ms=START_MS)


class TransactionStory:
    """Tells a story to a shard. Markers stay due until `write_markers`; `fail_markers` forgets them, as a crash does."""

    def __init__(self, *, version: int = 2, **settings: int | bool) -> None:
        self.settings = replace(TransactionSettings(), **settings)  # type: ignore[arg-type]
        self.image = image_of(version)
        self.records: list[CoordinatorRecord] = []
        self.elapsed_ms = 0
        self.due: list[MarkersDue] = []
        self.needed: list[str] = []
        # What each partition was told, in order.
        self.markers: dict[tuple[str, int], list[tuple[Producer, bool]]] = {}
        self._answers: dict[Ticket, object] = {}
        self._tickets = 0
        self._producer_ids = 1000
        self.shard = TransactionShard(lambda: self.settings)
        self._take(self.shard.on_loaded(self.image, self.now))

    @property
    def now(self) -> Moment:
        return Moment(START_MS + self.elapsed_ms, self.elapsed_ms)

    @property
    def transaction(self) -> Transaction:
        found = self.shard.get(ID)
        assert found is not None
        return found

    @property
    def state(self) -> str:
        """The state by the name that tools say."""
        return self.transaction.state.label

    def fresh_id(self) -> int:
        """A producer id that nobody has."""
        self._producer_ids += 1
        return self._producer_ids

    # Requests

    def init(self, *, known: Producer = (-1, NO_EPOCH), timeout_ms: int = 60_000, is_two_phase: bool = False) -> tuple[ErrorCode, Producer]:
        request = InitProducerIdRequest(
            transactional_id=ID,
            transaction_timeout_ms=timeout_ms,
            producer_id=known[0],
            producer_epoch=known[1],
            enable2_pc=is_two_phase,
        )
        fresh_id = self.fresh_id() if self.shard.needs_producer_id(ID) else -1
        response = self._ask(lambda ticket: self.shard.init_producer_id(ticket, request, fresh_id, self.now))
        assert isinstance(response, InitProducerIdResponse)
        return ErrorCode(response.error_code), (response.producer_id, response.producer_epoch)

    def begin(self, **details: int) -> Producer:
        """InitProducerId as clients send it: again, until what the former self had open is aborted."""
        for _ in range(3):
            code, producer = self.init(**details)  # type: ignore[arg-type]
            if code is ErrorCode.NONE:
                return producer
            assert code is ErrorCode.CONCURRENT_TRANSACTIONS
            self.write_markers()
        raise AssertionError("the producer cannot begin")

    def begin_worn_out(self, **details: int) -> Producer:
        """As `begin`, after so many producers of this name that no epoch is left."""
        self.begin(**details)
        record = record_of(changed(self.transaction, epoch=EPOCH_MAX - 1), self.image.features.levels().get(TRANSACTION_VERSION, 0))
        self.records.append(record)
        self.shard.replay(record, offset=len(self.records), producer_id=-1)
        return self.transaction.producer_id, EPOCH_MAX - 1

    def add(self, producer: Producer, *places: tuple[str, int], client_version: int = 0) -> ErrorCode:
        twin = EncodedTwin(self.shard, self.image, self.now)

        def add(ticket: Ticket) -> Outcome:
            outcome = self.shard.add_partitions(ticket, ID, producer, frozenset(places), client_version, self.now)
            twin.check_join(ID, producer, frozenset(places), client_version, outcome)
            return outcome

        response = self._ask(add)
        assert isinstance(response, Refusal)
        return response.code

    def end(self, producer: Producer, *, is_commit: bool = True, client_version: int = 0) -> tuple[ErrorCode, Producer]:
        fresh_id = self.fresh_id() if self.shard.needs_producer_id(ID) else -1
        twin = EncodedTwin(self.shard, self.image, self.now)

        def end(ticket: Ticket) -> Outcome:
            outcome = self.shard.end(
                ticket, ID, producer, is_commit=is_commit, client_version=client_version, fresh_producer_id=fresh_id, now=self.now
            )
            twin.check_end(ID, producer, outcome, is_commit=is_commit, client_version=client_version)
            return outcome

        response = self._ask(end)
        assert isinstance(response, EndTxnResponse)
        return ErrorCode(response.error_code), (response.producer_id, response.producer_epoch)

    # What goes on around

    def write_markers(self) -> None:
        """Give every partition its marker, and tell the shard."""
        due, self.due = self.due, []
        for marker in due:
            for place in sorted(marker.partitions):
                self.markers.setdefault(place, []).append(((marker.producer_id, marker.epoch), marker.is_commit))
            twin = EncodedTwin(self.shard, self.image, self.now)
            outcome = self.shard.markers_written(marker, self.now)
            twin.check_markers(marker, outcome)
            self._take(outcome)

    def give_producer_ids(self) -> None:
        """Find the producer ids that late transactions wait for."""
        needed, self.needed = self.needed, []
        for transactional_id in needed:
            self._take(self.shard.abort_timed_out(transactional_id, self.fresh_id(), self.now))

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, from deadline to deadline."""
        end_ms = self.elapsed_ms + elapsed_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.elapsed_ms = max(deadline_ms, self.elapsed_ms)
            for outcome in self.shard.act_on_time(self.now):
                self._take(outcome)
        self.elapsed_ms = end_ms

    def reload(self) -> None:
        """The coordinator crashes; another loads what it wrote. Markers that were due and not written are due again."""
        self.due = []
        self.needed = []
        self.shard = self._replayed()
        self._take(self.shard.on_loaded(self.image, self.now))

    # The log

    def _ask(self, question: Callable[[Ticket], Outcome]) -> object:
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self._take(question(ticket))
        return self._answers[ticket]

    def _take(self, outcome: Outcome) -> None:
        self.records += outcome.records
        assert all(record.is_applied for record in outcome.records)
        for ticket, answer in outcome.answers:
            self._answers[ticket] = answer
        for deed in outcome.deeds:
            if isinstance(deed, MarkersDue):
                self.due.append(deed)
            else:
                assert isinstance(deed, ProducerIdNeeded)
                self.needed.append(deed.transactional_id)
        again = self._replayed().get(ID)
        live = self.shard.get(ID)
        assert fields_of(again) == fields_of(None if live is None else self._recorded(live))

    def _recorded(self, live: Transaction) -> Transaction:
        """What of a transaction its record holds; in the first version that is less."""
        kept = changed(live, last_epoch=NO_EPOCH)
        if self.image.features.levels().get(TRANSACTION_VERSION, 0) >= 1:
            return kept
        return changed(kept, previous_producer_id=-1, next_producer_id=-1, client_version=0)

    def _replayed(self) -> TransactionShard:
        shard = TransactionShard(lambda: self.settings)
        for offset, record in enumerate(self.records):
            decoded = decode_record(RECORD_TYPES, record.encoded_key(), record.encoded_value())
            assert decoded is not None
            shard.replay(decoded, offset=offset, producer_id=-1)
        return shard
