"""A pool of threads without threads: each work is done in one go, in the loop, when the dice say that it is over.

So a work happens whole at its end. One whose time had not come when its machine crashed never happened; what a crash in the middle of
one leaves behind is for the simulated disk to decide, which can end the machine at any of its operations.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WORKERS_COUNT = 4
# Most waits for a disk are short; now and then one takes long enough for everything else to overtake it.
USUAL_MS_MAX = 6
LONG_MS_MAX = 400
LONG_RATIO = 0.03


class _Work:
    """A call and the future of its outcome."""

    __slots__ = ("call", "future", "timer")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.future: Future[Any] = Future()
        self.timer: asyncio.TimerHandle | None = None

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            outcome = self.call()
        except BaseException as error:  # as a thread of a pool does
            self.future.set_exception(error)
        else:
            self.future.set_result(outcome)


class SimulatedPool(Executor):
    """So many works are under way at a time, the others queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: random.Random, workers_count: int = WORKERS_COUNT) -> None:
        self._loop = loop
        self._dice = dice
        self._workers_count = workers_count
        self._running: dict[_Work, None] = {}
        self._queue: deque[_Work] = deque()
        self._is_shut_down = False

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        work = _Work(lambda: function(*arguments, **named))
        self._queue.append(work)
        self._start_some()
        return work.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._is_shut_down = True
        if cancel_futures:
            while self._queue:
                self._queue.popleft().future.cancel()
        while wait and (self._running or self._queue):
            for work in list(self._running):
                assert work.timer is not None
                work.timer.cancel()
                self._finish(work)

    def crash(self) -> None:
        """The machine is no more: nothing that is not over yet happens."""
        self._is_shut_down = True
        self._queue.clear()
        for work in self._running:
            assert work.timer is not None
            work.timer.cancel()
        self._running.clear()

    def _start_some(self) -> None:
        while self._queue and len(self._running) < self._workers_count:
            work = self._queue.popleft()
            self._running[work] = None
            bound_ms = LONG_MS_MAX if self._dice.random() < LONG_RATIO else USUAL_MS_MAX
            work.timer = self._loop.call_later(self._dice.randint(0, bound_ms) / 1000, self._finish, work)

    def _finish(self, work: _Work) -> None:
        del self._running[work]
        # The timer knows the work: together they would keep what the call holds, open files among it, until somebody collects.
        work.timer = None
        work.run()
        self._start_some()
