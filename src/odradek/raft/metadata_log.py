"""The replica's log and its snapshots, as raft sees them: one partition of `storage`, with what only this partition has.

The directory is `__cluster_metadata-0`. The log begins at offset 0 or where the oldest kept snapshot ends, and what it no longer holds
the newest snapshot does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from odradek.base.clock import Clock
from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import METADATA_TOPIC_ID, METADATA_TOPIC_NAME, TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.raft.batches import ReadBatch, read_batches
from odradek.raft.events import ProposedBatch
from odradek.raft.snapshot_files import (
    Snapshot,
    SnapshotId,
    list_snapshots,
    read_snapshot,
    snapshot_name,
    write_snapshot,
)
from odradek.raft.snapshot_schedule import KeptSnapshot
from odradek.storage.errors import NoRoom
from odradek.storage.filesystem import FileSystem
from odradek.storage.flush_work import FlushWork
from odradek.storage.log import Log

METADATA_PARTITION = TopicPartition(METADATA_TOPIC_NAME, 0)
READ_BYTES_MAX = 8 << 20


def metadata_log_directory(log_directory: str) -> str:
    """Where the metadata log lies in a log directory."""
    return f"{log_directory}/{METADATA_PARTITION}"


class MetadataLog:
    """The log of one replica, opened."""

    __slots__ = ("_clock", "_directory", "_filesystem", "_log")

    def __init__(self, filesystem: FileSystem, directory: str, log: Log, clock: Clock) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._log = log
        self._clock = clock

    @classmethod
    def open(cls, filesystem: FileSystem, directory: str, configuration: LogConfiguration, clock: Clock, *, was_clean: bool) -> MetadataLog:
        """The log in `directory`, which is made when it is not there. After an unclean stop its tail is checked and cut.

        Raises:
            CorruptRecords: the newest snapshot is beyond the log, and this release cannot fetch what lies between.
        """
        filesystem.make_directories(directory)
        snapshots = list_snapshots(filesystem, directory)
        log = Log.open(
            filesystem,
            directory,
            METADATA_PARTITION,
            configuration,
            clock,
            topic_id=METADATA_TOPIC_ID,
            recovery_point=0,
            log_start_offset=snapshots[0].end_offset if snapshots else 0,
            was_clean=was_clean,
        )
        if snapshots and snapshots[-1].end_offset > log.log_end_offset:
            raise CorruptRecords(
                f"the metadata log in {directory} ends at {log.log_end_offset}, its newest snapshot at {snapshots[-1].end_offset}"
            )
        return cls(filesystem, directory, log, clock)

    @property
    def directory(self) -> str:
        return self._directory

    @property
    def start_offset(self) -> int:
        return self._log.log_start_offset

    @property
    def end_offset(self) -> int:
        return self._log.log_end_offset

    @property
    def end_epoch(self) -> int:
        """The epoch of the last record; 0 when there is none."""
        return max(self._log.leader_epochs.latest_epoch, 0)

    def append(self, batches: Iterable[ProposedBatch], leader_epoch: int) -> None:
        """Put batches at the end, stamped with their offsets and epoch; not yet on disk.

        Raises:
            NoRoom: nothing of it is in the log.
            StorageFailure: the disk failed.
        """
        parts = [batch.data for batch in batches]
        data = b"".join(parts)
        tail = self._log.tail
        # A new segment in between would be two writes, of which only the second might fail.
        if tail.is_ready and not tail.end.has_room_for(len(data), len(parts), tail.segment_bytes):
            self._log.roll()
        self._log.append(data, leader_epoch, self._clock.now_ms())

    def begin_flush(self) -> FlushWork | None:
        """What has to be waited for so that all appended so far is on disk; None if it is. `run` may wait in another thread."""
        try:
            return self._log.begin_flush()
        except NoRoom:
            # Indexes can wait: whatever is behind the recovery point is read anew after a crash.
            return self._log.begin_flush_of_batches()

    def end_flush(self, work: FlushWork) -> None:
        """The work has run."""
        self._log.end_flush(work)

    def advance_high_watermark(self, offset: int) -> None:
        self._log.advance_high_watermark(offset)

    def read(self, from_offset: int) -> Iterator[ReadBatch]:
        """The batches from the one that begins at `from_offset` to the end of the log."""
        offset = max(from_offset, self._log.log_start_offset)
        while offset < self._log.log_end_offset:
            piece = self._log.read(offset, READ_BYTES_MAX, upper_bound=self._log.log_end_offset)
            for batch in read_batches(piece.file.pread(piece.size, piece.position)):
                if batch.next_offset > offset:
                    yield batch
                    offset = batch.next_offset

    def read_control(self, from_offset: int) -> Iterator[ReadBatch]:
        """As `read`, only the batches of the quorum itself: the others, which are nearly all, are not decoded."""
        offset = max(from_offset, self._log.log_start_offset)
        while offset < self._log.log_end_offset:
            piece = self._log.read(offset, READ_BYTES_MAX, upper_bound=self._log.log_end_offset)
            for batch in read_batches(piece.file.pread(piece.size, piece.position), is_control_only=True):
                if batch.next_offset > offset:
                    yield batch
            offset = piece.next_offset

    def snapshots(self) -> list[KeptSnapshot]:
        """The snapshots on disk, oldest first."""
        kept = []
        for snapshot_id in list_snapshots(self._filesystem, self._directory):
            path = f"{self._directory}/{snapshot_name(snapshot_id)}"
            kept.append(KeptSnapshot(snapshot_id, self._filesystem.size(path), self._filesystem.modified_ms(path)))
        return kept

    def newest_snapshot(self) -> SnapshotId | None:
        snapshots = list_snapshots(self._filesystem, self._directory)
        return snapshots[-1] if snapshots else None

    def read_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        """The content of one snapshot.

        Raises:
            CorruptRecords: it is damaged.
        """
        return read_snapshot(self._filesystem.read_bytes(f"{self._directory}/{snapshot_name(snapshot_id)}"))

    def write_snapshot(self, snapshot_id: SnapshotId, batches: Iterable[bytes]) -> int:
        """Write and keep a snapshot; its size. Meant for another thread than the one that appends."""
        return write_snapshot(self._filesystem, self._directory, snapshot_id, batches)

    def delete_snapshots(self, doomed: Iterable[SnapshotId]) -> None:
        """Drop old snapshots, and the part of the log that only the oldest of them needed, waiting for the disk."""
        self.unlink_snapshots(doomed)
        for path in self.drop_what_snapshots_hold():
            self._filesystem.unlink(path)

    def unlink_snapshots(self, doomed: Iterable[SnapshotId]) -> int:
        """Remove the files of old snapshots; how many. May be called in another thread; `drop_what_snapshots_hold` is due then."""
        count = 0
        for snapshot_id in doomed:
            self._filesystem.unlink(f"{self._directory}/{snapshot_name(snapshot_id)}")
            count += 1
        return count

    def drop_what_snapshots_hold(self) -> list[str]:
        """Let the log begin where the oldest snapshot ends; the paths of files that can be removed now, in another thread if one likes.

        Raises:
            StorageFailure: the disk failed, or the log waits for room.
        """
        kept = list_snapshots(self._filesystem, self._directory)
        if kept and kept[0].end_offset > self._log.log_start_offset:
            self._log.delete_records_before(kept[0].end_offset)
            self._remove_obsolete_segments()
        return [path for path, _ in self._log.place.deletions.take_due(self._clock.now_ms())]

    def unlink(self, paths: Iterable[str]) -> int:
        """Remove files that `drop_what_snapshots_hold` has named; how many. May be called in another thread."""
        count = 0
        for path in paths:
            self._filesystem.unlink(path)
            count += 1
        return count

    def _remove_obsolete_segments(self) -> None:
        segments = list(self._log.segments)
        # A segment is obsolete when the next one begins at or below the start of the log; the active one never is.
        obsolete = [before for before, after in pairwise(segments) if after.base_offset <= self._log.log_start_offset]
        self._log.remove_segments(obsolete)

    @property
    def size(self) -> int:
        """The bytes of the log, snapshots aside."""
        return self._log.size

    def close(self) -> None:
        self._log.close()
