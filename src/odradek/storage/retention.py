"""Which segments of a log may go: by time, by size, or because they lie below the log start (`UnifiedLog.deleteOldSegments`).

Pure decisions over a log as it is; who performs them moves the log start first (`Log.delete_records_before`), rolls when every segment
may go, and then calls `Log.remove_segments`. Segments go from the oldest on, without a gap, and never beyond the high watermark.
"""

from __future__ import annotations

from collections.abc import Callable

from odradek.storage.log import Log
from odradek.storage.segment import Segment


def segments_below_log_start(log: Log) -> list[Segment]:
    """Segments whose records have all been deleted by a client. The last one stays, however little of it is left."""

    def is_below(segment: Segment) -> bool:
        following = log.segments.higher(segment.base_offset)
        return following is not None and following.base_offset <= log.log_start_offset

    return _oldest_while(log, is_below)


def segments_beyond_time(log: Log, now_ms: int) -> list[Segment]:
    """Segments whose latest record is older than `retention.ms`; a record from the future keeps its segment."""
    retention_ms = log.configuration.retention_ms
    if retention_ms < 0:
        return []

    def is_old(segment: Segment) -> bool:
        latest = segment.max_timestamp().timestamp
        return now_ms - (latest if latest >= 0 else segment.modified_ms()) > retention_ms

    return _oldest_while(log, is_old)


def segments_beyond_size(log: Log) -> list[Segment]:
    """Segments without which the log still has at least `retention.bytes`."""
    retention_bytes = log.configuration.retention_bytes
    excess = log.size - retention_bytes
    if retention_bytes < 0 or excess < 0:
        return []

    def is_excess(segment: Segment) -> bool:
        nonlocal excess
        if excess < segment.size:
            return False
        excess -= segment.size
        return True

    return _oldest_while(log, is_excess)


def _oldest_while(log: Log, may_go: Callable[[Segment], bool]) -> list[Segment]:
    found: list[Segment] = []
    for segment in log.segments:
        is_last = segment is log.segments.active
        end_offset = log.segments.end_offset_of(segment, log.log_end_offset)
        if end_offset > log.high_watermark or (is_last and not segment.size) or not may_go(segment):
            break
        found.append(segment)
    return found
