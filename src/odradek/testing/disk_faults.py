"""Faults for a simulated disk: the n-th operation fails, all fail from the n-th on, or the machine dies there."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from odradek.testing.disk_operations import WRITES, Fault, MachineCrashed, Operation


def disk_error(number: int, path: str = "") -> OSError:
    """The error that the operating system gives for `number`, such as `errno.EIO`."""
    return OSError(number, os.strerror(number), path or None)


class CountedFaults(ABC):
    """Counts the operations that it is asked about, and strikes at the one with number `at` (from 0).

    `only` leaves all other operations uncounted; `under` those elsewhere.
    """

    __slots__ = ("_at", "_only", "_under", "count", "struck")

    def __init__(self, at: int, *, only: Collection[Operation] | None = None, under: str = "") -> None:
        self._at = at
        self._only = only
        self._under = under
        self.count = 0
        # The operation that was struck first, None as long as none has been.
        self.struck: tuple[Operation, str] | None = None

    def before(self, operation: Operation, path: str, size: int) -> Fault | None:
        if (self._only is not None and operation not in self._only) or not path.startswith(self._under):
            return None
        number = self.count
        self.count = number + 1
        if not self._is_struck(number):
            return None
        self.struck = self.struck or (operation, path)
        return self._fault(operation, path, size)

    def _is_struck(self, number: int) -> bool:
        return number == self._at

    @abstractmethod
    def _fault(self, operation: Operation, path: str, size: int) -> Fault:
        """What becomes of the operation that is struck."""


class FailOnce(CountedFaults):
    """One operation fails. A write that fails has written a `written_ratio` of its bytes."""

    __slots__ = ("_error_number", "_written_ratio")

    def __init__(
        self,
        at: int,
        *,
        error_number: int = errno.EIO,
        written_ratio: float = 0.0,
        only: Collection[Operation] | None = None,
        under: str = "",
    ) -> None:
        super().__init__(at, only=only, under=under)
        self._error_number = error_number
        self._written_ratio = written_ratio

    def _fault(self, operation: Operation, path: str, size: int) -> Fault:
        written = int(size * self._written_ratio) if operation in WRITES else 0
        return Fault(disk_error(self._error_number, path), written)


class FailFrom(FailOnce):
    """The disk is broken from one operation on."""

    __slots__ = ()

    def _is_struck(self, number: int) -> bool:
        return number >= self._at


class CrashBefore(CountedFaults):
    """The machine dies before an operation; if that is a write, a `written_ratio` of its bytes is in the page cache."""

    __slots__ = ("_written_ratio",)

    def __init__(self, at: int, *, written_ratio: float = 0.0, only: Collection[Operation] | None = None, under: str = "") -> None:
        super().__init__(at, only=only, under=under)
        self._written_ratio = written_ratio

    def _fault(self, operation: Operation, path: str, size: int) -> Fault:
        return Fault(MachineCrashed(f"crash before {operation.value} of {path}"), int(size * self._written_ratio))


class Watch:
    """Lets everything happen and calls `look` before each operation: a place to take copies of the disk from."""

    __slots__ = ("_look",)

    def __init__(self, look: Callable[[Operation, str, int], None]) -> None:
        self._look = look

    def before(self, operation: Operation, path: str, size: int) -> Fault | None:
        self._look(operation, path, size)
        return None
