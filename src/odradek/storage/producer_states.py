"""All producers of one partition, the transactions they have open, and the snapshots of both (`ProducerStateManager.java`).

The entries live in a dictionary that the log's tail reads and changes while it appends. Here is what happens beside the append:
where transactions begin and end (the last stable offset), when a silent producer is forgotten, when a snapshot is written, and how
the state is brought back from the newest good snapshot after a restart or a truncation. What a snapshot does not cover, the log
loader replays from the batches.

A snapshot's number is the offset up to which it holds: every batch below has been counted, none above. mypyc compiles this module; it also
runs as it stands.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import final

from odradek.records.control import ControlType, EndMarker
from odradek.records.header import BatchHeader
from odradek.storage.errors import CorruptSnapshot, room_can_wait
from odradek.storage.file_names import DELETED_SUFFIX, PRODUCER_SNAPSHOT_SUFFIX, offset_name
from odradek.storage.filesystem import FileSystem
from odradek.storage.producer_entry import ProducerEntry
from odradek.storage.producer_snapshot import decode_snapshot, encode_snapshot
from odradek.storage.transaction_index import AbortedTransaction

PRODUCER_ID_EXPIRATION_MS_DEFAULT = 86_400_000


@final
class CompletedTransaction:
    """A transaction that a marker has ended; `last_offset` is the marker's."""

    __slots__ = ("first_offset", "is_aborted", "last_offset", "producer_id")

    def __init__(self, *, producer_id: int, first_offset: int, last_offset: int, is_aborted: bool) -> None:
        self.producer_id = producer_id
        self.first_offset = first_offset
        self.last_offset = last_offset
        self.is_aborted = is_aborted


