"""`.txnindex`: the transactions that were aborted in a segment (`TransactionIndex.java`, `AbortedTxn.java`).

An entry is i16 version 0, then producer id, first offset, last offset (that of the marker) and the last stable offset when the marker
was written, i64 each. Entries stand in the order of their markers. The file does not exist until a transaction is aborted.

Entries go to the file at once, but where the disk has no room for them they wait in memory, from which they are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from odradek.storage.errors import CorruptIndex
from odradek.storage.open_files import FileHandle

ENTRY_SIZE = 34
ENTRY_VERSION = 0
_ENTRY = Struct(">hqqqq")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortedTransaction:
    """What a consumer that reads committed records has to leave out: the producer's records from `first_offset` to the marker."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """The transaction index of one segment; read whole when asked for, because it is small or absent."""

    __slots__ = ("_aborted", "_base_offset", "_is_name_new", "_waiting_count", "handle")

    def __init__(self, handle: FileHandle, base_offset: int, *, is_new: bool) -> None:
        self.handle = handle
        self._base_offset = base_offset
        # How many of the last entries are not in the file yet.
        self._waiting_count = 0
        self._aborted: list[AbortedTransaction] | None = [] if is_new else None
        self._is_name_new = False

    def append(self, aborted: AbortedTransaction) -> None:
        """Add an entry, whose marker is in the log already, and bring it to the file with all that wait.

        Raises:
            OSError: the entry is here, but not in the file; `write_waiting` tries again.
        """
        self.entries().append(aborted)
        self._waiting_count += 1
        self.write_waiting()

    def write_waiting(self) -> None:
        """Bring the entries that wait to the file.

        Raises:
            OSError: they wait on.
        """
        if not self._waiting_count:
            return
        entries = self.entries()
        written_size = (len(entries) - self._waiting_count) * ENTRY_SIZE
        file = self.handle.file(create=True)
        if file.size() > written_size:
            # Part of an entry, left by a write that did not fit or by a crash.
            file.truncate(written_size)
        file.append(_encoded(entries[-self._waiting_count :]))
        self._waiting_count = 0
        self._is_name_new = self._is_name_new or not written_size

    def take_new_name(self) -> bool:
        """Whether the file may have been made since the last time this was asked, so that its name is to be waited for too."""
        is_name_new, self._is_name_new = self._is_name_new, False
        return is_name_new

    def entries(self) -> list[AbortedTransaction]:
        """All entries; the list belongs to the index.

        Raises:
            CorruptIndex: an entry has a version that does not exist, or ends before the segment begins.
        """
        if self._aborted is None:
            self._aborted = self._read()
        return self._aborted

    def collect(self, first_offset: int, upper_bound: int) -> tuple[list[AbortedTransaction], bool]:
        """The aborted transactions that touch the offsets from `first_offset` to before `upper_bound`.

        The second value says that no later segment can hold another one.
        """
        found = []
        for aborted in self.entries():
            if aborted.last_offset >= first_offset and aborted.first_offset < upper_bound:
                found.append(aborted)
            if aborted.last_stable_offset >= upper_bound:
                return found, True
        return found, False

    def truncate_to(self, offset: int) -> None:
        """Forget the transactions whose marker is at or above `offset`."""
        entries = self.entries()
        kept = [aborted for aborted in entries if aborted.last_offset < offset]
        if len(kept) < len(entries):
            written_count = len(entries) - self._waiting_count
            if len(kept) < written_count:
                self.handle.file().truncate(len(kept) * ENTRY_SIZE)
            self._waiting_count = max(0, len(kept) - written_count)
            self._aborted = kept

    def begin_empty(self) -> None:
        """There is no file, so nothing need be looked for."""
        self._aborted = []

    def replace_all(self, aborted: list[AbortedTransaction]) -> None:
        """Make these the only entries. A file that holds just them is left alone."""
        if not aborted and self._aborted == []:
            return
        self._aborted, self._waiting_count = list(aborted), len(aborted)
        try:
            file = self.handle.file()
        except FileNotFoundError:
            pass
        else:
            content = file.pread(file.size(), 0)
            if content == _encoded(aborted):
                self._waiting_count = 0
            elif content:
                file.truncate(0)
        self.write_waiting()

    def _read(self) -> list[AbortedTransaction]:
        try:
            file = self.handle.file()
        except FileNotFoundError:
            return []
        count = file.size() // ENTRY_SIZE
        entries = []
        for version, producer_id, first_offset, last_offset, last_stable_offset in _ENTRY.iter_unpack(file.pread(count * ENTRY_SIZE, 0)):
            if version != ENTRY_VERSION or last_offset < self._base_offset:
                raise CorruptIndex(f"{self.handle.path} holds an entry of version {version} with last offset {last_offset}")
            entries.append(
                AbortedTransaction(
                    producer_id=producer_id, first_offset=first_offset, last_offset=last_offset, last_stable_offset=last_stable_offset
                )
            )
        return entries


def _encoded(entries: Iterable[AbortedTransaction]) -> bytes:
    return b"".join(
        _ENTRY.pack(ENTRY_VERSION, aborted.producer_id, aborted.first_offset, aborted.last_offset, aborted.last_stable_offset)
        for aborted in entries
    )
