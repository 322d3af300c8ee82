"""Bugs that the simulator has to find: each puts one known mistake into the node for as long as a `with` lasts.

They are planted from outside, into the node in a process that runs from the sources (`planted`) and into the simulated disk, so that no
code of the node knows of them. What each says of itself is the mistake that a programmer could make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from odradek.base.errors import StorageFailure
from odradek.base.identifiers import TopicPartition
from odradek.broker.group_commit import GroupCommit
from odradek.broker.partition import Partition
from odradek.config.log_configuration import LogConfiguration
from odradek.records.header import HEADER_SIZE, batch_size_at, computed_crc, is_crc_right
from odradek.storage import log_loader, log_recovery
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.filesystem import File
from odradek.storage.flush_work import FlushWork
from odradek.storage.leader_epochs import LeaderEpochs
from odradek.storage.log_directories import LogDirectories
from odradek.storage.log_directory import LogDirectory
from odradek.storage.producer_states import ProducerStates
from odradek.storage.segment import Segment
from odradek.storage.segment_scan import SegmentScan
from odradek.testing.disk_contents import StoredFile
from odradek.testing.disk_operations import Operation
from odradek.testing.simulated_filesystem import SimulatedFile, SimulatedFileSystem

CRC_POSITION = 17
# How long a write sits in a buffer of the process before the kernel hears of it.
BUFFERED_MS = 60


@contextmanager
def recovery_skips_the_checksums() -> Iterator[None]:
    """A batch of the right size counts as good, whatever is in it."""

    class ScanWithoutChecksums:
        def __init__(self, *arguments: object) -> None:
            self._scan = SegmentScan(*arguments)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self._scan, name)

        def take(self, block: bytes) -> int:
            believed = bytearray(block)
            position = 0
            while (size := int(batch_size_at(block, position, len(block)))) >= HEADER_SIZE:
                believed[position + CRC_POSITION : position + CRC_POSITION + 4] = int(computed_crc(block, position, size)).to_bytes(
                    4, "big"
                )
                position += size
            return int(self._scan.take(bytes(believed)))

    with patch.object(log_recovery, "SegmentScan", ScanWithoutChecksums):
        yield


@contextmanager
def log_end_counts_as_recovery_point() -> Iterator[None]:
    """After a crash the logs are taken as they are, as after a stop in good order."""

    def recover(loading: log_loader._Loading, recovery_point: int, log_start_offset: int) -> None:
        loading.repair_broken_segments()

    with patch.object(log_loader._Loading, "recover", recover):
        yield


Recovery = Callable[..., int]


@contextmanager
def _before_and_after_recovery(around: Callable[[Segment, Recovery], int]) -> Iterator[None]:
    whole: Recovery = log_recovery.recover_segment

    def recover(segment: Segment, configuration: LogConfiguration, producers: ProducerStates, epochs: LeaderEpochs, *rest: object) -> int:
        return around(segment, lambda: whole(segment, configuration, producers, epochs, *rest))

    with patch.object(log_loader, "recover_segment", recover):
        yield


def _good_batches(file: File) -> list[int]:
    """Where the whole batches from the beginning of a file on begin, and where the last one ends."""
    data = file.pread(file.size(), 0)
    boundaries = [0]
    while (size := int(batch_size_at(data, boundaries[-1], len(data)))) >= HEADER_SIZE and is_crc_right(data, boundaries[-1], size):
        boundaries.append(boundaries[-1] + size)
    return boundaries


@contextmanager
def truncation_takes_one_batch_too_many() -> Iterator[None]:
    """Behind a torn batch the one before it goes too, and its offsets are given out again."""

    def around(segment: Segment, recover: Recovery) -> int:
        file = segment.log.file()
        boundaries = _good_batches(file)
        if file.size() > boundaries[-1] and len(boundaries) > 1:
            file.truncate(boundaries[-2])
        return recover()

    with _before_and_after_recovery(around):
        yield


@contextmanager
def torn_tail_is_not_cut() -> Iterator[None]:
    """Recovery finds where the good batches of a partition end, and leaves what is behind."""

    def around(segment: Segment, recover: Recovery) -> int:
        file = segment.log.file()
        data = file.pread(file.size(), 0)
        truncated = recover()
        # The quorum's log is looked at again until nothing is cut any more, which would never end.
        if truncated and "__cluster_metadata" not in segment.log.path:
            segment.log.file().append(data[len(data) - truncated :])
        return truncated

    with _before_and_after_recovery(around):
        yield


@contextmanager
def producer_snapshots_are_not_written() -> Iterator[None]:
    """Nobody notices as long as the node runs: the entries are in memory."""

    def take_snapshot(producers: ProducerStates, *, sync: bool) -> str | None:
        return None

    with patch.object(ProducerStates, "take_snapshot", take_snapshot):
        yield


@contextmanager
def answers_leave_before_the_write() -> Iterator[None]:
    """What is written sits in a buffer of the process for a moment, and dies with it."""
    young: dict[SimulatedFileSystem, list[tuple[int, StoredFile, int]]] = {}
    write, end = SimulatedFile._write, SimulatedFileSystem.end

    def buffered_write(file: SimulatedFile, operation: Operation, data: bytes | bytearray | memoryview) -> None:
        if file._path.endswith(".log") and "__cluster_metadata" not in file._path:
            now_ms = file._mount.volume.now_ms()
            notes = [note for note in young.get(file._mount, []) if now_ms - note[0] < BUFFERED_MS]
            young[file._mount] = [*notes, (now_ms, file._stored, len(file._stored.content))]
        write(file, operation, data)

    def end_with_losses(mount: SimulatedFileSystem) -> None:
        now_ms = mount.volume.now_ms()
        for noted_ms, stored, size in reversed(young.pop(mount, [])):
            if now_ms - noted_ms < BUFFERED_MS and size < len(stored.content):
                stored.truncate(size)
        end(mount)

    with patch.object(SimulatedFile, "_write", buffered_write), patch.object(SimulatedFileSystem, "end", end_with_losses):
        yield


@contextmanager
def flush_forgets_the_batches() -> Iterator[None]:
    """`flush.messages` waits for names, epochs and snapshots, and not for the records."""
    sync = FlushWork._sync

    def sync_the_rest(work: FlushWork) -> None:
        sync(FlushWork(work.up_to, work.filesystem, (), work.paths, work.directory, parent=work.parent))

    with patch.object(FlushWork, "_sync", sync_the_rest):
        yield


@contextmanager
def answers_leave_before_the_flush() -> Iterator[None]:
    """`flush.messages` starts a flush and does not wait for it."""
    commit = GroupCommit.commit

    def commit_and_answer(
        group: GroupCommit, partitions: list[Partition], done: Callable[[Mapping[Partition, StorageFailure]], None]
    ) -> None:
        commit(group, partitions, lambda errors: None)
        done({})

    with patch.object(GroupCommit, "commit", commit_and_answer):
        yield


@contextmanager
def log_starts_are_not_checkpointed() -> Iterator[None]:
    """DeleteRecords holds until the next start."""
    offsets_for = LogDirectories._offsets_for

    def without_log_starts(logs: LogDirectories, checkpoint: Checkpoint, directory: LogDirectory) -> dict[TopicPartition, int]:
        return {} if checkpoint is Checkpoint.LOG_STARTS else offsets_for(logs, checkpoint, directory)

    with patch.object(LogDirectories, "_offsets_for", without_log_starts):
        yield


@contextmanager
def directories_are_not_flushed() -> Iterator[None]:
    """A file is durable, and its name is not."""
    with patch.object(SimulatedFileSystem, "fsync_directory", lambda mount, path: None):
        yield


@contextmanager
def deleted_topics_leave_their_logs() -> Iterator[None]:
    """A topic that gets the name of a deleted one finds its records."""

    def keep(logs: LogDirectories, partition: TopicPartition) -> None:
        held = logs.get(partition)
        assert held is not None
        logs._logs.pop(partition)
        directory = logs._directory_of.pop(partition)
        directory.logs_count -= 1
        held.close()

    with ExitStack() as patches:
        patches.enter_context(patch.object(LogDirectories, "delete_async", keep))
        patches.enter_context(patch.object(log_loader, "read_partition_metadata", lambda filesystem, directory: None))
        yield


PLANTED_BUGS = (
    recovery_skips_the_checksums,
    log_end_counts_as_recovery_point,
    truncation_takes_one_batch_too_many,
    torn_tail_is_not_cut,
    producer_snapshots_are_not_written,
    answers_leave_before_the_write,
    flush_forgets_the_batches,
    answers_leave_before_the_flush,
    log_starts_are_not_checkpointed,
    directories_are_not_flushed,
    deleted_topics_leave_their_logs,
)
