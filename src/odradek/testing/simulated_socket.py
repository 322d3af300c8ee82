"""A stream socket whose other end is in the same process: two byte pipes, in which bytes take their time.

It answers as a non-blocking socket of the operating system does (`odradek.net.network.Socket`): it takes a part of what is sent, gives
a part of what has arrived, says BlockingIOError when there is nothing to do, and an empty read when the peer has closed. Bytes arrive
in order; when, and in how many pieces, is up to the dice. A reset loses what is under way, in both directions.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Self

from odradek.testing.virtual_loop import VirtualLoop

# How long bytes are under way: as a rule a moment, rarely longer, once in a while so long that clients give up.
USUAL_MS_MAX = 2
SLOW_MS_MAX = 30
STALLED_MS_MAX = 1500
SLOW_RATIO = 0.05
STALLED_RATIO = 0.002
# So often a call moves fewer bytes than it could.
PARTIAL_RATIO = 0.1
PIPE_CAPACITIES = (4 << 10, 64 << 10, 256 << 10)
FIRST_DESCRIPTOR = 1000


def delay_ms(dice: random.Random) -> int:
    """How long something is under way."""
    kind = dice.random()
    if kind < STALLED_RATIO:
        return dice.randint(0, STALLED_MS_MAX)
    return dice.randint(0, SLOW_MS_MAX if kind < SLOW_RATIO else USUAL_MS_MAX)


def some_of(size: int, dice: random.Random) -> int:
    """All of `size` bytes as a rule, at times fewer, at least one."""
    return dice.randint(1, size) if size > 1 and dice.random() < PARTIAL_RATIO else size


class Wire:
    """What all sockets of a simulation share: the loop, the dice and the numbers."""

    __slots__ = ("_next_number", "context", "dice", "loop")

    def __init__(self, loop: VirtualLoop, dice: random.Random) -> None:
        self.loop = loop
        self.dice = dice
        # What is under way belongs to no machine: it arrives although its sender is no more.
        self.context = Context()
        self._next_number = FIRST_DESCRIPTOR

    def number(self) -> int:
        self._next_number += 1
        return self._next_number

    def later(self, delay_ms: float, callback: Callable[..., object], *arguments: object) -> None:
        self.loop.call_later(delay_ms / 1000, callback, *arguments, context=self.context)


class BytePipe:
    """One direction of a connection. `under_way` bytes are sent and have not arrived; `arrived` wait for the reader."""

    __slots__ = ("_capacity", "_free_from_ms", "_pieces", "_wire", "arrived", "is_broken", "is_ended", "under_way")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._capacity = wire.dice.choice(PIPE_CAPACITIES)
        self._free_from_ms = 0.0
        # What is under way, in order; None is the end. The loop does not keep the order of what is due at one moment.
        self._pieces: deque[bytes | None] = deque()
        self.arrived = bytearray()
        self.under_way = 0
        self.is_ended = False
        self.is_broken = False

    @property
    def room(self) -> int:
        """How many bytes it takes now."""
        return self._capacity - self.under_way - len(self.arrived)

    def put(self, data: bytes) -> None:
        self.under_way += len(data)
        self._send(data)

    def end(self) -> None:
        """The sender has closed: the reader learns it behind the last byte."""
        self._send(None)

    def break_off(self) -> None:
        """What is under way never arrives."""
        self.is_broken = True

    def _send(self, piece: bytes | None) -> None:
        self._pieces.append(piece)
        now_ms = self._wire.loop.time() * 1000
        self._free_from_ms = max(self._free_from_ms, now_ms + delay_ms(self._wire.dice))
        self._wire.later(self._free_from_ms - now_ms, self._arrive)

    def _arrive(self) -> None:
        piece = self._pieces.popleft()
        if self.is_broken:
            return
        if piece is None:
            self.is_ended = True
        else:
            self.under_way -= len(piece)
            self.arrived += piece


class SimulatedSocket:
    """One end of a connection."""

    __slots__ = (
        "_has_said_end",
        "_incoming",
        "_local",
        "_number",
        "_outgoing",
        "_wire",
        "is_closed",
        "is_reset",
        "on_closed",
        "peer",
        "peer_address",
    )

    def __init__(self, wire: Wire, incoming: BytePipe, outgoing: BytePipe, local: tuple[str, int], peer_address: tuple[str, int]) -> None:
        self._wire = wire
        self._incoming = incoming
        self._outgoing = outgoing
        self._local = local
        self._number = wire.number()
        self.peer_address = peer_address
        self.peer: SimulatedSocket | None = None
        self._has_said_end = False
        self.is_closed = False
        self.is_reset = False
        self.on_closed: Callable[[SimulatedSocket], None] | None = None
        wire.loop.watchables[self._number] = self

    @classmethod
    def pair(cls, wire: Wire, here: tuple[str, int], there: tuple[str, int]) -> tuple[Self, Self]:
        """Both ends of a new connection."""
        to_there, to_here = BytePipe(wire), BytePipe(wire)
        near = cls(wire, to_here, to_there, here, there)
        far = cls(wire, to_there, to_here, there, here)
        near.peer, far.peer = far, near
        return near, far

    @property
    def is_readable(self) -> bool:
        return bool(self._incoming.arrived) or self._incoming.is_ended or self.is_reset

    @property
    def is_writable(self) -> bool:
        return self._outgoing.room > 0 or self.is_reset

    def fileno(self) -> int:
        return -1 if self.is_closed else self._number

    def getsockname(self) -> tuple[str, int]:
        return self._local

    def setblocking(self, flag: bool, /) -> None:
        assert not flag, "who waits in a simulation waits for ever"

    def setsockopt(self, level: int, name: int, value: int, /) -> None:
        """There is nothing to set."""

    def accept(self) -> tuple[Self, tuple[str, int]]:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def recv_into(self, buffer: bytearray | memoryview, /) -> int:
        self._check()
        arrived = self._incoming.arrived
        if arrived:
            size = some_of(min(len(buffer), len(arrived)), self._wire.dice)
            buffer[:size] = arrived[:size]
            del arrived[:size]
            return size
        if self._incoming.is_ended:
            return 0
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def send(self, data: bytes, flags: int = 0, /) -> int:
        self._check()
        assert self.peer is not None
        if self.peer.is_closed:
            # The first send after the peer has gone succeeds; what comes back is the reset.
            self._wire.later(delay_ms(self._wire.dice), self._become_reset)
            return len(data)
        room = min(self._outgoing.room, len(data))
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        size = some_of(room, self._wire.dice)
        self._outgoing.put(bytes(data[:size]))
        return size

    def shutdown(self, how: int, /) -> None:
        """Nothing is sent any more; what the peer sends goes on arriving."""
        self._check()
        assert how == socket.SHUT_WR, "nobody stops only reading"
        self._say_end()

    def close(self) -> None:
        if self.is_closed:
            return
        self._say_end()
        self._forget()

    def reset(self) -> None:
        """The connection breaks; both ends learn it in their time."""
        for end in (self, self.peer):
            assert end is not None
            end._outgoing.break_off()
            self._wire.later(delay_ms(self._wire.dice), end._become_reset)

    def vanish(self) -> None:
        """The machine at this end is no more. The other end is told as soon as another machine answers in its place."""
        self._outgoing.break_off()
        self._forget()
        assert self.peer is not None
        self._wire.later(delay_ms(self._wire.dice), self.peer._become_reset)

    def _say_end(self) -> None:
        if not self._has_said_end:
            self._has_said_end = True
            self._outgoing.end()

    def _become_reset(self) -> None:
        self.is_reset = True

    def _check(self) -> None:
        if self.is_closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def _forget(self) -> None:
        self.is_closed = True
        loop = self._wire.loop
        loop.remove_reader(self._number)
        loop.remove_writer(self._number)
        loop.watchables.pop(self._number, None)
        if self.on_closed is not None:
            self.on_closed(self)


class ListeningSocket:
    """Connections that wait to be accepted."""

    __slots__ = ("_local", "_number", "_wire", "backlog", "is_closed", "on_closed", "waiting")

    def __init__(self, wire: Wire, local: tuple[str, int], backlog: int) -> None:
        self._wire = wire
        self._local = local
        self._number = wire.number()
        self.backlog = backlog
        self.waiting: deque[SimulatedSocket] = deque()
        self.is_closed = False
        self.on_closed: Callable[[ListeningSocket], None] | None = None
        wire.loop.watchables[self._number] = self

    @property
    def is_readable(self) -> bool:
        return bool(self.waiting)

    @property
    def is_writable(self) -> bool:
        return False

    def fileno(self) -> int:
        return -1 if self.is_closed else self._number

    def getsockname(self) -> tuple[str, int]:
        return self._local

    def setblocking(self, flag: bool, /) -> None:
        assert not flag, "who waits in a simulation waits for ever"

    def setsockopt(self, level: int, name: int, value: int, /) -> None:
        """There is nothing to set."""

    def accept(self) -> tuple[SimulatedSocket, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        accepted = self.waiting.popleft()
        return accepted, accepted.peer_address

    def recv_into(self, buffer: bytearray | memoryview, /) -> int:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def send(self, data: bytes, flags: int = 0, /) -> int:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def shutdown(self, how: int, /) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def close(self) -> None:
        """Nobody is accepted any more; who waited is told so."""
        if self.is_closed:
            return
        self.is_closed = True
        while self.waiting:
            self.waiting.popleft().vanish()
        self._wire.loop.remove_reader(self._number)
        self._wire.loop.watchables.pop(self._number, None)
        if self.on_closed is not None:
            self.on_closed(self)
