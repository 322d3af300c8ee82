"""The checker of transactional histories: it finds each anomaly in a history made by hand, and none in what Kafka may do."""

from __future__ import annotations

import pytest

from odradek.testing.transaction_checks import check_copy
from odradek.testing.transaction_history import AnomalyKind, find_anomalies
from odradek.testing.transaction_operations import Isolation, from_line, to_line
from tests.testing.history_story import HistoryStory


def committed(story: HistoryStory, transaction: str = "t1", value: str = "a", offset: int = 0) -> None:
    """One transaction of one record, by the book."""
    story.begin(transaction)
    story.send(transaction, value, offset)
    story.end(transaction)


def whole() -> HistoryStory:
    """A history with something of everything in it, and nothing wrong."""
    story = HistoryStory()
    story.start("s1")
    story.begin("t1")
    story.send("t1", "a", 0)
    story.send("t1", "b", 0, partition=1)
    story.send_offset("t1", 7)
    story.end("t1")
    story.begin("t2")
    story.send("t2", "c", 2)
    story.end("t2", is_commit=False)
    story.begin("t3")
    story.send("t3", "d")
    story.end("t3", is_told=False)
    story.start("s2")
    story.begin("t4", "s2")
    story.send("t4", "e", 6)
    story.send_offset("t4", 9)
    story.end("t4")
    story.poll(0, 8, (0, "a"), (4, "d"), (6, "e"))
    story.poll(0, 2, (0, "b"), partition=1)
    story.look(0, 8, (0, "a"), (2, "c"), (4, "d"), (6, "e"))
    story.fetch_offset(9)
    story.ends(8)
    story.ends(2, partition=1)
    return story


def test_history_of_all_that_kafka_may_do_is_clean() -> None:
    assert whole().history.told() == ""


def test_history_goes_through_lines_of_json_in_any_order() -> None:
    operations = whole().history.operations
    lines = [to_line(operation) for operation in operations]

    assert [from_line(line) for line in lines] == operations
    assert find_anomalies(from_line(line) for line in reversed(lines)) == []


@pytest.mark.parametrize("line", ["[]", "{}", '{"kind": "Sent"}', '{"kind": "Heard", "at": 1}'])
def test_line_that_is_no_operation_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no "):
        from_line(line)


def test_reader_that_passes_a_committed_record_lost_it() -> None:
    story = HistoryStory()
    committed(story)
    story.poll(0, 2)
    assert story.kinds() == {AnomalyKind.LOST_WRITE}


def test_acknowledged_record_behind_the_end_of_its_log_is_lost() -> None:
    story = HistoryStory()
    committed(story, offset=5)
    story.ends(5)
    assert story.kinds() == {AnomalyKind.LOST_WRITE}


def test_acknowledged_record_of_an_aborted_transaction_is_in_the_log_as_well() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.end("t1", is_commit=False)
    story.look(0, 2)
    assert story.kinds() == {AnomalyKind.LOST_WRITE}


def test_committed_record_that_nobody_reads_is_unseen() -> None:
    story = HistoryStory()
    committed(story)
    story.look(0, 2, (0, "a"))
    story.ends(2)
    assert story.kinds() == {AnomalyKind.UNSEEN}


def test_record_below_the_log_start_needs_no_reader() -> None:
    story = HistoryStory()
    committed(story)
    story.ends(9, start=2)
    assert story.kinds() == set()


@pytest.mark.parametrize("is_told", [True, False])
def test_record_of_an_aborted_transaction_is_not_for_readers_of_committed_data(*, is_told: bool) -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.end("t1", is_commit=False, is_told=is_told)
    story.look(0, 2, (0, "a"))
    assert story.kinds() == set()
    story.poll(0, 2, (0, "a"))
    assert story.kinds() == {AnomalyKind.ABORTED_READ}


def test_record_of_a_producer_that_vanished_is_not_for_readers_of_committed_data() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.poll(0, 1, (0, "a"))
    assert story.kinds() == {AnomalyKind.ABORTED_READ}


def test_record_that_is_read_before_its_commit_was_asked_for_is_early() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.poll(0, 1, (0, "a"))
    story.end("t1")
    assert story.kinds() == {AnomalyKind.EARLY_READ}


def test_transaction_of_unknown_outcome_may_be_seen_or_not() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.send("t1", "b", 0, partition=1)
    story.end("t1", is_told=False)
    story.poll(0, 2)
    story.poll(0, 2, partition=1)
    assert story.kinds() == set()


def test_transaction_of_unknown_outcome_is_seen_whole() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.send("t1", "b", 0, partition=1)
    story.end("t1", is_told=False)
    story.poll(0, 2, (0, "a"))
    assert story.kinds() == set()
    story.poll(0, 2, partition=1)
    assert story.kinds() == {AnomalyKind.FRACTURED}


