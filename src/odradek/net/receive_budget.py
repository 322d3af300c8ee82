"""How many bytes of large requests the node takes in at once (`queued.max.request.bytes`).

A large frame gets a buffer of its size as soon as its length is known; a thousand clients that announce 100 MB each would otherwise get
100 GB. A connection that finds the budget spent waits unread, in turn, until another's request is done. A request that alone is more than
the budget is let in when nothing else is, so that everybody gets on (`SimpleMemoryPool` hands out its last bytes the same way).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

UNLIMITED = -1


class ReceiveBudget:
    """Counts the bytes of the buffers in use. One per node."""

    __slots__ = ("_waiting", "size_max", "used")

    def __init__(self, size_max: int = UNLIMITED) -> None:
        self.size_max = size_max
        self.used = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, size: int) -> bool:
        """Take `size` bytes; False when they are not to be had now."""
        if self.size_max > 0 and self.used > 0 and self.used + size > self.size_max:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """The buffer of `size` bytes is used no longer: who waits tries again."""
        self.used -= size
        assert self.used >= 0
        waiting, self._waiting = self._waiting, deque()
        for try_again in waiting:
            try_again()

    def wait(self, try_again: Callable[[], None]) -> None:
        """Call `try_again` once, when bytes were given back."""
        self._waiting.append(try_again)
