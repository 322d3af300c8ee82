"""Transactions as stories: who may begin, write and end, in the old protocol and in the new one, and what crashes and clocks do to it."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.transaction.transaction import EPOCH_MAX
from odradek.protocol.internal_records.transaction import TransactionLogValue
from tests.coordinator.transaction.transaction_story import ID, TransactionStory

HERE, THERE = ("orders", 0), ("bills", 3)


def test_producer_begins_writes_and_commits() -> None:
    story = TransactionStory()
    producer = story.begin()
    assert producer == (1001, 0)
    assert story.add(producer, HERE) is ErrorCode.NONE
    assert story.add(producer, THERE) is ErrorCode.NONE

    assert story.end(producer) == (ErrorCode.NONE, (-1, -1))
    assert story.state == "PrepareCommit"
    assert story.add(producer, HERE) is ErrorCode.CONCURRENT_TRANSACTIONS
    story.write_markers()

    assert story.state == "CompleteCommit"
    assert story.markers == {HERE: [(producer, True)], THERE: [(producer, True)]}
    statuses = [record.value.transaction_status for record in story.records if isinstance(record.value, TransactionLogValue)]
    assert statuses == [0, 1, 1, 2, 4]


def test_partition_that_is_in_the_transaction_already_writes_nothing() -> None:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE)
    before = len(story.records)

    assert story.add(producer, HERE) is ErrorCode.NONE
    assert len(story.records) == before


def test_second_producer_of_a_name_fences_the_first_and_aborts_what_it_had_open() -> None:
    for version in (0, 1, 2):
        story = TransactionStory(version=version)
        first = story.begin()
        story.add(first, HERE)

        code, _ = story.init()
        assert code is ErrorCode.CONCURRENT_TRANSACTIONS
        assert story.state == "PrepareAbort"
        story.write_markers()
        ((marker_producer, is_commit),) = story.markers[HERE]
        assert (marker_producer, is_commit) == ((first[0], first[1] + 1), False)
        second = story.begin()

        assert second[0] == first[0]
        assert second[1] > first[1] + 1
        assert story.add(first, HERE) is ErrorCode.PRODUCER_FENCED
        assert story.end(first)[0] is ErrorCode.PRODUCER_FENCED
        assert story.add(second, HERE) is ErrorCode.NONE


def test_names_and_producers_that_nobody_knows_are_refused() -> None:
    story = TransactionStory()
    assert story.add((5, 0), HERE) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert story.end((5, 0))[0] is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    producer = story.begin()

    assert story.add((producer[0] + 1, 0), HERE) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert story.shard.verify_partition(ID, producer, HERE) is ErrorCode.TRANSACTION_ABORTABLE
    story.add(producer, HERE)
    assert story.shard.verify_partition(ID, producer, HERE) is ErrorCode.NONE
    assert story.shard.verify_partition(ID, (producer[0], 7), HERE) is ErrorCode.PRODUCER_FENCED
    assert story.shard.verify_partition("", producer, HERE) is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("timeout_ms", [0, -1, 900_001])
def test_timeout_has_bounds(timeout_ms: int) -> None:
    assert TransactionStory().init(timeout_ms=timeout_ms)[0] is ErrorCode.INVALID_TRANSACTION_TIMEOUT


def test_two_phase_commit_has_to_be_switched_on_and_then_knows_no_timeout() -> None:
    assert TransactionStory().init(is_two_phase=True)[0] is ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    story = TransactionStory(is_two_phase_commit_enabled=True)
    code, producer = story.init(is_two_phase=True)
    assert code is ErrorCode.NONE
    story.add(producer, HERE)
    story.advance(2 * 24 * 60 * 60 * 1000)

    assert story.state == "Ongoing"


# Epochs of a producer that comes back and says who it was


def test_producer_that_says_its_epoch_gets_the_next_one_and_the_same_answer_when_it_asks_twice() -> None:
    story = TransactionStory()
    producer = story.begin()

    assert story.init(known=producer) == (ErrorCode.NONE, (producer[0], 1))
    assert story.init(known=producer) == (ErrorCode.NONE, (producer[0], 1))
    assert story.init(known=(producer[0], 1)) == (ErrorCode.NONE, (producer[0], 2))
    assert story.init(known=producer)[0] is ErrorCode.PRODUCER_FENCED
    assert story.init(known=(producer[0] + 5, 0))[0] is ErrorCode.PRODUCER_FENCED


def test_epochs_that_are_used_up_bring_another_producer_id() -> None:
    story = TransactionStory()
    producer = story.begin_worn_out()

    _, rotated = story.init(known=producer)

    assert rotated[0] != producer[0]
    assert rotated[1] == 0
    # The producer that never heard of it asks again, with what it had.
    assert story.init(known=producer) == (ErrorCode.NONE, rotated)


# EndTxn, old protocol


def test_old_protocol_answers_a_repeated_end_by_the_state() -> None:
    story = TransactionStory()
    producer = story.begin()
    assert story.end(producer)[0] is ErrorCode.INVALID_TXN_STATE
    story.add(producer, HERE)
    story.end(producer)
    assert story.end(producer)[0] is ErrorCode.CONCURRENT_TRANSACTIONS
    assert story.end(producer, is_commit=False)[0] is ErrorCode.CONCURRENT_TRANSACTIONS
    story.write_markers()

    assert story.end(producer) == (ErrorCode.NONE, (-1, -1))
    assert story.end(producer, is_commit=False)[0] is ErrorCode.INVALID_TXN_STATE
    assert story.transaction.epoch == producer[1]


# EndTxn, new protocol


def test_new_protocol_gives_another_epoch_with_every_end() -> None:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE, client_version=2)

    code, bumped = story.end(producer, client_version=2)
    assert (code, bumped) == (ErrorCode.NONE, (producer[0], producer[1] + 1))
    story.write_markers()

    assert story.markers[HERE] == [(bumped, True)]
    assert story.add(producer, HERE, client_version=2) is ErrorCode.PRODUCER_FENCED
    assert story.add(bumped, HERE, client_version=2) is ErrorCode.NONE


@pytest.mark.parametrize(
    ("ended_by_commit", "is_repeated", "is_commit", "expected"),
    [
        (True, True, True, ErrorCode.NONE),
        (True, True, False, ErrorCode.INVALID_TXN_STATE),
        (True, False, True, ErrorCode.INVALID_TXN_STATE),
        (True, False, False, ErrorCode.NONE),
        (False, True, False, ErrorCode.NONE),
        (False, True, True, ErrorCode.INVALID_TXN_STATE),
        (False, False, True, ErrorCode.INVALID_TXN_STATE),
        (False, False, False, ErrorCode.NONE),
    ],
)
def test_end_after_an_end(*, ended_by_commit: bool, is_repeated: bool, is_commit: bool, expected: ErrorCode) -> None:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE, client_version=2)
    _, bumped = story.end(producer, is_commit=ended_by_commit, client_version=2)
    story.write_markers()
    before = story.transaction

    code, answered = story.end(producer if is_repeated else bumped, is_commit=is_commit, client_version=2)

    assert code is expected
    if expected is ErrorCode.NONE and is_repeated:
        assert answered == bumped
        assert story.transaction == before
    elif expected is ErrorCode.NONE:
        # An abort of nothing: another epoch, and nobody to be told.
        assert answered == (bumped[0], bumped[1] + 1)
        story.write_markers()
        assert story.state == "CompleteAbort"


def test_next_end_waits_while_partitions_are_told_of_the_last_one() -> None:
    """franz-go aborts a transaction that it has written nothing to, at once after a commit; fenced then, it would give up."""
    story = TransactionStory()
    producer = story.begin()
    assert story.end(producer, client_version=2)[0] is ErrorCode.INVALID_TXN_STATE
    story.add(producer, HERE, client_version=2)
    _, bumped = story.end(producer, client_version=2)

    for late in (producer, bumped):
        for is_commit in (True, False):
            assert story.end(late, is_commit=is_commit, client_version=2)[0] is ErrorCode.CONCURRENT_TRANSACTIONS
    story.write_markers()

    assert story.end(bumped, is_commit=False, client_version=2) == (ErrorCode.NONE, (bumped[0], bumped[1] + 1))


def test_end_with_the_last_epoch_brings_another_producer_id_and_can_be_repeated() -> None:
    story = TransactionStory()
    producer = story.begin_worn_out()
    story.add(producer, HERE, client_version=2)

    code, rotated = story.end(producer, client_version=2)
    assert code is ErrorCode.NONE
    assert rotated[0] != producer[0]
    assert rotated[1] == 0
    story.write_markers()

    assert story.markers[HERE] == [((producer[0], EPOCH_MAX), True)]
    assert story.end(producer, client_version=2) == (ErrorCode.NONE, rotated)
    assert story.add(rotated, HERE, client_version=2) is ErrorCode.NONE


# Time


@pytest.mark.parametrize("version", [0, 2])
def test_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(version: int) -> None:
    story = TransactionStory(version=version)
    producer = story.begin(timeout_ms=20_000)
    story.add(producer, HERE)
    story.advance(20_000)
    assert story.state == "Ongoing"
    story.advance(10_001)

    assert story.state == "PrepareAbort"
    story.write_markers()
    assert story.markers[HERE] == [((producer[0], producer[1] + 1), False)]
    assert story.add(producer, HERE) is ErrorCode.PRODUCER_FENCED


def test_transaction_that_takes_too_long_in_its_last_epoch_is_aborted_when_there_is_another_producer_id() -> None:
    story = TransactionStory()
    producer = story.begin_worn_out(timeout_ms=20_000)
    story.add(producer, HERE, client_version=2)
    story.advance(30_001)
    assert story.needed == [ID]
    assert story.state == "Ongoing"
    story.give_producer_ids()
    story.write_markers()

    assert story.state == "CompleteAbort"
    assert story.transaction.producer_id != producer[0]


def test_names_that_nobody_uses_are_forgotten_and_those_in_use_are_not() -> None:
    story = TransactionStory(id_expiration_ms=7_200_000)
    story.begin()
    story.advance(7_200_000)
    assert story.shard.get(ID) is None
    assert story.records[-1].value is None
    busy = TransactionStory(id_expiration_ms=7_200_000, is_two_phase_commit_enabled=True)
    _, producer = busy.init(is_two_phase=True)
    busy.add(producer, HERE)
    busy.advance(14_400_000)

    assert busy.state == "Ongoing"


# Crashes


def test_decision_that_was_written_is_told_by_the_next_coordinator() -> None:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE, THERE)
    story.end(producer)
    story.reload()
    story.write_markers()

    assert story.state == "CompleteCommit"
    assert set(story.markers) == {HERE, THERE}


def test_markers_of_a_transaction_that_is_over_complete_nothing() -> None:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE)
    story.end(producer)
    (late,) = story.due
    story.write_markers()
    story.add(producer, HERE)
    story.end(producer, is_commit=False)
    story.due.insert(0, late)
    before = len(story.records)
    story.due = [late]
    story.write_markers()

    assert story.state == "PrepareAbort"
    assert len(story.records) - before <= 1
