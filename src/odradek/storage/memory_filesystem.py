"""A file system in memory, for tests and for the simulator: `filesystem.FileSystem` over two dictionaries.

It answers as a POSIX one does where the log depends on it: a renamed or removed file lives on for who has it open, appending is
atomic, a lock is exclusive. What it does not model (lost unsynced writes, torn writes, failing calls) comes with the fault-injecting
file system around it.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Sequence

USABLE_BYTES = 1 << 40


class MemoryFile:
    """The content of one file; every opener of a path has the same one."""

    __slots__ = ("_now_ms", "content", "modified_ms")

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.content = bytearray()
        self._now_ms = now_ms
        self.modified_ms = now_ms()

    def fileno(self) -> None:
        return None

    def size(self) -> int:
        return len(self.content)

    def pread(self, size: int, position: int) -> bytes:
        return bytes(self.content[position : position + size])

    def pread_cached(self, size: int, position: int) -> bytes | None:
        return self.pread(size, position)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self.content += data
        self.modified_ms = self._now_ms()

    def append_gathered(self, parts: Sequence[bytes | memoryview]) -> None:
        self.append(b"".join(parts))

    def truncate(self, size: int) -> None:
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))
        self.modified_ms = self._now_ms()

    def fsync(self) -> None:
        return


class MemoryLock:
    """Membership of a path in the set of locked ones."""

    __slots__ = ("_locked", "_path")

    def __init__(self, locked: set[str], path: str) -> None:
        self._locked = locked
        self._path = path

    def release(self) -> None:
        self._locked.discard(self._path)


def _no_time() -> int:
    return 0


class MemoryFileSystem:
    """Directories and files by their whole path. `now_ms` dates the files."""

    __slots__ = ("_directories", "_files", "_locked", "_now_ms", "usable")

    def __init__(self, now_ms: Callable[[], int] = _no_time) -> None:
        self._files: dict[str, MemoryFile] = {}
        self._directories: set[str] = {"", "/", "."}
        self._locked: set[str] = set()
        self._now_ms = now_ms
        self.usable = USABLE_BYTES

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        file = self._files.get(path)
        if file is None:
            if not create:
                raise _no_such_file(path)
            self._require_parent(path)
            file = self._files[path] = MemoryFile(self._now_ms)
        return file

    def exists(self, path: str) -> bool:
        return path in self._files or path in self._directories

    def is_directory(self, path: str) -> bool:
        return path in self._directories

    def size(self, path: str) -> int:
        return self._file(path).size()

    def modified_ms(self, path: str) -> int:
        return self._file(path).modified_ms

    def list_names(self, path: str) -> list[str]:
        return [posixpath.basename(name) for name in self._files if posixpath.dirname(name) == path] + self.list_directories(path)

    def list_directories(self, path: str) -> list[str]:
        if path not in self._directories:
            raise _no_such_file(path)
        return [posixpath.basename(name) for name in self._directories if name and posixpath.dirname(name) == path and name != path]

    def make_directories(self, path: str) -> None:
        while path not in self._directories:
            if path in self._files:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            self._directories.add(path)
            path = posixpath.dirname(path)

    def read_bytes(self, path: str) -> bytes:
        return bytes(self._file(path).content)

    def write_bytes(self, path: str, data: bytes, *, sync: bool) -> None:
        file = self.open(path, create=True)
        file.truncate(0)
        file.append(data)

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        self._require_parent(path)
        file = self._files[path] = MemoryFile(self._now_ms)
        file.append(data)

    def rename(self, source: str, target: str) -> None:
        if source in self._directories:
            self._rename_directory(source, target)
            return
        file = self._file(source)
        self._require_parent(target)
        del self._files[source]
        self._files[target] = file

    def _rename_directory(self, source: str, target: str) -> None:
        inside = source + "/"
        self._directories = {
            target + path[len(source) :] if path == source or path.startswith(inside) else path for path in self._directories
        }
        self._files = {target + path[len(source) :] if path.startswith(inside) else path: file for path, file in self._files.items()}

    def unlink(self, path: str) -> None:
        self._files.pop(path, None)

    def remove_tree(self, path: str) -> None:
        inside = path + "/"
        self._directories = {name for name in self._directories if name != path and not name.startswith(inside)}
        self._files = {name: file for name, file in self._files.items() if not name.startswith(inside)}

    def fsync(self, path: str) -> None:
        self._file(path)

    def fsync_directory(self, path: str) -> None:
        if path not in self._directories:
            raise _no_such_file(path)

    def lock(self, path: str) -> MemoryLock | None:
        if path in self._locked:
            return None
        self.open(path, create=True)
        self._locked.add(path)
        return MemoryLock(self._locked, path)

    def usable_bytes(self, path: str) -> int:
        return self.usable

    def total_bytes(self, path: str) -> int:
        return USABLE_BYTES

    def _file(self, path: str) -> MemoryFile:
        file = self._files.get(path)
        if file is None:
            raise _no_such_file(path)
        return file

    def _require_parent(self, path: str) -> None:
        if posixpath.dirname(path) not in self._directories:
            raise _no_such_file(path)


def _no_such_file(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
