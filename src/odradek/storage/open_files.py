"""Which files are open: those touched lately, at most so many.

Ten thousand partitions have fifty thousand files, and a process may have a few thousand descriptors. So a file is opened when it is
first touched, and a second-chance queue decides which to let go: a handle that was touched since it was last looked at goes to the
back once more, another loses its file. Letting go means forgetting the reference; a reader that still holds the `File` (a `sendfile`
under way) keeps it open until it is done.
"""

from __future__ import annotations

from collections import deque

from odradek.storage.filesystem import File, FileSystem

# A quarter of the usual hard limit of 4,096 descriptors; sockets need the rest.
OPEN_FILES_MAX = 1024


class OpenFiles:
    """The bounded set of open files of one node."""

    __slots__ = ("_files_max", "_handles", "filesystem")

    def __init__(self, filesystem: FileSystem, files_max: int = OPEN_FILES_MAX) -> None:
        assert files_max > 0
        self.filesystem = filesystem
        self._files_max = files_max
        self._handles: deque[FileHandle] = deque()

    def __len__(self) -> int:
        return sum(handle.is_open for handle in self._handles)

    def opened(self, handle: FileHandle) -> None:
        """Count `handle`, and let another go when there are too many."""
        self._handles.append(handle)
        while len(self._handles) > self._files_max:
            oldest = self._handles.popleft()
            if oldest.is_open and oldest.is_touched:
                oldest.is_touched = False
                self._handles.append(oldest)
            else:
                oldest.forget()


class FileHandle:
    """A path whose file is opened when needed. Renaming and removing go through it, so that the name it knows is the right one."""

    __slots__ = ("_file", "_is_counted", "_open_files", "is_touched", "path")

    def __init__(self, open_files: OpenFiles, path: str) -> None:
        self._open_files = open_files
        self._file: File | None = None
        self._is_counted = False
        self.is_touched = False
        self.path = path

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def file(self, *, create: bool = False) -> File:
        """The open file; keep it no longer than the work at hand."""
        self.is_touched = True
        file = self._file
        if file is None:
            file = self._file = self._open_files.filesystem.open(self.path, create=create)
            if not self._is_counted:
                self._is_counted = True
                self._open_files.opened(self)
        return file

    def size(self) -> int:
        """How long the file is, without opening it; 0 where there is none."""
        try:
            return self._open_files.filesystem.size(self.path)
        except FileNotFoundError:
            return 0

    def settle_in(self, open_files: OpenFiles) -> None:
        """Be counted among these from now on. The file may not be open."""
        assert self._file is None
        self._open_files = open_files
        self._is_counted = False

    def forget(self) -> None:
        """Let the file go; it is opened again when touched. Called by the queue when the handle has left it."""
        self._file = None
        self._is_counted = False

    def close(self) -> None:
        """Let the file go, for good or until touched; the handle may stay in the queue."""
        self._file = None

    def rename(self, target: str) -> None:
        """Give the file another name; who has it open reads on."""
        self._open_files.filesystem.rename(self.path, target)
        self.path = target

    def unlink(self) -> None:
        self._file = None
        self._open_files.filesystem.unlink(self.path)
