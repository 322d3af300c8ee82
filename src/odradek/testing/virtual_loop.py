"""An event loop on virtual time: when nothing is left to do, its `ManualClock` jumps to what is due next.

So a story of a day takes as long as its events take. There are no descriptors below it: `add_reader` and `add_writer` take the
numbers of simulated sockets, which say themselves whether they are ready, and sockets that are ready together are served in an order
of the dice. Nothing here asks the operating system for anything, so the same callbacks run in the same order every time.

A machine in the simulation has lives. All that its code asks the loop for carries the life in its context (`LIFE`), and `end_life`
takes away what a machine that is no more had still asked for: nothing of it ever runs again.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextvars import Context, ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

from odradek.base.clock import ManualClock

P = ParamSpec("P")
T = TypeVar("T")

# The clock counts milliseconds, the loop fractions of seconds: what differs by less than this is the same moment.
CLOCK_RESOLUTION_S = 1e-6


class NothingLeft(Exception):
    """Everybody waits for somebody else, and no time will ever change that."""


class Life:
    """One life of a machine, from its start to its crash or stop."""

    __slots__ = ("is_dying", "is_over", "machine")

    def __init__(self, machine: str) -> None:
        self.machine = machine
        self.is_dying = False
        self.is_over = False


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Watchable(Protocol):
    """A simulated socket, as the loop looks at it."""

    @property
    def is_readable(self) -> bool: ...

    @property
    def is_writable(self) -> bool: ...


class _Readiness:
    """The loop's selector: who is watched, and the jump of the clock where others wait."""

    __slots__ = ("_clock", "_dice", "readers", "watchables", "writers")

    def __init__(self, clock: ManualClock, dice: random.Random) -> None:
        self._clock = clock
        self._dice = dice
        self.watchables: dict[int, Watchable] = {}
        self.readers: dict[int, asyncio.Handle] = {}
        self.writers: dict[int, asyncio.Handle] = {}

    def select(self, timeout: float | None) -> list[asyncio.Handle]:
        ready = [handle for number, handle in self.readers.items() if self.watchables[number].is_readable]
        ready += [handle for number, handle in self.writers.items() if self.watchables[number].is_writable]
        if ready:
            self._dice.shuffle(ready)
        elif timeout is None:
            raise NothingLeft("everybody waits, and nothing is due at any time")
        elif timeout > CLOCK_RESOLUTION_S:
            self._clock.advance(max(1, math.ceil((timeout - CLOCK_RESOLUTION_S) * 1000)))
        return ready

    def close(self) -> None:
        self.readers.clear()
        self.writers.clear()


class VirtualLoop(asyncio.BaseEventLoop):
    """`asyncio` over a clock that only jumps. `dice` decide the order of sockets that are ready together."""

    def __init__(self, clock: ManualClock, dice: random.Random | None = None) -> None:
        super().__init__()
        self._virtual_clock = clock
        self._clock_resolution = CLOCK_RESOLUTION_S
        self._selector = _Readiness(clock, dice or random.Random(0))

    @property
    def watchables(self) -> dict[int, Watchable]:
        """The simulated sockets by their numbers; whoever makes one puts it here, and takes it away when it is closed."""
        return self._selector.watchables

    def time(self) -> float:
        return self._virtual_clock.monotonic_ms() / 1000

    def call_soon(self, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        return _unless_over(super().call_soon(callback, *arguments, context=context))

    def call_soon_threadsafe(self, callback: Callable[..., object], *arguments: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        return self.call_soon(callback, *arguments, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return _unless_over(super().call_at(when, callback, *arguments, context=context))

    def add_reader(self, fd: Any, callback: Callable[..., object], *arguments: Any) -> None:  # type: ignore[override]
        assert fd in self.watchables, f"{fd} is no simulated socket"
        self._selector.readers[fd] = asyncio.Handle(callback, arguments, self)

    def remove_reader(self, fd: Any) -> bool:
        return self._selector.readers.pop(fd, None) is not None

    def add_writer(self, fd: Any, callback: Callable[..., object], *arguments: Any) -> None:  # type: ignore[override]
        assert fd in self.watchables, f"{fd} is no simulated socket"
        self._selector.writers[fd] = asyncio.Handle(callback, arguments, self)

    def remove_writer(self, fd: Any) -> bool:
        return self._selector.writers.pop(fd, None) is not None

    def end_life(self, life: Life) -> None:
        """Nothing that was asked for in `life` runs any more, nor anything that it still asks for."""
        life.is_over = True
        for handle in [*self._ready, *self._scheduled]:  # type: ignore[attr-defined]
            _unless_over(handle)

    def _process_events(self, event_list: list[asyncio.Handle]) -> None:
        for handle in event_list:
            # One handle serves for every time its socket is ready; a callback before it may have cancelled the watching.
            self._ready.append(asyncio.Handle(self._run_if_watched, (handle,), self))  # type: ignore[attr-defined]

    def _run_if_watched(self, handle: asyncio.Handle) -> None:
        readiness = self._selector
        if handle in readiness.readers.values() or handle in readiness.writers.values():
            handle._run()

    def _write_to_self(self) -> None:
        """There is nobody else who could wake the loop."""


H = TypeVar("H", bound=asyncio.Handle)


def _unless_over(handle: H) -> H:
    life = handle._context.get(LIFE)  # type: ignore[attr-defined]
    if life is not None and life.is_over:
        handle.cancel()
    return handle


class InlineExecutor(Executor):
    """A pool of no threads; what it is given is done at once. `submitted` counts it."""

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
    """The outcome of `story`, run to its end.

    Raises:
        NothingLeft: the story waits for what never comes.
    """
    loop = VirtualLoop(clock)
    try:
        return loop.run_until_complete(story)
    finally:
        loop.close()
