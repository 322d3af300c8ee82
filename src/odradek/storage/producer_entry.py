"""What a partition remembers of one producer, and whether its next batch may follow (`ProducerStateEntry.java`, `ProducerAppendInfo.java`).

The last five batches are kept: a batch that equals one of them in epoch, first and last sequence number is a repetition and is answered
with the offset it got; any other has to continue the sequence. Numbers go from 0 to 2^31-1 and begin anew; a new epoch begins at 0.
Only the last batch is in the snapshot, so after a restart only that one is recognised. This is part of the compiled path.

A batch is remembered when it is staged, and forgotten again (`take_back_from`) when it could not be written. So that the five before it are
then there as if nothing had happened, they leave only once what follows them is in the file.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

# As many requests as an idempotent producer keeps in flight.
CACHED_BATCHES_MAX: Final[i64] = 5
SEQUENCE_MAX: Final[i64] = 0x7FFF_FFFF
NO_SEQUENCE: Final[i64] = -1
NO_PRODUCER_EPOCH: Final[i64] = -1
EPOCH_MAX: Final[i64] = 0x7FFF
# The transaction version that gives every transaction an epoch of its own (KIP-890).
EPOCH_BUMP_VERSION: Final[i64] = 2
OFFSET_MAX: Final[i64] = 0x7FFF_FFFF_FFFF_FFFF

# `base.error_codes.ErrorCode` as plain integers, for the compiler.
ACCEPTED: Final[i64] = 0
OUT_OF_ORDER_SEQUENCE_NUMBER: Final[i64] = 45
INVALID_PRODUCER_EPOCH: Final[i64] = 47
INVALID_TXN_STATE: Final[i64] = 48


@final
class CachedBatch:
    """A batch that was appended: enough to know it again and to repeat its answer."""

    __slots__ = ("last_offset", "last_sequence", "offset_delta", "timestamp")

    def __init__(self, last_sequence: i64, last_offset: i64, offset_delta: i64, timestamp: i64) -> None:
        self.last_sequence = last_sequence
        self.last_offset = last_offset
        self.offset_delta = offset_delta
        self.timestamp = timestamp

    def first_sequence(self) -> i64:
        return (self.last_sequence - self.offset_delta) & SEQUENCE_MAX

    def first_offset(self) -> i64:
        return self.last_offset - self.offset_delta


@final
class ProducerEntry:
    """One producer id in one partition. `transaction_first_offset` is -1 unless a transaction is open."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "last_timestamp", "producer_id", "transaction_first_offset")

    def __init__(
        self, producer_id: i64, epoch: i64, coordinator_epoch: i64 = -1, last_timestamp: i64 = -1, transaction_first_offset: i64 = -1
    ) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.coordinator_epoch = coordinator_epoch
        self.last_timestamp = last_timestamp
        self.transaction_first_offset = transaction_first_offset
        self.batches: list[CachedBatch] = []

    def last_sequence(self) -> i64:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def last_data_offset(self) -> i64:
        return self.batches[-1].last_offset if self.batches else -1

    def last_offset_delta(self) -> i64:
        return self.batches[-1].offset_delta if self.batches else 0

    def repeated(self, epoch: i64, first_sequence: i64, last_sequence: i64) -> CachedBatch | None:
        """The kept batch that this one is again."""
        if epoch != self.epoch:
            return None
        batches = self.batches
        count: i64 = len(batches)
        for index in range(max(0, count - CACHED_BATCHES_MAX), count):
            batch = batches[index]
            if batch.last_sequence == last_sequence and batch.first_sequence() == first_sequence:
                return batch
        return None

    def refusal(self, epoch: i64, first_sequence: i64, is_transactional: bool) -> i64:
        """The error code of a batch of data that is no repetition, 0 if it may follow."""
        if epoch < self.epoch:
            return INVALID_PRODUCER_EPOCH
        if epoch != self.epoch:
            if first_sequence != 0 and self.epoch != NO_PRODUCER_EPOCH:
                return OUT_OF_ORDER_SEQUENCE_NUMBER
        elif self.epoch != NO_PRODUCER_EPOCH:
            last_sequence = self.last_sequence()
            if first_sequence != last_sequence + 1 and not (first_sequence == 0 and last_sequence == SEQUENCE_MAX):
                return OUT_OF_ORDER_SEQUENCE_NUMBER
        if self.transaction_first_offset >= 0 and not is_transactional:
            return INVALID_TXN_STATE
        return ACCEPTED

    def refusal_of_marker(self, epoch: i64, transaction_version: i64) -> i64:
        """The error code of a marker that ends a transaction of this producer, 0 if it may follow (`ProducerAppendInfo`).

        From `EPOCH_BUMP_VERSION` on the marker's epoch is above that of everything that was written in the transaction: one of the same
        epoch is late, and would end the next transaction. Where none is open it is the marker that is there already, written again.
        """
        if epoch > self.epoch:
            return ACCEPTED
        if epoch == self.epoch and (transaction_version < EPOCH_BUMP_VERSION or self.transaction_first_offset < 0 or epoch == EPOCH_MAX):
            return ACCEPTED
        return INVALID_PRODUCER_EPOCH

    def add_batch(
        self, epoch: i64, last_sequence: i64, last_offset: i64, offset_delta: i64, timestamp: i64, written_end_offset: i64 = OFFSET_MAX
    ) -> None:
        """Remember a batch that has been appended, or staged: then only what lies below `written_end_offset` is in the file."""
        self.adopt_epoch(epoch)
        batches = self.batches
        while len(batches) > CACHED_BATCHES_MAX and batches[CACHED_BATCHES_MAX].last_offset < written_end_offset:
            del batches[0]
        batches.append(CachedBatch(last_sequence, last_offset, offset_delta, timestamp))
        self.last_timestamp = timestamp

    def can_take_back(self, epoch: i64) -> bool:
        """Whether `take_back_from` alone would undo a batch of `epoch` that is added now; if not, a copy has to be kept."""
        batches = self.batches
        return epoch == self.epoch and len(batches) > 0 and batches[-1].timestamp == self.last_timestamp

    def take_back_from(self, written_end_offset: i64) -> None:
        """Forget the batches that were staged at and behind `written_end_offset`."""
        batches = self.batches
        count: i64 = len(batches)
        while len(batches) > 0 and batches[-1].last_offset >= written_end_offset:
            del batches[-1]
        if 0 < len(batches) < count:
            self.last_timestamp = batches[-1].timestamp
        if self.transaction_first_offset >= written_end_offset:
            self.transaction_first_offset = -1

    def copy(self) -> ProducerEntry:
        """The same state in another object; what changes here later does not change there."""
        other = ProducerEntry(self.producer_id, self.epoch, self.coordinator_epoch, self.last_timestamp, self.transaction_first_offset)
        other.batches = self.batches.copy()
        return other

    def adopt_epoch(self, epoch: i64) -> None:
        """Forget the batches of another epoch: their sequence numbers mean nothing any more."""
        if epoch != self.epoch:
            self.batches = []
            self.epoch = epoch
