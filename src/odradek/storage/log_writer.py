"""The writing end of one log: whatever changes where it ends, and is not hot enough for `log_tail`.

Rolls segments, appends several batches at once as a leader or a follower, judges transactions' markers, and knows what to do when the disk
refuses. It is what the tail calls when something rare happens.

A write that did not fit is as if it had never been asked for: what part of it reached the file is cut off before anything else is written,
and producers, epochs and index entries are as before its batches (`_take_back`). Beside the batches nothing needs room at once: index
entries, aborted transactions and leader epochs wait in memory, and the recovery point with them. Any other error takes the log offline.
"""

from __future__ import annotations

from typing import final

from odradek.base.errors import CorruptRecords, StorageFailure
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.records.end_marker import read_end_marker
from odradek.records.header import BatchHeader, batch_size_at, is_crc_right, parse_header
from odradek.storage.errors import NoRoom, UnexpectedOffset, is_shortage, room_can_wait
from odradek.storage.log_loader import LoadedLog
from odradek.storage.log_place import LogPlace
from odradek.storage.log_recovery import marker_in, replay_batch
from odradek.storage.log_tail import ACCEPTED, LogTail, StagedAppend
from odradek.storage.producer_entry import INVALID_PRODUCER_EPOCH, ProducerEntry
from odradek.storage.producer_states import CompletedTransaction
from odradek.storage.segment import Segment

TRANSACTION_COORDINATOR_FENCED = 52


