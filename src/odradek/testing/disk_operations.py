"""What can be asked of a simulated disk, one by one: the vocabulary of its faults and of its journal.

Every call of a `FileSystem` is one operation or a few: a file that is replaced is created, cut, written, renamed, and both its bytes and
its directory are waited for. Faults strike, and crashes happen, between operations; inside of one only a write can be half done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol


class Operation(Enum):
    """One call to the operating system."""

    OPEN = "open"
    CREATE = "create"
    READ = "read"
    WRITE = "write"
    WRITE_GATHERED = "writev"
    TRUNCATE = "truncate"
    SYNC = "fsync"
    SYNC_DIRECTORY = "fsync_directory"
    RENAME = "rename"
    UNLINK = "unlink"
    REMOVE_DIRECTORY = "remove_directory"
    MAKE_DIRECTORY = "make_directory"
    LIST = "list"
    LOOK = "look"
    LOCK = "lock"
    SPACE = "space"


WRITES = frozenset({Operation.WRITE, Operation.WRITE_GATHERED})
SYNCS = frozenset({Operation.SYNC, Operation.SYNC_DIRECTORY})
# What leaves the disk other than it was, for whoever looks at it without pulling the plug.
CHANGES = WRITES | {
    Operation.CREATE,
    Operation.TRUNCATE,
    Operation.RENAME,
    Operation.UNLINK,
    Operation.REMOVE_DIRECTORY,
    Operation.MAKE_DIRECTORY,
}


class MachineCrashed(BaseException):
    """The process that asks is no more. Not an `Exception`, so that nothing which cleans up after errors goes on as if it lived."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of an operation: `error` is raised, after the first `bytes_written` bytes if it is a write."""

    error: OSError | MachineCrashed
    bytes_written: int = 0


class Faults(Protocol):
    """Who decides which operations fail."""

    def before(self, operation: Operation, path: str, size: int) -> Fault | None:
        """Called before each operation on `path`; `size` is the bytes of a read or a write, the new size of a truncation, else 0.

        None lets it happen. A fault, or an error raised, keeps it from happening; `MachineCrashed` also ends the mount.
        """
        ...


class Step(NamedTuple):
    """One operation in the journal of a disk."""

    number: int
    operation: Operation
    path: str
    size: int

    def __str__(self) -> str:
        return f"{self.number} {self.operation.value} {self.path}" + (f" {self.size}" if self.size else "")
