"""What retention decides (KAFKA-FACTS 5.4) and does: whole segments, from the oldest on, never beyond the high watermark."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from odradek.base.errors import StorageFailure
from odradek.config.log_configuration import LogConfiguration
from odradek.records.header import parse_header
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.retention import (
    Reason,
    drop_old_segments,
    make_way,
    old_segments,
    segments_below_log_start,
    segments_beyond_size,
    segments_beyond_time,
)
from odradek.storage.segment import Segment
from tests.storage.building import START_MS, Shelf, batch, idempotent, read_values

LONG_AFTER_MS = START_MS + 99_000


def retain(log: Log, now_ms: int) -> int:
    """What the housekeeping does with a log; how many segments went."""
    work = make_way(log, now_ms)
    if work is not None:
        work.run()
    return len(drop_old_segments(log, now_ms, 1000).segments)


def shelf_with(**settings: int) -> Shelf:
    """Five segments of two batches; the batches are a second apart and all replicated."""
    shelf = Shelf(LogConfiguration(segment_bytes=400, **settings))  # type: ignore[arg-type]
    for index in range(10):
        shelf.append(bytes(100), timestamp=START_MS + 1000 * index)
    shelf.log.high_watermark = 10
    assert shelf.log.segments.base_offsets == [0, 2, 4, 6, 8]
    return shelf


def bases(segments: list[Segment]) -> list[int]:
    return [segment.base_offset for segment in segments]


def test_segments_go_when_their_latest_record_is_too_old() -> None:
    shelf = shelf_with(retention_ms=5000)

    assert bases(segments_beyond_time(shelf.log, START_MS + 8000)) == [0]
    assert bases(segments_beyond_time(shelf.log, START_MS + 8001)) == [0, 2]
    assert bases(segments_beyond_time(shelf.log, START_MS + 99_000)) == [0, 2, 4, 6, 8]


def test_record_from_the_future_keeps_its_segment_and_those_behind() -> None:
    shelf = shelf_with(retention_ms=1000)

    assert bases(segments_beyond_time(shelf.log, START_MS + 500)) == []


def test_no_time_limit_keeps_everything() -> None:
    assert segments_beyond_time(shelf_with(retention_ms=-1).log, 1 << 60) == []


def test_segments_go_as_long_as_enough_bytes_stay() -> None:
    shelf = shelf_with()
    segment_size = shelf.log.segments.first.size

    for kept in range(6):
        shelf.log.configuration = LogConfiguration(segment_bytes=400, retention_bytes=kept * segment_size)
        assert len(segments_beyond_size(shelf.log)) == 5 - kept
    shelf.log.configuration = LogConfiguration(segment_bytes=400, retention_bytes=segment_size + 1)
    assert len(segments_beyond_size(shelf.log)) == 3


def test_segments_below_the_log_start_go_but_the_last_stays() -> None:
    shelf = shelf_with()

    shelf.log.delete_records_before(5)
    assert bases(segments_below_log_start(shelf.log)) == [0, 2]
    shelf.log.delete_records_before(10)
    assert bases(segments_below_log_start(shelf.log)) == [0, 2, 4, 6]


def test_segment_without_timestamps_is_as_old_as_its_file() -> None:
    shelf = Shelf(LogConfiguration(segment_bytes=400, retention_ms=1000))
    shelf.append(bytes(300), timestamp=-1)
    shelf.append(bytes(300), timestamp=-1)
    shelf.log.high_watermark = 2

    assert bases(segments_beyond_time(shelf.log, START_MS + 1000)) == []
    assert bases(segments_beyond_time(shelf.log, START_MS + 1001)) == [0, 1]


def test_young_segment_that_goes_for_its_size_does_not_keep_old_ones() -> None:
    shelf = Shelf(LogConfiguration(segment_bytes=400, retention_ms=5000))
    for timestamp in (LONG_AFTER_MS, START_MS, START_MS):
        shelf.append(bytes(300), timestamp=timestamp)
    shelf.log.high_watermark = 3
    assert bases(old_segments(shelf.log, LONG_AFTER_MS).segments) == []

    shelf.log.configuration = replace(shelf.log.configuration, retention_bytes=shelf.log.size - shelf.log.segments.first.size)

    assert bases(old_segments(shelf.log, LONG_AFTER_MS).segments) == [0, 1, 2]
    assert retain(shelf.log, LONG_AFTER_MS) == 3


def test_rule_that_lets_most_go_decides() -> None:
    shelf = shelf_with(retention_ms=5000)
    shelf.log.delete_records_before(3)

    assert old_segments(shelf.log, START_MS)[1] is Reason.LOG_START
    assert old_segments(shelf.log, START_MS + 8001)[1] is Reason.TIME
    shelf.log.configuration = replace(shelf.log.configuration, retention_bytes=0)
    assert old_segments(shelf.log, START_MS + 8001)[1] is Reason.SIZE


@pytest.mark.parametrize("is_compacted", [True, False])
def test_without_delete_in_the_policy_only_deleted_records_go(is_compacted: bool) -> None:
    shelf = shelf_with(retention_ms=0, retention_bytes=0)
    shelf.log.configuration = replace(shelf.log.configuration, is_deleted_by_retention=False, is_compacted=is_compacted)

    assert retain(shelf.log, LONG_AFTER_MS) == 0
    shelf.log.delete_records_before(5)
    assert retain(shelf.log, LONG_AFTER_MS) == 2
    assert (shelf.log.log_start_offset, shelf.log.segments.base_offsets) == (5, [4, 6, 8])


def test_compacted_topic_that_also_deletes_is_subject_to_time() -> None:
    shelf = shelf_with(retention_ms=5000)
    shelf.log.configuration = replace(shelf.log.configuration, is_compacted=True)

    assert retain(shelf.log, START_MS + 8001) == 2


def test_log_start_moves_and_files_wait_under_another_name() -> None:
    shelf = shelf_with(retention_ms=5000)

    assert retain(shelf.log, START_MS + 8001) == 2

    log = shelf.log
    assert (log.log_start_offset, log.log_end_offset, log.segments.base_offsets) == (4, 10, [4, 6, 8])
    earliest = log.leader_epochs.earliest
    assert earliest is not None
    assert earliest.start_offset == 4
    leaving = [name for name in shelf.names() if name.endswith(".deleted")]
    assert {name.partition(".")[2] for name in leaving} >= {"log.deleted", "index.deleted", "timeindex.deleted"}
    assert log.place.deletions.remove_due(shelf.clock.now_ms() + 59_999) == 0
    assert log.place.deletions.remove_due(shelf.clock.now_ms() + 60_000) == len(leaving)
    assert not [name for name in shelf.names() if name < f"{4:020d}"]


def test_producer_snapshots_go_with_their_segments_and_producers_stay() -> None:
    shelf = Shelf(LogConfiguration(segment_bytes=200, retention_ms=1000))
    for sequence in range(6):
        shelf.append_batch(idempotent(sequence))
    shelf.log.high_watermark = 6
    assert shelf.log.segments.base_offsets == [0, 2, 4]

    retain(shelf.log, LONG_AFTER_MS)

    snapshots = [name for name in shelf.names() if name.endswith(".snapshot")]
    assert snapshots == [f"{6:020d}.snapshot"]
    assert shelf.log.append(idempotent(5), 1, START_MS).is_duplicate
    assert shelf.append_batch(idempotent(6)) == 6


def test_active_segment_is_rolled_before_it_goes() -> None:
    shelf = shelf_with(retention_ms=5000)

    assert retain(shelf.log, LONG_AFTER_MS) == 5

    assert (shelf.log.log_start_offset, shelf.log.segments.base_offsets, shelf.log.size) == (10, [10], 0)
    assert retain(shelf.log, LONG_AFTER_MS) == 0
    assert shelf.append(b"next", timestamp=LONG_AFTER_MS) == 10


@pytest.mark.parametrize("is_clean", [True, False])
def test_offsets_go_on_after_everything_went_and_the_node_restarted(is_clean: bool) -> None:
    """Nothing but the name of the empty segment tells how far the log had come."""
    shelf = shelf_with(retention_ms=5000)
    retain(shelf.log, LONG_AFTER_MS)
    if is_clean:
        shelf.log.close()

    log = shelf.open(was_clean=is_clean)

    assert (log.log_start_offset, log.log_end_offset) == (10, 10)
    assert shelf.append(b"next") == 10
    assert not [name for name in shelf.names() if name.endswith(".deleted")]


def test_name_of_the_last_segment_is_made_durable_before_the_others_go() -> None:
    shelf = shelf_with(retention_ms=5000)

    assert make_way(shelf.log, START_MS + 8001) is None
    assert len(shelf.log.segments) == 5
    for now_ms in (START_MS + 13_000, LONG_AFTER_MS):
        work = make_way(shelf.log, now_ms)
        assert work is not None
        assert (work.directory, work.files) == (shelf.path, ())
    assert len(shelf.log.segments) == 6


def test_what_is_only_staged_keeps_the_last_segment() -> None:
    shelf = shelf_with(retention_ms=0)
    shelf.append(b"written")
    shelf.log.high_watermark = 11
    data = batch(b"staged", timestamp=START_MS)
    shelf.log.stage(data, 0, parse_header(data, 0), 1, START_MS)

    assert retain(shelf.log, LONG_AFTER_MS) == 5

    assert (shelf.log.segments.base_offsets, shelf.log.log_end_offset) == ([10], 11)
    assert shelf.log.write_staged()
    assert [value for _, value in read_values(shelf.log)] == [b"written", b"staged"]


def test_segments_go_in_portions() -> None:
    shelf = shelf_with(retention_bytes=0)
    make_way(shelf.log, START_MS)

    portions = [bases(drop_old_segments(shelf.log, START_MS, 2).segments) for _ in range(4)]

    assert portions == [[0, 2], [4, 6], [8], []]


def test_segment_that_was_filled_meanwhile_waits_for_the_next_look() -> None:
    """Between `make_way` and the dropping others have their turn."""
    shelf = shelf_with(retention_ms=5000)
    make_way(shelf.log, LONG_AFTER_MS)
    shelf.append(b"late, and old", timestamp=START_MS)
    shelf.log.high_watermark = 11

    assert bases(drop_old_segments(shelf.log, LONG_AFTER_MS, 1000).segments) == [0, 2, 4, 6, 8]

    assert (shelf.log.log_start_offset, shelf.log.segments.base_offsets) == (10, [10])


def test_changed_settings_act_at_the_next_look() -> None:
    shelf = shelf_with(retention_ms=-1)
    assert retain(shelf.log, LONG_AFTER_MS) == 0

    shelf.log.configuration = replace(shelf.log.configuration, retention_ms=5000)

    assert retain(shelf.log, START_MS + 8001) == 2


def test_reader_finishes_with_a_segment_that_goes() -> None:
    shelf = shelf_with(retention_ms=0)
    piece = shelf.log.read(0, 1 << 20)

    retain(shelf.log, LONG_AFTER_MS)
    shelf.log.place.deletions.remove_due(1 << 60)

    assert len(piece.read()) == piece.size > 0


def test_segment_that_went_is_not_kept_open() -> None:
    """Else its bytes would stay on the disk, nameless."""
    shelf = shelf_with(retention_ms=0)
    read_values(shelf.log)
    open_files = shelf.log.place.open_files
    assert len(open_files) >= 5

    retain(shelf.log, LONG_AFTER_MS)

    assert len(open_files) <= len(shelf.log.segments.active.handles())


@pytest.mark.parametrize("is_clean", [True, False])
def test_dropped_segments_do_not_come_back(is_clean: bool) -> None:
    shelf = shelf_with(retention_ms=5000)
    retain(shelf.log, START_MS + 8001)
    if is_clean:
        shelf.log.close()

    log = shelf.open(was_clean=is_clean)

    assert (log.log_start_offset, log.segments.base_offsets) == (4, [4, 6, 8])
    assert [offset for offset, _ in read_values(log)] == [4, 5, 6, 7, 8, 9]


class StubbornFileSystem(MemoryFileSystem):
    """Does not rename, once it is told not to."""

    is_stubborn = False

    def rename(self, source: str, target: str) -> None:
        if self.is_stubborn:
            raise OSError(errno.EROFS, "Read-only file system", source)
        super().rename(source, target)


def test_disk_that_refuses_takes_the_log_offline() -> None:
    filesystem = StubbornFileSystem()
    shelf = Shelf(LogConfiguration(segment_bytes=200, retention_bytes=0), filesystem)
    shelf.append(bytes(100))
    shelf.append(bytes(100))
    shelf.log.high_watermark = 2
    filesystem.is_stubborn = True

    with pytest.raises(StorageFailure):
        retain(shelf.log, START_MS)

    assert shelf.log.is_offline


def test_nothing_goes_that_is_not_replicated() -> None:
    shelf = shelf_with(retention_ms=0, retention_bytes=0)
    shelf.log.high_watermark = 5

    assert bases(segments_beyond_time(shelf.log, START_MS + 99_000)) == [0, 2]
    assert bases(segments_beyond_size(shelf.log)) == [0, 2]