def test_part_of_a_seen_transaction_that_nobody_could_read_is_missed_in_the_end() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.send("t1", "b", 0, partition=1)
    story.end("t1", is_told=False)
    story.poll(0, 2, (0, "a"))
    story.ends(2, partition=1)
    assert story.kinds() == {AnomalyKind.FRACTURED}


def test_offsets_that_are_seen_show_that_the_records_are_committed() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.send_offset("t1", 7)
    story.end("t1", is_told=False)
    story.fetch_offset(7)
    assert story.kinds() == set()
    story.poll(0, 2)
    assert story.kinds() == {AnomalyKind.FRACTURED}


def test_record_at_two_offsets_is_doubled() -> None:
    story = HistoryStory()
    committed(story)
    story.poll(0, 4, (0, "a"), (2, "a"))
    assert story.kinds() == {AnomalyKind.DUPLICATE}


def test_two_records_at_one_offset() -> None:
    story = HistoryStory()
    committed(story)
    committed(story, "t2", "b", 0)
    assert AnomalyKind.OFFSET_REUSED in story.kinds()


def test_record_that_nobody_has_sent_is_foreign() -> None:
    story = HistoryStory()
    committed(story)
    story.poll(0, 2, (0, "a"), (1, "x"))
    assert story.kinds() == {AnomalyKind.FOREIGN}


def test_record_in_another_partition_is_foreign() -> None:
    story = HistoryStory()
    committed(story)
    story.look(0, 2, (0, "a"), partition=1)
    assert story.kinds() == {AnomalyKind.FOREIGN}


def test_records_of_one_producer_stay_in_order() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a")
    story.send("t1", "b")
    story.end("t1")
    story.poll(0, 3, (0, "b"), (1, "a"))
    assert story.kinds() == {AnomalyKind.REORDERED}


def test_record_does_not_get_before_one_that_was_there_before_it_was_sent() -> None:
    story = HistoryStory()
    story.begin("t1", "s1")
    story.send("t1", "a", 5)
    story.begin("t2", "s2")
    story.send("t2", "b", 3)
    assert story.kinds() == {AnomalyKind.REORDERED}


def test_records_that_overlap_may_be_in_any_order() -> None:
    story = HistoryStory()
    story.begin("t1", "s1")
    story.begin("t2", "s2")
    story.send("t1", "a")
    story.send("t2", "b", 3)
    story.acknowledge("a", 5)
    assert story.kinds() == set()


def fenced() -> HistoryStory:
    """Another session has taken the name of the first, which is in a transaction."""
    story = HistoryStory()
    story.start("s1")
    story.begin("t1")
    story.start("s2")
    return story


def test_fenced_producer_writes_nothing() -> None:
    story = fenced()
    story.send("t1", "a")
    assert story.kinds() == set()
    story.look(0, 1, (0, "a"))
    assert story.kinds() == {AnomalyKind.FENCED_WRITE}


def test_fenced_producer_commits_nothing() -> None:
    story = HistoryStory()
    story.start("s1")
    story.begin("t1")
    story.send("t1", "a", 0)
    story.start("s2")
    story.end("t1")
    assert story.kinds() == {AnomalyKind.FENCED_COMMIT}


def test_producers_that_begin_at_the_same_time_may_fence_one_another_either_way() -> None:
    story = HistoryStory()
    both_asked_at = story.now()
    story.start("s1", asked_at=both_asked_at)
    story.start("s2", asked_at=both_asked_at)
    story.begin("t1", "s1")
    story.send("t1", "a", 0)
    story.end("t1")
    story.look(0, 1, (0, "a"))
    assert story.kinds() == set()


def test_producer_that_takes_its_name_back_may_write_again() -> None:
    story = fenced()
    story.start("s1")
    story.begin("t2", "s1")
    story.send("t2", "a", 0)
    story.end("t2")
    story.poll(0, 2, (0, "a"))
    assert story.kinds() == set()


def test_transactions_do_not_read_one_another_in_a_circle() -> None:
    story = HistoryStory()
    story.begin("t1", "s1")
    story.begin("t2", "s2")
    story.send("t1", "a", 0)
    story.send("t2", "b", 0, partition=1)
    story.poll(0, 1, (0, "a"), transaction="t2")
    assert AnomalyKind.READ_CYCLE not in story.kinds()
    story.poll(0, 1, (0, "b"), transaction="t1", partition=1)
    story.end("t1")
    story.end("t2")
    assert AnomalyKind.READ_CYCLE in story.kinds()


