"""Files and directories that have been renamed away and are removed for good a little later (`file.delete.delay.ms`).

The delay lets readers that have just found a segment finish with it. What is still waiting when the node stops carries its suffix
(`.deleted`, `-delete`) and is found and removed at the next start. On a full disk nothing waits: a reader of this node has open what it
reads, so nobody but the disk can tell that a file went early.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from odradek.storage.file_names import DELETED_SUFFIX, TRANSACTION_INDEX_SUFFIX
from odradek.storage.filesystem import FileSystem


class DelayedDeletions:
    """Paths with the time at which they may go."""

    __slots__ = ("_due", "_filesystem")

    def __init__(self, filesystem: FileSystem) -> None:
        self._filesystem = filesystem
        self._due: list[tuple[int, str, bool]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add_file(self, path: str, due_ms: int) -> None:
        heappush(self._due, (due_ms, path, False))

    def add_directory(self, path: str, due_ms: int) -> None:
        heappush(self._due, (due_ms, path, True))

    def take_over(self, other: DelayedDeletions) -> None:
        """Wait for what `other` waits for."""
        for due in other._due:
            heappush(self._due, due)
        other._due.clear()

    def deadline_ms(self) -> int | None:
        """When `remove_due` next has something to do."""
        return self._due[0][0] if self._due else None

    def take_due(self, now_ms: int) -> list[tuple[str, bool]]:
        """The (path, is a directory) whose time has come, which the caller removes (`remove`), in a pool if it likes."""
        due = []
        while self._due and self._due[0][0] <= now_ms:
            _, path, is_directory = heappop(self._due)
            due.append((path, is_directory))
        return due

    def hasten(self, directory: str, now_ms: int) -> int:
        """Let everything in `directory` go now; how many paths that were."""
        inside = directory + "/"
        hastened = [(due_ms, path, is_directory) for due_ms, path, is_directory in self._due if due_ms > now_ms and path.startswith(inside)]
        if hastened:
            going = set(hastened)
            self._due = [waiting for waiting in self._due if waiting not in going]
            self._due.extend((now_ms, path, is_directory) for _, path, is_directory in hastened)
            heapify(self._due)
        return len(hastened)

    def add_again(self, path: str, due_ms: int, *, is_directory: bool) -> None:
        """It could not be removed; try again at `due_ms`."""
        heappush(self._due, (due_ms, path, is_directory))

    def remove(self, path: str, *, is_directory: bool) -> None:
        """Remove for good what was renamed away; no error when it is gone.

        A directory's new name has to be on the disk before its files go: a power cut that took the name back, and `partition.metadata`
        away, would leave a log that nobody could tell from that of a new topic of the same name. And a segment that came back without its
        index of aborted transactions would look as if it had none.
        """
        if is_directory or path.endswith(TRANSACTION_INDEX_SUFFIX + DELETED_SUFFIX):
            self._filesystem.fsync_directory(path.rpartition("/")[0])
        if is_directory:
            self._filesystem.remove_tree(path)
        else:
            self._filesystem.unlink(path)

    def remove_due(self, now_ms: int) -> int:
        """Remove everything whose time has come; how many paths that were."""
        due = self.take_due(now_ms)
        for path, is_directory in due:
            self.remove(path, is_directory=is_directory)
        return len(due)