@final
class ProducerStates:
    """The producers of the log in `directory`."""

    __slots__ = (
        "_directory",
        "_filesystem",
        "_last_snapshot_offset",
        "_ongoing",
        "_snapshots",
        "_unreplicated",
        "end_offset",
        "entries",
        "expiration_ms",
    )

    def __init__(self, filesystem: FileSystem, directory: str, snapshot_offsets: Iterable[int], expiration_ms: int) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._snapshots = sorted(snapshot_offsets)
        self._last_snapshot_offset = 0
        # First offset -> producer id, in the order of the offsets: transactions begin one behind the other.
        self._ongoing: dict[int, int] = {}
        # First offset -> offset of the marker, until the high watermark has passed the marker.
        self._unreplicated: dict[int, int] = {}
        self.entries: dict[int, ProducerEntry] = {}
        self.end_offset = 0
        self.expiration_ms = expiration_ms

    @property
    def snapshot_offsets(self) -> list[int]:
        return list(self._snapshots)

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """The first offset of the oldest transaction whose marker is not below the high watermark yet."""
        first_undecided = next(iter(self._ongoing), None)
        self.forget_replicated(high_watermark)
        if not self._unreplicated:
            return first_undecided
        first_unreplicated = min(self._unreplicated)
        return first_unreplicated if first_undecided is None else min(first_undecided, first_unreplicated)

    def begin_transaction(self, producer_id: int, first_offset: int) -> None:
        """The entry's `transaction_first_offset` has just been set."""
        self._ongoing[first_offset] = producer_id

    def end_transaction(self, header: BatchHeader, marker: EndMarker, offset: int) -> CompletedTransaction | None:
        """Apply a marker at `offset`; the transaction it ends, None if the producer had none open."""
        producer_id = int(header.producer_id)
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry(producer_id, header.producer_epoch)
        first_offset = int(entry.transaction_first_offset)
        entry.adopt_epoch(header.producer_epoch)
        entry.coordinator_epoch = marker.coordinator_epoch
        entry.last_timestamp = header.max_timestamp
        entry.transaction_first_offset = -1
        if first_offset < 0:
            return None
        return CompletedTransaction(
            producer_id=producer_id, first_offset=first_offset, last_offset=offset, is_aborted=marker.control_type is ControlType.ABORT
        )

    def _last_stable_offset_of(self, completed: CompletedTransaction) -> int:
        """The last stable offset once `completed` is done: the first offset open elsewhere, or that behind the marker."""
        for first_offset, producer_id in self._ongoing.items():
            if producer_id != completed.producer_id:
                # One that began behind the marker, but was written together with it, does not count: a recovery would not know of it yet.
                return min(first_offset, completed.last_offset + 1)
        return completed.last_offset + 1

    def complete(self, completed: CompletedTransaction) -> AbortedTransaction | None:
        """The transaction is decided; it stays unstable until `forget_replicated` passes its marker.

        What has to stand in its segment's index then: nothing of one that was committed.
        """
        self._ongoing.pop(completed.first_offset, None)
        self._unreplicated[completed.first_offset] = completed.last_offset
        if not completed.is_aborted:
            return None
        return AbortedTransaction(
            producer_id=completed.producer_id,
            first_offset=completed.first_offset,
            last_offset=completed.last_offset,
            last_stable_offset=self._last_stable_offset_of(completed),
        )

    def forget_replicated(self, high_watermark: int) -> None:
        """The high watermark, or the log start, has moved."""
        if self._unreplicated:
            self._unreplicated = {first: last for first, last in self._unreplicated.items() if last >= high_watermark}

    def take_back(self, before: Mapping[int, ProducerEntry | None], written_end_offset: int) -> None:
        """Forget what was staged at and behind `written_end_offset`.

        `before` has those producers whose own entry does not tell what was before, None for new ones.
        """
        for producer_id, entry in before.items():
            if entry is None:
                self.entries.pop(producer_id, None)
            else:
                self.entries[producer_id] = entry
        for entry in self.entries.values():
            entry.take_back_from(written_end_offset)
        for first_offset in [first_offset for first_offset in self._ongoing if first_offset >= written_end_offset]:
            del self._ongoing[first_offset]

    def replay_data(self, header: BatchHeader) -> None:
        """Count a batch that another leader, or an earlier run, has accepted: nothing is refused."""
        producer_id = int(header.producer_id)
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry(producer_id, header.producer_epoch)
        entry.add_batch(header.producer_epoch, header.last_sequence(), header.last_offset(), header.last_offset_delta, header.max_timestamp)
        if header.is_transactional() and entry.transaction_first_offset < 0:
            entry.transaction_first_offset = header.base_offset
            self.begin_transaction(producer_id, int(header.base_offset))

    def remove_expired(self, now_ms: int) -> None:
        """Forget producers that have been silent for `producer.id.expiration.ms`; those with an open transaction stay."""
        for producer_id in [entry.producer_id for entry in self.entries.values() if self._is_expired(entry, now_ms)]:
            del self.entries[producer_id]

    def take_snapshot(self, *, sync: bool) -> str | None:
        """Write a snapshot at `end_offset`; its path, None if nothing has been appended since the last one.

        Raises:
            OSError: there is no snapshot; a later call tries again.
        """
        if self.end_offset <= self._last_snapshot_offset:
            return None
        path = self._path(self.end_offset)
        try:
            self._filesystem.write_bytes(path, encode_snapshot(self.entries.values()), sync=sync)
        except OSError:
            # What was begun would be taken for a snapshot by the next start, until it has looked.
            with suppress(OSError):
                self._filesystem.unlink(path)
            if self.end_offset in self._snapshots:
                self._snapshots.remove(self.end_offset)
            raise
        if self.end_offset not in self._snapshots:
            insort(self._snapshots, self.end_offset)
        self._last_snapshot_offset = self.end_offset
        return path

    def renew_snapshot(self) -> None:
        """As `take_snapshot`, when the log is read again: a file that holds the same already is left alone."""
        if self.has_snapshot_at(self.end_offset):
            with suppress(FileNotFoundError):
                if self._filesystem.read_bytes(self._path(self.end_offset)) == encode_snapshot(self.entries.values()):
                    self._last_snapshot_offset = max(self._last_snapshot_offset, self.end_offset)
                    return
        # Without it the next start after a crash reads from an older one on.
        with room_can_wait():
            self.take_snapshot(sync=False)

    def remove_snapshots_beyond(self, log_end_offset: int) -> None:
        """Remove the snapshots of records that the log does not have."""
        for offset in [offset for offset in self._snapshots if offset > log_end_offset]:
            self._remove(offset)

    def return_to(self, first_offset: int, upper_bound: int, now_ms: int) -> None:
        """Go back to the newest good snapshot from `first_offset`, where the files begin, to `upper_bound`; `end_offset` says up to where
        it holds.

        Bad snapshots are removed, and then an older one serves. So are those below `first_offset`, but not the one that stands there: it
        alone knows the producers of what retention has removed. Kafka drops it, and after a restart takes a repetition for something new.
        What lies behind the bound stays.
        """
        for offset in [offset for offset in self._snapshots if offset < first_offset]:
            self._remove(offset)
        self._clear()
        while newest := self._newest_snapshot(upper_bound):
            try:
                loaded = decode_snapshot(self._filesystem.read_bytes(self._path(newest)))
            except CorruptSnapshot:
                self._remove(newest)
                continue
            for entry in loaded:
                if not self._is_expired(entry, now_ms):
                    self.entries[entry.producer_id] = entry
            self._adopt_ongoing()
            self.end_offset = self._last_snapshot_offset = newest
            return
        self.end_offset = self._last_snapshot_offset = first_offset

    def _newest_snapshot(self, upper_bound: int) -> int:
        """The offset of the newest snapshot that is not above `upper_bound`, 0 if there is none: nobody takes one of nothing."""
        index = bisect_right(self._snapshots, upper_bound)
        return self._snapshots[index - 1] if index else 0

    def start_empty_at(self, offset: int) -> None:
        """The log has been emptied and begins anew at `offset`."""
        self._clear()
        for snapshot in list(self._snapshots):
            self._remove(snapshot)
        self._last_snapshot_offset = 0
        self.end_offset = offset

    def log_start_moved(self, log_start_offset: int) -> None:
        self.forget_replicated(log_start_offset)
        self.end_offset = max(self.end_offset, log_start_offset)
        # With no snapshot left the next one is due even if nothing is appended any more: the producers are not in the log.
        self._last_snapshot_offset = self._snapshots[-1] if self._snapshots else 0

    def remove_stray_snapshots(self, segment_base_offsets: Iterable[int]) -> None:
        """Keep the snapshots at the beginning of a segment, and the newest of all; after a crash there can be others."""
        bases = set(segment_base_offsets)
        newest_base = max(bases, default=-1)
        strays = [offset for offset in self._snapshots if offset not in bases]
        for offset in strays[:-1]:
            self._remove(offset)
        if strays and strays[-1] < newest_base:
            self._remove(strays[-1])

    def mark_snapshot_deleted(self, offset: int) -> str | None:
        """Rename the snapshot of a segment that goes; the path under which it waits for its removal."""
        if offset not in self._snapshots:
            return None
        self._snapshots.remove(offset)
        path = self._path(offset)
        try:
            self._filesystem.rename(path, path + DELETED_SUFFIX)
        except FileNotFoundError:
            return None
        return path + DELETED_SUFFIX

    def has_snapshot_at(self, offset: int) -> bool:
        index = bisect_left(self._snapshots, offset)
        return index < len(self._snapshots) and self._snapshots[index] == offset

    def moved_to(self, directory: str) -> None:
        """The log's directory has another name now."""
        self._directory = directory

    def _adopt_ongoing(self) -> None:
        opened = [(int(entry.transaction_first_offset), int(entry.producer_id)) for entry in self.entries.values()]
        self._ongoing.update(sorted(transaction for transaction in opened if transaction[0] >= 0))

    def _is_expired(self, entry: ProducerEntry, now_ms: int) -> bool:
        return entry.transaction_first_offset < 0 and now_ms - entry.last_timestamp >= self.expiration_ms

    def _clear(self) -> None:
        # The dictionary stays the same: the log's tail holds it.
        self.entries.clear()
        self._ongoing.clear()
        self._unreplicated.clear()

    def _remove(self, offset: int) -> None:
        self._snapshots.remove(offset)
        self._filesystem.unlink(self._path(offset))

    def _path(self, offset: int) -> str:
        return f"{self._directory}/{offset_name(offset)}{PRODUCER_SNAPSHOT_SUFFIX}"
