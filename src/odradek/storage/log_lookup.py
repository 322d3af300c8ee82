"""Finding things in a log across its segments: a slice to send, a time, the transactions that were aborted (`LocalLog.read`)."""

from __future__ import annotations

from odradek.storage.log_tail import LogTail
from odradek.storage.segment import EMPTY_FILE, LogSlice, Segment, TimestampAt
from odradek.storage.segments import Segments
from odradek.storage.transaction_index import AbortedTransaction


def slice_from(segments: Segments, tail: LogTail, offset: int, bytes_max: int, *, upper_bound: int, at_least_one: bool) -> LogSlice:
    """Whole batches of one segment from the one that holds `offset`; `offset` and `upper_bound` lie within the log.

    Empty when there is nothing below `upper_bound`, or when the first batch is too large and need not be given.
    """
    if offset >= upper_bound:
        return LogSlice(EMPTY_FILE, 0, 0, offset)
    if offset == tail.last_write_offset and upper_bound == tail.log_end_offset:
        available = tail.end.written_size - tail.last_write_position
        if available <= bytes_max:
            return LogSlice(tail.file_handle.file(), int(tail.last_write_position), int(available), upper_bound)
    segment = segments.floor(offset)
    while segment is not None:
        upper = _upper_within(segments, segment, upper_bound, int(tail.log_end_offset))
        found = segment.read(offset, bytes_max, upper, at_least_one=at_least_one)
        if found is not None:
            return found
        segment = segments.higher(segment.base_offset)
    return LogSlice(EMPTY_FILE, 0, 0, offset)


def _upper_within(segments: Segments, segment: Segment, upper_bound: int, log_end_offset: int) -> tuple[int, int]:
    """The position in `segment` that corresponds to `upper_bound`, and the offset there."""
    end_offset = segments.end_offset_of(segment, log_end_offset)
    if upper_bound >= end_offset:
        return segment.size, end_offset
    position = segment.position_of(upper_bound)
    return (segment.size, end_offset) if position is None else (position, upper_bound)


def first_at_or_after(segments: Segments, timestamp: int, log_start_offset: int) -> TimestampAt | None:
    """The first record of the log that is not earlier than `timestamp`."""
    for segment in segments.between(log_start_offset, 1 << 62):
        greatest = segment.max_timestamp().timestamp
        # A segment whose records have no timestamps is as old as its file.
        if (greatest if greatest >= 0 else segment.modified_ms()) < timestamp:
            continue
        found = segment.find_timestamp(timestamp, log_start_offset)
        if found is not None:
            return found
    return None


def first_with_max_timestamp(segments: Segments) -> TimestampAt | None:
    """The first record that bears the greatest timestamp of the log."""
    # Records without a time are as late as an empty segment, which can stand before them.
    latest = max((segment for segment in segments if segment.size), key=lambda segment: segment.max_timestamp().timestamp, default=None)
    return None if latest is None else latest.find_max_timestamp()


def aborted_transactions(segments: Segments, first_offset: int, upper_bound: int) -> list[AbortedTransaction]:
    """The aborted transactions with records from `first_offset` to before `upper_bound`."""
    found: list[AbortedTransaction] = []
    segment: Segment | None = segments.floor(first_offset) or segments.first
    while segment is not None:
        more, is_complete = segment.transaction_index.collect(first_offset, upper_bound)
        found.extend(more)
        if is_complete:
            break
        segment = segments.higher(segment.base_offset)
    return found
