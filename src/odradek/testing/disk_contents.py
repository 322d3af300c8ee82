"""What a simulated disk holds: files and directories, each as programs see it and as it would be found after a power cut.

A file's bytes and a directory's names live twice, in the page cache and on the platter; `fsync` of the one, and of the other, makes them
agree. What has not been waited for may be on the platter, in whole or in part, or not: the dice say so at the power cut.

    bytes    an appended tail is lost, kept, torn at any byte, or has its size without some of its sectors (zeros); a truncation has
             happened or not
    names    of the changes of one directory none, all, the first few, or any survive; a rename is one change, so that a file is never
             lost by it and never has two names

Names are durable only through `fsync` of their own directory. ext4 and XFS commit the name of a new file with the file's own `fsync`, but
POSIX does not ask for it, and what holds under the stricter rule holds under theirs.

A failed `fsync` abandons the bytes it was called for, as Linux does since pages are marked clean whether they were written or not: readers
still see them, a later `fsync` succeeds without them, and a power cut may find zeros in their place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

SECTOR_BYTES = 512


class StoredFile:
    """One file, under whatever name. The first `synced_size` bytes of `content` are durable, and behind them `durable_tail`."""

    __slots__ = ("_abandoned", "_durable_tail", "_is_shared", "_synced_size", "content", "links", "modified_ms", "openers")

    def __init__(self, modified_ms: int) -> None:
        self.content = bytearray()
        self.modified_ms = modified_ms
        # Names and open files; with neither the file's room is free again.
        self.links = 0
        self.openers = 0
        self._synced_size = 0
        # What the platter still has behind `synced_size` and the page cache has cut off.
        self._durable_tail = b""
        # Ranges whose fsync has failed.
        self._abandoned: tuple[tuple[int, int], ...] = ()
        # A copy of the disk has the same bytes: whoever changes them first takes his own.
        self._is_shared = False

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self._own()
        self.content += data

    def truncate(self, size: int) -> None:
        self._own()
        if size < self._synced_size:
            self._durable_tail = bytes(self.content[size : self._synced_size]) + self._durable_tail
            self._synced_size = size
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))
        self._abandoned = tuple((start, min(end, size)) for start, end in self._abandoned if start < size)

    def flip_bit(self, position: int, bit: int) -> None:
        """The medium has lost a bit; nobody is told."""
        self._own()
        self.content[position] ^= 1 << bit

    def sync(self) -> None:
        self._synced_size = len(self.content)
        self._durable_tail = b""

    def abandon_unsynced(self) -> None:
        """An fsync has failed."""
        if self._synced_size < len(self.content):
            self._abandoned += ((self._synced_size, len(self.content)),)

    def copy(self) -> StoredFile:
        """The same file on another disk; neither sees what the other does from now on."""
        made = StoredFile(self.modified_ms)
        made.content = self.content
        made._is_shared = self._is_shared = True
        made._synced_size = self._synced_size
        made._durable_tail = self._durable_tail
        made._abandoned = self._abandoned
        return made

    def after_power_cut(self, dice: random.Random) -> StoredFile:
        """The file as it is found, everything in it durable."""
        if self._synced_size == len(self.content) and not self._durable_tail and not self._abandoned:
            return self.copy()
        found = StoredFile(self.modified_ms)
        if self._durable_tail and dice.random() < 0.5:
            found.content = self.content[: self._synced_size] + self._durable_tail
        else:
            found.content = self._with_some_of_the_tail(dice)
        for start, end in self._abandoned:
            if dice.random() < 0.75:
                end = min(end, len(found.content))
                found.content[start:end] = bytes(max(0, end - start))
        found.sync()
        return found

    def _with_some_of_the_tail(self, dice: random.Random) -> bytearray:
        start, end = self._synced_size, len(self.content)
        style = dice.randrange(4)
        if style == 0 or start == end:
            return self.content[:start]
        if style == 1:
            return self.content[:]
        found = self.content[: dice.randrange(start, end + 1)]
        if style == 2:
            return found
        # The file has grown before its sectors were written, and they were not written in order.
        for sector in range(start // SECTOR_BYTES, len(found) // SECTOR_BYTES + 1):
            if dice.random() < 0.5:
                first, last = max(start, sector * SECTOR_BYTES), min(len(found), (sector + 1) * SECTOR_BYTES)
                found[first:last] = bytes(max(0, last - first))
        return found

    def _own(self) -> None:
        if self._is_shared:
            self.content = self.content[:]
            self._is_shared = False


class StoredDirectory:
    """Names, as they are and as they were when they were last made durable."""

    __slots__ = ("_changes", "_durable", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, Stored] = {}
        self._durable: dict[str, Stored] = {}
        # What each call since has made of which names, in order; None takes a name away.
        self._changes: list[dict[str, Stored | None]] = []

    def change(self, names: dict[str, Stored | None]) -> None:
        """Give and take names in one step."""
        _apply(names, self.entries)
        self._changes.append(names)

    def sync(self) -> None:
        for names in self._changes:
            _apply(names, self._durable)
        self._changes.clear()

    def files(self) -> Iterator[StoredFile]:
        """Every file that has a name here or further down."""
        for stored in self.entries.values():
            if isinstance(stored, StoredFile):
                yield stored
            else:
                yield from stored.files()

    def settle(self) -> None:
        """Everything here and further down is durable."""
        self.sync()
        for stored in self.entries.values():
            if isinstance(stored, StoredFile):
                stored.sync()
            else:
                stored.settle()

    def copy(self, copies: dict[Stored, Stored]) -> StoredDirectory:
        """The same directory on another disk; `copies` are those made so far."""
        made = StoredDirectory()
        copies[self] = made
        made.entries = {name: _copied(stored, copies) for name, stored in self.entries.items()}
        made._durable = {name: _copied(stored, copies) for name, stored in self._durable.items()}
        made._changes = [
            {name: None if stored is None else _copied(stored, copies) for name, stored in names.items()} for names in self._changes
        ]
        return made

    def after_power_cut(self, dice: random.Random) -> StoredDirectory:
        """The directory as it is found, everything in it durable."""
        names = dict(self._durable)
        for change in _survivors(self._changes, dice):
            for stored in change.values():
                for other in [name for name, holder in names.items() if holder is stored]:
                    # The change that gave the file this name is kept, and the one before is not: it has only the later one.
                    del names[other]
            _apply(change, names)
        found = StoredDirectory()
        found.entries = {name: stored.after_power_cut(dice) for name, stored in names.items()}
        found._durable = dict(found.entries)
        return found


Stored = StoredFile | StoredDirectory


def _apply(change: dict[str, Stored | None], names: dict[str, Stored]) -> None:
    for name, stored in change.items():
        if stored is None:
            names.pop(name, None)
        else:
            names[name] = stored


def _copied(stored: Stored, copies: dict[Stored, Stored]) -> Stored:
    made = copies.get(stored)
    if made is None:
        made = copies[stored] = stored.copy() if isinstance(stored, StoredFile) else stored.copy(copies)
    return made


def _survivors(changes: list[dict[str, Stored | None]], dice: random.Random) -> list[dict[str, Stored | None]]:
    if not changes:
        return []
    style = dice.randrange(4)
    if style == 0:
        return []
    if style == 1:
        return changes
    if style == 2:
        return changes[: dice.randrange(len(changes) + 1)]
    return [change for change in changes if dice.random() < 0.5]
