"""How many bytes of large requests the node takes in at once (`queued.max.request.bytes`).

A large frame gets a buffer of its size as soon as its length is known; a thousand clients that announce 100 MB each would otherwise get
100 GB. A connection that finds the budget spent waits unread, in turn, until another's request is done. A request that alone is more than
the budget is let in when nothing else is, so that everybody gets on (`SimpleMemoryPool` hands out its last bytes the same way).

It also has the buffers. A new one of a megabyte is zeroed by us and mapped page by page by the kernel, which costs a fifth of all that a
produce of a megabyte does; so those that were used are kept for the next frame, a few of them, in sizes that double.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

UNLIMITED: Final = -1
# Doubled, this gives sizes that hold a request of 16 KiB or 1 MiB, as clients make them by default, with what is around the records.
BUFFER_SIZE_MIN: Final = 17 << 10
# What is kept for later, all sizes together: three producers in the midst of the largest requests that clients send by default.
SPARE_BYTES_MAX: Final = 6 << 20


@final
class ReceiveBudget:
    """Counts the bytes of the frames under way, and keeps their buffers. One per node."""

    __slots__ = ("_spare", "_spare_bytes", "_waiting", "size_max", "used")

    def __init__(self, size_max: int = UNLIMITED) -> None:
        self.size_max = size_max
        self.used = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._spare: dict[int, list[bytearray]] = {}
        self._spare_bytes = 0

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

    def buffer_of(self, size: int) -> bytearray:
        """A buffer of `size` bytes or more; what is in it is anything. It may be given back with `take_back`."""
        capacity = _capacity_for(size)
        spare = self._spare.get(capacity)
        if not spare:
            return bytearray(capacity)
        self._spare_bytes -= capacity
        return spare.pop()

    def take_back(self, buffer: bytearray) -> None:
        """Keep a buffer that nobody looks into any more for the next frame, unless enough are kept."""
        capacity = len(buffer)
        if self._spare_bytes + capacity > SPARE_BYTES_MAX:
            return
        self._spare_bytes += capacity
        self._spare.setdefault(capacity, []).append(buffer)

    def wait(self, try_again: Callable[[], None]) -> None:
        """Call `try_again` once, when bytes were given back."""
        self._waiting.append(try_again)


def _capacity_for(size: int) -> int:
    """The smallest kept size that holds `size`; above what would be kept, `size` itself."""
    capacity = BUFFER_SIZE_MIN
    while capacity < size:
        capacity *= 2
    return capacity if capacity <= SPARE_BYTES_MAX else size
