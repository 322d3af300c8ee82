"""Every touch of a disk, behind two protocols: `FileSystem` for names and `File` for bytes.

`RealFileSystem` is the operating system, `memory_filesystem.MemoryFileSystem` a dictionary, and `testing.simulated_disk` a disk that
fails and forgets as real ones do; the same tests run on all. Nothing here knows of logs. Files are opened with their whole path (a `str`,
because path objects cost more than the calls they lead to), are only ever written at their end or cut, and close themselves when the last
reference to them goes: whoever keeps a `File` for a `sendfile` under way can be sure that it stays open, whatever the cache of open files
decides meanwhile.

`OSError` passes through; who owns a log directory turns it into `StorageFailure`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from stat import S_ISDIR
from typing import Protocol

# How many buffers one writev takes (IOV_MAX of Linux and the BSDs).
GATHER_PARTS_MAX = 1024
TEMPORARY_SUFFIX = ".tmp"
# What is shorter is read in one go: what is in a log's directory beside segments and indexes nearly always is.
SMALL_FILE_BYTES_MAX = 4096
LARGE_READ_BYTES = 1 << 20


class File(Protocol):
    """One open file: read anywhere, written at the end. The descriptor is closed when the object goes."""

    def fileno(self) -> int | None:
        """The descriptor for `sendfile`, None where there is none."""
        ...

    def size(self) -> int: ...

    def pread(self, size: int, position: int) -> bytes:
        """At most `size` bytes from `position`; fewer only at the end of the file."""
        ...

    def pread_cached(self, size: int, position: int) -> bytes | None:
        """As `pread`, but never waits for a disk: None when the first byte is not in the page cache."""
        ...

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data` at the end."""
        ...

    def append_gathered(self, parts: Sequence[bytes | memoryview]) -> None:
        """Write all parts, one behind the other, at the end."""
        ...

    def truncate(self, size: int) -> None: ...

    def fsync(self) -> None: ...


class FileLock(Protocol):
    """A lock on a directory that other processes respect, until released or until this process ends."""

    def release(self) -> None: ...


class FileSystem(Protocol):
    """Names and what lies behind them. Paths are absolute or relative to wherever the node was started."""

    def open(self, path: str, *, create: bool = False) -> File:
        """The file at `path` for reading and appending; FileNotFoundError unless it exists or `create` says to make it."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is something; a disk that cannot tell is an error, for an absent vote or mark means something."""
        ...

    def is_directory(self, path: str) -> bool: ...

    def size(self, path: str) -> int: ...

    def modified_ms(self, path: str) -> int:
        """When the file was last written, in milliseconds since 1970."""
        ...

    def list_names(self, path: str) -> list[str]:
        """The names in a directory, in no order."""
        ...

    def list_directories(self, path: str) -> list[str]:
        """The names of the directories in a directory, in no order."""
        ...

    def make_directories(self, path: str) -> None:
        """Make a directory and those above it; no error when they are there."""
        ...

    def read_bytes(self, path: str) -> bytes: ...

    def write_bytes(self, path: str, data: bytes, *, sync: bool) -> None:
        """Write a whole file in place."""
        ...

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        """Write a whole file so that a reader finds the old or the new content; with `sync`, also after a power cut."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Atomic; replaces a file at `target`."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file; no error when it is not there."""
        ...

    def remove_tree(self, path: str) -> None:
        """Remove a directory with all that is in it; no error when it is not there."""
        ...

    def fsync(self, path: str) -> None:
        """Make a file's content durable."""
        ...

    def fsync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        ...

    def lock(self, path: str) -> FileLock | None:
        """Take the lock file at `path`, None when another process holds it."""
        ...

    def usable_bytes(self, path: str) -> int:
        """Free space for us where `path` lies."""
        ...

    def total_bytes(self, path: str) -> int: ...


