"""Transactions in one log: the last stable offset and the index of what was aborted, also across restarts (KAFKA-FACTS 2.3)."""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode
from odradek.records.builder import encode_batch
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.record import Record
from odradek.storage.transaction_index import AbortedTransaction
from tests.storage.building import START_MS, Shelf, idempotent, small_segments


def marker(kind: ControlType, producer_id: int, *, epoch: int = 0, coordinator_epoch: int = 0) -> bytes:
    return encode_end_marker(kind, coordinator_epoch=coordinator_epoch, producer_id=producer_id, producer_epoch=epoch, timestamp=START_MS)


def transactional(sequence: int, producer_id: int) -> bytes:
    return idempotent(sequence, producer_id=producer_id, is_transactional=True)


def seen(shelf: Shelf) -> int:
    """The last stable offset once everything is replicated."""
    shelf.log.high_watermark = shelf.log.log_end_offset
    return shelf.log.last_stable_offset


def test_last_stable_offset_waits_for_the_oldest_open_transaction() -> None:
    shelf = Shelf()
    shelf.append("before")
    shelf.append_batch(transactional(0, 1))
    shelf.append_batch(transactional(0, 2))
    assert seen(shelf) == 1

    shelf.append_batch(marker(ControlType.COMMIT, 1))
    assert seen(shelf) == 2
    shelf.append_batch(marker(ControlType.ABORT, 2))

    assert seen(shelf) == 5


def test_last_stable_offset_waits_until_the_marker_is_replicated() -> None:
    shelf = Shelf()
    shelf.append_batch(transactional(0, 1))
    shelf.append_batch(marker(ControlType.COMMIT, 1))

    shelf.log.high_watermark = 1
    assert shelf.log.last_stable_offset == 0
    shelf.log.high_watermark = 2
    assert shelf.log.last_stable_offset == 2


def test_aborted_transaction_is_in_the_index_with_the_last_stable_offset_of_its_time() -> None:
    shelf = Shelf()
    shelf.append_batch(transactional(0, 1))
    shelf.append_batch(transactional(0, 2))
    shelf.append_batch(marker(ControlType.ABORT, 2))
    shelf.append_batch(marker(ControlType.ABORT, 1))

    second = AbortedTransaction(producer_id=2, first_offset=1, last_offset=2, last_stable_offset=0)
    first = AbortedTransaction(producer_id=1, first_offset=0, last_offset=3, last_stable_offset=4)
    assert shelf.log.aborted_transactions(0, 10) == [second, first]
    assert shelf.log.aborted_transactions(3, 10) == [first]
    assert shelf.log.aborted_transactions(0, 1) == [first]


def test_aborted_transactions_are_found_across_segments() -> None:
    shelf = Shelf(small_segments(300))
    shelf.append_batch(transactional(0, 1))
    for index in range(6):
        shelf.append(bytes(100))
        assert index >= 0
    shelf.append_batch(marker(ControlType.ABORT, 1))

    assert len(shelf.log.segments) > 3
    assert [aborted.last_offset for aborted in shelf.log.aborted_transactions(0, 3)] == [7]


def test_open_transactions_and_aborts_survive_restart_crash_and_truncation() -> None:
    shelf = Shelf(small_segments(300))
    shelf.append_batch(transactional(0, 1))
    shelf.append_batch(marker(ControlType.ABORT, 1))
    shelf.append_batch(transactional(0, 2))
    shelf.append("behind")
    aborted = shelf.log.aborted_transactions(0, 10)

    for log in (shelf.reopen_cleanly(), shelf.open()):
        assert log.aborted_transactions(0, 10) == aborted
        assert seen(shelf) == 2
    shelf.log.truncate_to(2)
    assert seen(shelf) == 2
    assert shelf.log.aborted_transactions(0, 10) == aborted
    shelf.log.truncate_to(1)
    assert seen(shelf) == 0
    assert shelf.log.aborted_transactions(0, 10) == []


def test_open_transaction_survives_a_cut_into_a_gap_and_a_clean_stop() -> None:
    """The cut leaves the end behind the last batch, and a snapshot there; the next start finds the end at the last batch."""
    shelf = Shelf()
    shelf.append_batch(transactional(0, 1))
    shelf.log.append_as_follower(encode_batch([Record(9, START_MS, None, b"x")], base_offset=9, leader_epoch=1))
    shelf.log.truncate_to(5)

    shelf.reopen_cleanly()

    assert shelf.log.log_end_offset == 1
    assert seen(shelf) == 0


def test_marker_of_a_former_coordinator_or_producer_epoch_is_refused() -> None:
    shelf = Shelf()
    shelf.append_batch(transactional(0, 1))
    shelf.append_batch(marker(ControlType.COMMIT, 1, epoch=3, coordinator_epoch=5))

    late = shelf.log.append(marker(ControlType.COMMIT, 1, epoch=3, coordinator_epoch=4), 1, START_MS)
    fenced = shelf.log.append(marker(ControlType.COMMIT, 1, epoch=2, coordinator_epoch=5), 1, START_MS)

    assert late.error_code == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert fenced.error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert shelf.log.log_end_offset == 2


def test_follower_has_the_same_transactions_as_its_leader() -> None:
    leader, follower = Shelf(), Shelf(small_segments(300))
    for data in (transactional(0, 1), transactional(0, 2), marker(ControlType.ABORT, 1), transactional(1, 2)):
        leader.append_batch(data)

    follower.log.append_as_follower(leader.log.read(0, 1 << 20).read())

    assert seen(follower) == seen(leader) == 1
    assert follower.log.aborted_transactions(0, 10) == leader.log.aborted_transactions(0, 10)
