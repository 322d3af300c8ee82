"""Bugs of coordinators that the simulator has to find, planted as those in `planted_bugs`: each for as long as a `with` lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

from odradek.base.error_codes import ErrorCode
from odradek.broker.coordinator_loading import GatheredRecords
from odradek.broker.coordinator_runner import ShardRunner
from odradek.broker.transaction_markers import TransactionMarkers
from odradek.coordinator.group import consumer_reconciliation
from odradek.coordinator.group.consumer_member import ConsumerMember
from odradek.coordinator.group.offset_requests import OffsetRequests
from odradek.coordinator.group.offsets import OffsetStore
from odradek.coordinator.shard import Moment, Outcome
from odradek.coordinator.transaction import shard as transaction_shard
from odradek.coordinator.transaction.ending import Verdict, judge_new, judge_old
from odradek.coordinator.transaction.shard import MarkersDue, TransactionShard
from odradek.coordinator.transaction.transaction import Transaction, TransactionState
from odradek.metadata.image import MetadataImage
from odradek.storage.producer_states import ProducerStates
from tests.coordinator.transaction.transaction_fields import changed

MARKERS_LATE_S = 0.2


@contextmanager
def answers_of_coordinators_leave_before_the_write() -> Iterator[None]:
    """What is decided is told at once, though its records are only staged."""

    def release(runner: ShardRunner[TransactionShard]) -> bool:
        while runner._decided:
            runner._let_go(runner._decided.popleft())
        return True

    with patch.object(ShardRunner, "release", release):
        yield


@contextmanager
def transactions_are_complete_before_their_markers_are_written() -> Iterator[None]:
    """The writing of markers is begun and not waited for."""
    write_all = TransactionMarkers.write_all

    def write_later(markers: TransactionMarkers, due: MarkersDue, coordinator_epoch: int, told: Callable[[bool], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(MARKERS_LATE_S, lambda: write_all(markers, due, coordinator_epoch, lambda is_told: None))
        told(True)

    with patch.object(TransactionMarkers, "write_all", write_later):
        yield


@contextmanager
def only_one_partition_is_told_of_the_end() -> Iterator[None]:
    """The other partitions of a transaction hear nothing."""
    write_all = TransactionMarkers.write_all

    def write_one(markers: TransactionMarkers, due: MarkersDue, coordinator_epoch: int, told: Callable[[bool], None]) -> None:
        partial = changed(due.ended, partitions=frozenset(sorted(due.partitions)[:1]))
        write_all(markers, MarkersDue(partial), coordinator_epoch, told)

    with patch.object(TransactionMarkers, "write_all", write_one):
        yield


@contextmanager
def last_stable_offset_forgets_open_transactions() -> Iterator[None]:
    """It stands at the transaction that began last, whatever is open before."""

    def first_unstable_offset(producers: ProducerStates, high_watermark: int) -> int | None:
        producers.forget_replicated(high_watermark)
        return max(producers._ongoing, default=None)

    with patch.object(ProducerStates, "first_unstable_offset", first_unstable_offset):
        yield


@contextmanager
def fenced_producers_are_believed() -> Iterator[None]:
    """The transactional id is compared, and the epoch is not."""

    def refusal(transaction: Transaction | None, transactional_id: str, producer: tuple[int, int]) -> ErrorCode:
        if transaction is None or transaction.producer_id != producer[0]:
            return ErrorCode.INVALID_PRODUCER_ID_MAPPING
        is_ending = transaction.state in (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)
        return ErrorCode.CONCURRENT_TRANSACTIONS if is_ending else ErrorCode.NONE

    def believe_old(transaction: Transaction, producer_id: int, epoch: int, *, is_commit: bool) -> Verdict | ErrorCode:
        return judge_old(transaction, producer_id, transaction.epoch, is_commit=is_commit)

    def believe_new(transaction: Transaction, producer_id: int, epoch: int, *, is_commit: bool) -> Verdict | ErrorCode:
        is_open = transaction.state is TransactionState.ONGOING
        return judge_new(transaction, producer_id, transaction.epoch if is_open else epoch, is_commit=is_commit)

    with ExitStack() as patches:
        patches.enter_context(patch.object(transaction_shard, "_refusal_of_partitions", refusal))
        patches.enter_context(patch.object(transaction_shard, "judge_old", believe_old))
        patches.enter_context(patch.object(transaction_shard, "judge_new", believe_new))
        yield


@contextmanager
def members_get_partitions_before_they_are_released() -> Iterator[None]:
    """A member is given its target at once, whoever has it."""
    towards_target = consumer_reconciliation._towards_target

    def towards(member: ConsumerMember, by: consumer_reconciliation.Reconciliation, *, epoch: int | None = None) -> ConsumerMember:
        return towards_target(member, replace(by, is_owned=lambda topic, index: False), epoch=epoch)

    with patch.object(consumer_reconciliation, "_towards_target", towards):
        yield


@contextmanager
def loading_drops_pending_offsets() -> Iterator[None]:
    """What open transactions would commit is not read again at a start."""
    in_order = GatheredRecords.in_order

    def without_transactions(gathered: GatheredRecords) -> Iterator[object]:
        gathered._in_transactions.clear()
        return iter(in_order(gathered))

    with patch.object(GatheredRecords, "in_order", without_transactions):
        yield


@contextmanager
def offsets_of_aborted_transactions_are_committed() -> Iterator[None]:
    """Which of the two markers it was is not looked at."""
    end_transaction = OffsetStore.end_transaction

    def commit_always(offsets: OffsetStore, producer_id: int, *, is_committed: bool) -> None:
        end_transaction(offsets, producer_id, is_committed=True)

    with patch.object(OffsetStore, "end_transaction", commit_always):
        yield


@contextmanager
def decided_transactions_are_not_resumed() -> Iterator[None]:
    """A new coordinator does not write the markers that its predecessor owed."""
    on_loaded = TransactionShard.on_loaded

    def load_and_rest(shard: TransactionShard, image: MetadataImage, now: Moment) -> Outcome:
        on_loaded(shard, image, now)
        return Outcome()

    with patch.object(TransactionShard, "on_loaded", load_and_rest):
        yield


@contextmanager
def former_members_commit_offsets_in_transactions() -> Iterator[None]:
    """The member and its generation in TxnOffsetCommit are not looked at."""
    with patch.object(OffsetRequests, "_refusal_of_transactional_commit", lambda requests, request, caller: ErrorCode.NONE):
        yield


@contextmanager
def late_transactions_are_left_open() -> Iterator[None]:
    """Nobody looks for transactions that take too long."""

    def nothing(shard: TransactionShard, now: Moment) -> Iterable[Outcome]:
        return ()

    with patch.object(TransactionShard, "_abort_timed_out", nothing):
        yield


PLANTED_COORDINATOR_BUGS = (
    answers_of_coordinators_leave_before_the_write,
    transactions_are_complete_before_their_markers_are_written,
    only_one_partition_is_told_of_the_end,
    last_stable_offset_forgets_open_transactions,
    fenced_producers_are_believed,
    members_get_partitions_before_they_are_released,
    loading_drops_pending_offsets,
    offsets_of_aborted_transactions_are_committed,
    decided_transactions_are_not_resumed,
    former_members_commit_offsets_in_transactions,
    late_transactions_are_left_open,
)
