"""What retention decides (KAFKA-FACTS 5.4): whole segments, from the oldest on, never beyond the high watermark."""

from __future__ import annotations

from odradek.config.log_configuration import LogConfiguration
from odradek.storage.retention import segments_below_log_start, segments_beyond_size, segments_beyond_time
from odradek.storage.segment import Segment
from tests.storage.building import START_MS, Shelf


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


def test_nothing_goes_that_is_not_replicated() -> None:
    shelf = shelf_with(retention_ms=0, retention_bytes=0)
    shelf.log.high_watermark = 5

    assert bases(segments_beyond_time(shelf.log, START_MS + 99_000)) == [0, 2]
    assert bases(segments_beyond_size(shelf.log)) == [0, 2]
