"""One segment: a file of batches, its indexes, and finding things in it (`LogSegment.java`).

A segment knows its name and size and nothing else until it is touched; then its files are opened, through the bounded set of open
files, and its end is read. Appending happens in `log_tail`, on the segment's `end`; here is everything around it: finding the
batch that holds an offset or a timestamp, cutting a slice for a reader, truncating, rebuilding the indexes from the batches, and
leaving the stage.

Positions that were found are remembered for a few offsets, because the next reader nearly always asks for the offset at which the
last one stopped. Invariant: everything up to `end.written_size` consists of whole batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

from librt.strings import read_i64_be

from odradek.base.errors import CorruptRecords, Misuse
from odradek.base.identifiers import NO_TIMESTAMP
from odradek.config.log_configuration import LogConfiguration
from odradek.records.batch import decode_records
from odradek.records.record import Record
from odradek.storage import offset_index, time_index
from odradek.storage.batch_scan import BatchInFile, scan_headers
from odradek.storage.batch_walk import boundary_at_most, position_of_offset
from odradek.storage.errors import CorruptIndex
from odradek.storage.file_names import LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX, offset_name
from odradek.storage.filesystem import File
from odradek.storage.log_tail import SegmentEnd
from odradek.storage.offset_index import OffsetIndex
from odradek.storage.open_files import FileHandle, OpenFiles
from odradek.storage.time_index import TimeIndex
from odradek.storage.transaction_index import TransactionIndex

# What finding a time decodes of one batch at most, since the loop waits for it: a fraction of a second's worth.
RECORDS_LOOKED_AT_MAX = 200_000
BYTES_LOOKED_AT_MAX = 64 << 20
# As many readers as have each their own place in one segment and still need no search.
REMEMBERED_POSITIONS_MAX = 32
# What is read at a time only to have it in the page cache.
READ_AHEAD_BYTES = 256 << 10


class TimestampAt(NamedTuple):
    """A record found by its time; `leader_epoch` is -1 where it is not known."""

    timestamp: int
    offset: int
    leader_epoch: int


class EmptyFile:
    """What an empty slice lies in, so that asking an idle partition opens no file."""

    __slots__ = ()

    def fileno(self) -> int | None:
        return None

    def size(self) -> int:
        return 0

    def pread(self, size: int, position: int) -> bytes:
        return b""

    def pread_cached(self, size: int, position: int) -> bytes | None:
        return b""

    def append(self, data: bytes | bytearray | memoryview) -> None:
        raise Misuse("nothing can be written to an empty slice")

    def append_gathered(self, parts: Sequence[bytes | memoryview]) -> None:
        raise Misuse("nothing can be written to an empty slice")

    def truncate(self, size: int) -> None:
        raise Misuse("an empty slice cannot be cut")

    def fsync(self) -> None:
        return


EMPTY_FILE = EmptyFile()


@final
class LogSlice:
    """Whole batches in a file: `size` bytes from `position`, for `sendfile` (`file.fileno()`) or `read`.

    The file stays open as long as this lives. An empty slice lies in `EMPTY_FILE`.

    `next_offset` is where to read on.
    """

    __slots__ = ("file", "next_offset", "position", "size")

    def __init__(self, file: File, position: int, size: int, next_offset: int) -> None:
        self.file = file
        self.position = position
        self.size = size
        self.next_offset = next_offset

    def is_cold(self) -> bool:
        """Whether sending would wait for the disk: the first or the last page is not in the page cache."""
        file, last = self.file, self.position + self.size - 1
        return file.pread_cached(1, self.position) is None or file.pread_cached(1, last) is None

    def read_ahead(self) -> None:
        """Bring every page into the page cache; waits for the disk.

        Raises:
            OSError: the disk failed.
        """
        end = self.position + self.size
        for position in range(self.position, end, READ_AHEAD_BYTES):
            self.file.pread(min(READ_AHEAD_BYTES, end - position), position)

    def read(self) -> bytes:
        """The bytes themselves; may wait for the disk."""
        return self.file.pread(self.size, self.position) if self.size else b""


@final
class Segment:
    """The segment that begins at `base_offset`."""

    __slots__ = (
        "_is_end_loaded",
        "_remembered",
        "base_offset",
        "end",
        "log",
        "offset_index",
        "open_files",
        "time_index",
        "transaction_index",
    )

    def __init__(
        self, open_files: OpenFiles, directory: str, base_offset: int, size: int, *, created_ms: int, jitter_ms: int, is_new: bool
    ) -> None:
        path = f"{directory}/{offset_name(base_offset)}"
        self.open_files = open_files
        self.base_offset = base_offset
        self.log = FileHandle(open_files, path + LOG_SUFFIX)
        self.offset_index = OffsetIndex(FileHandle(open_files, path + OFFSET_INDEX_SUFFIX), base_offset, is_new=is_new)
        self.time_index = TimeIndex(FileHandle(open_files, path + TIME_INDEX_SUFFIX), base_offset, is_new=is_new)
        self.transaction_index = TransactionIndex(FileHandle(open_files, path + TRANSACTION_INDEX_SUFFIX), base_offset, is_new=is_new)
        self.end = SegmentEnd(base_offset, size, self.offset_index, self.time_index, created_ms, jitter_ms)
        self._is_end_loaded = is_new
        self._remembered: dict[int, int] = {}

    @property
    def size(self) -> int:
        """Bytes of batches that readers can see."""
        return int(self.end.written_size)

    def prepare_appends(self, configuration: LogConfiguration) -> None:
        """Read what `end` has to know, if nobody has yet, and apply the settings."""
        end = self.end
        if not self._is_end_loaded:
            self._is_end_loaded = True
            end.max_timestamp, end.offset_of_max_timestamp = self.time_index.last_entry()
            first = next(self._batches_from(0), None)
            if first is not None:
                end.first_timestamp = first.header.max_timestamp
        self.apply_configuration(configuration)

    def apply_configuration(self, configuration: LogConfiguration) -> None:
        """Let changed settings of the indexes act on what is appended from now on."""
        index_bytes = configuration.segment_index_bytes
        self.end.index_interval_bytes = configuration.index_interval_bytes
        self.end.offset_slots_left = index_bytes // offset_index.ENTRY_SIZE - self.offset_index.entries.count()
        # One slot stays free for the entry that is written when the segment is left.
        self.end.time_slots_left = index_bytes // time_index.ENTRY_SIZE - 1 - self.time_index.entries.count()

    def max_timestamp(self) -> TimestampAt:
        """The greatest timestamp of a batch and that batch's last offset; -1 in an empty segment."""
        if self._is_end_loaded:
            return TimestampAt(int(self.end.max_timestamp), int(self.end.offset_of_max_timestamp), -1)
        timestamp, offset = self.time_index.last_entry()
        return TimestampAt(timestamp, offset, -1)

    def modified_ms(self) -> int:
        return self.open_files.filesystem.modified_ms(self.log.path)

    def read(self, offset: int, bytes_max: int, upper: tuple[int, int], *, at_least_one: bool) -> LogSlice | None:
        """Whole batches from the one that holds `offset`, below the position `upper[0]`, which is that of the offset `upper[1]`.

        None when the segment has no batch with an offset that high.
        """
        start = self.position_of(offset)
        if start is None:
            return None
        upper_position, upper_offset = upper
        file = self.log.file()
        available = upper_position - start
        if available <= 0:
            return LogSlice(EMPTY_FILE, 0, 0, offset)
        if available <= bytes_max:
            return LogSlice(file, start, available, upper_offset)
        limit = start + bytes_max
        known = self.offset_index.position_at_most(limit)
        end = int(boundary_at_most(file, known if start < known <= limit else start, upper_position, limit))
        if end == start and at_least_one:
            end = self._end_of_batch_at(start)
        if end == start:
            return LogSlice(EMPTY_FILE, 0, 0, offset)
        next_offset = self._base_offset_at(end) if end < upper_position else upper_offset
        self._remember(next_offset, end)
        return LogSlice(file, start, end - start, next_offset)

    def position_of(self, offset: int) -> int | None:
        """Where the first batch begins that ends at or behind `offset`, None if all end before."""
        remembered = self._remembered.get(offset)
        if remembered is not None:
            return remembered if remembered < self.size else None
        if not self.size:
            return None
        position = int(position_of_offset(self.log.file(), self._indexed_position(offset), self.size, offset))
        if position < 0:
            return None
        self._remember(offset, position)
        return position

    def last_boundary(self) -> tuple[int, int]:
        """The offset and the position behind the last whole batch: the base offset and 0 in an empty segment.

        Raises:
            CorruptRecords: what stands there cannot be a batch.
        """
        if not self.size:
            return self.base_offset, 0
        next_offset, position = self.base_offset, 0
        for batch in self._batches_from(self._indexed_position(self.offset_index.last_entry()[0])):
            next_offset, position = int(batch.header.next_offset()), batch.end
        return next_offset, position

    def find_timestamp(self, timestamp: int, first_offset: int) -> TimestampAt | None:
        """The first record from `first_offset` on that is not earlier than `timestamp`."""
        position = self._indexed_position(max(self.time_index.offset_for(timestamp), first_offset))
        for batch in self._batches_from(position):
            if batch.header.max_timestamp < timestamp or batch.header.last_offset() < first_offset:
                continue
            for record in self._timed_records(batch, first_offset):
                if record.timestamp >= timestamp and record.offset >= first_offset:
                    return TimestampAt(record.timestamp, record.offset, int(batch.header.partition_leader_epoch))
        return None

    def find_max_timestamp(self) -> TimestampAt | None:
        """The first record that bears the greatest timestamp of the segment."""
        greatest = self.max_timestamp()
        for batch in self._batches_from(self._indexed_position(greatest.offset)):
            if batch.header.max_timestamp != greatest.timestamp:
                continue
            for record in self._timed_records(batch, 0):
                if record.timestamp == greatest.timestamp:
                    return TimestampAt(record.timestamp, record.offset, int(batch.header.partition_leader_epoch))
        return None

    def batches(self, first_offset: int, upper_bound: int) -> Iterator[BatchInFile]:
        """The batches that end at or behind `first_offset` and begin before `upper_bound`."""
        for batch in self._batches_from(self._indexed_position(first_offset)):
            if batch.header.base_offset >= upper_bound:
                return
            if batch.header.last_offset() >= first_offset:
                yield batch

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Cut off the batch that holds `offset` and all behind it."""
        position = self.position_of(offset)
        self.offset_index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.transaction_index.truncate_to(offset)
        self._remembered.clear()
        if position is not None:
            self.log.file().truncate(position)
            self.end.size = self.end.written_size = position
        if not self.size:
            self.end.created_ms = now_ms
            self.end.first_timestamp = NO_TIMESTAMP
        self.end.bytes_since_index_entry = 0
        self._find_max_timestamp_of_end()
        self._is_end_loaded = True
        first = next(self._batches_from(0), None)
        self.end.first_timestamp = first.header.max_timestamp if first is not None else NO_TIMESTAMP

    def cut_at(self, position: int) -> int:
        """Shorten the log file to `position`; how many bytes went."""
        file = self.log.file()
        excess = file.size() - position
        if excess > 0:
            file.truncate(position)
        self._remembered.clear()
        return excess

    def forget_end(self, size: int) -> SegmentEnd:
        """Empty the indexes of offsets and times, and begin a new account of the segment, for `log_recovery` to fill."""
        self.offset_index.entries.rebuild()
        self.time_index.rebuild()
        self._remembered.clear()
        self._is_end_loaded = True
        old = self.end
        self.end = SegmentEnd(self.base_offset, size, self.offset_index, self.time_index, old.created_ms, old.jitter_ms)
        return self.end

    def give_back_room(self) -> None:
        """After recovery: let the files of offsets and times hold nothing but entries. What is found anew waits in memory."""
        self.offset_index.entries.give_back_room()
        self.time_index.entries.give_back_room()

    def write_indexes(self) -> None:
        """Bring index entries that wait in memory to their files."""
        self.end.write_indexes()
        self.transaction_index.write_waiting()

    def leave(self) -> bool:
        """The segment gets no more batches for now: write the last entry of the time index, and both indexes to their true size.

        Says whether there can have been anything to write.
        """
        if not self._is_end_loaded:
            return False
        self.time_index.append_if_later(int(self.end.max_timestamp), int(self.end.offset_of_max_timestamp))
        self.write_indexes()
        self._is_end_loaded = False
        return True

    def close(self) -> None:
        """Let go of the files."""
        for handle in self.handles():
            handle.close()

    def settle_in(self, open_files: OpenFiles) -> None:
        """Share these with other segments. No file may be open."""
        self.open_files = open_files
        for handle in self.handles():
            handle.settle_in(open_files)

    def sync(self) -> None:
        """Make batches and indexes durable."""
        self.write_indexes()
        for file in self.files_to_sync():
            file.fsync()

    def files_to_sync(self) -> list[File]:
        """The files that `sync` waits for; the waiting index entries have to be written before."""
        files = [self.log.file(), self.offset_index.entries.handle.file(), self.time_index.entries.handle.file()]
        if self.transaction_index.entries():
            files.append(self.transaction_index.handle.file())
        return files

    def index_paths(self) -> list[str]:
        """The files of the indexes of offsets and times."""
        return [self.offset_index.entries.handle.path, self.time_index.entries.handle.path]

    def are_indexes_complete(self) -> bool:
        """Whether the indexes say all that they said when the segment was left, as far as the batches behind their last entries tell.

        Reads a handful of headers. A time index without its last entry would let retention and searches take the segment for older than
        it is.
        """
        try:
            self.check_indexes()
            latest, offset = self.time_index.last_entry()
            batch = next(self._batches_from(self.position_of(offset) or 0), None)
            if latest >= 0 and (batch is None or batch.header.max_timestamp != latest):
                return False
            behind = self._batches_from(self._indexed_position(self.offset_index.last_entry()[0]))
            return all(batch.header.max_timestamp <= latest for batch in behind)
        except (CorruptIndex, CorruptRecords):
            return False

    def mark(self, suffix: str) -> list[str]:
        """Rename all files of the segment with `suffix`; their new paths. After an error it can be done again."""
        paths = []
        for handle in self.handles():
            if handle.path.endswith(suffix):
                paths.append(handle.path)
                continue
            try:
                handle.rename(handle.path + suffix)
            except FileNotFoundError:
                # An index whose entries all still waited in memory has no file, nor has a segment without aborted transactions.
                continue
            paths.append(handle.path)
        return paths

    def moved_to(self, directory: str) -> None:
        """The log's directory has another name now; open files stay good."""
        for handle in self.handles():
            handle.path = f"{directory}/{handle.path.rpartition('/')[2]}"

    def handles(self) -> tuple[FileHandle, FileHandle, FileHandle, FileHandle]:
        return self.log, self.offset_index.entries.handle, self.time_index.entries.handle, self.transaction_index.handle

    def _batches_from(self, position: int) -> Iterator[BatchInFile]:
        if position >= self.size:
            return iter(())
        return scan_headers(self.log.file(), position, self.size)

    def _indexed_position(self, offset: int) -> int:
        """Where to begin looking for `offset`. An index that points out of the file is of no use, and of no harm."""
        position = self.offset_index.position_for(offset)
        return position if 0 <= position < self.size else 0

    def _timed_records(self, batch: BatchInFile, first_offset: int) -> Sequence[Record]:
        """The records of a batch, to look at their times.

        Bodies are not looked into when they come, so one can be unreadable, or so large that looking would stop everybody else. Such a
        batch counts as one record with its greatest time, at its beginning or at `first_offset`: who begins to read there misses nothing.
        """
        header = batch.header
        if header.record_count <= RECORDS_LOOKED_AT_MAX:
            try:
                return decode_records(self.log.file().pread(int(header.size), batch.position), size_max=BYTES_LOOKED_AT_MAX)
            except CorruptRecords:
                pass
        return [Record(max(int(header.base_offset), first_offset), int(header.max_timestamp), None, None, ())]

    def _end_of_batch_at(self, position: int) -> int:
        batch = next(self._batches_from(position), None)
        if batch is None:
            raise CorruptRecords(f"{self.log.path} has no whole batch at {position}")
        return batch.end

    def _base_offset_at(self, position: int) -> int:
        return int(read_i64_be(self.log.file().pread(8, position), 0))

    def _remember(self, offset: int, position: int) -> None:
        remembered = self._remembered
        if len(remembered) >= REMEMBERED_POSITIONS_MAX:
            del remembered[next(iter(remembered))]
        remembered[offset] = position

    def _find_max_timestamp_of_end(self) -> None:
        """The last entry of the time index, or a later batch behind it."""
        end = self.end
        end.max_timestamp, end.offset_of_max_timestamp = self.time_index.last_entry()
        for batch in self._batches_from(self._indexed_position(int(end.offset_of_max_timestamp))):
            if batch.header.max_timestamp > end.max_timestamp:
                end.max_timestamp, end.offset_of_max_timestamp = batch.header.max_timestamp, batch.header.last_offset()

    def check_indexes(self) -> None:
        """Look at the ends of the indexes.

        Raises:
            CorruptIndex: one contradicts itself or the segment's size.
        """
        self.offset_index.check()
        self.time_index.check()
        self.transaction_index.entries()
        if self.offset_index.last_entry()[1] > max(0, self.size - 1):
            raise CorruptIndex(f"{self.log.path} is shorter than its index")