@final
class LogWriter:
    """Appends to the last of `loaded`'s segments. `paths_to_sync` and the versions of names are for the log's flushes."""

    __slots__ = (
        "_completed",
        "_configuration",
        "_is_torn",
        "_kept_at",
        "_kept_producers",
        "_leader_epochs",
        "_place",
        "_producers",
        "_segments",
        "_was_short",
        "durable_names_version",
        "is_offline",
        "is_refusing",
        "names_version",
        "paths_to_sync",
        "tail",
    )

    def __init__(self, place: LogPlace, configuration: LogConfiguration, loaded: LoadedLog) -> None:
        self._place = place
        self._configuration = configuration
        self._segments = loaded.segments
        self._leader_epochs = loaded.leader_epochs
        self._producers = loaded.producers
        self._completed: list[CompletedTransaction] = []
        # Producers, None for new ones, as they were before the batches that were staged since the log ended at `_kept_at`.
        self._kept_producers: dict[int, ProducerEntry | None] = {}
        self._kept_at = -1
        # Behind the last batch there is part of one that did not fit, which could not be cut off yet.
        self._is_torn = False
        self._was_short = False
        self.is_offline = False
        # Until the turn in which a write did not fit is over: a later batch must not get the offsets that answers of it have been given.
        self.is_refusing = False
        self.paths_to_sync: list[str] = []
        # How often the log got new files, and up to which of these their names are on the disk for good.
        # An empty segment may have been made just now, behind whatever is durable.
        is_durable = loaded.recovery_point >= loaded.log_end_offset and loaded.segments.active.size > 0
        self.names_version = 0 if is_durable else 1
        self.durable_names_version = 0
        active = self._segments.active
        self.tail = LogTail(self, active.end, active.log, self._producers.entries, loaded.log_start_offset, loaded.log_end_offset)
        self.tail.leader_epoch = self._leader_epochs.written_epoch
        self._apply_configuration()

    @property
    def configuration(self) -> LogConfiguration:
        return self._configuration

    @configuration.setter
    def configuration(self, configuration: LogConfiguration) -> None:
        self._configuration = configuration
        self._apply_configuration()
        if self.tail.is_ready:
            self._segments.active.apply_configuration(configuration)

    def append(self, batches: bytes, leader_epoch: int, now_ms: int) -> StagedAppend:
        """Append every batch as a leader, all in one write: from the first one's base offset to the last one's last offset.

        Stops at the first batch that is refused and answers with its error; what came before is appended.

        Raises:
            CorruptRecords: `batches` does not consist of whole batches of magic 2.
            StorageFailure: the log is offline.
        """
        position = 0
        first: StagedAppend | None = None
        staged: StagedAppend | None = None
        while position < len(batches):
            size = _required_size(batches, position)
            staged = self.tail.stage(batches, position, parse_header(batches, position), leader_epoch, now_ms)
            if staged.error_code != ACCEPTED:
                break
            first = first or staged
            position += size
        self.tail.write_staged()
        if staged is None:
            raise CorruptRecords("nothing to append")
        if first is not None and staged.error_code == ACCEPTED:
            staged.base_offset = first.base_offset
        return staged

    def append_as_follower(self, batches: bytes) -> int:
        """Append batches with the offsets and epochs they have; an incomplete one at the end is left out. The new log end offset.

        Raises:
            CorruptRecords: a checksum or the structure of a batch is wrong; what came before is appended.
            UnexpectedOffset: a batch begins below the log end offset.
            StorageFailure: the log is offline.
        """
        position = 0
        try:
            while (size := batch_size_at(batches, position, len(batches))) != 0:
                if size < 0 or not is_crc_right(batches, position, size):
                    raise CorruptRecords(f"a batch for {self._place.topic_partition} is damaged at byte {position} of {len(batches)}")
                self._stage_as_follower(batches, position, parse_header(batches, position))
                position += int(size)
        finally:
            self.tail.write_staged()
        return int(self.tail.log_end_offset)

    def stage_of_coordinator(self, batch: bytes) -> int:
        """Take a transactional batch that a coordinator of this node made, with offset and epoch on it; the error of its producer, or 0.

        Only the producer's epoch is judged: a coordinator numbers nothing.
        """
        header = parse_header(batch, 0)
        entry = self._producers.entries.get(int(header.producer_id))
        if entry is not None and header.producer_epoch < entry.epoch:
            return int(INVALID_PRODUCER_EPOCH)
        self._stage_as_follower(batch, 0, header)
        return int(ACCEPTED)

    def _stage_as_follower(self, batches: bytes, position: int, header: BatchHeader) -> None:
        if not self.tail.is_ready:
            self.prepare_tail()
        offset = int(header.base_offset)
        if offset < self.tail.staged_end_offset:
            raise UnexpectedOffset(
                f"a batch for {self._place.topic_partition} begins at {offset}, the log ends at {self.tail.staged_end_offset}"
            )
        due = self.tail.end.is_roll_due(
            header.last_offset(),
            header.max_timestamp,
            header.size,
            self.tail.segment_bytes,
            self.tail.segment_ms,
            self._place.clock.now_ms(),
        )
        if due:
            self.roll_at(offset)
        if header.partition_leader_epoch > self.tail.leader_epoch:
            self.note_leader_epoch(int(header.partition_leader_epoch), offset)
            self.tail.leader_epoch = header.partition_leader_epoch
        if header.producer_id >= 0:
            self.keep_producer(int(header.producer_id), self._producers.entries.get(int(header.producer_id)))
        completed = replay_batch(self._producers, header, batches, position)
        if completed is not None:
            self._completed.append(completed)
            self.tail.is_owner_waiting = True
        self.tail.stage_as_is(batches, position, header)

    def attach_active(self, log_end_offset: int) -> None:
        """Go on at `log_end_offset` in the last segment, after the log was cut."""
        active = self._segments.active
        active.prepare_appends(self._configuration)
        self.tail.attach(active.end, active.log, log_end_offset)
        self.tail.leader_epoch = self._leader_epochs.written_epoch
        self.tail.high_watermark = min(int(self.tail.high_watermark), log_end_offset)
        self._kept_producers.clear()

    # What the tail asks for (`log_tail.TailOwner`).

    def prepare_tail(self) -> None:
        if self.is_offline:
            raise StorageFailure(f"the log of {self._place.topic_partition} is offline after an error of its disk")
        if self.is_refusing:
            raise NoRoom(f"there was no room for the log of {self._place.topic_partition}")
        try:
            self.cut_torn_tail()
            self._segments.active.prepare_appends(self._configuration)
        except OSError as error:
            raise self.write_failed(error) from error
        self.tail.end.mark_written()
        self.tail.is_ready = True

    def roll_at(self, base_offset: int) -> None:
        self.tail.write_staged()
        old = self._segments.active
        base_offset = max(base_offset, int(self.tail.log_end_offset))
        if old.base_offset == base_offset:
            return
        try:
            new = self._place.new_segment(base_offset, self._configuration)
            self._leave(old, base_offset)
        except OSError as error:
            raise self.write_failed(error) from error
        self.names_version += 1
        self._segments.add(new)
        new.prepare_appends(self._configuration)
        self.tail.attach(new.end, new.log, int(self.tail.log_end_offset))

    def _leave(self, segment: Segment, end_offset: int) -> None:
        """Bring what belongs to a segment beside its batches to the disk. What does not fit waits for the next flush, or was not needed."""
        with room_can_wait():
            segment.leave()
        if self.tail.recovery_point >= end_offset:
            # All batches are durable already, so the next flush begins behind them; the last entry of the time index is new.
            self.paths_to_sync += segment.index_paths()
        self._producers.end_offset = end_offset
        with room_can_wait():
            snapshot = self._producers.take_snapshot(sync=False)
            if snapshot is not None:
                self.paths_to_sync.append(snapshot)

    def note_leader_epoch(self, leader_epoch: int, start_offset: int) -> None:
        if leader_epoch < 0:
            return
        self._leader_epochs.assign(leader_epoch, start_offset)
        self.write_epochs()

    def write_epochs(self) -> None:
        """Bring the leader epochs to their file; without room for them they wait for the next append or flush.

        Raises:
            StorageFailure: the disk refused; the log is offline.
        """
        try:
            with room_can_wait():
                self._leader_epochs.write_changes()
        except OSError as error:
            raise self.write_failed(error) from error

    def keep_producer(self, producer_id: int, entry: ProducerEntry | None) -> None:
        if self._kept_at != self.tail.log_end_offset:
            self._kept_producers.clear()
            self._kept_at = int(self.tail.log_end_offset)
        if producer_id not in self._kept_producers:
            self._kept_producers[producer_id] = None if entry is None else entry.copy()

    def note_transactional(self, entry: ProducerEntry, first_offset: int) -> None:
        self._producers.begin_transaction(int(entry.producer_id), first_offset)

    def stage_marker(self, frame: bytes, start: int, header: BatchHeader, offset: int) -> int:
        marker = read_end_marker(frame, start, header) or marker_in(frame, start)
        if marker is None:
            return int(ACCEPTED)
        entry = self._producers.entries.get(int(header.producer_id))
        if entry is not None and header.producer_epoch < entry.epoch:
            return int(INVALID_PRODUCER_EPOCH)
        if entry is not None and marker.coordinator_epoch < entry.coordinator_epoch:
            return TRANSACTION_COORDINATOR_FENCED
        self.keep_producer(int(header.producer_id), entry)
        completed = self._producers.end_transaction(header, marker, offset)
        if completed is not None:
            self._completed.append(completed)
        return int(ACCEPTED)

    def after_write(self) -> None:
        if self._was_short:
            self._was_short = False
            self._place.on_room()
        completed, self._completed = self._completed, []
        try:
            for transaction in completed:
                aborted = self._producers.complete(transaction)
                if aborted is not None:
                    with room_can_wait():
                        self._segments.active.transaction_index.append(aborted)
        except OSError as error:
            raise self.write_failed(error) from error

    def write_indexes(self) -> None:
        try:
            with room_can_wait():
                self.tail.end.write_indexes()
        except OSError as error:
            raise self.write_failed(error) from error

    # When the disk refuses

    def write_failed(self, error: OSError) -> StorageFailure:
        if not is_shortage(error):
            return self.fail(error)
        self._is_torn = self._is_torn or self.tail.staged_bytes > 0
        self._take_back()
        try:
            self.cut_torn_tail()
        except OSError as cut_error:
            if not is_shortage(cut_error):
                return self.fail(cut_error)
        self._was_short = self.tail.is_owner_waiting = True
        self.is_refusing = self._place.on_shortage(error, self.accept_again)
        self.tail.is_ready = False
        return NoRoom(f"there is no room for the log of {self._place.topic_partition} in {self._place.directory}: {error}")

    def side_file_failed(self, error: OSError) -> StorageFailure:
        """Something else than batches could not be written or renamed. What is staged stays. Returns what to raise."""
        if is_shortage(error):
            return NoRoom(f"there is no room for the log of {self._place.topic_partition} in {self._place.directory}: {error}")
        return self.fail(error)

    def accept_again(self) -> None:
        """The turn in which a write did not fit is over."""
        self.is_refusing = False

    def fail(self, error: OSError) -> StorageFailure:
        """The disk is broken; nothing more is taken, and nobody can say what of the unflushed is in the file. Returns what to raise."""
        self.go_offline()
        self._place.on_failure(error)
        return StorageFailure(f"the log of {self._place.topic_partition} in {self._place.directory} failed: {error}")

    def go_offline(self) -> None:
        """Take nothing more; what is staged is dropped."""
        self.is_offline = True
        self.tail.is_ready = False
        self._take_back()

    def cut_torn_tail(self) -> None:
        """Cut off what is left of a write that did not fit. Nothing may be staged.

        Raises:
            OSError: it could not be cut; nothing may be written.
        """
        if self._is_torn:
            self._segments.active.cut_at(int(self.tail.end.written_size))
            self._is_torn = False

    def _take_back(self) -> None:
        """Be as before everything that is staged."""
        tail = self.tail
        if not tail.staged_bytes:
            return
        log_end_offset = int(tail.log_end_offset)
        tail.drop_staged()
        tail.is_owner_waiting = False
        self._completed.clear()
        self._producers.take_back(self._kept_producers if self._kept_at == log_end_offset else {}, log_end_offset)
        self._kept_producers.clear()
        # An epoch that begins at the end of the log may have been opened by its leader without a record.
        self._leader_epochs.truncate_from_end(log_end_offset + 1)
        tail.leader_epoch = self._leader_epochs.written_epoch

    def _apply_configuration(self) -> None:
        configuration = self._configuration
        self.tail.is_log_append_time = configuration.message_timestamp_type == TimestampType.LOG_APPEND_TIME
        self.tail.segment_bytes = configuration.segment_bytes
        self.tail.segment_ms = configuration.segment_ms
        self.tail.flush_messages = configuration.flush_messages
        if configuration.is_compacted and configuration.max_compaction_lag_ms > 0:
            self.tail.segment_ms = min(configuration.segment_ms, configuration.max_compaction_lag_ms)


def _required_size(batches: bytes, position: int) -> int:
    size = int(batch_size_at(batches, position, len(batches)))
    if size <= 0:
        raise CorruptRecords(f"no whole batch at byte {position} of {len(batches)}")
    return size
