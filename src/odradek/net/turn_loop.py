"""The event loop of a process that is a node: asyncio's, but where it would only wait, the sockets of the node are served.

asyncio spends some 25,000 instructions on the way from a descriptor that is ready to its callback and back to waiting, and an epoll
inside another one is asked twice. A request that comes alone pays all that for itself. So the loop's `select` is given to a `Waiter`: it
waits for the node's sockets and for asyncio's own descriptors, which are one among them, and goes on from turn to turn until there is
something for asyncio to do: one of its descriptors, a callback that was asked for meanwhile, a timer that is due.

A node in a loop of somebody else has its sockets below it (`readiness`). This is for systems with epoll.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Protocol, TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")


class Waiter(Protocol):
    """What waits in place of asyncio."""

    # Set when asyncio has got something to do that no descriptor tells of.
    is_wanted: bool

    def serve(self, timeout_s: float) -> bool:
        """Serve for at most `timeout_s` (negative: for ever), but not on when wanted; whether a descriptor of asyncio's is ready."""
        ...


if sys.platform == "linux":

    class TurnSelector(selectors.EpollSelector):
        """asyncio's selector; the descriptor of its epoll is what a waiter watches for it."""

        def __init__(self) -> None:
            super().__init__()
            self.waiter: Waiter | None = None

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if self.waiter is None:
                return super().select(timeout)
            return super().select(0) if self.waiter.serve(-1.0 if timeout is None else max(timeout, 0.0)) else []

    class TurnLoop(asyncio.SelectorEventLoop):
        """An event loop with room for one waiter."""

        def __init__(self) -> None:
            self._turn_selector = TurnSelector()
            super().__init__(self._turn_selector)

        @property
        def waiter(self) -> Waiter | None:
            return self._turn_selector.waiter

        @waiter.setter
        def waiter(self, waiter: Waiter | None) -> None:
            self._turn_selector.waiter = waiter

        def selector_descriptor(self) -> int:
            """What is ready when one of asyncio's own descriptors is."""
            return self._turn_selector.fileno()

        def call_soon(
            self, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments, context: Context | None = None
        ) -> asyncio.Handle:
            self._wake()
            return super().call_soon(callback, *args, context=context)

        def call_at(
            self, when: float, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments, context: Context | None = None
        ) -> asyncio.TimerHandle:
            self._wake()
            return super().call_at(when, callback, *args, context=context)

        def _wake(self) -> None:
            waiter = self._turn_selector.waiter
            if waiter is not None:
                waiter.is_wanted = True
