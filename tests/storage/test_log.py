"""One log: appending, what readers see, rolling, truncating, deleting records, and what is on the disk."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import CorruptRecords
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.records.batch import decode_records
from odradek.records.builder import encode_batch
from odradek.records.header import is_crc_right, parse_header
from odradek.records.record import Record
from odradek.storage.checkpoint_file import EpochStart
from odradek.storage.errors import OffsetOutOfRange, UnexpectedOffset
from odradek.storage.filesystem import RealFileSystem
from odradek.storage.segment import TimestampAt
from tests.storage.building import LOG_PATH, START_MS, Shelf, batch, random_batches, read_values, small_segments, values_in


def test_batches_get_the_next_offsets_and_the_leader_epoch() -> None:
    shelf = Shelf()

    assert shelf.append("a", "b", leader_epoch=3) == 0
    assert shelf.append("c", leader_epoch=3) == 2

    data = shelf.log.read(0, 1 << 20).read()
    first = parse_header(data, 0)
    assert (first.base_offset, first.partition_leader_epoch) == (0, 3)
    second = parse_header(data, first.size)
    assert (second.base_offset, second.partition_leader_epoch) == (2, 3)
    assert is_crc_right(data, first.size, second.size)
    assert values_in(data) == [(0, b"a"), (1, b"b"), (2, b"c")]


def test_staged_batches_are_invisible_until_written() -> None:
    shelf = Shelf()
    frame = b"garbage before" + batch("a") + b"garbage behind"

    staged = shelf.log.stage(frame, 14, parse_header(frame, 14), 1, START_MS)

    assert staged.base_offset == 0
    assert shelf.log.log_end_offset == 0
    assert shelf.log.read(0, 100).size == 0
    assert shelf.log.write_staged()
    assert not shelf.log.write_staged()
    assert read_values(shelf.log) == [(0, b"a")]


@pytest.mark.parametrize("sizes", [[10, 20], [10, 9000, 10], [9000, 9000], [100_000, 10, 10, 100_000, 5000]])
def test_batches_of_a_turn_are_written_in_order_whatever_their_size(sizes: list[int]) -> None:
    shelf = Shelf()
    values = [bytes([index]) * size for index, size in enumerate(sizes)]

    for value in values:
        frame = batch(value)
        shelf.log.stage(frame, 0, parse_header(frame, 0), 1, START_MS)
    shelf.log.write_staged()

    assert read_values(shelf.log) == list(enumerate(values))


def test_log_append_time_restamps_and_keeps_the_checksum_right() -> None:
    shelf = Shelf(LogConfiguration(message_timestamp_type=TimestampType.LOG_APPEND_TIME))
    frame = batch("a", timestamp=5)

    staged = shelf.log.append(frame, 1, START_MS + 9)

    data = shelf.log.read(0, 1 << 20).read()
    assert staged.log_append_time_ms == START_MS + 9
    assert parse_header(data, 0).is_log_append_time()
    assert is_crc_right(data, 0, len(data))
    assert decode_records(data)[0].timestamp == START_MS + 9
    assert shelf.log.offset_of_max_timestamp() == (START_MS + 9, 0, 1)


def test_batch_larger_than_a_segment_is_refused() -> None:
    shelf = Shelf(small_segments(segment_bytes=500))

    staged = shelf.log.append(batch(bytes(600)), 1, START_MS)

    assert staged.error_code == ErrorCode.RECORD_LIST_TOO_LARGE
    assert shelf.log.log_end_offset == 0


def test_segment_is_rolled_before_it_grows_too_large() -> None:
    shelf = Shelf(small_segments(segment_bytes=500))

    for index in range(10):
        shelf.append(bytes(100), timestamp=START_MS + index)

    # A batch takes 170 bytes: two fit.
    assert shelf.log.segments.base_offsets == [0, 2, 4, 6, 8]
    assert all(segment.size <= 500 for segment in shelf.log.segments)
    assert len(read_values(shelf.log)) == 10


def test_segment_is_rolled_by_the_time_of_the_records() -> None:
    """`LogSegment.timeWaitedForRoll`: measured from the first batch of the segment, not by the clock on the wall."""
    shelf = Shelf(LogConfiguration(segment_ms=1000))
    shelf.append("a", timestamp=START_MS)
    shelf.clock.advance(5000)

    shelf.append("b", timestamp=START_MS + 1000)
    assert shelf.log.segments.base_offsets == [0]
    shelf.append("c", timestamp=START_MS + 1001)

    assert shelf.log.segments.base_offsets == [0, 2]


def test_segment_without_timestamps_is_rolled_by_the_clock() -> None:
    shelf = Shelf(LogConfiguration(segment_ms=1000))
    shelf.append("a", timestamp=-1)
    shelf.clock.advance(1001)

    shelf.append("b", timestamp=-1)

    assert shelf.log.segments.base_offsets == [0, 1]


def test_segment_is_rolled_when_its_index_is_full() -> None:
    shelf = Shelf(LogConfiguration(segment_index_bytes=32, index_interval_bytes=0))

    for index in range(9):
        shelf.append("a", timestamp=START_MS + index)

    # 32 bytes hold four offset entries but two time entries, one of which stays free for the end of the segment.
    assert len(shelf.log.segments) > 1
    assert all(segment.time_index.entries.count() <= 2 for segment in shelf.log.segments)
    assert len(read_values(shelf.log)) == 9


def test_changed_segment_size_acts_on_the_next_batch() -> None:
    shelf = Shelf()
    for _ in range(4):
        shelf.append(bytes(100))

    shelf.log.configuration = LogConfiguration(segment_bytes=300)
    shelf.append(bytes(100))

    assert shelf.log.segments.base_offsets == [0, 4]


def test_read_outside_of_the_log_is_out_of_range() -> None:
    shelf = Shelf()
    shelf.append("a", "b")

    with pytest.raises(OffsetOutOfRange):
        shelf.log.read(3, 100)
    with pytest.raises(OffsetOutOfRange):
        shelf.log.read(-1, 100)
    assert shelf.log.read(2, 100).size == 0


def test_read_begins_with_the_batch_that_holds_the_offset() -> None:
    shelf = Shelf()
    shelf.append("a", "b", "c")
    shelf.append("d")

    assert values_in(shelf.log.read(1, 1 << 20).read())[0] == (0, b"a")
    assert values_in(shelf.log.read(3, 1 << 20).read()) == [(3, b"d")]


def test_first_batch_is_given_however_large_unless_the_reader_says_no() -> None:
    shelf = Shelf()
    shelf.append(bytes(1000))
    shelf.append("b")

    given_one = shelf.log.read(0, 10)
    assert values_in(given_one.read()) == [(0, bytes(1000))]
    assert given_one.next_offset == 1
    assert shelf.log.read(0, 10, at_least_one=False).size == 0


def test_nothing_from_the_upper_bound_on_is_read() -> None:
    shelf = Shelf(small_segments())
    for index in range(20):
        shelf.append(f"{index}", f"{index}")

    for bound in range(0, 41, 2):
        assert [offset for offset, _ in read_values(shelf.log, upper_bound=bound)] == list(range(bound))
    assert shelf.log.read(10, 100, upper_bound=10).size == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), segment_bytes=st.integers(700, 5000), interval=st.integers(0, 1000), reads=st.data())
def test_answers_do_not_depend_on_segment_size_or_index_interval(
    seed: int, segment_bytes: int, interval: int, reads: st.DataObject
) -> None:
    plain, cut_up = Shelf(), Shelf(small_segments(segment_bytes, interval))
    for data in random_batches(random.Random(seed), 25):
        assert plain.append_batch(data) == cut_up.append_batch(data)
    end = plain.log.log_end_offset

    for _ in range(8):
        offset = reads.draw(st.integers(0, end))
        bytes_max = reads.draw(st.integers(1, 3000))
        bound = reads.draw(st.integers(offset, end))
        timestamp = reads.draw(st.integers(START_MS - 60, START_MS + 400))
        whole = [pair for pair in read_values(plain.log) if pair[0] >= offset]
        assert read_values(cut_up.log, offset, bytes_max=bytes_max) == whole
        assert read_values(plain.log, offset, bytes_max=bytes_max) == whole
        below = read_values(plain.log, offset, bytes_max=bytes_max, upper_bound=bound)
        assert read_values(cut_up.log, offset, bytes_max=bytes_max, upper_bound=bound) == below
        assert all(read < bound for read, _ in below)
        assert cut_up.log.offset_for_timestamp(timestamp) == plain.log.offset_for_timestamp(timestamp)
    assert cut_up.log.offset_of_max_timestamp() == plain.log.offset_of_max_timestamp()
    reopened = cut_up.reopen_cleanly()
    assert read_values(reopened) == read_values(plain.log)
    assert reopened.offset_of_max_timestamp() == plain.log.offset_of_max_timestamp()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), timestamp=st.integers(START_MS - 60, START_MS + 400))
def test_time_search_finds_the_first_record_that_is_not_earlier(seed: int, timestamp: int) -> None:
    shelf = Shelf(small_segments(1500, 100))
    expected = None
    for data in random_batches(random.Random(seed), 20):
        base_offset = shelf.append_batch(data, leader_epoch=4)
        for record in decode_records(data):
            if expected is None and record.timestamp >= timestamp:
                expected = (record.timestamp, base_offset + record.offset, 4)

    assert shelf.log.offset_for_timestamp(timestamp) == expected


def test_time_search_skips_what_lies_below_the_log_start() -> None:
    shelf = Shelf()
    shelf.append("a", timestamp=START_MS + 10)
    shelf.append("b", timestamp=START_MS + 5)
    shelf.log.high_watermark = 2

    shelf.log.delete_records_before(1)

    assert shelf.log.offset_for_timestamp(START_MS) == (START_MS + 5, 1, 1)


def test_empty_log_has_no_times() -> None:
    log = Shelf().log

    assert log.offset_for_timestamp(0) is None
    assert log.offset_of_max_timestamp() is None
    assert log.earliest() == (-1, 0, -1)


def test_high_watermark_moves_forward_within_the_log() -> None:
    log = (shelf := Shelf()).log
    shelf.append("a", "b", "c")

    assert log.advance_high_watermark(2)
    assert not log.advance_high_watermark(1)
    assert (log.high_watermark, log.last_stable_offset) == (2, 2)
    log.high_watermark = 99
    assert log.high_watermark == 3
    with pytest.raises(AssertionError):
        log.advance_high_watermark(4)


def test_log_start_moves_up_to_the_high_watermark_only() -> None:
    shelf = Shelf()
    for _ in range(4):
        shelf.append("a")
    shelf.log.high_watermark = 3

    assert shelf.log.delete_records_before(2)
    assert not shelf.log.delete_records_before(1)
    with pytest.raises(OffsetOutOfRange):
        shelf.log.delete_records_before(4)

    assert shelf.log.log_start_offset == 2
    with pytest.raises(OffsetOutOfRange):
        shelf.log.read(1, 100)
    assert shelf.log.leader_epochs.entries == [EpochStart(1, 2)]


def test_follower_keeps_offsets_and_epochs_and_leaves_out_a_torn_batch() -> None:
    leader, follower = Shelf(), Shelf(small_segments())
    for index in range(6):
        leader.append(f"{index}", "x", leader_epoch=1 + index // 3)
    data = leader.log.read(0, 1 << 20).read()

    assert follower.log.append_as_follower(data[:-5]) == 10
    assert follower.log.append_as_follower(leader.log.read(10, 1 << 20).read()) == 12

    assert read_values(follower.log) == read_values(leader.log)
    assert follower.log.leader_epochs.entries == [EpochStart(1, 0), EpochStart(2, 6)]


def test_follower_refuses_offsets_that_it_has() -> None:
    shelf = Shelf()
    shelf.append("a")
    data = shelf.log.read(0, 1000).read()

    with pytest.raises(UnexpectedOffset):
        shelf.log.append_as_follower(data)
    assert shelf.log.log_end_offset == 1


def test_follower_refuses_damaged_batches_and_keeps_what_came_before() -> None:
    leader, follower = Shelf(), Shelf()
    leader.append("a")
    good = leader.log.read(0, 1000).read()
    leader.append("b")
    damaged = bytearray(leader.log.read(1, 1000).read())
    damaged[-1] ^= 1

    with pytest.raises(CorruptRecords):
        follower.log.append_as_follower(good + bytes(damaged))

    assert read_values(follower.log) == [(0, b"a")]


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_truncated_log_is_as_if_nothing_had_been_there(seed: int, cuts: list[int]) -> None:
    dice = random.Random(seed)
    shelf = Shelf(small_segments(900, 150))
    expected: list[tuple[int, bytes]] = []
    for cut in cuts:
        for data in random_batches(dice, 12):
            base_offset = shelf.append_batch(data)
            expected.extend((base_offset + record.offset, record.value or b"") for record in decode_records(data))
        boundaries = sorted({0, shelf.log.log_end_offset, *[segment.base_offset for segment in shelf.log.segments]})
        target = boundaries[cut % len(boundaries)]

        shelf.log.truncate_to(target)

        expected = [pair for pair in expected if pair[0] < target]
        assert shelf.log.log_end_offset == target
        assert read_values(shelf.log) == expected
        assert shelf.log.high_watermark <= target
    assert read_values(shelf.reopen_cleanly()) == expected


def test_truncation_takes_epochs_producers_and_index_entries_back() -> None:
    shelf = Shelf(small_segments(100_000, 0))
    for index in range(6):
        shelf.append("a", leader_epoch=1 + index // 2, timestamp=START_MS + index)

    assert shelf.log.truncate_to(3)

    assert shelf.log.leader_epochs.entries == [EpochStart(1, 0), EpochStart(2, 2)]
    active = shelf.log.segments.active
    assert [offset for offset, _ in active.offset_index.all_entries()] == [1, 2]
    assert shelf.log.offset_of_max_timestamp() == (START_MS + 2, 2, 2)
    assert shelf.append("b", leader_epoch=2) == 3


def test_log_that_is_thrown_away_begins_anew() -> None:
    shelf = Shelf(small_segments())
    for _ in range(10):
        shelf.append("a")

    shelf.log.truncate_fully_and_start_at(50)

    assert (shelf.log.log_start_offset, shelf.log.log_end_offset, shelf.log.high_watermark) == (50, 50, 50)
    assert shelf.append("b") == 50
    assert read_values(shelf.reopen_cleanly()) == [(50, b"b")]


def test_files_of_a_closed_log_are_those_of_kafka() -> None:
    shelf = Shelf(small_segments(500))
    for index in range(5):
        shelf.append(bytes(100), timestamp=START_MS + index)

    shelf.log.close()

    expected = ["leader-epoch-checkpoint", "00000000000000000005.snapshot"]
    for base in ("00000000000000000000", "00000000000000000002", "00000000000000000004"):
        expected += [f"{base}.log", f"{base}.index", f"{base}.timeindex"]
    expected += ["00000000000000000002.snapshot", "00000000000000000004.snapshot"]
    assert shelf.names() == sorted(expected)
    assert shelf.filesystem.read_bytes(f"{LOG_PATH}/leader-epoch-checkpoint") == b"0\n1\n1 0\n"


def test_flush_makes_the_recovery_point_move_and_names_every_file() -> None:
    shelf = Shelf(small_segments(500))
    for index in range(5):
        shelf.append(bytes(100), timestamp=START_MS + index)

    work = shelf.log.begin_flush(4)
    assert work is not None
    assert work.directory == LOG_PATH
    work.run()
    shelf.append("while the disk was busy")
    shelf.log.end_flush(work)

    assert shelf.log.recovery_point == 4
    assert not shelf.log.has_unflushed_segments
    shelf.log.flush()
    assert shelf.log.recovery_point == 6
    assert shelf.log.begin_flush() is None


def test_greatest_time_of_records_without_times_is_not_looked_for_in_an_empty_segment() -> None:
    """A follower's first batch does not begin at 0 and begins a segment: the one before it stays empty."""
    shelf = Shelf(small_segments(500, segment_index_bytes=4))

    shelf.log.append_as_follower(encode_batch([Record(1, -1, None, b"x")], base_offset=1, leader_epoch=3))

    assert len(shelf.log.segments) == 2
    assert shelf.log.offset_of_max_timestamp() == TimestampAt(-1, 1, 3)


def test_epoch_without_records_that_was_cut_off_is_noted_again_with_its_first() -> None:
    """Cutting at the end of a log takes the epoch away that its leader opened there and wrote nothing in."""
    shelf = Shelf()
    shelf.append("x", leader_epoch=2)
    shelf.log.high_watermark = 1
    shelf.log.delete_records_before(1)
    assert not shelf.log.truncate_to(1)
    assert shelf.log.leader_epochs.entries == []

    shelf.append("y", leader_epoch=2)

    assert shelf.log.leader_epochs.entries == [EpochStart(2, 1)]


def test_slice_stays_readable_when_its_segment_is_removed(tmp_path: object) -> None:
    shelf = Shelf(small_segments(500), RealFileSystem(), f"{tmp_path}/data/orders-0")
    for _ in range(8):
        shelf.append(bytes(100))
    piece = shelf.log.read(0, 200)

    shelf.log.remove_segments([shelf.log.segments.first])

    assert values_in(piece.read()) == [(0, bytes(100))]
    assert piece.file.fileno() is not None
    assert any(name.endswith(".log.deleted") for name in shelf.names())
