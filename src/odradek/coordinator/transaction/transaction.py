"""One transactional id and the transaction it is in, as a value, and the steps from one state to the next (`TransactionMetadata.java`).

A producer of the old protocol keeps its epoch from one transaction to the next and names each partition before it writes there. One
of the new protocol (transaction version 2, KIP-890) gets another epoch with every transaction that ends, so that what it has sent
late can never end up in the next one; when the epochs of a producer id are used up, another id takes its place.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, final

from odradek.base.identifiers import NO_PRODUCER_ID

NO_EPOCH: Final = -1
NO_TIMESTAMP: Final = -1
EPOCH_MAX: Final = (1 << 15) - 1
# The timeout of a transaction that only its own transaction manager may end (KIP-939).
TWO_PHASE_TIMEOUT_MS: Final = (1 << 31) - 1
# Transaction versions by what they brought: flexible records, and another epoch for each transaction.
EPOCH_BUMP_VERSION: Final = 2

TopicPartitionName = tuple[str, int]
NO_PARTITIONS: Final[frozenset[TopicPartitionName]] = frozenset()


class TransactionState(IntEnum):
    """States by the numbers that records bear."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6

    @property
    def label(self) -> str:
        """As ListTransactions and Kafka's tools say it."""
        return "".join(word.capitalize() for word in self.name.split("_"))


# For every request: Python 3.11 looks for a member of an enum with 900 instructions.
ONGOING: Final = TransactionState.ONGOING
PREPARE_COMMIT: Final = TransactionState.PREPARE_COMMIT
COMPLETE_COMMIT: Final = TransactionState.COMPLETE_COMMIT
PREPARED: Final = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)
COMPLETED: Final = (TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)
# Nothing is under way: another transaction may begin, and the id may be forgotten.
AT_REST: Final = (TransactionState.EMPTY, *COMPLETED)


