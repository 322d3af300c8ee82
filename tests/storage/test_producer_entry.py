"""Idempotent producers, KAFKA-FACTS 2.4: repetitions are known again, gaps are refused, numbers begin anew after 2^31-1."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from odradek.base.error_codes import ErrorCode
from odradek.records.header import parse_header
from odradek.storage.producer_entry import SEQUENCE_MAX, ProducerEntry
from tests.storage.building import START_MS, Shelf, idempotent, small_segments


def outcome(shelf: Shelf, data: bytes) -> tuple[int, ErrorCode, bool]:
    """(base offset, error, is a repetition) of appending one batch."""
    staged = shelf.log.append(data, 1, shelf.clock.now_ms())
    return int(staged.base_offset), ErrorCode(staged.error_code), staged.is_duplicate


def test_batches_in_sequence_are_appended() -> None:
    shelf = Shelf()

    assert outcome(shelf, idempotent(0, 3)) == (0, ErrorCode.NONE, False)
    assert outcome(shelf, idempotent(3, 2)) == (3, ErrorCode.NONE, False)


def test_any_of_the_last_five_batches_is_answered_with_its_first_offset() -> None:
    shelf = Shelf()
    for number in range(7):
        shelf.append_batch(idempotent(number * 2, 2))

    for number in (2, 3, 4, 5, 6):
        assert outcome(shelf, idempotent(number * 2, 2)) == (number * 2, ErrorCode.NONE, True)
    assert outcome(shelf, idempotent(2, 2)) == (-1, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, False)
    assert shelf.log.log_end_offset == 14


def test_repetition_within_one_turn_is_known_before_anything_is_written() -> None:
    shelf = Shelf()
    frame = idempotent(0, 2)
    first = shelf.log.stage(frame, 0, parse_header(frame, 0), 1, START_MS)
    again = shelf.log.stage(frame, 0, parse_header(frame, 0), 1, START_MS)
    shelf.log.write_staged()

    assert (first.base_offset, first.is_duplicate) == (0, False)
    assert (again.base_offset, again.last_offset, again.is_duplicate) == (0, 1, True)
    assert shelf.log.log_end_offset == 2


def test_repetition_with_another_record_count_is_out_of_order() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, 3))

    assert outcome(shelf, idempotent(0, 2))[1] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_gap_in_the_sequence_is_refused() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, 3))

    assert outcome(shelf, idempotent(4)) == (-1, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, False)


def test_unknown_producer_may_begin_anywhere() -> None:
    assert outcome(Shelf(), idempotent(123))[1] == ErrorCode.NONE


def test_new_epoch_begins_at_zero() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, 3))

    assert outcome(shelf, idempotent(3, epoch=1))[1] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert outcome(shelf, idempotent(0, epoch=1)) == (3, ErrorCode.NONE, False)


def test_former_epoch_is_fenced() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, epoch=1))

    assert outcome(shelf, idempotent(1, epoch=0))[1] == ErrorCode.INVALID_PRODUCER_EPOCH


def test_sequence_begins_anew_behind_its_greatest_number() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(SEQUENCE_MAX - 1, 2))

    assert outcome(shelf, idempotent(0)) == (2, ErrorCode.NONE, False)
    assert outcome(shelf, idempotent(SEQUENCE_MAX - 1, 2)) == (0, ErrorCode.NONE, True)


def test_batch_may_contain_the_greatest_number_and_zero() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(SEQUENCE_MAX - 1, 5))

    assert outcome(shelf, idempotent(3)) == (5, ErrorCode.NONE, False)
    assert outcome(shelf, idempotent(SEQUENCE_MAX - 1, 5)) == (0, ErrorCode.NONE, True)


def test_record_outside_of_an_open_transaction_is_refused() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, is_transactional=True))

    assert outcome(shelf, idempotent(1))[1] == ErrorCode.INVALID_TXN_STATE


def test_after_a_clean_restart_only_the_last_batch_is_known_again() -> None:
    shelf = Shelf()
    for number in range(3):
        shelf.append_batch(idempotent(number))

    shelf.reopen_cleanly()

    assert outcome(shelf, idempotent(2)) == (2, ErrorCode.NONE, True)
    assert outcome(shelf, idempotent(1))[1] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert outcome(shelf, idempotent(3)) == (3, ErrorCode.NONE, False)


def test_silent_producer_is_forgotten_after_its_time() -> None:
    shelf = Shelf()
    shelf.append_batch(idempotent(0, 3))
    shelf.append_batch(idempotent(0, 1, producer_id=8, is_transactional=True))
    expiration_ms = shelf.log.producers.expiration_ms

    shelf.log.producers.remove_expired(START_MS + expiration_ms - 1)
    assert set(shelf.log.producers.entries) == {7, 8}
    shelf.log.producers.remove_expired(START_MS + expiration_ms)

    assert set(shelf.log.producers.entries) == {8}, "a producer with an open transaction stays"


@given(first=st.integers(0, SEQUENCE_MAX), counts=st.lists(st.integers(1, 4), min_size=1, max_size=12))
def test_sequences_of_a_well_behaved_producer_are_always_accepted(first: int, counts: list[int]) -> None:
    shelf = Shelf()
    sequence, offset = first, 0

    for count in counts:
        assert outcome(shelf, idempotent(sequence, count)) == (offset, ErrorCode.NONE, False)
        assert outcome(shelf, idempotent(sequence, count)) == (offset, ErrorCode.NONE, True)
        sequence, offset = (sequence + count) & SEQUENCE_MAX, offset + count


class ProducersAgainstAModel(RuleBasedStateMachine):
    """Two producers send right and wrong batches; the log rolls, is truncated, restarted and crashes; a dictionary says what is right."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf(small_segments())
        # Producer id -> appended (epoch, first sequence, count, base offset), in order.
        self.sent: dict[int, list[tuple[int, int, int, int]]] = {1: [], 2: []}
        # How many of the last batches are known again; a restart leaves one.
        self.known: dict[int, int] = {1: 0, 2: 0}

    def _expected(self, producer_id: int, epoch: int, sequence: int, count: int) -> tuple[int, ErrorCode, bool]:
        history = self.sent[producer_id]
        end = self.shelf.log.log_end_offset
        if not history:
            return end, ErrorCode.NONE, False
        last_epoch, last_first, last_count, _ = history[-1]
        for known in history[len(history) - self.known[producer_id] :]:
            if known[:3] == (epoch, sequence, count):
                return known[3], ErrorCode.NONE, True
        if epoch < last_epoch:
            return -1, ErrorCode.INVALID_PRODUCER_EPOCH, False
        wanted = 0 if epoch > last_epoch else last_first + last_count
        return (end, ErrorCode.NONE, False) if sequence == wanted else (-1, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, False)

    @rule(producer_id=st.sampled_from([1, 2]), epoch=st.integers(0, 2), sequence=st.integers(0, 12), count=st.integers(1, 3))
    def send(self, producer_id: int, epoch: int, sequence: int, count: int) -> None:
        expected = self._expected(producer_id, epoch, sequence, count)

        assert outcome(self.shelf, idempotent(sequence, count, producer_id=producer_id, epoch=epoch)) == expected

        if expected[1] is ErrorCode.NONE and not expected[2]:
            history = self.sent[producer_id]
            is_same_epoch = bool(history) and history[-1][0] == epoch
            history.append((epoch, sequence, count, expected[0]))
            self.known[producer_id] = min(5, self.known[producer_id] + 1) if is_same_epoch else 1

    @rule()
    def restart(self) -> None:
        self.shelf.reopen_cleanly()
        self.known = {producer_id: min(1, known) for producer_id, known in self.known.items()}

    @rule()
    def crash(self) -> None:
        """Nothing was flushed, so everything is scanned: all five are known again."""
        self.shelf.open()
        for producer_id, history in self.sent.items():
            same_epoch = [batch for batch in history if batch[0] == history[-1][0]]
            self.known[producer_id] = min(5, len(same_epoch))

    @rule()
    def roll(self) -> None:
        self.shelf.log.roll()

    @invariant()
    def snapshot_and_memory_agree(self) -> None:
        for producer_id, history in self.sent.items():
            entry = self.shelf.log.producers.entries.get(producer_id)
            if history:
                assert entry is not None
                epoch, first, count, base_offset = history[-1]
                assert (entry.epoch, entry.last_sequence(), entry.last_data_offset()) == (epoch, first + count - 1, base_offset + count - 1)


