"""The end of a log: batches come in, get their offsets, wait for the end of the turn, and reach the file in one write.

This is the hot part of the room, compiled by mypyc. `stage` judges the producer's sequence, gives offsets, stamps base offset and leader
epoch (the checksum covers neither), and keeps the bytes: small batches are copied together, large ones stay where the network put
them and go out in a gathering write. `write_staged` performs it; only then do readers see the new log end offset. Whatever is rare
(a new segment, a new leader epoch, a transaction's marker, an error of the disk) is the owner's, that is `log.Log`'s.

Invariants: written offsets never exceed staged ones; a segment's index entries are made in the order of its batches, as Kafka makes
them: before the batch that crosses `index.interval.bytes` (`LogSegment.append`).
"""

from __future__ import annotations

from typing import Final, Protocol, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from odradek.records.header import (
    CONTROL_FLAG,
    HEADER_SIZE,
    SEQUENCE_MAX,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    append_time_header,
    write_stamped_front,
)
from odradek.storage.offset_index import OffsetIndex
from odradek.storage.open_files import FileHandle
from odradek.storage.producer_entry import ProducerEntry
from odradek.storage.time_index import TimeIndex

# The bytes of a batch in front of its magic: base offset, length and leader epoch, all of which the stamp writes.
STAMPED_SIZE: Final[i64] = 16
# Below this size copying costs less than an entry in a gathering write.
COPIED_SIZE_MAX: Final[i64] = 4096
INT32_MAX: Final[i64] = 0x7FFF_FFFF
INT64_MAX: Final[i64] = 0x7FFF_FFFF_FFFF_FFFF
# Index entries that wait in memory at most: a page of them covers some two mebibytes of log.
WAITING_ENTRIES_MAX: Final[i64] = 512

# `base.error_codes.ErrorCode` as plain integers, for the compiler.
ACCEPTED: Final[i64] = 0
RECORD_LIST_TOO_LARGE: Final[i64] = 18


class TailOwner(Protocol):
    """What the tail leaves to the log around it."""

    def prepare_tail(self) -> None:
        """Read what appending has to know of the last segment; called once, before the first batch after opening."""
        ...

    def roll_at(self, base_offset: int) -> None:
        """Write what is staged, begin a segment at `base_offset` and attach it."""
        ...

    def note_leader_epoch(self, leader_epoch: int, start_offset: int) -> None: ...

    def note_transactional(self, entry: ProducerEntry, first_offset: int) -> None:
        """The producer's transaction begins in this partition with the batch at `first_offset`."""
        ...

    def keep_producer(self, producer_id: int, entry: ProducerEntry | None) -> None:
        """A batch of the producer is about to be staged; if it cannot be written, `entry` alone does not tell what was before."""
        ...

    def stage_marker(self, frame: bytes, start: int, header: BatchHeader, offset: int) -> int:
        """Judge a transaction's marker that is about to get `offset`: an error code; 0 has changed the producer's state."""
        ...

    def after_write(self) -> None:
        """What was staged is in the file; called when `is_owner_waiting` was set."""
        ...

    def write_indexes(self) -> None:
        """Many index entries wait to be brought to their files."""
        ...

    def write_failed(self, error: OSError) -> Exception:
        """The disk refused: what was staged is dropped, and the log waits for room or goes offline. Returns what to raise."""
        ...


