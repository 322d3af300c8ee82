"""The entries of an index file: of fixed size, in growing order, the latest of them still in memory.

Kafka maps ten mebibytes of every index of every active segment. Here an entry waits in a small array until its owner says
`write_pending`: with the next flush, roll or close, or when a page of them has gathered. What a reader of the directory finds after a
stop is the same. A crash loses what waited, as it may: recovery writes the indexes of every segment behind the recovery point anew,
and the recovery point never moves before `write_pending` (`AbstractIndex.java`).

Searching halves the file with single reads until one block is left, so that an index costs no memory but that block: the next search is
nearly always near the last one, and then needs no read at all.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from librt.strings import read_i32_be, read_i64_be

from odradek.storage.open_files import FileHandle

# The last step of a search reads so many entries at once; as a rule that is one mebibyte of log.
SEARCH_BLOCK_ENTRIES: Final = 256
WIDE_KEY_SIZE: Final = 8


class IndexEntries:
    """Entries of `entry_size` bytes behind `handle`. A torn last entry counts as not there."""

    __slots__ = ("_block", "_block_first", "_handle", "_is_rebuilt", "_pending", "_written_count", "entry_size")

    def __init__(self, handle: FileHandle, entry_size: int, *, is_new: bool) -> None:
        self._handle = handle
        self._pending = bytearray()
        # Entries from the file that the last search ended in, and the slot of the first of them.
        self._block = b""
        self._block_first = 0
        # -1: nobody has looked at the file yet.
        self._written_count = 0 if is_new else -1
        # Whether the file still holds what was there before `rebuild`.
        self._is_rebuilt = False
        self.entry_size = entry_size

    @property
    def handle(self) -> FileHandle:
        return self._handle

    def count(self) -> int:
        return self._written() + len(self._pending) // self.entry_size

    def append(self, entry: bytes) -> None:
        self._pending += entry

    def entry(self, slot: int) -> bytes:
        """The entry at `slot`, counted from 0; negative counts from the end."""
        if slot < 0:
            slot += self.count()
        size = self.entry_size
        position = (slot - self._block_first) * size
        if 0 <= position < len(self._block):
            return self._block[position : position + size]
        return self.block(slot, slot + 1)

    def block(self, first: int, end: int) -> bytes:
        """The entries from `first` to before `end`, as they lie in the file."""
        written = self._written()
        size = self.entry_size
        data = b""
        if first < written:
            data = self._handle.file().pread((min(end, written) - first) * size, first * size)
        if end > written:
            data += self._pending[max(0, first - written) * size : (end - written) * size]
        return data

    def last_slot_at_most(self, target: int, key: Struct, key_position: int) -> int:
        """The last slot whose key is not above `target`, -1 if there is none; keys never go down from slot to slot.

        `key` is a number of 4 or 8 bytes. It is read without it: by `struct` and `bisect` a search takes 25,000 instructions, so 2,000.
        """
        size = self.entry_size
        is_wide = key.size == WIDE_KEY_SIZE
        block, first = self._block, self._block_first
        end = first + len(block) // size
        last = (end - 1 - first) * size + key_position
        if not (end - first > 1 and _key_at(block, key_position, is_wide) <= target < _key_at(block, last, is_wide)):
            first, end = self._narrowed(target, is_wide, key_position)
            block = self.block(first, end)
            if end <= self._written_count:
                self._block, self._block_first = block, first
        low, high = first, end
        while low < high:
            middle = (low + high) // 2
            if _key_at(block, (middle - first) * size + key_position, is_wide) <= target:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _narrowed(self, target: int, is_wide: bool, key_position: int) -> tuple[int, int]:
        """A short range of slots, all before it not above `target` and all behind it above."""
        low, high = 0, self.count()
        while high - low > SEARCH_BLOCK_ENTRIES:
            middle = (low + high) // 2
            if _key_at(self.block(middle, middle + 1), key_position, is_wide) <= target:
                low = middle + 1
            else:
                high = middle
        return low, high

    def take_back(self, count: int) -> None:
        """Forget the last `count` entries, which have not been brought to the file."""
        size = count * self.entry_size
        assert size <= len(self._pending), "an index entry reached its file before its batch"
        if size:
            del self._pending[-size:]

    def keep(self, count: int) -> None:
        """Forget all but the first `count` entries, in the file too."""
        self.write_pending()
        self._block = b""
        if count < self._written():
            self._written_count = count
            self._handle.file().truncate(count * self.entry_size)

    def rebuild(self) -> None:
        """Begin anew, without entries. The file keeps what it has until the next `write_pending`."""
        self._pending = bytearray()
        self._block = b""
        self._written_count = 0
        self._is_rebuilt = True

    def give_back_room(self) -> None:
        """After a rebuild: no zeros may stay in the file behind its entries, which go on waiting.

        Kafka reserves ten mebibytes of zeros, and a kill keeps it from cutting them off. Its tools take them for entries, and find the
        index corrupt. Anything else is left alone: the entry that a clean stop has added at the end is a true one.
        """
        size = self._handle.size()
        if size <= len(self._pending):
            return
        file = self._handle.file()
        if not any(file.pread(self.entry_size, size - self.entry_size)):
            self._keep_what_agrees()
            file.truncate(self._written_count * self.entry_size)

    def write_pending(self) -> None:
        """Bring what waits to the file; makes the file if there is none."""
        if self._is_rebuilt:
            self._keep_what_agrees()
        written = self._written()
        file = self._handle.file(create=True)
        if file.size() != written * self.entry_size:
            # A torn entry, or zeros that Kafka had reserved and a crash kept it from cutting off.
            file.truncate(written * self.entry_size)
        if self._pending:
            file.append(self._pending)
            self._written_count = written + len(self._pending) // self.entry_size
            self._pending = bytearray()

    def _keep_what_agrees(self) -> None:
        """After a rebuild: count what the file holds as written, as far as it is the same. As a rule it is, and nothing need be written."""
        file = self._handle.file(create=True)
        found = file.pread(min(file.size(), len(self._pending)), 0)
        agreed = len(found) // self.entry_size
        if not self._pending.startswith(found):
            agreed = 0
        self._written_count = agreed
        self._pending = self._pending[agreed * self.entry_size :]
        self._is_rebuilt = False

    def _written(self) -> int:
        if self._written_count < 0:
            try:
                self._written_count = self._handle.file().size() // self.entry_size
            except FileNotFoundError:
                self._written_count = 0
        return self._written_count


def _key_at(block: bytes, position: int, is_wide: bool) -> int:
    return int(read_i64_be(block, position)) if is_wide else int(read_i32_be(block, position))
