"""Fetches of records that are on the disk and not in memory: read ahead in the pool before `sendfile` sends them.

`sendfile` waits for the disk when a page is not in the page cache, and with it everybody on the loop: a consumer that catches up from
yesterday would show in the latency of every producer. So a slice that is cold (`LogSlice.is_cold`, which asks the kernel without
waiting) is read once in a thread, whose bytes are thrown away, and its fetch is answered when the pages are there.

At most `WARMING_MAX` fetches are read for at a time, so that flushes find a thread; the others wait in order. A read that fails says
nothing: the sending fails in the same way, and ends the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, final

from odradek.storage.segment import LogSlice

# Half of the pool's threads.
WARMING_MAX: Final = 2


@final
class Warming:
    """One fetch that waits for its pages. `cancel` when its connection is gone."""

    __slots__ = ("done", "is_over", "slices")

    def __init__(self, slices: Sequence[LogSlice], done: Callable[[], None]) -> None:
        self.slices = slices
        self.done = done
        self.is_over = False

    def cancel(self) -> None:
        """Nobody waits any more. What is being read is read to the end."""
        self.is_over = True


@final
class ColdReads:
    """The fetches of one node that wait for pages."""

    __slots__ = ("_loop", "_pool", "_waiting", "_warming_count")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Executor) -> None:
        self._loop = loop
        self._pool = pool
        self._waiting: deque[Warming] = deque()
        self._warming_count = 0

    def warm(self, slices: Sequence[LogSlice], done: Callable[[], None]) -> Warming:
        """Bring the pages of `slices` into memory and then call `done`, on the loop and never before this returns."""
        warming = Warming(slices, done)
        self._waiting.append(warming)
        self._begin()
        return warming

    def _begin(self) -> None:
        while self._waiting and self._warming_count < WARMING_MAX:
            warming = self._waiting.popleft()
            if warming.is_over:
                continue
            self._warming_count += 1
            future = self._loop.run_in_executor(self._pool, _read, warming.slices)
            future.add_done_callback(partial(self._end, warming))

    def _end(self, warming: Warming, finished: asyncio.Future[None]) -> None:
        self._warming_count -= 1
        if finished.cancelled():
            return
        self._begin()
        if not warming.is_over:
            warming.is_over = True
            warming.done()


def _read(slices: Sequence[LogSlice]) -> None:
    """Wait for the disk, in a thread of the pool."""
    for piece in slices:
        try:
            piece.read_ahead()
        except OSError:
            continue
