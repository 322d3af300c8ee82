"""All logs of one node, over all of its log directories (`LogManager.scala`).

New logs go to the directory with the fewest. A directory whose disk fails goes offline with all its logs; the others serve on. One whose
disk is full stays: what needs room is refused or tried again later, everything else goes on, and that is said once. The cadence of
checkpoints, flushes and removals is the driver's: it calls `begin_checkpoint`, `logs_to_flush` and `deletions.remove_due` when their time
has come.

Invariants: a partition has at most one live log; a directory is marked clean only after every log in it has been closed and made durable.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, assert_never

from odradek.base.clock import Clock
from odradek.base.errors import StartRefused, StorageFailure
from odradek.base.identifiers import ZERO_UUID, TopicPartition, Uuid, random_uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.checkpoint_work import Checkpoint, CheckpointWork
from odradek.storage.clean_shutdown import NO_BROKER_EPOCH
from odradek.storage.delayed_deletions import DelayedDeletions
from odradek.storage.directory_identity import check_identities
from odradek.storage.errors import CorruptCheckpoint, NoRoom, is_shortage
from odradek.storage.file_names import DELETE_DIRECTORY_SUFFIX, STRAY_DIRECTORY_SUFFIX, leaving_directory_name, log_directory_name
from odradek.storage.filesystem import FileSystem
from odradek.storage.log import Log
from odradek.storage.log_directory import LogDirectory
from odradek.storage.log_opening import DirectoryOpening, LogToOpen, OpeningControl, look_at
from odradek.storage.log_place import LogPlace
from odradek.storage.meta_properties import write_meta_properties
from odradek.storage.open_files import OPEN_FILES_MAX, OpenFiles
from odradek.storage.partition_metadata import read_partition_metadata
from odradek.storage.producer_states import PRODUCER_ID_EXPIRATION_MS_DEFAULT

log = logging.getLogger("odradek.storage.log_directories")

# Stands for what cannot be read; no topic has it.
UNREADABLE_ID = ZERO_UUID


Value = TypeVar("Value")


class LogDirectories:
    """The log directories of a node and every log in them."""

    __slots__ = (
        "_checkpoints_count",
        "_clock",
        "_dice",
        "_directory_of",
        "_filesystem",
        "_is_in_use",
        "_logs",
        "_open_files",
        "_stale",
        "_unopened_count",
        "cluster_id",
        "cordoned_paths",
        "deletions",
        "directories",
        "on_directory_failure",
        "on_shortage",
        "producer_id_expiration_ms",
        "topic_id_of",
    )

    def __init__(
        self,
        filesystem: FileSystem,
        directories: Sequence[LogDirectory],
        clock: Clock,
        dice: random.Random,
        *,
        cluster_id: str,
        open_files_max: int,
        unopened_count: int = 0,
    ) -> None:
        """`unopened_count` directories have failed before they could be opened."""
        self._filesystem = filesystem
        self._clock = clock
        self._dice = dice
        self._open_files = OpenFiles(filesystem, open_files_max)
        self._logs: dict[TopicPartition, Log] = {}
        self._directory_of: dict[TopicPartition, LogDirectory] = {}
        # Logs that are gone but still stand in the checkpoints.
        self._stale: dict[Checkpoint, set[TopicPartition]] = {checkpoint: set() for checkpoint in Checkpoint}
        self._checkpoints_count = 0
        self._is_in_use = False
        self._unopened_count = unopened_count
        self.cluster_id = cluster_id
        self.directories = list(directories)
        # Directories that get no new logs (KIP-1066).
        self.cordoned_paths: frozenset[str] = frozenset()
        self.deletions = DelayedDeletions(filesystem)
        self.producer_id_expiration_ms = PRODUCER_ID_EXPIRATION_MS_DEFAULT
        # The id of the topic that has a name now, None if none has; asked when logs are opened.
        self.topic_id_of: Callable[[str], Uuid | None] = _no_topic
        # Hears when a directory goes offline, its logs already being so.
        self.on_directory_failure: Callable[[LogDirectory], None] = _ignore
        # Hears of every write that did not fit (`LogPlace.on_shortage`).
        self.on_shortage: Callable[[Callable[[], None]], bool] = _never_refuse

    @classmethod
    def open(
        cls,
        filesystem: FileSystem,
        paths: Sequence[str],
        clock: Clock,
        dice: random.Random,
        *,
        node_id: int,
        cluster_id: str | None = None,
        open_files_max: int = OPEN_FILES_MAX,
    ) -> LogDirectories:
        """Lock the directories and make sure that they are this node's. No log is opened yet.

        Raises:
            StartRefused: one is not formatted, belongs to another cluster or node, is in use, or none can be read.
        """
        opened: list[LogDirectory] = []
        failures: list[str] = []
        try:
            for path in paths:
                try:
                    opened.append(LogDirectory.open(filesystem, path))
                except OSError as error:
                    failures.append(f"{error.filename or path} cannot be read: {error.strerror or error}")
            if not opened:
                raise StartRefused(f"no log directory can be used ({'; '.join(failures)})")
            for failure in failures:
                log.error("log directory is offline", extra={"reason": failure})
            found_cluster_id = check_identities(opened, node_id=node_id, cluster_id=cluster_id)
        except BaseException:
            for directory in opened:
                directory.release()
            raise
        for directory in opened:
            if directory.meta.directory_id is None:
                directory.meta = replace(directory.meta, directory_id=random_uuid(dice))
                write_meta_properties(filesystem, directory.path, directory.meta, clock.now_ms())
        return cls(
            filesystem,
            opened,
            clock,
            dice,
            cluster_id=found_cluster_id,
            open_files_max=open_files_max,
            unopened_count=len(failures),
        )

    @property
    def previous_broker_epoch(self) -> int:
        """The broker epoch of the last stop if every directory was left clean and in the same one, else -1."""
        epochs = {directory.previous_broker_epoch if directory.was_clean else NO_BROKER_EPOCH for directory in self.directories}
        return epochs.pop() if len(epochs) == 1 else NO_BROKER_EPOCH

    def was_clean(self, path: str) -> bool:
        """Whether the directory at `path` was left in good order; the quorum's log lies in one, too."""
        return any(directory.was_clean for directory in self.directories if directory.path == path)

    def take_into_use(self) -> None:
        """Before any log is opened, the quorum's too: from now on a stop without `close` is a crash."""
        if not self._is_in_use:
            self._is_in_use = True
            for directory in self._online():
                try:
                    directory.take_into_use()
                except OSError as error:
                    # Full or broken: with the mark of a clean stop still in it, the next start would not look for what a crash has torn.
                    self._fail(directory, error)

    def open_existing(self, configuration_of: Callable[[str], LogConfiguration]) -> None:
        """Open every log that is there, with the settings of its topic; what waits for its removal goes on waiting.

        Waits until all is done. A node opens them in threads (`broker.log_opener`), in the same pieces.

        Raises:
            StartRefused: two directories hold the same partition.
        """
        control = OpeningControl()
        for opening in self.begin_opening(configuration_of):
            try:
                for portion in opening.portions():
                    look_at(portion, control)
                for waiting in opening.plan():
                    waiting.open(control)
            except OSError as error:
                self.opening_failed(opening, error)
            self.take_in(opening, [opened for opened in opening.logs if opened.log is not None])

    def begin_opening(self, configuration_of: Callable[[str], LogConfiguration]) -> list[DirectoryOpening]:
        """What is to be opened, by directory; what waits for its removal goes on waiting. `take_in` is due for each log that is open then.

        Raises:
            StartRefused: two directories hold the same partition.
        """
        self.take_into_use()
        openings: list[DirectoryOpening] = []
        for directory in self._online():
            opening = DirectoryOpening(directory)
            try:
                self._find_logs_in(opening, configuration_of)
            except OSError as error:
                self._fail(directory, error)
                continue
            openings.append(opening)
        self._settle_doubles(openings)
        return openings

    def _settle_doubles(self, openings: list[DirectoryOpening]) -> None:
        """Where two directories hold a partition, take the one away whose topic is gone: it was deleted while its directory was offline.

        Raises:
            StartRefused: both are of the same topic.
        """
        found_by_partition: dict[TopicPartition, list[tuple[DirectoryOpening, LogToOpen]]] = {}
        for opening in openings:
            for found in opening.logs:
                found_by_partition.setdefault(found.topic_partition, []).append((opening, found))
        for partition, doubles in found_by_partition.items():
            if len(doubles) == 1:
                continue
            topic_id = self.topic_id_of(partition.topic)
            ids = [self._topic_id_in(found.place.directory) for _, found in doubles]
            # Beside the right one, one without an id is what a disk has left of a creation that failed.
            kept = (topic_id,) if topic_id in ids else (None, UNREADABLE_ID, topic_id)
            unreadable = [double for double, found_id in zip(doubles, ids, strict=True) if found_id == UNREADABLE_ID]
            if topic_id is not None and set(ids) <= {UNREADABLE_ID, None}:
                # A power cut has torn what was made last in more than one: nothing in it was ever promised, and one is enough to go on.
                for opening, found in unreadable if None in ids else unreadable[1:]:
                    if not found.holds_durable:
                        self._set_double_aside(opening, found)
            for (opening, found), found_id in zip(doubles, ids, strict=True):
                if topic_id is not None and found_id not in kept:
                    self._set_double_aside(opening, found)
            left = [opening.directory.path for opening, found in doubles if found in opening.logs]
            if len(left) > 1:
                raise StartRefused(f"both {left[0]} and {left[1]} hold {partition}: remove the older one")

    def _set_double_aside(self, opening: DirectoryOpening, found: LogToOpen) -> None:
        log.warning("log of a deleted topic is set aside", extra={"directory": found.place.directory})
        path = f"{opening.directory.path}/{leaving_directory_name(found.topic_partition, STRAY_DIRECTORY_SUFFIX, self._dice)}"
        self._filesystem.rename(found.place.directory, path)
        self.deletions.add_directory(path, self._clock.now_ms() + found.configuration.file_delete_delay_ms)
        opening.logs.remove(found)

    def _topic_id_in(self, directory: str) -> Uuid | None:
        try:
            return read_partition_metadata(self._filesystem, directory)
        except CorruptCheckpoint:
            return UNREADABLE_ID

    def take_in(self, opening: DirectoryOpening, logs: Sequence[LogToOpen]) -> None:
        """Logs of the opening are open: they belong to the node now."""
        directory = opening.directory
        for opened in logs:
            held = opened.log
            assert held is not None, f"{opened.topic_partition} is not open"
            held.settle_in(self._open_files, self._dice, self.deletions)
            self._logs[held.topic_partition] = held
            self._directory_of[held.topic_partition] = directory
            if not directory.is_online:
                held.go_offline()
        directory.logs_count += len(logs)

    def opening_failed(self, opening: DirectoryOpening, error: OSError) -> None:
        """The disk failed while a log of the opening was opened."""
        self._fail(opening.directory, error)

    def get(self, partition: TopicPartition) -> Log | None:
        return self._logs.get(partition)

    def __iter__(self) -> Iterator[Log]:
        return iter(list(self._logs.values()))

    def __len__(self) -> int:
        return len(self._logs)

    def directory_of(self, partition: TopicPartition) -> LogDirectory | None:
        return self._directory_of.get(partition)

    def logs_in(self, directory: LogDirectory) -> list[Log]:
        return [self._logs[partition] for partition, holder in self._directory_of.items() if holder is directory]

    def is_online(self, directory_id: Uuid) -> bool:
        """Whether the directory with this id is one of the node's and works."""
        return any(directory.directory_id == directory_id for directory in self._online())

    def cordoned_ids(self) -> list[Uuid]:
        """The ids of the directories that get no new logs."""
        return [
            directory.directory_id
            for directory in self._online()
            if directory.path in self.cordoned_paths and directory.directory_id is not None
        ]

    @property
    def has_failed_directory(self) -> bool:
        """Whether logs of this node may lie where it cannot look."""
        return self._unopened_count > 0 or any(not directory.is_online for directory in self.directories)

    def create(self, partition: TopicPartition, topic_id: Uuid, configuration: LogConfiguration, directory_id: Uuid | None = None) -> Log:
        """A new, empty log: in the directory with this id if it works, else in the one with the fewest that is not cordoned.

        Raises:
            StorageFailure: no directory is left, or the disk refused.
            NoRoom: there is no room for it in any directory; it can be tried again.
        """
        assert partition not in self._logs, f"there is a log of {partition} already"
        self.take_into_use()
        # What the checkpoints say of a former log of this name must not be taken for the new one's after a crash: its records would
        # lie below the log start, and what a crash has torn before the recovery point.
        for checkpoint, gone in self._stale.items():
            if partition in gone:
                self.checkpoint(checkpoint)
                if partition in gone:
                    raise NoRoom(f"the checkpoints still name a former log of {partition}, and there is no room to write them anew")
        refusal = StorageFailure("every log directory is offline")
        for directory in self._candidates(directory_id):
            try:
                created = self._create_in(directory, partition, topic_id, configuration)
            except NoRoom as error:
                refusal = error
                continue
            self._logs[partition] = created
            self._directory_of[partition] = directory
            directory.logs_count += 1
            return created
        raise refusal

    def _create_in(self, directory: LogDirectory, partition: TopicPartition, topic_id: Uuid, configuration: LogConfiguration) -> Log:
        place = self._place(directory, log_directory_name(partition), partition)
        try:
            return Log.load(place, configuration, topic_id=topic_id)
        except OSError as error:
            message = f"the log of {partition} could not be made in {directory.path}: {error}"
            if not is_shortage(error):
                self._fail(directory, error)
                raise StorageFailure(message) from error
            # A directory without its files would be taken for the log when it is tried again.
            with suppress(OSError):
                self._filesystem.remove_tree(place.directory)
            self.note_shortage(directory, error)
            raise NoRoom(message) from error

    def delete_async(self, partition: TopicPartition) -> None:
        """Take a log away; its directory gets another name now and is removed after `file.delete.delay.ms`.

        Raises:
            StorageFailure: the disk refused.
        """
        self._dismiss(partition, DELETE_DIRECTORY_SUFFIX)

    def set_aside(self, partition: TopicPartition) -> None:
        """As `delete_async`, for a log that nobody wants here any more: the name says that it was astray."""
        self._dismiss(partition, STRAY_DIRECTORY_SUFFIX)

    def names_gone_logs(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint still names logs that are gone; a new log of such a name has to wait until it is written anew."""
        return bool(self._stale[checkpoint])

    def begin_checkpoint(self, checkpoint: Checkpoint) -> CheckpointWork:
        """What the checkpoint says now. Then `run`, in a pool if one likes, then `end_checkpoint`."""
        self._checkpoints_count += 1
        return CheckpointWork(
            checkpoint=checkpoint,
            number=self._checkpoints_count,
            offsets=[(directory, self._offsets_for(checkpoint, directory)) for directory in self._online()],
            gone=frozenset(self._stale[checkpoint]),
        )

    def end_checkpoint(self, work: CheckpointWork) -> None:
        """The work has run: who could not be written is offline, or waits for the next time if there was no room."""
        is_written = True
        for directory, error in work.failures:
            if is_shortage(error):
                self.note_shortage(directory, error)
                is_written = False
            else:
                self._fail(directory, error)
        if is_written:
            self._stale[work.checkpoint] -= work.gone

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write it, waiting for the disks."""
        work = self.begin_checkpoint(checkpoint)
        work.run()
        self.end_checkpoint(work)

    def _offsets_for(self, checkpoint: Checkpoint, directory: LogDirectory) -> dict[TopicPartition, int]:
        logs = self.logs_in(directory)
        match checkpoint:
            case Checkpoint.RECOVERY_POINTS:
                return {held.topic_partition: held.recovery_point for held in logs}
            case Checkpoint.LOG_STARTS:
                # As a rule the name of the first segment says it.
                return {held.topic_partition: start for held in logs if (start := held.log_start_offset) > held.segments.first.base_offset}
            case Checkpoint.HIGH_WATERMARKS:
                return {held.topic_partition: held.high_watermark for held in logs}
            case _:
                assert_never(checkpoint)

    def logs_to_flush(self) -> list[Log]:
        """The logs that have rolled a segment which is not durable yet (`Log.begin_flush(log.segments.active.base_offset)`)."""
        return [held for held in self._logs.values() if held.has_unflushed_segments and not held.is_offline]

    # Directories without room

    def note_shortage(self, directory: LogDirectory, error: OSError) -> None:
        """Something did not fit into the directory."""
        directory.note_shortage(error, self._clock.monotonic_ms())

    def directories_without_room(self) -> list[LogDirectory]:
        """Where something did not fit lately."""
        now_ms = self._clock.monotonic_ms()
        return [directory for directory in self._online() if not directory.has_room(now_ms)]

    def _write_did_not_fit(self, directory: LogDirectory, error: OSError, accept_again: Callable[[], None]) -> bool:
        self.note_shortage(directory, error)
        return self.on_shortage(accept_again)

    def remove_expired_producers(self, now_ms: int) -> None:
        for held in self._logs.values():
            held.producers.remove_expired(now_ms)

    def close(self, broker_epoch: int = NO_BROKER_EPOCH) -> None:
        """Flush and close every log, write the checkpoints, mark the directories clean and let go of them.

        A directory that was never taken into use stays as it was found. One with an error stays unmarked.
        """
        for directory, held in self.begin_closing():
            self.close_some(directory, held)
        self.end_closing(broker_epoch)

    def begin_closing(self) -> list[tuple[LogDirectory, list[Log]]]:
        """What `close` closes. It may be closed in portions, and several of them at once in threads (`close_some`); then `end_closing`."""
        if not self._is_in_use:
            return []
        # Nobody serves any more who would have to hear of it.
        self.on_directory_failure = _ignore
        self.on_shortage = _never_refuse
        return [(directory, self.logs_in(directory)) for directory in self._online()]

    def close_some(self, directory: LogDirectory, logs: Sequence[Log]) -> None:
        """Close some of the logs in `directory`, until one cannot be closed; then the next start has to look at all of them."""
        for held in logs:
            if not directory.is_in_order or not directory.is_online:
                return
            try:
                held.close()
            except (OSError, StorageFailure) as error:
                directory.is_in_order = False
                log.error("log could not be closed", extra={"partition": str(held.topic_partition), "reason": str(error)})

    def end_closing(self, broker_epoch: int) -> None:
        """All that could be closed is closed: write the checkpoints, mark what is in order, and let go of the directories."""
        if self._is_in_use:
            for checkpoint in Checkpoint:
                self.checkpoint(checkpoint)
            for directory in self._online():
                if directory.is_in_order:
                    self._guarded(directory, directory.mark_clean, broker_epoch)
        for directory in self.directories:
            directory.release()

    def _find_logs_in(self, opening: DirectoryOpening, configuration_of: Callable[[str], LogConfiguration]) -> None:
        directory = opening.directory
        recovery_points = directory.recovery_points()
        log_start_offsets = directory.log_start_offsets()
        high_watermarks = directory.high_watermarks()
        configuration_by_topic: dict[str, LogConfiguration] = {}
        found: set[TopicPartition] = set()
        for name, partition in directory.log_names():
            configuration = configuration_by_topic.get(partition.topic)
            if configuration is None:
                configuration = configuration_by_topic[partition.topic] = configuration_of(partition.topic)
            found.add(partition)
            opening.logs.append(
                LogToOpen(
                    place=self._place(directory, name, partition),
                    configuration=configuration,
                    recovery_point=recovery_points.get(partition, 0),
                    log_start_offset=log_start_offsets.get(partition, 0),
                    high_watermark=high_watermarks.get(partition, 0),
                    was_clean=directory.was_clean,
                    dice_seed=self._dice.getrandbits(32) if configuration.segment_jitter_ms > 0 else 0,
                )
            )
        # A crash can have come between the deletion of a log and the checkpoints that no longer name it.
        for checkpoint, offsets in (
            (Checkpoint.RECOVERY_POINTS, recovery_points),
            (Checkpoint.LOG_STARTS, log_start_offsets),
            (Checkpoint.HIGH_WATERMARKS, high_watermarks),
        ):
            self._stale[checkpoint].update(offsets.keys() - found)
        for name, topic in directory.leaving_names():
            due_ms = self._clock.now_ms() + configuration_of(topic).file_delete_delay_ms
            self.deletions.add_directory(f"{directory.path}/{name}", due_ms)

    def leave_unclean(self, path: str) -> None:
        """Something in the directory, the quorum's log for example, could not be closed: the next start has to look at it."""
        for directory in self.directories:
            if directory.path == path:
                directory.is_in_order = False

    def _dismiss(self, partition: TopicPartition, suffix: str) -> None:
        held = self._logs[partition]
        directory = self._directory_of[partition]
        if not directory.is_online:
            # It cannot be touched now; when the directory comes back, the log in it is astray.
            self._forget(partition)
            return
        name = leaving_directory_name(partition, suffix, self._dice)
        try:
            held.rename_directory(f"{directory.path}/{name}")
        except OSError as error:
            message = f"the log of {partition} could not be renamed: {error}"
            if is_shortage(error):
                self.note_shortage(directory, error)
                raise NoRoom(message) from error
            self._fail(directory, error)
            raise StorageFailure(message) from error
        finally:
            held.go_offline()
        held.release_files()
        self._forget(partition)
        self.deletions.add_directory(held.directory, self._clock.now_ms() + held.configuration.file_delete_delay_ms)

    def _forget(self, partition: TopicPartition) -> None:
        del self._logs[partition]
        self._directory_of.pop(partition).logs_count -= 1
        for gone in self._stale.values():
            gone.add(partition)

    def _place(self, directory: LogDirectory, name: str, partition: TopicPartition) -> LogPlace:
        return LogPlace(
            self._open_files,
            f"{directory.path}/{name}",
            partition,
            self._clock,
            self._dice,
            self.deletions,
            self.producer_id_expiration_ms,
            lambda error: self._fail(directory, error),
            lambda error, accept_again: self._write_did_not_fit(directory, error, accept_again),
            directory.note_write,
        )

    def _candidates(self, directory_id: Uuid | None) -> list[LogDirectory]:
        """Where a new log may go, in the order of preference."""
        online = self._online()
        wanted = [directory for directory in online if directory.directory_id == directory_id]
        if wanted:
            return wanted
        # A partition may have been given to this node just before everything was cordoned; then it has to go somewhere.
        candidates = [directory for directory in online if directory.path not in self.cordoned_paths] or online[:1]
        return sorted(candidates, key=lambda directory: directory.logs_count)

    def _online(self) -> list[LogDirectory]:
        return [directory for directory in self.directories if directory.is_online]

    def _guarded(self, directory: LogDirectory, write: Callable[[Value], None], value: Value) -> None:
        try:
            write(value)
        except OSError as error:
            if is_shortage(error):
                self.note_shortage(directory, error)
            else:
                self._fail(directory, error)

    def _fail(self, directory: LogDirectory, error: OSError) -> None:
        """An error of the disk: the directory and all its logs are offline."""
        if directory.failure is not None:
            return
        directory.failure = error
        log.error("log directory is offline", extra={"directory": directory.path, "reason": str(error)})
        for held in self.logs_in(directory):
            held.go_offline()
        self.on_directory_failure(directory)


def _no_topic(name: str) -> Uuid | None:
    return None


def _ignore(directory: LogDirectory) -> None:
    return


def _never_refuse(accept_again: Callable[[], None]) -> bool:
    return False
