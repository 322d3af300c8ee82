"""What a log holds, found the slow way: every file from its beginning to its end, every batch, every record; no index is asked.

Whatever the log answers with its indexes has to be what this finds.
"""

from __future__ import annotations

from dataclasses import dataclass

from odradek.records.batch import decode_records, iterate_batches
from odradek.records.record import Record
from odradek.storage.file_names import offset_name
from odradek.storage.log import Log
from odradek.storage.segment import TimestampAt


@dataclass(frozen=True, slots=True)
class ScannedBatch:
    """A batch where it lies: in the segment that begins at `segment_base`, at `position` of its file."""

    segment_base: int
    position: int
    base_offset: int
    last_offset: int
    max_timestamp: int
    leader_epoch: int
    data: bytes
    records: list[Record]


class LinearScan:
    """All batches of a log's files at this moment."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.batches: list[ScannedBatch] = []
        for base in log.segments.base_offsets:
            data = log.place.filesystem.read_bytes(f"{log.directory}/{offset_name(base)}.log")
            self.batches.extend(self._scanned(base, data))

    @staticmethod
    def _scanned(base: int, data: bytes) -> list[ScannedBatch]:
        found = []
        for position, header in iterate_batches(data):
            batch = data[position : position + int(header.size)]
            found.append(
                ScannedBatch(
                    base,
                    position,
                    int(header.base_offset),
                    int(header.last_offset()),
                    int(header.max_timestamp),
                    int(header.partition_leader_epoch),
                    batch,
                    decode_records(batch),
                )
            )
        assert sum(len(batch.data) for batch in found) == len(data), f"segment {base} ends inside a batch"
        return found

    def read(self, offset: int, bytes_max: int) -> bytes:
        """Whole batches of one segment from the one that holds `offset`, at most `bytes_max` bytes, but at least one batch."""
        following = [batch for batch in self.batches if batch.last_offset >= offset]
        taken = b""
        for batch in following:
            if batch.segment_base != following[0].segment_base or (taken and len(taken) + len(batch.data) > bytes_max):
                break
            taken += batch.data
        return taken

    def first_at_or_after(self, timestamp: int) -> TimestampAt | None:
        for batch in self.batches:
            for record in batch.records:
                if record.timestamp >= timestamp and record.offset >= self.log.log_start_offset:
                    return TimestampAt(record.timestamp, record.offset, batch.leader_epoch)
        return None

    def first_of_greatest_timestamp(self) -> TimestampAt | None:
        everything = [(batch, record) for batch in self.batches for record in batch.records]
        if not everything:
            return None
        batch, record = max(everything, key=lambda pair: pair[1].timestamp)
        return TimestampAt(record.timestamp, record.offset, batch.leader_epoch)

    def check_lookups(self) -> None:
        """Ask the log for every offset and every time there is, and for those between."""
        log = self.log
        for offset in range(log.log_start_offset, log.log_end_offset):
            for bytes_max in (1, 300, 1 << 20):
                assert log.read(offset, bytes_max).read() == self.read(offset, bytes_max), f"read {offset}, at most {bytes_max} bytes"
        times = {record.timestamp for batch in self.batches for record in batch.records}
        for timestamp in sorted({time + step for time in times for step in (-1, 0, 1)} | {0}):
            assert log.offset_for_timestamp(timestamp) == self.first_at_or_after(timestamp), f"time {timestamp}"
        assert log.offset_of_max_timestamp() == self.first_of_greatest_timestamp()

    def check_indexes(self) -> None:
        """Every entry of an index is true of the file, and each says more than the one before it."""
        for segment in self.log.segments:
            batches = [batch for batch in self.batches if batch.segment_base == segment.base_offset]
            offset_entries = segment.offset_index.all_entries()
            assert sorted(set(offset_entries)) == offset_entries
            assert set(offset_entries) <= {(batch.last_offset, batch.position) for batch in batches}
            reached: dict[int, int] = {}
            for batch in batches:
                reached[batch.last_offset] = max(batch.max_timestamp, *reached.values()) if reached else batch.max_timestamp
            for timestamp, offset in segment.time_index.all_entries():
                assert reached[offset] == timestamp, f"entry {timestamp}, {offset} of segment {segment.base_offset}"
            greatest = segment.max_timestamp()
            assert greatest.timestamp == max((batch.max_timestamp for batch in batches), default=-1)
            assert segment.size == sum(len(batch.data) for batch in batches)
