"""A simulated disk as a program sees it that runs on the machine: `storage.filesystem.FileSystem` over `disk_contents`.

It answers as a POSIX file system does where the log depends on it: a renamed or removed file lives on for who has it open, a lock is
exclusive, a write that finds too little room writes what fits. Before each operation the faults are asked, and the journal hears of it.
Once the mount has ended every call raises `MachineCrashed`, so that a process that a test has killed cannot change the disk any more.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Sequence

from odradek.storage.filesystem import TEMPORARY_SUFFIX
from odradek.testing.disk_contents import Stored, StoredDirectory, StoredFile
from odradek.testing.disk_operations import CHANGES, Faults, MachineCrashed, Operation, Step


class Volume:
    """What all mounts of a disk share: the tree of names, the room, the locks, and the journal (None: not kept)."""

    __slots__ = ("capacity_bytes", "changes_count", "journal", "locked", "now_ms", "operations_count", "root", "used_bytes")

    def __init__(self, now_ms: Callable[[], int], capacity_bytes: int) -> None:
        self.now_ms = now_ms
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.root = StoredDirectory()
        self.locked: set[str] = set()
        self.operations_count = 0
        self.changes_count = 0
        self.journal: list[Step] | None = None

    def release(self, stored: StoredFile) -> None:
        """A name or an opener of the file is gone; so is the file with the last of them."""
        if stored.links == 0 and stored.openers == 0:
            self.used_bytes -= len(stored.content)


class SimulatedFile:
    """One open file."""

    __slots__ = ("_mount", "_path", "_stored")

    def __init__(self, mount: SimulatedFileSystem, path: str, stored: StoredFile) -> None:
        self._mount = mount
        self._path = path
        self._stored = stored
        stored.openers += 1

    def __del__(self) -> None:
        if not self._mount.is_ended:
            self._stored.openers -= 1
            self._mount.volume.release(self._stored)

    def fileno(self) -> None:
        return None

    def size(self) -> int:
        self._mount.begin(Operation.LOOK, self._path)
        return len(self._stored.content)

    def pread(self, size: int, position: int) -> bytes:
        self._mount.begin(Operation.READ, self._path, size)
        return _part(self._stored, position, size)

    def pread_cached(self, size: int, position: int) -> bytes | None:
        return self.pread(size, position)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self._write(Operation.WRITE, data)

    def append_gathered(self, parts: Sequence[bytes | memoryview]) -> None:
        self._write(Operation.WRITE_GATHERED, b"".join(parts))

    def truncate(self, size: int) -> None:
        mount, stored = self._mount, self._stored
        mount.begin(Operation.TRUNCATE, self._path, size)
        mount.volume.used_bytes += size - len(stored.content)
        stored.truncate(size)
        stored.modified_ms = mount.volume.now_ms()

    def fsync(self) -> None:
        self._mount.sync(self._path, self._stored)

    def _write(self, operation: Operation, data: bytes | bytearray | memoryview) -> None:
        mount, stored = self._mount, self._stored
        volume = mount.volume
        size = len(data)
        error, written = mount.begin_write(operation, self._path, size)
        room = max(0, volume.capacity_bytes - volume.used_bytes)
        if room < min(size, written):
            error, written = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path), room
        stored.append(data if written == size else memoryview(data)[:written])
        volume.used_bytes += written
        stored.modified_ms = volume.now_ms()
        if error is not None:
            raise error


class SimulatedLock:
    """A lock that lasts until it is released or its process has crashed."""

    __slots__ = ("_mount", "_path")

    def __init__(self, mount: SimulatedFileSystem, path: str) -> None:
        self._mount = mount
        self._path = path

    def release(self) -> None:
        if not self._mount.is_ended:
            self._mount.volume.locked.discard(self._path)


class SimulatedFileSystem:
    """One process's view of a disk."""

    __slots__ = ("_faults", "is_ended", "volume")

    def __init__(self, volume: Volume, faults: Faults | None) -> None:
        self.volume = volume
        self.is_ended = False
        self._faults = faults

    def end(self) -> None:
        """The process is dead."""
        self.is_ended = True

    def open(self, path: str, *, create: bool = False) -> SimulatedFile:
        stored = self._find(path)
        if stored is None and create:
            return SimulatedFile(self, path, self._create(path))
        self.begin(Operation.OPEN, path)
        return SimulatedFile(self, path, _as_file(stored, path))

    def exists(self, path: str) -> bool:
        self.begin(Operation.LOOK, path)
        return self._find(path) is not None

    def is_directory(self, path: str) -> bool:
        self.begin(Operation.LOOK, path)
        return isinstance(self._find(path), StoredDirectory)

    def size(self, path: str) -> int:
        self.begin(Operation.LOOK, path)
        return len(self._file(path).content)

    def modified_ms(self, path: str) -> int:
        self.begin(Operation.LOOK, path)
        return self._file(path).modified_ms

    def list_names(self, path: str) -> list[str]:
        self.begin(Operation.LIST, path)
        return list(self._directory(path).entries)

    def list_directories(self, path: str) -> list[str]:
        self.begin(Operation.LIST, path)
        return [name for name, stored in self._directory(path).entries.items() if isinstance(stored, StoredDirectory)]

    def make_directories(self, path: str) -> None:
        above = self.volume.root
        names = _names(path)
        for depth, name in enumerate(names):
            stored = above.entries.get(name)
            if stored is None:
                self.begin(Operation.MAKE_DIRECTORY, path if depth == len(names) - 1 else path[:1] + "/".join(names[: depth + 1]))
                stored = StoredDirectory()
                above.change({name: stored})
            if isinstance(stored, StoredFile):
                raise _error(errno.EEXIST if depth == len(names) - 1 else errno.ENOTDIR, path)
            above = stored

    def read_bytes(self, path: str) -> bytes:
        self.begin(Operation.OPEN, path)
        stored = self._file(path)
        self.begin(Operation.READ, path, len(stored.content))
        return bytes(stored.content)

    def write_bytes(self, path: str, data: bytes, *, sync: bool) -> None:
        file = self.open(path, create=True)
        if self._file(path).content:
            file.truncate(0)
        file.append(data)
        if sync:
            file.fsync()

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        temporary = path + TEMPORARY_SUFFIX
        self.write_bytes(temporary, data, sync=sync)
        self.rename(temporary, path)
        if sync:
            self.fsync_directory(posixpath.dirname(path))

    def rename(self, source: str, target: str) -> None:
        self.begin(Operation.RENAME, source)
        stored = self._find(source)
        if stored is None:
            raise _error(errno.ENOENT, source)
        replaced = self._find(target)
        if stored is replaced:
            return
        if isinstance(replaced, StoredDirectory) and (isinstance(stored, StoredFile) or replaced.entries):
            raise _error(errno.EISDIR if isinstance(stored, StoredFile) else errno.ENOTEMPTY, target)
        if isinstance(replaced, StoredFile) and isinstance(stored, StoredDirectory):
            raise _error(errno.ENOTDIR, target)
        old, new = self._parent(source), self._parent(target)
        source_name, target_name = posixpath.basename(source), posixpath.basename(target)
        if old is new:
            old.change({source_name: None, target_name: stored})
        else:
            new.change({target_name: stored})
            old.change({source_name: None})
        if isinstance(replaced, StoredFile):
            self._unlinked(replaced)

    def unlink(self, path: str) -> None:
        stored = self._find(path)
        if stored is None:
            self.begin(Operation.LOOK, path)
            return
        self.begin(Operation.UNLINK, path)
        file = _as_file(stored, path)
        self._parent(path).change({posixpath.basename(path): None})
        self._unlinked(file)

    def remove_tree(self, path: str) -> None:
        directory = self._find(path)
        if directory is None:
            return
        if isinstance(directory, StoredFile):
            raise _error(errno.ENOTDIR, path)
        for name, stored in list(directory.entries.items()):
            if isinstance(stored, StoredFile):
                self.unlink(f"{path}/{name}")
            else:
                self.remove_tree(f"{path}/{name}")
        self.begin(Operation.REMOVE_DIRECTORY, path)
        self._parent(path).change({posixpath.basename(path): None})

    def fsync(self, path: str) -> None:
        stored = self._find(path)
        if isinstance(stored, StoredDirectory):
            self.fsync_directory(path)
        else:
            self.sync(path, _as_file(stored, path))

    def fsync_directory(self, path: str) -> None:
        self.begin(Operation.SYNC_DIRECTORY, path)
        self._directory(path).sync()

    def lock(self, path: str) -> SimulatedLock | None:
        self.begin(Operation.LOCK, path)
        if path in self.volume.locked:
            return None
        if self._find(path) is None:
            self._create(path)
        self.volume.locked.add(path)
        return SimulatedLock(self, path)

    def usable_bytes(self, path: str) -> int:
        self.begin(Operation.SPACE, path)
        return max(0, self.volume.capacity_bytes - self.volume.used_bytes)

    def total_bytes(self, path: str) -> int:
        self.begin(Operation.SPACE, path)
        return self.volume.capacity_bytes

    def stored_file(self, path: str) -> StoredFile:
        """The file itself, for whoever damages it."""
        return self._file(path)

    # What an open file asks of its mount.

    def begin(self, operation: Operation, path: str, size: int = 0) -> None:
        """Count an operation and ask whether it may happen."""
        error, _ = self.begin_write(operation, path, size)
        if error is not None:
            raise error

    def begin_write(self, operation: Operation, path: str, size: int) -> tuple[OSError | MachineCrashed | None, int]:
        """As `begin` for a write: the error to raise when it is done, and how much of it to do."""
        if self.is_ended:
            raise MachineCrashed(f"{operation.value} of {path} by a process that has crashed")
        volume = self.volume
        number = volume.operations_count
        volume.operations_count = number + 1
        if volume.journal is not None:
            volume.journal.append(Step(number, operation, path, size))
        if operation in CHANGES:
            volume.changes_count += 1
        if self._faults is None:
            return None, size
        try:
            fault = self._faults.before(operation, path, size)
        except MachineCrashed:
            self.end()
            raise
        if fault is None:
            return None, size
        if isinstance(fault.error, MachineCrashed):
            self.end()
        return fault.error, max(0, min(fault.bytes_written, size))

    def sync(self, path: str, stored: StoredFile) -> None:
        """Make a file's bytes durable, or abandon them."""
        try:
            self.begin(Operation.SYNC, path)
        except OSError:
            stored.abandon_unsynced()
            raise
        stored.sync()

    def _create(self, path: str) -> StoredFile:
        parent = self._parent(path)
        self.begin(Operation.CREATE, path)
        made = StoredFile(self.volume.now_ms())
        made.links = 1
        parent.change({posixpath.basename(path): made})
        return made

    def _unlinked(self, stored: StoredFile) -> None:
        stored.links -= 1
        self.volume.release(stored)

    def _find(self, path: str) -> Stored | None:
        stored: Stored = self.volume.root
        for name in _names(path):
            if isinstance(stored, StoredFile):
                return None
            found = stored.entries.get(name)
            if found is None:
                return None
            stored = found
        return stored

    def _file(self, path: str) -> StoredFile:
        return _as_file(self._find(path), path)

    def _directory(self, path: str) -> StoredDirectory:
        stored = self._find(path)
        if stored is None:
            raise _error(errno.ENOENT, path)
        if isinstance(stored, StoredFile):
            raise _error(errno.ENOTDIR, path)
        return stored

    def _parent(self, path: str) -> StoredDirectory:
        return self._directory(posixpath.dirname(path))


def _part(stored: StoredFile, position: int, size: int) -> bytes:
    with memoryview(stored.content) as view:
        return bytes(view[position : position + size])


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name and name != "."]


def _as_file(stored: Stored | None, path: str) -> StoredFile:
    if stored is None:
        raise _error(errno.ENOENT, path)
    if isinstance(stored, StoredDirectory):
        raise _error(errno.EISDIR, path)
    return stored


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
