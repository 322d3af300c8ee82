"""An event loop whose time is a `ManualClock`: when nothing is left to do, the clock jumps to what is due next.

So a story of a day runs in the time that its events take. What a pool does is done at once, in the loop's thread.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from odradek.base.clock import ManualClock

P = ParamSpec("P")
T = TypeVar("T")


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting it moves the clock."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is not None and timeout > 0:
            self._clock.advance(math.ceil(timeout * 1000))
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`asyncio` over a clock that only jumps."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(JumpingSelector(clock))
        self._virtual_clock = clock

    def time(self) -> float:
        return self._virtual_clock.monotonic_ms() / 1000


class InlineExecutor(Executor):
    """A pool of no threads; `submitted` counts what it was given."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        self.submitted += 1
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def run_in_virtual_time(clock: ManualClock, story: Coroutine[None, None, T]) -> T:
    """The outcome of `story`, run to its end."""
    loop = VirtualTimeLoop(clock)
    try:
        return loop.run_until_complete(story)
    finally:
        loop.close()
