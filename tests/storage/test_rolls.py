"""When a log begins a new segment, one reason at a time: the last batch that still fits, and the first that does not.

The reasons are those of `LogSegment.shouldRoll`; that they come together as in Kafka is seen in the files of tests/conformance.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.storage.building import START_MS, Shelf, batch, read_values

SIZE = len(batch(bytes(100)))
INT32_MAX = 2**31 - 1


def bases(shelf: Shelf) -> list[int]:
    return shelf.log.segments.base_offsets


def fill(shelf: Shelf, count: int, *, step_ms: int = 0) -> None:
    """Batches of one record and `SIZE` bytes, `step_ms` apart by their own time."""
    for number in range(count):
        shelf.append(bytes(100), timestamp=START_MS + number * step_ms)


@pytest.mark.parametrize(("segment_bytes", "expected"), [(2 * SIZE, [0, 2, 4]), (2 * SIZE - 1, [0, 1, 2, 3, 4]), (3 * SIZE - 1, [0, 2, 4])])
def test_segment_takes_what_fits_to_the_last_byte(segment_bytes: int, expected: list[int]) -> None:
    shelf = Shelf(LogConfiguration(segment_bytes=segment_bytes))

    fill(shelf, 5)

    assert bases(shelf) == expected


def test_batch_that_no_segment_can_hold_is_refused_and_changes_nothing() -> None:
    shelf = Shelf(LogConfiguration(segment_bytes=SIZE - 1))

    refused = shelf.log.append(batch(bytes(100)), 1, START_MS)

    assert refused.error_code == ErrorCode.RECORD_LIST_TOO_LARGE
    assert (bases(shelf), shelf.log.log_end_offset) == ([0], 0)


@pytest.mark.parametrize(
    ("index_bytes", "expected"),
    [
        # Entries of 8 bytes, one with every batch but the first: full with five of them, where time stands still.
        pytest.param(40, [0, 6], id="offset index"),
        # Entries of 12 bytes, one of which stays free for the time at which the segment is left.
        pytest.param(36, [0, 3, 6], id="time index"),
    ],
)
def test_full_index_begins_a_segment(index_bytes: int, expected: list[int]) -> None:
    shelf = Shelf(LogConfiguration(segment_index_bytes=index_bytes, index_interval_bytes=0))

    fill(shelf, 8, step_ms=0 if index_bytes == 40 else 1)

    assert bases(shelf) == expected
    for segment in shelf.log.segments:
        assert segment.offset_index.entries.count() * 8 <= index_bytes
        assert segment.time_index.entries.count() * 12 <= index_bytes


def test_offset_that_an_index_cannot_say_begins_a_segment() -> None:
    """Four bytes are for the distance from the segment's beginning: the greatest fits, the next does not."""
    shelf = Shelf()
    shelf.append("first")

    for offset in (INT32_MAX, INT32_MAX + 1, INT32_MAX + 2, 2 * INT32_MAX + 2):
        shelf.log.append_as_follower(encode_batch([Record(offset, START_MS, None, b"far")], base_offset=offset, leader_epoch=1))

    assert bases(shelf) == [0, INT32_MAX + 1, 2 * INT32_MAX + 2]
    assert [offset for offset, _ in read_values(shelf.log)] == [0, INT32_MAX, INT32_MAX + 1, INT32_MAX + 2, 2 * INT32_MAX + 2]
    shelf.open()
    assert bases(shelf) == [0, INT32_MAX + 1, 2 * INT32_MAX + 2]


def test_age_is_counted_by_the_records() -> None:
    """From the first batch's time to that of the batch that comes: the wall clock does not matter, nor does a record that is late."""
    shelf = Shelf(LogConfiguration(segment_ms=1000))
    shelf.append("a", timestamp=START_MS)
    shelf.clock.advance(3_600_000)
    shelf.append("late", timestamp=START_MS - 500)
    shelf.append("b", timestamp=START_MS + 1000)
    assert bases(shelf) == [0]

    shelf.append("c", timestamp=START_MS + 1001)

    assert bases(shelf) == [0, 3]


def test_age_of_records_without_times_is_counted_by_the_clock() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1000))
    shelf.append("a", timestamp=-1)
    shelf.clock.advance(1000)
    shelf.append("b", timestamp=-1)
    assert bases(shelf) == [0]

    shelf.clock.advance(1)
    shelf.append("c", timestamp=-1)

    assert bases(shelf) == [0, 2]


def test_age_of_records_that_the_clock_stamps_is_counted_by_the_clock() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1000, message_timestamp_type=TimestampType.LOG_APPEND_TIME))
    shelf.append("a", timestamp=5)
    shelf.clock.advance(1001)

    shelf.append("b", timestamp=5)

    assert bases(shelf) == [0, 1]


def test_empty_segment_does_not_grow_old() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1))
    shelf.clock.advance(10**9)

    shelf.append("a", timestamp=-1)

    assert bases(shelf) == [0]


def test_time_counts_on_where_it_stood_before_a_restart() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1000))
    shelf.append("a", timestamp=START_MS)
    shelf.reopen_cleanly()
    shelf.append("b", timestamp=START_MS + 1000)
    assert bases(shelf) == [0]
    shelf.open()

    shelf.append("c", timestamp=START_MS + 1001)

    assert bases(shelf) == [0, 2]


def test_jitter_is_drawn_for_each_segment_and_only_makes_it_younger() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1000, segment_jitter_ms=400))

    fill(shelf, 8_000, step_ms=1)

    lengths = [later - earlier for earlier, later in zip(bases(shelf), bases(shelf)[1:], strict=False)]
    assert all(600 < length <= 1001 for length in lengths), lengths
    assert len(set(lengths)) > 3


def test_jitter_is_never_more_than_the_age() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=10, segment_jitter_ms=10**9))

    fill(shelf, 100, step_ms=1)

    assert all(later - earlier <= 11 for earlier, later in zip(bases(shelf), bases(shelf)[1:], strict=False))


def test_compacted_topic_rolls_early_enough_for_its_longest_lag() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=10**9, is_compacted=True, max_compaction_lag_ms=100))

    fill(shelf, 3, step_ms=60)

    assert bases(shelf) == [0, 2]


def test_changed_settings_act_on_the_segment_that_is_being_written() -> None:
    shelf = Shelf()
    fill(shelf, 3)
    assert bases(shelf) == [0]

    shelf.log.configuration = replace(shelf.configuration, segment_bytes=2 * SIZE)
    fill(shelf, 3)

    assert bases(shelf) == [0, 3, 5]