TestProducersAgainstAModel = ProducersAgainstAModel.TestCase
TestProducersAgainstAModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("position", range(7))
def test_sequence_is_checked_for_every_batch_of_a_turn(position: int) -> None:
    shelf = Shelf()
    good = [idempotent(index) for index in range(7)]
    good[position] = idempotent(50)

    codes = [outcome(shelf, data)[1] for data in good]

    refused = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    # An unknown producer may begin anywhere; whoever begins at 50 is out of order from then on.
    accepted = max(1, position)
    assert codes == [ErrorCode.NONE] * accepted + [refused] * (7 - accepted)


@pytest.mark.parametrize(
    ("transaction_version", "has_open_transaction", "accepted"),
    [
        (1, True, {5, 6, 32767}),
        (1, False, {5, 6, 32767}),
        # The marker of a transaction bears a greater epoch than what was written in it; the same one again ends nothing.
        (2, True, {6, 32767}),
        (2, False, {5, 6, 32767}),
    ],
)
def test_marker_is_judged_by_its_epoch(transaction_version: int, has_open_transaction: bool, accepted: set[int]) -> None:
    """KIP-890, `ProducerAppendInfo.checkProducerEpoch`."""
    entry = ProducerEntry(7, 5, transaction_first_offset=3 if has_open_transaction else -1)

    codes = {epoch: entry.refusal_of_marker(epoch, transaction_version) for epoch in (0, 4, 5, 6, 32767)}

    assert codes == {epoch: ErrorCode.NONE if epoch in accepted else ErrorCode.INVALID_PRODUCER_EPOCH for epoch in codes}