class RealFile:
    """A descriptor, opened for appending."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def pread(self, size: int, position: int) -> bytes:
        data = os.pread(self._descriptor, size, position)
        if len(data) == size or not data:
            return data
        # A signal or a limit of the kernel (2 GiB) can end a read early; only an empty read is the end of the file.
        parts = [data]
        while data and (missing := size - sum(map(len, parts))) > 0:
            data = os.pread(self._descriptor, missing, position + size - missing)
            parts.append(data)
        return b"".join(parts)

    def pread_cached(self, size: int, position: int) -> bytes | None:
        if not CAN_READ_WITHOUT_WAITING:
            return self.pread(size, position)
        buffer = bytearray(size)
        try:
            count = os.preadv(self._descriptor, [buffer], position, os.RWF_NOWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            # Some file systems (overlay, network) do not know the flag: then nothing is ever known to be cold.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            return self.pread(size, position)
        return bytes(memoryview(buffer)[:count])

    def append(self, data: bytes | bytearray | memoryview) -> None:
        written = os.write(self._descriptor, data)
        if written == len(data):
            return
        with memoryview(data) as view:
            while written < len(view):
                written += os.write(self._descriptor, view[written:])

    def append_gathered(self, parts: Sequence[bytes | memoryview]) -> None:
        for first in range(0, len(parts), GATHER_PARTS_MAX):
            self._append_some(parts[first : first + GATHER_PARTS_MAX])

    def _append_some(self, parts: Sequence[bytes | memoryview]) -> None:
        if not CAN_WRITE_GATHERED:
            self.append(b"".join(parts))
            return
        size = sum(map(len, parts))
        written = os.writev(self._descriptor, parts)
        if written < size:
            self.append(memoryview(b"".join(parts))[written:])

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def fsync(self) -> None:
        os.fsync(self._descriptor)


# Linux can say "only from the page cache" and most systems can gather; a test switches both off to force the portable way.
CAN_READ_WITHOUT_WAITING = hasattr(os, "preadv") and hasattr(os, "RWF_NOWAIT")
CAN_WRITE_GATHERED = hasattr(os, "writev")


class RealLock:
    """`flock` on a file, as Kafka's `.lock` (Java's `FileChannel.tryLock` is POSIX, see `RealFileSystem.lock`)."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _status(path: str) -> os.stat_result | None:
    """What lies at `path`, None if there is nothing. Unlike `os.path.exists` it does not take an error of the disk for nothing."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


class RealFileSystem:
    """The operating system's files."""

    __slots__ = ()

    def open(self, path: str, *, create: bool = False) -> File:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        return RealFile(os.open(path, flags | os.O_CREAT if create else flags, 0o644))

    def exists(self, path: str) -> bool:
        return _status(path) is not None

    def is_directory(self, path: str) -> bool:
        status = _status(path)
        return status is not None and S_ISDIR(status.st_mode)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def list_names(self, path: str) -> list[str]:
        return os.listdir(path)

    def list_directories(self, path: str) -> list[str]:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir()]

    def make_directories(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def read_bytes(self, path: str) -> bytes:
        # Plain calls: the file object of `open` costs three times as much, and a start reads two small files for each partition.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, SMALL_FILE_BYTES_MAX)
            if len(data) < SMALL_FILE_BYTES_MAX:
                return data
            parts = [data]
            while data:
                data = os.read(descriptor, LARGE_READ_BYTES)
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def write_bytes(self, path: str, data: bytes, *, sync: bool) -> None:
        with open(path, "wb", buffering=0) as file:
            file.write(data)
            if sync:
                os.fsync(file.fileno())

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        temporary = path + TEMPORARY_SUFFIX
        self.write_bytes(temporary, data, sync=sync)
        os.replace(temporary, path)
        if sync:
            self.fsync_directory(os.path.dirname(path))

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return

    def remove_tree(self, path: str) -> None:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return

    def fsync(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def fsync_directory(self, path: str) -> None:
        self.fsync(path or ".")

    def lock(self, path: str) -> FileLock | None:
        # Both kinds of lock are taken: flock keeps out a second node of ours, even in this process, and the POSIX lock, which is
        # what Java takes, keeps Apache Kafka out and us out of its directories.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK):
                return None
            raise
        return RealLock(descriptor)

    def usable_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize

    def total_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_blocks * status.f_frsize
