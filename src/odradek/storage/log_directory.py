"""One entry of `log.dirs`: its identity, its lock, whether it was left in good order, and the checkpoints of the logs in it.

Opening a directory only looks: the lock is taken and the identity read. `take_into_use` removes the mark of a clean stop; from then on
a crash makes the next start scan. A checkpoint that cannot be read counts as empty, as with Kafka: a lost recovery point costs a scan,
a lost log start shows records again that were deleted, a lost high watermark is found anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from odradek.base.errors import StartRefused
from odradek.base.identifiers import METADATA_TOPIC_NAME, TopicPartition, Uuid
from odradek.storage.checkpoint_file import (
    LOG_START_OFFSET_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT,
    REPLICATION_OFFSET_CHECKPOINT,
    read_offset_checkpoint,
    write_offset_checkpoint,
)
from odradek.storage.clean_shutdown import has_clean_shutdown, read_broker_epoch, remove_clean_shutdown, write_clean_shutdown
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.file_names import DELETE_DIRECTORY_SUFFIX, STRAY_DIRECTORY_SUFFIX, parse_log_directory_name
from odradek.storage.filesystem import FileLock, FileSystem
from odradek.storage.meta_properties import META_PROPERTIES, MetaProperties, read_meta_properties

LOCK_FILE = ".lock"
# A disk that has taken writes for so long without refusing one is not full any more. While it is, small writes fit and large ones do not.
SHORTAGE_OVER_AFTER_MS = 5_000

log = logging.getLogger("odradek.storage.log_directory")


class LogDirectory:
    """One directory of logs. `failure` is the error of the disk that took it offline."""

    __slots__ = (
        "_filesystem",
        "_has_written_since",
        "_lock",
        "_shortage",
        "_shortage_ms",
        "_writing",
        "_written_numbers",
        "failure",
        "is_in_order",
        "logs_count",
        "meta",
        "path",
        "previous_broker_epoch",
        "was_clean",
    )

    def __init__(self, filesystem: FileSystem, path: str, lock: FileLock, meta: MetaProperties) -> None:
        self._filesystem = filesystem
        self._lock = lock
        self._writing = threading.Lock()
        self._written_numbers: dict[str, int] = {}
        self.path = path
        self.meta = meta
        self.failure: OSError | None = None
        # Why something did not fit, when for the last time, and whether anything has since.
        self._shortage: OSError | None = None
        self._shortage_ms = 0
        self._has_written_since = False
        # Whether nothing is known that keeps the directory from being marked clean when the node stops.
        self.is_in_order = True
        self.logs_count = 0
        self.was_clean = has_clean_shutdown(filesystem, path)
        self.previous_broker_epoch = read_broker_epoch(filesystem, path)

    @classmethod
    def open(cls, filesystem: FileSystem, path: str) -> LogDirectory:
        """Lock a formatted directory and read who it is.

        Raises:
            StartRefused: it is not formatted, its identity cannot be read, or another node has it.
            OSError: the disk failed.
        """
        try:
            meta = read_meta_properties(filesystem, path)
        except OSError as error:
            error.filename = f"{path}/{META_PROPERTIES}"
            raise
        if meta is None:
            raise StartRefused(f"{path} has no {META_PROPERTIES}: format it first (odradek storage format)")
        lock = filesystem.lock(f"{path}/{LOCK_FILE}")
        if lock is None:
            raise StartRefused(f"{path} is in use by another node: its {LOCK_FILE} is held")
        return cls(filesystem, path, lock, meta)

    def note_shortage(self, error: OSError, now_ms: int) -> None:
        """Something did not fit; said once until there is room again."""
        self._shortage_ms = now_ms
        self._has_written_since = False
        if self._shortage is None:
            self._shortage = error
            log.error(
                "log directory has no room: what does not fit is refused until there is",
                extra={"directory": self.path, "reason": str(error)},
            )

    def note_write(self) -> None:
        """Something did fit, for the first time since something did not."""
        self._has_written_since = True

    def has_room(self, now_ms: int) -> bool:
        """Whether everything has fitted lately."""
        if self._shortage is not None and self._has_written_since and now_ms - self._shortage_ms >= SHORTAGE_OVER_AFTER_MS:
            self._shortage = None
            log.info("log directory has room again", extra={"directory": self.path})
        return self._shortage is None

    @property
    def is_online(self) -> bool:
        return self.failure is None

    @property
    def directory_id(self) -> Uuid | None:
        return self.meta.directory_id

    def take_into_use(self) -> None:
        """From now on a stop without `close` is a crash."""
        remove_clean_shutdown(self._filesystem, self.path)

    def release(self) -> None:
        """Let others have the directory."""
        self._lock.release()

    def mark_clean(self, broker_epoch: int) -> None:
        """Everything in the directory is closed and durable."""
        write_clean_shutdown(self._filesystem, self.path, broker_epoch)

    def log_names(self) -> list[tuple[str, TopicPartition]]:
        """The directories that hold live logs, the quorum's own aside, in order of topic and partition."""
        found = []
        for name in self._filesystem.list_directories(self.path):
            partition = parse_log_directory_name(name)
            if partition is not None and partition.topic != METADATA_TOPIC_NAME:
                found.append((name, partition))
        return sorted(found, key=lambda pair: pair[1])

    def leaving_names(self) -> list[tuple[str, str]]:
        """The directories of logs that wait for their removal, with what is left of the topic's name."""
        found = []
        for name in self._filesystem.list_directories(self.path):
            partition = parse_log_directory_name(name.rpartition(".")[0])
            if partition is not None and name.endswith((DELETE_DIRECTORY_SUFFIX, STRAY_DIRECTORY_SUFFIX)):
                found.append((name, partition.topic))
        return found

    def recovery_points(self) -> dict[TopicPartition, int]:
        return self._read(RECOVERY_POINT_CHECKPOINT)

    def log_start_offsets(self) -> dict[TopicPartition, int]:
        return self._read(LOG_START_OFFSET_CHECKPOINT)

    def high_watermarks(self) -> dict[TopicPartition, int]:
        return self._read(REPLICATION_OFFSET_CHECKPOINT)

    def write_checkpoint(self, name: str, number: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Replace the checkpoint `name` durably, unless one with a greater `number` has been written. May be called in any thread.

        Raises:
            OSError: the disk failed.
        """
        # The one lock of the room: pool and loop write the same file under the same temporary name, and the later look has to win.
        with self._writing:
            if number > self._written_numbers.get(name, 0):
                write_offset_checkpoint(self._filesystem, f"{self.path}/{name}", offsets)
                self._written_numbers[name] = number

    def usable_bytes(self) -> int:
        return self._filesystem.usable_bytes(self.path)

    def total_bytes(self) -> int:
        return self._filesystem.total_bytes(self.path)

    def _read(self, name: str) -> dict[TopicPartition, int]:
        try:
            return read_offset_checkpoint(self._filesystem, f"{self.path}/{name}")
        except CorruptCheckpoint as error:
            log.warning("checkpoint is unreadable and counts as empty", extra={"directory": self.path, "reason": str(error)})
            return {}