@final
class SegmentEnd:
    """What appending has to know of the segment it goes to, and changes. Sizes count staged bytes; `written_size` does not."""

    __slots__ = (
        "base_offset",
        "bytes_since_index_entry",
        "created_ms",
        "first_timestamp",
        "index_interval_bytes",
        "jitter_ms",
        "max_timestamp",
        "offset_index",
        "offset_of_max_timestamp",
        "offset_slots_left",
        "size",
        "staged_offset_entries",
        "staged_time_entries",
        "time_index",
        "time_slots_left",
        "waiting_entries",
        "written_bytes_since_index_entry",
        "written_first_timestamp",
        "written_max_timestamp",
        "written_offset_of_max_timestamp",
        "written_size",
    )

    def __init__(
        self, base_offset: i64, size: i64, offset_index: OffsetIndex, time_index: TimeIndex, created_ms: i64, jitter_ms: i64
    ) -> None:
        self.base_offset = base_offset
        self.size = size
        self.written_size = size
        self.offset_index = offset_index
        self.time_index = time_index
        self.created_ms = created_ms
        self.jitter_ms = jitter_ms
        self.bytes_since_index_entry: i64 = 0
        self.index_interval_bytes: i64 = 4096
        self.offset_slots_left: i64 = 0
        self.time_slots_left: i64 = 0
        self.waiting_entries: i64 = 0
        # The greatest timestamp of the first batch; -1 in an empty segment, or if that batch had none.
        self.first_timestamp: i64 = -1
        self.max_timestamp: i64 = -1
        self.offset_of_max_timestamp: i64 = base_offset
        # What to go back to when a write fails.
        self.staged_offset_entries: i64 = 0
        self.staged_time_entries: i64 = 0
        self.written_bytes_since_index_entry: i64 = 0
        self.written_first_timestamp: i64 = -1
        self.written_max_timestamp: i64 = -1
        self.written_offset_of_max_timestamp: i64 = base_offset

    def mark_written(self) -> None:
        """Everything noted so far is in the file."""
        self.written_size = self.size
        self.staged_offset_entries = 0
        self.staged_time_entries = 0
        self.written_bytes_since_index_entry = self.bytes_since_index_entry
        self.written_first_timestamp = self.first_timestamp
        self.written_max_timestamp = self.max_timestamp
        self.written_offset_of_max_timestamp = self.offset_of_max_timestamp

    def take_back_staged(self) -> None:
        """Go back to where `mark_written` was called last."""
        self.size = self.written_size
        self.bytes_since_index_entry = self.written_bytes_since_index_entry
        self.first_timestamp = self.written_first_timestamp
        self.max_timestamp = self.written_max_timestamp
        self.offset_of_max_timestamp = self.written_offset_of_max_timestamp
        self.offset_index.entries.take_back(self.staged_offset_entries)
        self.time_index.take_back(self.staged_time_entries)
        self.offset_slots_left += self.staged_offset_entries
        self.time_slots_left += self.staged_time_entries
        self.waiting_entries -= self.staged_offset_entries
        self.staged_offset_entries = 0
        self.staged_time_entries = 0

    def is_roll_due(self, last_offset: i64, max_timestamp: i64, batch_size: i64, segment_bytes: i64, segment_ms: i64, now_ms: i64) -> bool:
        """Whether a batch has to begin a new segment (`LogSegment.shouldRoll`).

        Time is that of the records as long as the segment's first batch has one, else of the wall clock.
        """
        if self.size > segment_bytes - batch_size or self.is_index_full() or last_offset - self.base_offset > INT32_MAX:
            return True
        if self.size == 0:
            return False
        waited_ms = max_timestamp - self.first_timestamp if self.first_timestamp >= 0 else now_ms - self.created_ms
        return waited_ms > segment_ms - self.jitter_ms

    def has_room_for(self, size: i64, batches_count: i64, segment_bytes: i64) -> bool:
        """Whether so many batches of `size` bytes together need no new segment, but for their age."""
        slots_left = min(self.offset_slots_left, self.time_slots_left)
        return self.size + size <= segment_bytes and slots_left > batches_count

    def is_index_full(self) -> bool:
        return self.offset_slots_left <= 0 or self.time_slots_left <= 0

    def note_batch(self, last_offset: i64, max_timestamp: i64, batch_size: i64) -> None:
        """Account for a batch at the present end, and make index entries when one is due."""
        if self.size == 0:
            self.first_timestamp = max_timestamp
        if max_timestamp > self.max_timestamp:
            self.max_timestamp = max_timestamp
            self.offset_of_max_timestamp = last_offset
        if self.bytes_since_index_entry > self.index_interval_bytes:
            self.offset_index.append(last_offset, self.size)
            self.offset_slots_left -= 1
            self.staged_offset_entries += 1
            if self.time_index.append_if_later(self.max_timestamp, self.offset_of_max_timestamp):
                self.time_slots_left -= 1
                self.staged_time_entries += 1
            self.waiting_entries += 1
            self.bytes_since_index_entry = 0
        self.size += batch_size
        self.bytes_since_index_entry += batch_size

    def write_indexes(self) -> None:
        """Bring the waiting entries of both indexes to their files."""
        self.offset_index.entries.write_pending()
        self.time_index.entries.write_pending()
        self.waiting_entries = 0


