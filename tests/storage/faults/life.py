"""One life of a node's storage: the same log directories, metadata log and election state that a broker opens, driven by hand.

What is asked and what is answered goes into `known` as it happens: before the call what it attempts, after it what it acknowledged. A call
that fails leaves the attempt standing, so that both outcomes are allowed afterwards.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from odradek.base.clock import ManualClock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.raft.batches import pack
from odradek.raft.election_state import ElectionState
from odradek.raft.metadata_log import MetadataLog, metadata_log_directory
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import SnapshotId, encode_snapshot
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet
from odradek.records.batch import iterate_batches
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.clean_shutdown import CLEAN_SHUTDOWN_FILE
from odradek.storage.filesystem import FileSystem
from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from odradek.storage.retention import drop_old_segments, make_way
from odradek.testing.simulated_disk import SimulatedDisk
from tests.storage.building import START_MS, small_segments
from tests.storage.faults.model import Known, KnownLog, KnownQuorum, Written, written

PATHS = ("/a", "/b")
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAA"
VOTERS = VoterSet.of([Voter(key=VoterKey(1, Uuid(b"\x09" * 16)), endpoints=(VoterEndpoint("CONTROLLER", "127.0.0.1", 9093),))])
# Small enough that two or three batches fill a segment, and that an index entry is due at nearly every batch.
CONFIGURATION = small_segments(420, 60)
METADATA_CONFIGURATION = small_segments(300, 60)

# What a call may raise when the disk fails.
DISK_FAILURES = (OSError, StorageFailure)


def formatted_disk(clock: ManualClock) -> SimulatedDisk:
    """A disk with two formatted log directories, all of it durable."""
    disk = SimulatedDisk(clock.now_ms)
    filesystem = disk.mount()
    for index, path in enumerate(PATHS):
        filesystem.make_directories(path)
        meta = MetaProperties(cluster_id=CLUSTER_ID, node_id=1, directory_id=Uuid(bytes([index + 1]) * 16))
        write_meta_properties(filesystem, path, meta, START_MS)
    filesystem.make_directories(metadata_log_directory(PATHS[0]))
    disk.settle()
    return disk


class Life:
    """From a start to a stop or a crash. `known` goes on from the life before."""

    def __init__(self, filesystem: FileSystem, clock: ManualClock, known: Known | None = None) -> None:
        self.filesystem = filesystem
        self.clock = clock
        self.known = known or Known()
        self.configuration = CONFIGURATION
        self.leader_epoch = 1
        self.failures_count = 0
        self.starts_count = 0
        self.is_running = False

    def start(self) -> None:
        """Open everything, in the order of a broker's start."""
        self.is_running = False
        self.starts_count += 1
        self.logs = LogDirectories.open(self.filesystem, PATHS, self.clock, random.Random(5), node_id=1)
        self.logs.topic_id_of = self._topic_id_of
        self.logs.take_into_use()
        if PATHS[0] not in [directory.path for directory in self.logs.directories if directory.is_online]:
            raise StorageFailure("without the directory of the quorum a node does not start")
        directory = metadata_log_directory(PATHS[0])
        self.quorum_file = QuorumStateFile(self.filesystem, directory)
        self.metadata = MetadataLog.open(
            self.filesystem, directory, METADATA_CONFIGURATION, self.clock, was_clean=self.logs.was_clean(PATHS[0])
        )
        self.logs.open_existing(lambda topic: self.configuration)
        for held in self.logs:
            held.high_watermark = held.log_end_offset
        self.is_running = True

    @property
    def was_restarted(self) -> bool:
        return self.starts_count > 1

    def close(self) -> None:
        """Stop in good order."""
        self.is_running = False
        self.metadata.close()
        self.logs.close(broker_epoch=3)
        flushed = {
            partition: log.flushed(log.end_offset)
            for partition, log in self.known.logs.items()
            if self.filesystem.exists(f"{log.directory}/{CLEAN_SHUTDOWN_FILE}")
        }
        self.known = replace(self.known, logs={**self.known.logs, **flushed})

    @contextlib.contextmanager
    def tolerant(self) -> Iterator[None]:
        """A call that may fail with the disk."""
        try:
            yield
        except DISK_FAILURES:
            self.failures_count += 1

    # Logs.

    def create(self, partition: TopicPartition, topic_id: Uuid) -> None:
        if self.logs.get(partition) is not None:
            # Its predecessor could not be deleted.
            return
        self.known = replace(self.known, creating={**self.known.creating, partition: topic_id})
        log = self.logs.create(partition, topic_id, self.configuration)
        directory = log.directory.rpartition("/")[0]
        creating = {name: wanted for name, wanted in self.known.creating.items() if name != partition}
        self.known = replace(self.known.with_log(partition, KnownLog(topic_id=topic_id, directory=directory)), creating=creating)

    def append(self, partition: TopicPartition, data: bytes) -> None:
        """Append whole batches; a log that is offline is left alone."""
        log = self._serving(partition)
        if log is None:
            return
        known = self._settled(partition)
        self._note(partition, known.attempting(*_attempted(data, log.log_end_offset, self.leader_epoch)))
        staged = log.append(data, self.leader_epoch, self.clock.now_ms())
        if staged.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and self.failures_count:
            # The batch before it was not taken, and its producer has not noticed.
            self._note(partition, known.attempting())
            return
        assert staged.error_code == ErrorCode.NONE, f"refused with {staged.error_code}"
        self._note(partition, self.known.logs[partition].acknowledged(int(staged.base_offset)))
        log.high_watermark = log.log_end_offset

    def flush(self, partition: TopicPartition, up_to: int | None = None) -> None:
        log = self._serving(partition)
        if log is None:
            return
        work = log.begin_flush(up_to)
        if work is None:
            self._note(partition, self.known.logs[partition].flushed(min(log.recovery_point, up_to or log.log_end_offset)))
            return
        try:
            work.run()
        except StorageFailure:
            log.flush_failed()
            raise
        log.end_flush(work)
        self._note(partition, self.known.logs[partition].flushed(work.up_to))

    def delete_records(self, partition: TopicPartition, offset: int) -> None:
        log = self._serving(partition)
        if log is None:
            return
        self._note(partition, replace(self.known.logs[partition], asked_start=offset))
        log.delete_records_before(offset)

    def retain(self, partition: TopicPartition, configuration: LogConfiguration) -> None:
        """What the housekeeping of a broker does to one log."""
        log = self._serving(partition)
        if log is None:
            return
        log.configuration = configuration
        self._note(partition, replace(self.known.logs[partition], asked_start=log.log_end_offset))
        try:
            work = make_way(log, self.clock.now_ms())
            if work is not None:
                work.run()
            while drop_old_segments(log, self.clock.now_ms(), 2).segments:
                pass
        finally:
            if not log.is_offline:
                self._note(partition, replace(self.known.logs[partition], asked_start=log.log_start_offset))

    def delete(self, partition: TopicPartition) -> None:
        if not self._is_serving(partition):
            # With its disk gone only the metadata know that it was deleted.
            return
        self.known = replace(self.known, deleting=self.known.deleting | {partition})
        self.logs.delete_async(partition)
        self.known = replace(
            self.known,
            logs={name: log for name, log in self.known.logs.items() if name != partition},
            deleted={**self.known.deleted, partition: self.known.logs[partition]},
            deleting=self.known.deleting - {partition},
        )

    def checkpoint(self) -> None:
        for checkpoint in Checkpoint:
            work = self.logs.begin_checkpoint(checkpoint)
            starts = {held.topic_partition: held.log_start_offset for held in self.logs}
            work.run()
            self.logs.end_checkpoint(work)
            failed = {directory.path for directory, _ in work.failures}
            for partition, log in self.known.logs.items():
                if checkpoint is Checkpoint.LOG_STARTS and self._is_serving(partition) and log.directory not in failed:
                    self._note(partition, replace(log, promised_start=starts[partition]))

    def remove_due(self, elapsed_ms: int) -> None:
        self.clock.advance(elapsed_ms)
        self.logs.deletions.remove_due(self.clock.now_ms())

    def change_configuration(self, configuration: LogConfiguration) -> None:
        self.configuration = configuration
        for log in self.logs:
            log.configuration = configuration

    # The quorum.

    def append_metadata(self, *values: bytes) -> None:
        self._note_quorum(attempted=values)
        self.metadata.append(pack([values], timestamp_ms=self.clock.now_ms()), self.leader_epoch)
        self._note_quorum(records=self.known.quorum.records + values, attempted=())

    def flush_metadata(self) -> None:
        work = self.metadata.begin_flush()
        if work is not None:
            work.run()
            self.metadata.end_flush(work)
        self.metadata.advance_high_watermark(self.metadata.end_offset)
        self._note_quorum(flushed_count=len(self.known.quorum.records))

    def write_snapshot(self) -> None:
        """A snapshot of everything that the metadata log holds by now; its values are the records themselves."""
        snapshot_id = SnapshotId(self.metadata.end_offset, self.leader_epoch)
        is_flushed = self.known.quorum.flushed_count == len(self.known.quorum.records) == snapshot_id.end_offset
        if not is_flushed or snapshot_id in (SnapshotId(0, self.leader_epoch), *self.known.quorum.snapshots):
            # Only what is committed goes into a snapshot.
            return
        self._note_quorum(attempted_snapshots=(*self.known.quorum.attempted_snapshots, snapshot_id))
        batches = encode_snapshot(
            self.known.quorum.records, epoch=self.leader_epoch, last_contained_log_timestamp_ms=1, now_ms=self.clock.now_ms()
        )
        self.metadata.write_snapshot(snapshot_id, batches)
        self._note_quorum(snapshots=(*self.known.quorum.snapshots, snapshot_id))

    def delete_old_snapshots(self) -> None:
        old, newest = self.known.quorum.snapshots[:-1], self.known.quorum.snapshots[-1:]
        self._note_quorum(snapshots=newest, doomed_snapshots=self.known.quorum.doomed_snapshots + old)
        self.metadata.delete_snapshots(old)

    def write_quorum_state(self, state: ElectionState) -> None:
        self._note_quorum(attempted_states=(*self.known.quorum.attempted_states, state))
        self.quorum_file.write(state, 1, VOTERS)
        self._note_quorum(state=state, attempted_states=())

    def _note_quorum(self, **changes: object) -> None:
        quorum: KnownQuorum = replace(self.known.quorum, **changes)  # type: ignore[arg-type]
        self.known = replace(self.known, quorum=quorum)

    def _note(self, partition: TopicPartition, log: KnownLog) -> None:
        self.known = self.known.with_log(partition, log)

    def _settled(self, partition: TopicPartition) -> KnownLog:
        """What a call that failed has left behind is in the log or not, now that the log serves again: look."""
        known = self.known.logs[partition]
        log = self.logs.get(partition)
        assert log is not None
        if not known.attempted:
            return known
        there = tuple(batch for batch in known.attempted if batch.last_offset < log.log_end_offset)
        return replace(known, batches=known.batches + there, attempted=())

    def _topic_id_of(self, topic: str) -> Uuid | None:
        """What the metadata say, which were told before the logs were."""
        partition = TopicPartition(topic, 0)
        if partition in self.known.creating:
            return self.known.creating[partition]
        known = self.known.logs.get(partition)
        return None if known is None else known.topic_id

    def _is_serving(self, partition: TopicPartition) -> bool:
        return self._serving(partition) is not None

    def _serving(self, partition: TopicPartition) -> Log | None:
        """The log, if it exists, its creation was answered, and its disk is well."""
        log = self.logs.get(partition)
        return None if log is None or log.is_offline or partition not in self.known.logs else log


Step = Callable[[Life], None]


def _attempted(data: bytes, base_offset: int, leader_epoch: int) -> list[Written]:
    found = []
    for item in iterate_batches(data):
        batch = written(item.header, data, item.position, base_offset=base_offset, leader_epoch=leader_epoch)
        base_offset = batch.last_offset + 1
        found.append(batch)
    return found
