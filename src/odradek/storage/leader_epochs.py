"""At which offset each leader epoch begins in one partition's log (`LeaderEpochFileCache.java`, KIP-101, KIP-279).

Kept as `leader-epoch-checkpoint`. Epochs and start offsets both grow from entry to entry; a new entry removes those that contradict
it. The file is replaced on every change without waiting for the disk, and made durable by the log's next flush, before the recovery
point moves: what a crash takes away, recovery reads from the batches behind the recovery point, and from all those in front of which the
file knows nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from odradek.base.identifiers import NO_LEADER_EPOCH, NO_OFFSET
from odradek.storage.checkpoint_file import EpochStart, read_epoch_checkpoint, write_epoch_checkpoint
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.file_names import LEADER_EPOCH_CHECKPOINT
from odradek.storage.filesystem import FileSystem

# What no leader epoch is: with this as its last epoch, an appender takes the next batch for the first of an epoch, and writes.
NOTHING_WRITTEN = -2


class LeaderEpochs:
    """The leader epochs of one log, in order."""

    __slots__ = ("_directory", "_entries", "_filesystem", "_is_written", "durable_version", "version")

    def __init__(self, filesystem: FileSystem, directory: str, *, is_new: bool = False) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._entries: list[EpochStart] = []
        # How often the file was replaced, and which of these is on the disk for good.
        self.version = self.durable_version = 0
        self._is_written = True
        if not is_new:
            self._load()

    @property
    def entries(self) -> list[EpochStart]:
        return list(self._entries)

    @property
    def latest_epoch(self) -> int:
        """The greatest epoch, -1 in a log that never had a leader."""
        return self._entries[-1].epoch if self._entries else NO_LEADER_EPOCH

    @property
    def written_epoch(self) -> int:
        """As `latest_epoch` if the file says all that is known here; `NOTHING_WRITTEN` if the next append has to bring it there."""
        return self.latest_epoch if self._is_written else NOTHING_WRITTEN

    @property
    def earliest(self) -> EpochStart | None:
        return self._entries[0] if self._entries else None

    def previous_epoch(self) -> int:
        """The epoch before the latest, -1 if there is none."""
        return self._entries[-2].epoch if len(self._entries) > 1 else NO_LEADER_EPOCH

    def assign(self, epoch: int, start_offset: int) -> bool:
        """Note that `epoch` begins at `start_offset`, unless that is known; says whether anything changed. `write_changes` writes it."""
        assert epoch >= 0
        assert start_offset >= 0
        if not self._adopt(EpochStart(epoch, start_offset)):
            return False
        self._is_written = False
        return True

    def write_changes(self) -> None:
        """Replace the file if it does not say what is known here."""
        if not self._is_written:
            write_epoch_checkpoint(self._filesystem, self._path(), self._entries, sync=False)
            self._is_written = True
            self.version += 1

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """The greatest epoch not above `epoch` and the offset behind its last record: (-1, -1) if that is unknown."""
        if epoch == NO_LEADER_EPOCH or not self._entries or epoch > self.latest_epoch:
            return NO_LEADER_EPOCH, NO_OFFSET
        if epoch == self.latest_epoch:
            return epoch, log_end_offset
        higher = bisect_right(self._entries, epoch, key=_epoch_of)
        found = self._entries[higher - 1].epoch if higher else epoch
        return found, self._entries[higher].start_offset

    def epoch_for_offset(self, offset: int) -> int:
        """The epoch in which the record at `offset` was written, -1 if that is before the first known."""
        index = bisect_right(self._entries, offset, key=_start_of)
        return self._entries[index - 1].epoch if index else NO_LEADER_EPOCH

    def truncate_from_end(self, end_offset: int) -> None:
        """Forget the epochs that begin at or behind `end_offset`."""
        kept = [entry for entry in self._entries if entry.start_offset < end_offset]
        if len(kept) < len(self._entries):
            self._entries = kept
            self._is_written = False

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget the epochs that end before `start_offset`; the one that holds it begins there."""
        passed = bisect_right(self._entries, start_offset, key=_start_of)
        if not passed or (passed == 1 and self._entries[0].start_offset == start_offset):
            return
        self._entries[:passed] = [EpochStart(self._entries[passed - 1].epoch, start_offset)]
        self._is_written = False

    def fill_in(self, earlier: Sequence[EpochStart]) -> None:
        """Put in front what the batches there say."""
        self._entries = [*earlier, *(entry for entry in self._entries if entry.epoch > earlier[-1].epoch)]
        self._is_written = False

    def clear(self) -> None:
        self._entries = []
        self._is_written = False

    def moved_to(self, directory: str) -> None:
        """The log's directory has another name now."""
        self._directory = directory

    def path_to_sync(self) -> str | None:
        """The file, if it has changed since it was made durable; its directory has to be made durable behind it."""
        return self._path() if self.version > self.durable_version else None

    def make_durable(self) -> None:
        """Bring what is known here to the disk, and wait for it; nothing happens if it is there."""
        self.write_changes()
        if self.version > self.durable_version:
            self._filesystem.fsync(self._path())
            self._filesystem.fsync_directory(self._directory)
            self.durable_version = self.version

    def _adopt(self, entry: EpochStart) -> bool:
        latest = self._entries[-1] if self._entries else None
        if latest is not None and latest.epoch == entry.epoch and entry.start_offset >= latest.start_offset:
            return False
        while self._entries and (self._entries[-1].epoch >= entry.epoch or self._entries[-1].start_offset >= entry.start_offset):
            self._entries.pop()
        self._entries.append(entry)
        return True

    def _load(self) -> None:
        try:
            entries = read_epoch_checkpoint(self._filesystem, self._path())
        except CorruptCheckpoint:
            # A torn file after a power cut: recovery fills in the epochs of what it scans.
            entries = []
        for entry in entries:
            self._adopt(entry)

    def _path(self) -> str:
        return f"{self._directory}/{LEADER_EPOCH_CHECKPOINT}"


def _epoch_of(entry: EpochStart) -> int:
    return entry.epoch


def _start_of(entry: EpochStart) -> int:
    return entry.start_offset