@final
class Transaction:
    """A transactional id. `last_epoch` is remembered for a producer that asks twice and is not in the record; times are wall-clock.

    Nobody changes one that others have seen: every step makes another. Not a frozen dataclass, which sets each of its fields through
    `object`; five are made for a transaction.
    """

    __slots__ = (
        "client_version",
        "epoch",
        "last_epoch",
        "next_producer_id",
        "partitions",
        "previous_producer_id",
        "producer_id",
        "start_ms",
        "state",
        "timeout_ms",
        "transactional_id",
        "update_ms",
    )

    def __init__(
        self,
        *,
        transactional_id: str,
        producer_id: int,
        previous_producer_id: int = NO_PRODUCER_ID,
        next_producer_id: int = NO_PRODUCER_ID,
        epoch: int = NO_EPOCH,
        last_epoch: int = NO_EPOCH,
        timeout_ms: int,
        state: TransactionState = TransactionState.EMPTY,
        partitions: frozenset[TopicPartitionName] = NO_PARTITIONS,
        start_ms: int = NO_TIMESTAMP,
        update_ms: int,
        client_version: int = 0,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.previous_producer_id = previous_producer_id
        self.next_producer_id = next_producer_id
        self.epoch = epoch
        self.last_epoch = last_epoch
        self.timeout_ms = timeout_ms
        self.state = state
        self.partitions = partitions
        self.start_ms = start_ms
        self.update_ms = update_ms
        self.client_version = client_version

    def _copy(self) -> Transaction:
        """The same again, for a step to change before it gives it away."""
        return Transaction(
            transactional_id=self.transactional_id,
            producer_id=self.producer_id,
            previous_producer_id=self.previous_producer_id,
            next_producer_id=self.next_producer_id,
            epoch=self.epoch,
            last_epoch=self.last_epoch,
            timeout_ms=self.timeout_ms,
            state=self.state,
            partitions=self.partitions,
            start_ms=self.start_ms,
            update_ms=self.update_ms,
            client_version=self.client_version,
        )

    @property
    def is_epoch_exhausted(self) -> bool:
        """Whether no further epoch can be given out under this producer id."""
        return is_epoch_exhausted(self.epoch)

    @property
    def is_two_phase(self) -> bool:
        """Whether no timeout may end its transactions."""
        return self.timeout_ms == TWO_PHASE_TIMEOUT_MS

    def is_timed_out(self, now_ms: int) -> bool:
        """Whether its transaction has been open for longer than it may."""
        return self.state is ONGOING and not self.is_two_phase and self.start_ms + self.timeout_ms < now_ms

    # Steps

    def with_next_epoch(self, timeout_ms: int, expected_epoch: int | None, now_ms: int) -> Transaction | None:
        """For a producer that begins: another epoch, which fences its former self; None if it is itself fenced.

        One that says which epoch it had gets the same answer when it asks twice.
        """
        epoch, last_epoch = self.epoch + 1, NO_EPOCH
        if expected_epoch is not None:
            if self.epoch in (NO_EPOCH, expected_epoch):
                last_epoch = self.epoch
            elif expected_epoch == self.last_epoch:
                epoch, last_epoch = self.epoch, self.last_epoch
            else:
                return None
        return self._at_rest(self.producer_id, epoch, last_epoch, timeout_ms, now_ms)

    def with_other_producer_id(self, producer_id: int, timeout_ms: int, now_ms: int, *, is_epoch_remembered: bool) -> Transaction:
        """For a producer whose epochs are used up: another id, in epoch 0."""
        last_epoch = self.epoch if is_epoch_remembered else NO_EPOCH
        return self._at_rest(producer_id, 0, last_epoch, timeout_ms, now_ms)

    def _at_rest(self, producer_id: int, epoch: int, last_epoch: int, timeout_ms: int, now_ms: int) -> Transaction:
        after = self._copy()
        after.producer_id = producer_id
        after.previous_producer_id = self.producer_id
        after.epoch = epoch
        after.last_epoch = last_epoch
        after.timeout_ms = timeout_ms
        after.state = TransactionState.EMPTY
        after.partitions = NO_PARTITIONS
        after.start_ms = NO_TIMESTAMP
        after.update_ms = now_ms
        return after

    def with_partitions(self, partitions: frozenset[TopicPartitionName], client_version: int, now_ms: int) -> Transaction:
        """The producer writes to these as well; with the first of them its transaction begins."""
        after = self._copy()
        after.previous_producer_id = self.producer_id
        after.state = ONGOING
        after.partitions = self.partitions | partitions
        after.start_ms = now_ms if self.state in AT_REST else self.start_ms
        after.update_ms = now_ms
        after.client_version = client_version
        return after

    def ending(self, *, is_commit: bool, client_version: int, next_producer_id: int, now_ms: int) -> Transaction:
        """The outcome is decided; what remains is to tell it to every partition."""
        after = self._copy()
        if client_version >= EPOCH_BUMP_VERSION:
            after.epoch = min(self.epoch + 1, EPOCH_MAX)
            after.last_epoch = self.epoch
        after.previous_producer_id = self.producer_id
        after.next_producer_id = next_producer_id
        after.state = PREPARE_COMMIT if is_commit else TransactionState.PREPARE_ABORT
        after.start_ms = now_ms if self.state in AT_REST else self.start_ms
        after.update_ms = now_ms
        after.client_version = client_version
        return after

    def fenced(self) -> Transaction:
        """The same transaction in another epoch, in which its producer can do nothing any more (before version 2)."""
        after = self._copy()
        after.epoch = min(self.epoch + 1, EPOCH_MAX)
        after.last_epoch = NO_EPOCH
        return after

    def completed(self, now_ms: int) -> Transaction:
        """Every partition has been told."""
        after = self._copy()
        if self.client_version >= EPOCH_BUMP_VERSION and self.next_producer_id != NO_PRODUCER_ID:
            after.producer_id = self.next_producer_id
            after.epoch = 0
        is_commit = self.state is PREPARE_COMMIT
        after.previous_producer_id = self.producer_id
        after.next_producer_id = NO_PRODUCER_ID
        after.state = COMPLETE_COMMIT if is_commit else TransactionState.COMPLETE_ABORT
        after.partitions = NO_PARTITIONS
        after.update_ms = now_ms
        return after


def is_epoch_exhausted(epoch: int) -> bool:
    """Whether the next epoch is kept for fencing."""
    return epoch >= EPOCH_MAX - 1
