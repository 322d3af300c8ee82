"""Which sockets are ready: asked of the system once a turn for all of them, instead of by the event loop for each.

The loop of asyncio spends some 7,500 instructions on every socket that is ready (a selector key, a handle, a context), which is as
much as everything that a small request costs after it. So the sockets of a node hang on an epoll of their own: when it is ready, everybody
who is gets called in one go, and the turn ends right behind the last. In a process that is a node, that epoll is what the loop waits on
(`turn_loop`); in any other the loop watches its descriptor among others.

`Readiness` is the part of an event loop that sockets need, so that a loop can stand in where there is no epoll, or no socket.
mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import asyncio
import select
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol, final

from odradek.net.turn import Turn

if sys.platform == "linux":
    from odradek.net.turn_loop import TurnLoop

HAS_EPOLL: bool = hasattr(select, "epoll")
# Linux' numbers: the names are not there where there is no epoll.
READABLE: Final = 0x001
WRITABLE: Final = 0x004
# Sockets read before any is answered: above it a request would wait for strangers longer than for its own work.
READY_MAX: Final = 256
# Calls back in one go after which the event loop has its turn, for all that does not come from a socket.
CALLS_MAX: Final = 32

Callback = Callable[[], None]


class Readiness(Protocol):
    """Calls back for descriptors that are ready, as often as they are (level-triggered)."""

    def add_reader(self, descriptor: int, callback: Callback, /) -> object: ...

    def remove_reader(self, descriptor: int, /) -> object: ...

    def add_writer(self, descriptor: int, callback: Callback, /) -> object: ...

    def remove_writer(self, descriptor: int, /) -> object: ...


def readiness_of(loop: asyncio.AbstractEventLoop, turn: Turn) -> Readiness:
    """The best there is for real sockets."""
    return EpollReadiness(loop, turn) if HAS_EPOLL else loop


@final
class EpollReadiness:
    """The epoll of a node. A descriptor is removed before it is closed."""

    __slots__ = ("_epoll", "_host", "_loop", "_loop_descriptor", "_readers", "_turn", "_writers", "is_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        self._loop = loop
        self._turn = turn
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        # Whether the loop has something to do beside its descriptors.
        self.is_wanted = False
        # The loop that waits here, and the descriptor of its own selector; a second node in one loop hangs below it.
        self._host: TurnLoop | None = None
        self._loop_descriptor = -1
        if isinstance(loop, TurnLoop) and loop.waiter is None:
            self._host = loop
            self._loop_descriptor = loop.selector_descriptor()
            self._epoll.register(self._loop_descriptor, READABLE)
            loop.waiter = self
        else:
            loop.add_reader(self._epoll.fileno(), self.call_ready)

    def add_reader(self, descriptor: int, callback: Callback, /) -> None:
        """Call `callback` whenever `descriptor` can be read."""
        mask_before = self._mask_of(descriptor)
        self._readers[descriptor] = callback
        self._apply(descriptor, mask_before)

    def remove_reader(self, descriptor: int, /) -> None:
        mask_before = self._mask_of(descriptor)
        self._readers.pop(descriptor, None)
        self._apply(descriptor, mask_before)

    def add_writer(self, descriptor: int, callback: Callback, /) -> None:
        """Call `callback` whenever `descriptor` can be written."""
        mask_before = self._mask_of(descriptor)
        self._writers[descriptor] = callback
        self._apply(descriptor, mask_before)

    def remove_writer(self, descriptor: int, /) -> None:
        mask_before = self._mask_of(descriptor)
        self._writers.pop(descriptor, None)
        self._apply(descriptor, mask_before)

    def _mask_of(self, descriptor: int) -> int:
        return (READABLE if descriptor in self._readers else 0) | (WRITABLE if descriptor in self._writers else 0)

    def _apply(self, descriptor: int, mask_before: int) -> None:
        mask = self._mask_of(descriptor)
        if mask == mask_before:
            return
        if mask_before == 0:
            self._epoll.register(descriptor, mask)
        elif mask == 0:
            self._epoll.unregister(descriptor)
        else:
            self._epoll.modify(descriptor, mask)

    def serve(self, timeout_s: float) -> bool:
        """Wait and call from turn to turn, for at most `timeout_s` (negative: for ever), until the loop has something to do.

        Whether that is one of its descriptors.
        """
        self.is_wanted = False
        # Not the loop's `time`, which is the same clock behind a call of Python: this is asked behind every turn.
        deadline_s = time.monotonic() + timeout_s
        while True:
            ready = self._epoll.poll(timeout_s, READY_MAX)
            if not ready:
                return False
            if self._call_each(ready):
                return True
            if self.is_wanted:
                return False
            if timeout_s >= 0:
                timeout_s = deadline_s - time.monotonic()
                if timeout_s <= 0:
                    return False

    def call_ready(self) -> None:
        """Call everybody who is ready now, end the turn, and look again.

        Looking again is a system call in vain where nobody has come meanwhile; where somebody has, it spares the way through the loop.
        """
        calls_count = 0
        while calls_count < CALLS_MAX and not self._epoll.closed:
            ready = self._epoll.poll(0, READY_MAX)
            if not ready:
                return
            calls_count += len(ready)
            self._call_each(ready)

    def _call_each(self, ready: list[tuple[int, int]]) -> bool:
        """One turn; whether a descriptor of the loop's is among those that are ready."""
        is_loop_ready = False
        self._turn.gather()
        for descriptor, events in ready:
            if descriptor == self._loop_descriptor:
                is_loop_ready = True
                continue
            # An error or a hang-up is found out by whoever reads or writes next. A callback may have ended another one's socket.
            if events != WRITABLE:
                reader = self._readers.get(descriptor)
                if reader is not None:
                    self._call(reader)
            if events != READABLE:
                writer = self._writers.get(descriptor)
                if writer is not None:
                    self._call(writer)
        self._turn.end()
        return is_loop_ready

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:  # what one socket brings down must not keep the others waiting
            self._loop.call_exception_handler({"message": "a socket's callback failed", "exception": error})

    def close(self) -> None:
        """Watch nothing any more. The sockets themselves belong to others."""
        if self._host is not None:
            self._host.waiter = None
        else:
            self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
