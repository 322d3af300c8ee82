"""`.timeindex`: from which offset on a timestamp has been reached (`TimeIndex.java`, KAFKA-FACTS §2.3).

An entry is the greatest timestamp so far and the last offset of the batch that brought it, relative to the segment's base: i64, i32.
It promises that no record up to that offset is later. One is written beside each entry of the offset index if time has moved,
and a last one when the segment is rolled or closed.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from odradek.base.identifiers import NO_TIMESTAMP
from odradek.storage.errors import CorruptIndex
from odradek.storage.index_entries import IndexEntries
from odradek.storage.open_files import FileHandle

ENTRY_SIZE: Final = 12
_ENTRY = Struct(">qi")
_TIMESTAMP = Struct(">q")
_OFFSET = Struct(">i")
_OFFSET_IN_ENTRY = 8


class TimeIndex:
    """The time index of the segment that begins at `base_offset`."""

    __slots__ = ("_base_offset", "_last", "entries")

    def __init__(self, handle: FileHandle, base_offset: int, *, is_new: bool) -> None:
        self._base_offset = base_offset
        self._last: tuple[int, int] | None = None
        self.entries = IndexEntries(handle, ENTRY_SIZE, is_new=is_new)

    def append_if_later(self, timestamp: int, offset: int) -> bool:
        """Note that `timestamp` was reached at `offset`; nothing happens unless it is later than the last entry."""
        if timestamp <= self.last_entry()[0]:
            return False
        self.entries.append(_ENTRY.pack(timestamp, offset - self._base_offset))
        self._last = (timestamp, offset)
        return True

    def take_back(self, count: int) -> None:
        """Forget the last `count` entries, which have not been brought to the file."""
        self.entries.take_back(count)
        self._last = None

    def last_entry(self) -> tuple[int, int]:
        """The last timestamp and its offset; -1 and the base offset in an empty index."""
        if self._last is None:
            self._last = self._parsed(self.entries.entry(-1)) if self.entries.count() else (NO_TIMESTAMP, self._base_offset)
        return self._last

    def offset_for(self, timestamp: int) -> int:
        """An offset up to which every record is earlier than or at `timestamp`."""
        slot = self.entries.last_slot_at_most(timestamp, _TIMESTAMP, 0)
        return self._base_offset if slot < 0 else self._parsed(self.entries.entry(slot))[1]

    def all_entries(self) -> list[tuple[int, int]]:
        """Every (timestamp, offset)."""
        return [
            (timestamp, relative + self._base_offset)
            for timestamp, relative in _ENTRY.iter_unpack(self.entries.block(0, self.entries.count()))
        ]

    def truncate_to(self, offset: int) -> None:
        """Forget the entries at and above `offset`."""
        self.entries.keep(self.entries.last_slot_at_most(offset - self._base_offset - 1, _OFFSET, _OFFSET_IN_ENTRY) + 1)
        self._last = None

    def rebuild(self) -> None:
        """Begin anew, without entries."""
        self.entries.rebuild()
        self._last = None

    def check(self) -> None:
        """Look at the first and the last entry, as Kafka does.

        Raises:
            CorruptIndex: they cannot both be right, or do not belong to this segment.
        """
        if not self.entries.count():
            return
        timestamp, offset = self.last_entry()
        if offset < self._base_offset or timestamp < self._parsed(self.entries.entry(0))[0]:
            raise CorruptIndex(f"{self.entries.handle.path} ends with timestamp {timestamp} at offset {offset}")

    def _parsed(self, entry: bytes) -> tuple[int, int]:
        timestamp, relative_offset = _ENTRY.unpack(entry)
        return timestamp, self._base_offset + relative_offset