@final
class StagedAppend:
    """What became of one batch. With an error code other than 0 nothing was staged and the offsets are -1.

    `log_append_time_ms` is -1 unless the broker's clock stamps the records; for a repetition it is the time of the original, as
    Kafka answers it.
    """

    __slots__ = ("base_offset", "error_code", "is_duplicate", "last_offset", "log_append_time_ms", "log_start_offset")

    def __init__(
        self, base_offset: i64, last_offset: i64, log_append_time_ms: i64, error_code: i64, is_duplicate: bool, log_start_offset: i64
    ) -> None:
        self.base_offset = base_offset
        self.last_offset = last_offset
        self.log_append_time_ms = log_append_time_ms
        self.error_code = error_code
        self.is_duplicate = is_duplicate
        self.log_start_offset = log_start_offset


@final
class LogTail:
    """The appending end of one log. The produce path may call `stage` and `write_staged` here, without the log in between."""

    __slots__ = (
        "end",
        "file_handle",
        "flush_messages",
        "found_end_offset",
        "high_watermark",
        "is_log_append_time",
        "is_owner_waiting",
        "is_ready",
        "last_write_offset",
        "last_write_position",
        "leader_epoch",
        "log_end_offset",
        "log_start_offset",
        "owner",
        "producers",
        "recovery_point",
        "segment_bytes",
        "segment_ms",
        "staged_bytes",
        "staged_end_offset",
        "staged_parts",
        "staged_small",
    )

    def __init__(
        self,
        owner: TailOwner,
        end: SegmentEnd,
        file_handle: FileHandle,
        producers: dict[int, ProducerEntry],
        log_start_offset: i64,
        log_end_offset: i64,
    ) -> None:
        self.owner = owner
        self.end = end
        self.file_handle = file_handle
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset
        self.staged_end_offset = log_end_offset
        # Never below the log start, never above the log end. Who leads or follows moves it.
        self.high_watermark: i64 = log_start_offset
        # What is below survives a power cut. Never above the log end.
        self.recovery_point: i64 = 0
        self.flush_messages: i64 = INT64_MAX
        # Where the log ended when it was opened, or was cut since.
        self.found_end_offset = log_end_offset
        self.producers = producers
        self.is_ready = False
        # The owner has something to do behind the next write: markers to settle, or to say that there is room again.
        self.is_owner_waiting = False
        self.is_log_append_time = False
        self.segment_bytes: i64 = 0
        self.segment_ms: i64 = 0
        self.leader_epoch: i64 = -1
        # Where the last write began: readers who have caught up begin there, and need no index.
        self.last_write_offset: i64 = -1
        self.last_write_position: i64 = -1
        self.staged_parts: list[bytes | memoryview] = []
        self.staged_small = BytesWriter()
        self.staged_bytes: i64 = 0

    def stage(self, frame: bytes, start: i64, header: BatchHeader, leader_epoch: i64, now_ms: i64) -> StagedAppend:
        """Take the batch at `start` of `frame` for the next write. `frame` is kept until then and must not change.

        Checksum, structure and timestamps have been judged (`records.header.check_batch`, `records.validation`); this judges the
        producer's epoch and sequence and the segment's size.

        Raises:
            StorageFailure: the disk refused to begin a new segment.
        """
        if not self.is_ready:
            self.owner.prepare_tail()
        size = header.size
        if size > self.segment_bytes:
            return self._refused(RECORD_LIST_TOO_LARGE)
        entry: ProducerEntry | None = None
        if header.producer_id >= 0:
            entry = self.producers.get(header.producer_id)
            if entry is not None and header.attributes & CONTROL_FLAG == 0:
                last_sequence = (header.base_sequence + header.last_offset_delta) & SEQUENCE_MAX
                original = entry.repeated(header.producer_epoch, header.base_sequence, last_sequence)
                if original is not None:
                    return StagedAppend(
                        original.first_offset(), original.last_offset, original.timestamp, ACCEPTED, True, self.log_start_offset
                    )
                code = entry.refusal(header.producer_epoch, header.base_sequence, header.attributes & TRANSACTIONAL_FLAG != 0)
                if code != ACCEPTED:
                    return self._refused(code)
        base_offset = self.staged_end_offset
        last_offset = base_offset + header.last_offset_delta
        append_time_ms: i64 = -1
        max_timestamp = header.max_timestamp
        if self.is_log_append_time:
            append_time_ms = now_ms
            max_timestamp = now_ms
        if self.end.is_roll_due(last_offset, max_timestamp, size, self.segment_bytes, self.segment_ms, now_ms):
            self.owner.roll_at(base_offset)
        if leader_epoch != self.leader_epoch:
            self.owner.note_leader_epoch(leader_epoch, base_offset)
            self.leader_epoch = leader_epoch
        if header.producer_id >= 0:
            if header.attributes & CONTROL_FLAG != 0:
                code = self.owner.stage_marker(frame, start, header, base_offset)
                if code != ACCEPTED:
                    return self._refused(code)
                self.is_owner_waiting = True
            else:
                if entry is None or not entry.can_take_back(header.producer_epoch):
                    self.owner.keep_producer(header.producer_id, entry)
                self._remember(entry, header, base_offset, max_timestamp)
        self._keep_bytes(frame, start, size, base_offset, leader_epoch, append_time_ms)
        self.end.note_batch(last_offset, max_timestamp, size)
        self.staged_end_offset = last_offset + 1
        return StagedAppend(base_offset, last_offset, append_time_ms, ACCEPTED, False, self.log_start_offset)

    def stage_as_is(self, frame: bytes, start: i64, header: BatchHeader) -> None:
        """Take a batch that has its offsets and leader epoch (from the leader, or made by this node's quorum) for the next write.

        The caller has made sure that it begins at or behind `staged_end_offset`, and cares for producers and epochs.
        """
        size = header.size
        last_offset = header.base_offset + header.last_offset_delta
        self._keep_bytes(frame, start, size, header.base_offset, header.partition_leader_epoch, -1)
        self.end.note_batch(last_offset, header.max_timestamp, size)
        self.staged_end_offset = last_offset + 1

    def write_staged(self) -> bool:
        """Bring everything staged to the file and show it to readers; False if there was nothing.

        Raises:
            StorageFailure: the disk refused; nothing of it is in the log, which has no room for it (`NoRoom`) or is offline.
        """
        if self.staged_bytes == 0:
            return False
        try:
            self._write()
        except OSError as error:
            raise self.owner.write_failed(error) from error
        end = self.end
        self.last_write_offset = self.log_end_offset
        self.last_write_position = end.written_size
        end.mark_written()
        self.log_end_offset = self.staged_end_offset
        if self.is_owner_waiting:
            self.is_owner_waiting = False
            self.owner.after_write()
        if end.waiting_entries >= WAITING_ENTRIES_MAX:
            self.owner.write_indexes()
        return True

    def drop_staged(self) -> None:
        """Forget what is staged. Producers and epochs are the owner's to take back."""
        self.staged_parts = []
        self.staged_small = BytesWriter()
        self.staged_bytes = 0
        self.staged_end_offset = self.log_end_offset
        self.end.take_back_staged()

    def advance_high_watermark(self, offset: i64) -> bool:
        """Move the high watermark forward to `offset`, which the log has; says whether it moved."""
        assert offset <= self.log_end_offset, "a high watermark behind the log end"
        if offset <= self.high_watermark:
            return False
        self.high_watermark = offset
        return True

    def is_flush_due(self) -> bool:
        """Whether `flush.messages` asks for a flush before anybody hears of the last append or reads it."""
        return self.log_end_offset - self.recovery_point >= self.flush_messages

    def promised_end(self) -> i64:
        """Up to where this log alone lets its records be seen: its end, but where a flush is due only what is durable.

        What was found at the start was seen in an earlier life, and was acknowledged if it was to be: it is not held back until the next
        flush, which may come late.
        """
        if self.log_end_offset - self.recovery_point < self.flush_messages:
            return self.log_end_offset
        return max(self.recovery_point, self.high_watermark, self.found_end_offset)

    def attach(self, end: SegmentEnd, file_handle: FileHandle, log_end_offset: i64) -> None:
        """Go on with another segment, or with this one after it was cut. Nothing may be staged."""
        assert self.staged_bytes == 0, "the end of a log was moved while batches were staged"
        self.end = end
        end.mark_written()
        self.file_handle = file_handle
        self.log_end_offset = log_end_offset
        self.staged_end_offset = log_end_offset
        self.found_end_offset = min(self.found_end_offset, log_end_offset)
        self.last_write_offset = -1
        self.last_write_position = -1

    def _write(self) -> None:
        file = self.file_handle.file()
        parts = self.staged_parts
        if not parts:
            file.append(self.staged_small.getvalue())
        else:
            self._close_small()
            file.append_gathered(parts)
            self.staged_parts = []
        self.staged_small = BytesWriter()
        self.staged_bytes = 0

    def _keep_bytes(self, frame: bytes, start: i64, size: i64, base_offset: i64, leader_epoch: i64, append_time_ms: i64) -> None:
        small = self.staged_small
        body_start = start + STAMPED_SIZE
        if append_time_ms >= 0:
            small.write(append_time_header(frame, start, size, base_offset, leader_epoch, append_time_ms))
            body_start = start + HEADER_SIZE
        else:
            write_stamped_front(small, base_offset, size, leader_epoch)
        if size <= COPIED_SIZE_MAX:
            small.write(frame[body_start : start + size])
        else:
            self._close_small()
            self.staged_parts.append(memoryview(frame)[body_start : start + size])
        self.staged_bytes += size

    def _close_small(self) -> None:
        """Put the copied bytes among the parts, so that what follows them does."""
        if len(self.staged_small):
            self.staged_parts.append(self.staged_small.getvalue())
            self.staged_small = BytesWriter()

    def _remember(self, entry: ProducerEntry | None, header: BatchHeader, base_offset: i64, max_timestamp: i64) -> None:
        if entry is None:
            entry = ProducerEntry(header.producer_id, header.producer_epoch)
            self.producers[header.producer_id] = entry
        last_sequence = (header.base_sequence + header.last_offset_delta) & SEQUENCE_MAX
        entry.add_batch(
            header.producer_epoch,
            last_sequence,
            base_offset + header.last_offset_delta,
            header.last_offset_delta,
            max_timestamp,
            self.log_end_offset,
        )
        if header.attributes & TRANSACTIONAL_FLAG != 0 and entry.transaction_first_offset < 0:
            entry.transaction_first_offset = base_offset
            self.owner.note_transactional(entry, base_offset)

    def _refused(self, code: i64) -> StagedAppend:
        return StagedAppend(-1, -1, -1, code, False, self.log_start_offset)
