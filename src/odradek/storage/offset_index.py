"""`.index`: where in a segment's file a batch lies, one entry for every few kilobytes (`OffsetIndex.java`, KAFKA-FACTS §2.3).

An entry is the last offset of a batch, relative to the segment's base, and the position at which that batch begins: i32, i32.
Both grow from entry to entry. A search gives where to begin reading; the rest of the way goes from batch to batch.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from librt.strings import read_i32_be

from odradek.storage.errors import CorruptIndex
from odradek.storage.index_entries import IndexEntries
from odradek.storage.open_files import FileHandle

ENTRY_SIZE: Final = 8
_ENTRY = Struct(">ii")
_KEY = Struct(">i")
_POSITION_IN_ENTRY = 4


class OffsetIndex:
    """The offset index of the segment that begins at `base_offset`."""

    __slots__ = ("_base_offset", "entries")

    def __init__(self, handle: FileHandle, base_offset: int, *, is_new: bool) -> None:
        self._base_offset = base_offset
        self.entries = IndexEntries(handle, ENTRY_SIZE, is_new=is_new)

    def append(self, last_offset: int, position: int) -> None:
        """Note that the batch which ends with `last_offset` begins at `position`; both have grown since the last entry."""
        self.entries.append(_ENTRY.pack(last_offset - self._base_offset, position))

    def last_entry(self) -> tuple[int, int]:
        """The last offset and its position; the base offset and 0 in an empty index."""
        if not self.entries.count():
            return self._base_offset, 0
        return self._parsed(self.entries.entry(-1))

    def position_for(self, offset: int) -> int:
        """The greatest known position that is not behind the batch with `offset`."""
        return self._position_at(self.entries.last_slot_at_most(offset - self._base_offset, _KEY, 0))

    def position_at_most(self, position: int) -> int:
        """The greatest known beginning of a batch that is not above `position`."""
        return self._position_at(self.entries.last_slot_at_most(position, _KEY, _POSITION_IN_ENTRY))

    def offset_at_or_behind(self, position: int) -> int | None:
        """The last offset of the first known batch that begins at or behind `position`."""
        slot = self.entries.last_slot_at_most(position - 1, _KEY, _POSITION_IN_ENTRY) + 1
        return self._parsed(self.entries.entry(slot))[0] if slot < self.entries.count() else None

    def all_entries(self) -> list[tuple[int, int]]:
        """Every (last offset, position)."""
        return [
            (relative + self._base_offset, position)
            for relative, position in _ENTRY.iter_unpack(self.entries.block(0, self.entries.count()))
        ]

    def truncate_to(self, offset: int) -> None:
        """Forget the entries at and above `offset`."""
        self.entries.keep(self.entries.last_slot_at_most(offset - self._base_offset - 1, _KEY, 0) + 1)

    def check(self) -> None:
        """Look at the last entry only, as Kafka does.

        Raises:
            CorruptIndex: it lies before the segment, or behind an entry that it should follow.
        """
        last_offset, position = self.last_entry()
        if last_offset < self._base_offset or position < 0:
            raise CorruptIndex(
                f"{self.entries.handle.path} ends with offset {last_offset} at {position}, the segment begins at {self._base_offset}"
            )

    def _position_at(self, slot: int) -> int:
        """The position in the entry at `slot`; that of the segment's beginning where there is no entry."""
        return 0 if slot < 0 else int(read_i32_be(self.entries.entry(slot), _POSITION_IN_ENTRY))

    def _parsed(self, entry: bytes) -> tuple[int, int]:
        relative_offset, position = _ENTRY.unpack(entry)
        return self._base_offset + relative_offset, position
