"""Which segments of a log may go, and letting them go: by time, by size, or below the log start (`UnifiedLog.deleteOldSegments`).

Segments go whole and from the oldest on, without a gap, and never beyond the high watermark. What is only staged counts as being in the
last segment, which therefore stays until that is written and replicated. Time and size act where `cleanup.policy` contains delete; what
a client has deleted goes under every policy.

Who carries it out asks `make_way` first, waits for what it returns, and then calls `drop_old_segments` until nothing is left: a log
always has a segment, and its name has to be on the disk before the names of the others go, lest a power cut leave a log that has
forgotten how far its offsets had come. The log start moves before the segments go, so that no reader looks for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from itertools import islice
from typing import NamedTuple

from odradek.storage.flush_work import FlushWork
from odradek.storage.log import Log
from odradek.storage.segment import Segment


class Reason(Enum):
    """Why segments go."""

    LOG_START = "the log start has passed them"
    SIZE = "the log is larger than retention.bytes"
    TIME = "their records are older than retention.ms"


class OldSegments(NamedTuple):
    """The oldest segments of a log, up to the last that may go."""

    segments: list[Segment]
    reason: Reason


def old_segments(log: Log, now_ms: int) -> OldSegments:
    """The segments that no rule keeps, with the rule that lets the last of them go.

    Log start and size count from the same end, so the one that lets more go decides. Time goes on where these have stopped: a young
    segment that has to go for its size does not keep old ones behind it.
    """
    found = OldSegments(segments_below_log_start(log), Reason.LOG_START)
    if log.configuration.is_deleted_by_retention:
        beyond_size = segments_beyond_size(log)
        if len(beyond_size) > len(found.segments):
            found = OldSegments(beyond_size, Reason.SIZE)
        beyond_time = segments_beyond_time(log, now_ms, behind=len(found.segments))
        if beyond_time:
            found = OldSegments(found.segments + beyond_time, Reason.TIME)
    return found


def segments_below_log_start(log: Log) -> list[Segment]:
    """Segments whose records have all been deleted by a client. The last one stays, however little of it is left."""

    def is_below(segment: Segment) -> bool:
        following = log.segments.higher(segment.base_offset)
        return following is not None and following.base_offset <= log.log_start_offset

    return _oldest_while(log, is_below)


def segments_beyond_time(log: Log, now_ms: int, *, behind: int = 0) -> list[Segment]:
    """Segments whose latest record is older than `retention.ms`, from the one behind the first `behind` on.

    A record from the future keeps its segment.
    """
    retention_ms = log.configuration.retention_ms
    if retention_ms < 0:
        return []

    def is_old(segment: Segment) -> bool:
        latest = segment.max_timestamp().timestamp
        return now_ms - (latest if latest >= 0 else segment.modified_ms()) > retention_ms

    return _oldest_while(log, is_old, behind)


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


def make_way(log: Log, now_ms: int) -> FlushWork | None:
    """Begin a new segment if all may go. What to wait for before `drop_old_segments`, if anything; it moves no recovery point.

    Raises:
        StorageFailure: the disk refused.
        OSError: the disk could not be asked.
    """
    count = len(old_segments(log, now_ms).segments)
    if count == len(log.segments):
        log.roll()
    if count == 0 or count < len(log.segments) - 1:
        return None
    # Only the active segment will be left.
    return FlushWork(0, log.place.filesystem, (), (), log.directory)


def drop_old_segments(log: Log, now_ms: int, segments_max: int) -> OldSegments:
    """Let the oldest segments go, at most `segments_max` and never the active one; those that went, with the reason.

    Their files have another name at once and are removed after `file.delete.delay.ms`.

    Raises:
        StorageFailure: the disk refused.
        OSError: the disk could not be asked.
    """
    found = old_segments(log, now_ms)
    going = [segment for segment in found.segments if segment is not log.segments.active][:segments_max]
    if going:
        following = log.segments.higher(going[-1].base_offset)
        assert following is not None
        log.delete_records_before(following.base_offset)
        log.remove_segments(going)
    return OldSegments(going, found.reason)


def _oldest_while(log: Log, may_go: Callable[[Segment], bool], behind: int = 0) -> list[Segment]:
    found: list[Segment] = []
    for segment in islice(log.segments, behind, None):
        is_last = segment is log.segments.active
        end_offset = log.segments.end_offset_of(segment, int(log.tail.staged_end_offset))
        if end_offset > log.high_watermark or (is_last and not segment.size) or not may_go(segment):
            break
        found.append(segment)
    return found
