"""Where sockets come from: `SystemNetwork` asks the operating system; the simulator gives sockets that are queues in this process.

`Socket` is the part of `socket.socket` that listener and transport use, so that the same code runs on both. The number that `fileno`
gives is one that the running loop's `add_reader` knows.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol


class Socket(Protocol):
    """A non-blocking stream socket, listening or connected; calls and errors as in the standard library."""

    def fileno(self) -> int: ...

    def accept(self) -> tuple[Socket, Any]: ...

    def getsockname(self) -> Any: ...

    def setblocking(self, flag: bool, /) -> None: ...

    def setsockopt(self, level: int, name: int, value: int, /) -> None: ...

    def recv_into(self, buffer: bytearray | memoryview, /) -> int: ...

    def send(self, data: bytes, flags: int = 0, /) -> int: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...


class Network(Protocol):
    """The addresses that a node can be reached at."""

    def listen(self, host: str, port: int, *, backlog: int) -> Socket:
        """A socket bound to `host` (empty: every interface) and `port` (0: any free one), listening.

        Raises:
            OSError: the address is in use or is not one of this machine's.
        """
        ...


class SystemNetwork:
    """The operating system's sockets."""

    __slots__ = ()

    def listen(self, host: str, port: int, *, backlog: int) -> socket.socket:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=backlog)