def test_write_cycle_of_transactions_that_overlap_is_allowed() -> None:
    story = HistoryStory()
    story.begin("t1", "s1")
    story.begin("t2", "s2")
    story.send("t1", "a0", 0)
    story.send("t2", "b0", 1)
    story.send("t2", "b1", 0, partition=1)
    story.send("t1", "a1", 1, partition=1)
    story.end("t1")
    story.end("t2")
    story.poll(0, 4, (0, "a0"), (1, "b0"))
    story.poll(0, 4, (0, "b1"), (1, "a1"), partition=1)
    assert story.kinds() == set()


@pytest.mark.parametrize("is_asked", [True, False])
def test_offsets_of_an_aborted_transaction_do_not_count(*, is_asked: bool) -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send_offset("t1", 7)
    if is_asked:
        story.end("t1", is_commit=False)
    story.fetch_offset(-1)
    assert story.kinds() == set()
    story.fetch_offset(7)
    assert story.kinds() == {AnomalyKind.OFFSET_OF_ABORTED}


def test_offset_before_its_commit_was_asked_for_does_not_count() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send_offset("t1", 7)
    story.fetch_offset(7)
    story.end("t1")
    assert story.kinds() == {AnomalyKind.OFFSET_OF_ABORTED}


def test_offset_that_nobody_has_committed_does_not_count() -> None:
    story = HistoryStory()
    story.fetch_offset(7)
    assert story.kinds() == {AnomalyKind.OFFSET_OF_ABORTED}


@pytest.mark.parametrize("found", [-1, 5])
def test_committed_offset_stays_until_there_is_a_later_one(found: int) -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send_offset("t1", 5)
    story.end("t1")
    story.begin("t2")
    story.send_offset("t2", 7)
    story.end("t2")
    story.fetch_offset(7)
    assert story.kinds() == set()
    story.fetch_offset(found)
    assert story.kinds() == {AnomalyKind.OFFSET_LOST}


def test_plain_offset_is_in_force_when_it_is_acknowledged_and_may_be_before() -> None:
    story = HistoryStory()
    story.send_offset(None, 5, name="first")
    story.send_offset(None, 7, name="second", is_acknowledged=False)
    story.fetch_offset(5)
    story.fetch_offset(7)
    assert story.kinds() == set()
    story.fetch_offset(-1)
    assert story.kinds() == {AnomalyKind.OFFSET_LOST}


def test_offset_of_a_transaction_that_ends_late_does_not_undo_a_later_one_nor_must_it() -> None:
    """The order in the log counts, which is that of the offsets and not of the ends: here only the fetch of 9 is certain to be right."""
    story = HistoryStory()
    story.begin("t1")
    story.send_offset("t1", 7)
    story.send_offset(None, 9, name="plain")
    story.end("t1")
    story.fetch_offset(9)
    assert story.kinds() == set()
    story.fetch_offset(7)
    assert story.kinds() == {AnomalyKind.OFFSET_LOST}


def test_transaction_that_is_open_when_all_are_quiet_hangs() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a")
    story.ends(1, stable=0)
    assert story.kinds() == {AnomalyKind.HANGING}


def test_reader_need_not_see_what_it_has_not_passed() -> None:
    story = HistoryStory()
    committed(story, offset=5)
    story.poll(0, 5)
    story.poll(6, 9)
    assert story.kinds() == set()


def test_later_transactions_of_both_isolations_are_judged_apart() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a", 0)
    story.poll(0, 1, (0, "a"), isolation=Isolation.READ_UNCOMMITTED)
    story.end("t1", is_told=False)
    story.poll(0, 2)
    assert story.kinds() == set()


def test_what_is_no_history_is_refused() -> None:
    story = HistoryStory()
    story.begin("t1")
    story.send("t1", "a")
    story.send("t1", "a")
    with pytest.raises(ValueError, match="a was sent twice"):
        story.history.anomalies()
    unknown = HistoryStory()
    unknown.send("t1", "a")
    with pytest.raises(ValueError, match="t1"):
        unknown.history.anomalies()
    contrary = HistoryStory()
    contrary.begin("t1")
    contrary.end("t1")
    contrary.end("t1", is_commit=False)
    with pytest.raises(ValueError, match="two outcomes"):
        contrary.history.anomalies()


@pytest.mark.parametrize(
    ("copies", "what"),
    [
        (["a", "c"], "b was copied 0 times"),
        (["a", "b", "b", "c"], "b was copied 2 times"),
        (["a", "b", "c", "x"], "x"),
        (["b", "a", "c"], "b is"),
    ],
)
def test_copy_is_exact_or_not(copies: list[str], what: str) -> None:
    (anomaly,) = check_copy(["a", "b", "c"], copies)
    assert anomaly.kind is AnomalyKind.COPY_NOT_EXACT
    assert what in anomaly.sentence
    assert check_copy(["a", "b", "c"], ["a", "b", "c"]) == []
