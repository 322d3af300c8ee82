"""One partition's log: segments, leader epochs, producers, and the offsets that bound what may be read (`UnifiedLog.java`).

Appending has two steps, so that the turns of the loop gather work: `stage` gives a batch its offsets, `write_staged` brings all that was
staged to the file and shows it to readers. The hot part of both is `tail`, which the compiled produce path calls directly.

Invariants: log start <= high watermark <= log end, last stable offset <= high watermark; readers see only what is written;
what is below the recovery point survives a power cut. One owner, no locks: only `FlushWork.run` may happen on another thread.
An error of the disk makes the log go offline: from then on every append raises `StorageFailure`.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import final

from odradek.base.clock import Clock
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import NO_TIMESTAMP, TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.records.header import BatchHeader
from odradek.storage import log_lookup
from odradek.storage.delayed_deletions import DelayedDeletions
from odradek.storage.errors import OffsetOutOfRange
from odradek.storage.file_names import DELETED_SUFFIX, PARTITION_METADATA
from odradek.storage.filesystem import File, FileSystem
from odradek.storage.flush_work import FlushWork
from odradek.storage.log_loader import LoadedLog, load_log
from odradek.storage.log_place import LogPlace
from odradek.storage.log_recovery import ScanListener, nobody_listens, rebuild_producers
from odradek.storage.log_tail import StagedAppend
from odradek.storage.log_writer import LogWriter
from odradek.storage.open_files import OpenFiles
from odradek.storage.partition_metadata import write_partition_metadata
from odradek.storage.segment import LogSlice, Segment, TimestampAt
from odradek.storage.transaction_index import AbortedTransaction


@final
class Log:
    """The log of one partition. `place` and what `loaded` holds belong to it from now on."""

    __slots__ = (
        "_truncations_count",
        "_writer",
        "leader_epochs",
        "place",
        "producers",
        "segments",
        "tail",
        "topic_id",
    )

    def __init__(self, place: LogPlace, configuration: LogConfiguration, loaded: LoadedLog) -> None:
        self.place = place
        self.segments = loaded.segments
        self.leader_epochs = loaded.leader_epochs
        self.producers = loaded.producers
        self.topic_id = loaded.topic_id
        self._truncations_count = 0
        self._writer = LogWriter(place, configuration, loaded)
        # The compiled produce path stages and writes here, without the log in between.
        self.tail = self._writer.tail
        self.tail.recovery_point = loaded.recovery_point

    @classmethod
    def open(
        cls,
        filesystem: FileSystem,
        directory: str,
        topic_partition: TopicPartition,
        configuration: LogConfiguration,
        clock: Clock,
        *,
        topic_id: Uuid | None = None,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        was_clean: bool = False,
        open_files: OpenFiles | None = None,
        dice: random.Random | None = None,
        deletions: DelayedDeletions | None = None,
    ) -> Log:
        """The log in `directory`, made if there is none. The offsets are those of the checkpoints, 0 where these know nothing.

        Raises:
            OSError: the disk failed.
        """
        place = LogPlace(
            open_files or OpenFiles(filesystem),
            directory,
            topic_partition,
            clock,
            dice or random.Random(0),
            deletions or DelayedDeletions(filesystem),
        )
        return cls.load(
            place,
            configuration,
            topic_id=topic_id,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            was_clean=was_clean,
        )

    @classmethod
    def load(
        cls,
        place: LogPlace,
        configuration: LogConfiguration,
        *,
        topic_id: Uuid | None = None,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        was_clean: bool = False,
        names: list[str] | None = None,
        on_scanned: ScanListener = nobody_listens,
    ) -> Log:
        """As `open`, in surroundings that several logs share. `names` is what is in the directory, if somebody has just looked."""
        loaded = load_log(
            place,
            configuration,
            topic_id=topic_id,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            was_clean=was_clean,
            names=names,
            on_scanned=on_scanned,
        )
        return cls(place, configuration, loaded)

    def let_go_of_files(self) -> None:
        """Close what is open; it is opened again when touched."""
        for segment in self.segments:
            segment.close()

    def settle_in(self, open_files: OpenFiles, dice: random.Random, deletions: DelayedDeletions) -> None:
        """From now on share these with the other logs of the node. No file may be open."""
        deletions.take_over(self.place.deletions)
        self.place.open_files = open_files
        self.place.dice = dice
        self.place.deletions = deletions
        for segment in self.segments:
            segment.settle_in(open_files)

    @property
    def topic_partition(self) -> TopicPartition:
        return self.place.topic_partition

    @property
    def directory(self) -> str:
        return self.place.directory

    @property
    def log_start_offset(self) -> int:
        return int(self.tail.log_start_offset)

    @property
    def log_end_offset(self) -> int:
        """The offset that the next visible record gets; what is only staged does not count."""
        return int(self.tail.log_end_offset)

    @property
    def recovery_point(self) -> int:
        """What is below survives a power cut; a start after a crash scans from here."""
        return int(self.tail.recovery_point)

    @recovery_point.setter
    def recovery_point(self, offset: int) -> None:
        self.tail.recovery_point = offset

    @property
    def high_watermark(self) -> int:
        return int(self.tail.high_watermark)

    @high_watermark.setter
    def high_watermark(self, offset: int) -> None:
        """Set from a checkpoint or by a leader: brought within the log, and allowed to go back."""
        self.tail.high_watermark = max(self.log_start_offset, min(offset, self.log_end_offset))

    def advance_high_watermark(self, offset: int) -> bool:
        """Move the high watermark forward to `offset`, which the log has; says whether it moved."""
        return self.tail.advance_high_watermark(offset)

    @property
    def last_stable_offset(self) -> int:
        """Where the oldest undecided transaction begins, the high watermark if there is none below it."""
        high_watermark = self.high_watermark
        first_unstable = self.producers.first_unstable_offset(high_watermark)
        if first_unstable is None or first_unstable >= high_watermark:
            return high_watermark
        return max(first_unstable, self.log_start_offset)

    @property
    def size(self) -> int:
        """Bytes of batches that readers can see."""
        return self.segments.size()

    @property
    def is_offline(self) -> bool:
        """Whether the disk has failed, or the log was deleted: it takes nothing more."""
        return self._writer.is_offline

    @property
    def configuration(self) -> LogConfiguration:
        return self._writer.configuration

    @configuration.setter
    def configuration(self, configuration: LogConfiguration) -> None:
        """Settings changed while running act from the next batch on."""
        self._writer.configuration = configuration

    @property
    def is_refusing(self) -> bool:
        """Whether a write of this turn did not fit: it is not in the log, and until the turn is over nothing else is taken."""
        return self._writer.is_refusing

    def assign_topic_id(self, topic_id: Uuid) -> None:
        """Give a log the topic id that it does not have yet.

        Raises:
            StorageFailure: it could not be written; for want of room (`NoRoom`), or because the disk failed.
        """
        assert self.topic_id in (None, topic_id), f"{self.topic_partition} belongs to another topic"
        if self.topic_id is None:
            try:
                write_partition_metadata(self.place.filesystem, self.directory, topic_id)
            except OSError as error:
                raise self._writer.side_file_failed(error) from error
            self.topic_id = topic_id
            self._writer.names_version += 1

    def stage(self, frame: bytes, start: int, header: BatchHeader, leader_epoch: int, now_ms: int) -> StagedAppend:
        """Take the judged batch at `start` of `frame` for the next write; see `LogTail.stage`.

        Raises:
            StorageFailure: the log is offline.
        """
        return self.tail.stage(frame, start, header, leader_epoch, now_ms)

    def write_staged(self) -> bool:
        """Write everything staged and show it to readers; False if there was nothing.

        Raises:
            StorageFailure: the disk refused; the log is offline.
        """
        return self.tail.write_staged()

    def stage_of_coordinator(self, batch: bytes) -> int:
        """As `stage`, for a transactional batch that begins at `staged_end_offset`; see `LogWriter.stage_of_coordinator`.

        Raises:
            StorageFailure: the log takes nothing now.
        """
        return self._writer.stage_of_coordinator(batch)

    @property
    def staged_end_offset(self) -> int:
        """The offset that the next batch to be staged gets."""
        return int(self.tail.staged_end_offset)

    def append(self, batches: bytes, leader_epoch: int, now_ms: int) -> StagedAppend:
        """Append every batch as a leader, all in one write: from the first one's base offset to the last one's last offset.

        Stops at the first batch that is refused and answers with its error; what came before is appended.

        Raises:
            CorruptRecords: `batches` does not consist of whole batches of magic 2.
            StorageFailure: the log is offline.
        """
        return self._writer.append(batches, leader_epoch, now_ms)

    def append_as_follower(self, batches: bytes) -> int:
        """Append batches with the offsets and epochs they have; an incomplete one at the end is left out. The new log end offset.

        Raises:
            CorruptRecords: a checksum or the structure of a batch is wrong; what came before is appended.
            UnexpectedOffset: a batch begins below the log end offset.
            StorageFailure: the log is offline.
        """
        return self._writer.append_as_follower(batches)

    def read(self, offset: int, bytes_max: int, *, upper_bound: int | None = None, at_least_one: bool = True) -> LogSlice:
        """Whole batches from the one that holds `offset`, at most `bytes_max` bytes, below `upper_bound` (the log end by default).

        The first batch may begin before `offset`; readers skip. With `at_least_one` it is given however large it is.

        Raises:
            OffsetOutOfRange: `offset` is below the log start or above the log end.
            StorageFailure: the disk could not be read.
        """
        log_end_offset = self.log_end_offset
        if offset < self.tail.log_start_offset or offset > log_end_offset:
            raise OffsetOutOfRange(offset, log_start_offset=self.log_start_offset, log_end_offset=log_end_offset)
        upper = log_end_offset if upper_bound is None else min(upper_bound, log_end_offset)
        try:
            return log_lookup.slice_from(self.segments, self.tail, offset, bytes_max, upper_bound=upper, at_least_one=at_least_one)
        except OSError as error:
            raise self._writer.side_file_failed(error) from error

    def earliest(self) -> TimestampAt:
        """The log start, with its leader epoch."""
        start = self.log_start_offset
        first = self.leader_epochs.earliest
        return TimestampAt(NO_TIMESTAMP, start, first.epoch if first is not None and first.start_offset <= start else -1)

    def offset_for_timestamp(self, timestamp: int) -> TimestampAt | None:
        """The first record that is not earlier than `timestamp`, None if all are.

        Raises:
            StorageFailure: the disk could not be read.
        """
        try:
            return log_lookup.first_at_or_after(self.segments, timestamp, self.log_start_offset)
        except OSError as error:
            raise self._writer.side_file_failed(error) from error

    def offset_of_max_timestamp(self) -> TimestampAt | None:
        """The first record with the greatest timestamp, None in an empty log.

        Raises:
            StorageFailure: the disk could not be read.
        """
        try:
            return log_lookup.first_with_max_timestamp(self.segments)
        except OSError as error:
            raise self._writer.side_file_failed(error) from error

    def aborted_transactions(self, first_offset: int, upper_bound: int) -> list[AbortedTransaction]:
        """The aborted transactions with records from `first_offset` to before `upper_bound`.

        Raises:
            StorageFailure: the disk could not be read.
        """
        try:
            return log_lookup.aborted_transactions(self.segments, first_offset, upper_bound)
        except OSError as error:
            raise self._writer.side_file_failed(error) from error

    def truncate_to(self, offset: int) -> bool:
        """Cut off everything from `offset` on; False if the log does not reach that far."""
        assert offset >= 0
        self.tail.write_staged()
        if offset >= self.log_end_offset:
            self.leader_epochs.truncate_from_end(self.log_end_offset)
            self.leader_epochs.write_changes()
            # An epoch that had no record yet is gone, and has to be noted again with its first one.
            self.tail.leader_epoch = self.leader_epochs.written_epoch
            return False
        if self.segments.first.base_offset > offset:
            self.truncate_fully_and_start_at(offset)
            return True
        self._truncations_count += 1
        self.remove_segments([segment for segment in self.segments if segment.base_offset > offset])
        self.segments.active.truncate_to(offset, self.place.clock.now_ms())
        self.leader_epochs.truncate_from_end(offset)
        self.leader_epochs.write_changes()
        self.tail.log_start_offset = min(offset, self.log_start_offset)
        self._writer.attach_active(offset)
        self.recovery_point = min(self.recovery_point, offset)
        rebuild_producers(
            self.producers,
            self.segments,
            log_start_offset=self.log_start_offset,
            log_end_offset=offset,
            now_ms=self.place.clock.now_ms(),
        )
        return True

    def truncate_fully_and_start_at(self, offset: int, log_start_offset: int | None = None) -> None:
        """Throw everything away and begin anew at `offset`."""
        self.tail.write_staged()
        self._truncations_count += 1
        self.remove_segments(list(self.segments))
        self.segments.add(self.place.new_segment(offset, self._writer.configuration))
        self._writer.names_version += 1
        self.leader_epochs.clear()
        self.leader_epochs.write_changes()
        self.producers.start_empty_at(offset)
        self.tail.log_start_offset = offset if log_start_offset is None else log_start_offset
        self._writer.attach_active(offset)
        self.recovery_point = min(self.recovery_point, offset)
        self.tail.high_watermark = offset

    def delete_records_before(self, offset: int) -> bool:
        """Move the log start to `offset`; whole segments below it go with the next retention. False if it is there already.

        Raises:
            OffsetOutOfRange: `offset` is above the high watermark.
            StorageFailure: the disk refused; the log is offline.
        """
        if offset > self.high_watermark:
            raise OffsetOutOfRange(offset, log_start_offset=self.log_start_offset, log_end_offset=self.high_watermark)
        if offset <= self.log_start_offset:
            return False
        # The recovery point stays, unlike Kafka's: nobody has waited for anything, not even for the names of the log's files.
        self.tail.log_start_offset = offset
        self.producers.log_start_moved(offset)
        # Not written yet: the file may say more than the log holds, but must not say less if a crash takes the new log start away.
        self.leader_epochs.truncate_from_start(offset)
        return True

    def remove_segments(self, segments: list[Segment]) -> None:
        """Take segments and their producer snapshots out of the log; the files go after `file.delete.delay.ms`.

        Raises:
            StorageFailure: the disk refused; the log is offline, or the rest of the segments can be removed another time (`NoRoom`).
        """
        try:
            for segment in segments:
                paths = segment.mark(DELETED_SUFFIX)
                self.segments.remove(segment.base_offset)
                for path in paths:
                    self.place.delete_later(path, self._writer.configuration)
                # An open file would keep its room on the disk; who reads it just now has it open for himself.
                segment.close()
                snapshot = self.producers.mark_snapshot_deleted(segment.base_offset)
                if snapshot is not None:
                    self.place.delete_later(snapshot, self._writer.configuration)
        except OSError as error:
            raise self._writer.side_file_failed(error) from error

    def roll(self) -> Segment:
        """Begin a new segment at the log end, unless the active one is empty."""
        self.tail.write_staged()
        self._writer.roll_at(self.log_end_offset)
        return self.segments.active

    def begin_flush(self, up_to: int | None = None) -> FlushWork | None:
        """What has to be waited for so that everything below `up_to` is durable; None if it is. Then `run`, then `end_flush`.

        Raises:
            StorageFailure: the log is offline. A disk that has refused once may say yes to the next wait and have lost what was before it.
            NoRoom: what has to be written beside the batches does not fit; the log stands as before.
        """
        if self.is_offline:
            raise StorageFailure(f"the log of {self.topic_partition} is offline")
        self.tail.write_staged()
        up_to = self.log_end_offset if up_to is None else up_to
        if up_to <= self.recovery_point:
            return None
        files: list[File] = []
        try:
            for segment in self.segments.between(self.recovery_point, up_to):
                segment.write_indexes()
                self._writer.names_version += segment.transaction_index.take_new_name()
                files.extend(segment.files_to_sync())
            self.leader_epochs.write_changes()
        except OSError as error:
            raise self._writer.side_file_failed(error) from error
        writer = self._writer
        paths = list(writer.paths_to_sync)
        epochs = self.leader_epochs.path_to_sync()
        has_new_names = writer.names_version > writer.durable_names_version
        if epochs is not None:
            paths.append(epochs)
        if has_new_names and self.topic_id is not None:
            paths.append(f"{self.directory}/{PARTITION_METADATA}")
        return FlushWork(
            up_to,
            self.place.filesystem,
            tuple(files),
            tuple(paths),
            self.directory if has_new_names or epochs is not None else None,
            names_version=writer.names_version,
            epochs_version=self.leader_epochs.version,
            truncations_count=self._truncations_count,
            parent=self._parent_to_sync(),
        )

    def begin_flush_of_batches(self) -> FlushWork:
        """As `begin_flush`, where there is no room for what lies beside the batches: these are durable then, the recovery point stays."""
        writer = self._writer
        has_new_names = writer.names_version > writer.durable_names_version
        return FlushWork(
            self.recovery_point,
            self.place.filesystem,
            tuple(segment.log.file() for segment in self.segments.between(self.recovery_point, self.log_end_offset)),
            (f"{self.directory}/{PARTITION_METADATA}",) if has_new_names and self.topic_id is not None else (),
            self.directory if has_new_names else None,
            truncations_count=self._truncations_count,
            parent=self._parent_to_sync(),
        )

    def _parent_to_sync(self) -> str | None:
        """The log directory until the first flush: a power cut must not take the whole log's name away."""
        writer = self._writer
        is_new = writer.names_version > 0 == writer.durable_names_version
        return self.directory.rpartition("/")[0] if is_new else None

    def end_flush(self, work: FlushWork) -> None:
        """The work has run: what it covers is durable.

        Several works of one log may be under way and end in any order, so each waits for whatever none before it has ended with. If the
        log was cut meanwhile, other records may stand where those stood that the work has waited for: then nothing is known of them.
        """
        writer = self._writer
        writer.durable_names_version = max(writer.durable_names_version, work.names_version)
        self.leader_epochs.durable_version = max(self.leader_epochs.durable_version, work.epochs_version)
        writer.paths_to_sync = [path for path in writer.paths_to_sync if path not in work.paths]
        if work.truncations_count == self._truncations_count:
            self.recovery_point = max(self.recovery_point, work.up_to)

    def flush(self, up_to: int | None = None) -> None:
        """Make everything below `up_to` durable, waiting for the disk.

        Raises:
            StorageFailure: the disk failed.
        """
        work = self.begin_flush(up_to)
        if work is None:
            return
        try:
            work.run()
        except StorageFailure as failure:
            self.flush_failed(failure)
            raise
        self.end_flush(work)

    def flush_failed(self, failure: StorageFailure | None = None) -> None:
        """`FlushWork.run` has failed: nobody knows what of the unflushed is on the disk, so the log takes nothing more."""
        cause = None if failure is None else failure.__cause__
        self._writer.fail(cause if isinstance(cause, OSError) else OSError("the disk refused to make the log durable"))

    @property
    def is_flush_due(self) -> bool:
        """Whether `flush.messages` asks for a flush before anybody hears of the last append or reads it."""
        return self.tail.is_flush_due()

    @property
    def has_unflushed_segments(self) -> bool:
        """Whether a segment has been rolled that is not durable yet; the driver flushes up to `segments.active.base_offset`."""
        return self.segments.active.base_offset > self.recovery_point

    def take_producer_snapshot(self, *, sync: bool = True) -> None:
        """Write a producer snapshot at the log end if there is none."""
        self.producers.end_offset = self.log_end_offset
        snapshot = self.producers.take_snapshot(sync=sync)
        if snapshot is not None and self.producers.entries:
            # Of a log without producers nobody misses it.
            self._writer.names_version += 1

    def close(self) -> None:
        """Write a producer snapshot and the last index entries, make everything durable, and let go of the files.

        Raises:
            StorageFailure: the disk refused.
        """
        self.tail.write_staged()
        try:
            self._writer.cut_torn_tail()
            self.take_producer_snapshot()
            left = [segment for segment in self.segments if segment.leave()]
            self.flush()
            for segment in left:
                segment.sync()
            # Where all records were deleted there was nothing to flush, and still an epoch that begins somewhere else now.
            self.leader_epochs.make_durable()
            self._sync_leftovers()
            for segment in self.segments:
                segment.close()
        except OSError as error:
            raise self._writer.write_failed(error) from error
        self.tail.is_ready = False

    def _sync_leftovers(self) -> None:
        """Wait for what lies beside batches that were durable when it was written, so that no flush has waited for it."""
        writer = self._writer
        for path in writer.paths_to_sync:
            with suppress(FileNotFoundError):
                self.place.filesystem.fsync(path)
        writer.paths_to_sync.clear()
        if writer.names_version > writer.durable_names_version:
            self.place.filesystem.fsync_directory(self.directory)

    def go_offline(self) -> None:
        """Take nothing more: the directory has failed, or the log is deleted."""
        self._writer.go_offline()

    def release_files(self) -> None:
        """Let go of the files of a log that is deleted: open ones would keep their room on the disk. Who reads just now has them still."""
        for segment in self.segments:
            segment.close()

    def rename_directory(self, directory: str) -> None:
        """Give the log's directory another name; everything stays open."""
        self.place.filesystem.rename(self.directory, directory)
        self.place.directory = directory
        self.leader_epochs.moved_to(directory)
        self.producers.moved_to(directory)
        for segment in self.segments:
            segment.moved_to(directory)
