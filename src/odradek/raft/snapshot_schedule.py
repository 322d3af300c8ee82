"""When a new snapshot is due, and which old ones may go (`SnapshotGenerator.java`, `KafkaRaftLog#maybeClean`).

A snapshot is due when enough bytes of records came since the last, or enough time passed and anything came at all; and soon after a start
that had to read much of the log, which Kafka's generator leaves until the next start reads it again. Old snapshots go,
oldest first, when they are over age or when snapshots and log together take too much room; the newest stays always, for the log alone no
longer holds what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odradek.raft.snapshot_files import SnapshotId

# A snapshot that could not be written is tried again after this time.
RETRY_MS = 60_000
# So many bytes that a start had to replay are some ten thousand records: a snapshot spares the next start most of them. It waits until
# the node has begun to serve.
REPLAYED_BYTES_MAX = 1 << 20
AFTER_START_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """The settings `metadata.log.max.*` and `metadata.max.retention.*`; sizes in bytes, 0 or less switches a limit off."""

    record_bytes_between_snapshots_max: int = 20 << 20
    interval_ms_max: int = 3_600_000
    retention_bytes: int = 100 << 20
    retention_ms: int = 604_800_000


class SnapshotSchedule:
    """Counts bytes and time since the last snapshot."""

    __slots__ = ("_bytes", "_last_ms", "_next_ms", "_settings")

    def __init__(self, settings: SnapshotSettings, now_ms: int) -> None:
        self._settings = settings
        self._bytes = 0
        self._last_ms = now_ms
        self._next_ms: int | None = None

    def on_records(self, size: int) -> None:
        """`size` bytes were committed."""
        self._bytes += size

    def on_snapshot(self, now_ms: int) -> None:
        """A snapshot was begun or read."""
        self._bytes = 0
        self._last_ms = now_ms
        self._next_ms = None

    def on_start(self, now_ms: int) -> None:
        """What was counted until now came from the log: the node has only begun."""
        if self._bytes >= REPLAYED_BYTES_MAX:
            self._next_ms = now_ms + AFTER_START_MS

    def on_failure(self, now_ms: int) -> None:
        """The snapshot that was begun last could not be written."""
        self._next_ms = now_ms + RETRY_MS

    def is_due(self, now_ms: int) -> bool:
        """Whether the metadata of now should be written down."""
        if self._next_ms is not None:
            return now_ms >= self._next_ms
        if self._bytes == 0:
            return False
        if self._bytes >= self._settings.record_bytes_between_snapshots_max:
            return True
        return self._settings.interval_ms_max > 0 and now_ms - self._last_ms >= self._settings.interval_ms_max


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot on disk."""

    id: SnapshotId
    size: int
    modified_ms: int


def snapshots_to_delete(snapshots: Sequence[KeptSnapshot], log_size: int, settings: SnapshotSettings, now_ms: int) -> list[SnapshotId]:
    """The snapshots that may go, given all of them oldest first."""
    doomed: list[SnapshotId] = []
    total = log_size + sum(snapshot.size for snapshot in snapshots)
    for snapshot in snapshots[:-1]:
        is_over_age = settings.retention_ms > 0 and now_ms - snapshot.modified_ms > settings.retention_ms
        is_over_size = settings.retention_bytes > 0 and total > settings.retention_bytes
        if not is_over_age and not is_over_size:
            break
        doomed.append(snapshot.id)
        total -= snapshot.size
    return doomed
