"""A listening socket: accepts within the limits, makes connections, closes those that are idle too long.

Kafka names its listeners; a connection knows which it came in on, because that decides which APIs it may use and which addresses
it is told. Wildcard binds (`PLAINTEXT://:9092`) listen on every interface, IPv6 included where the machine has it.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from odradek.base.clock import Clock
from odradek.base.errors import StartRefused
from odradek.net.connection_limits import ConnectionCounter
from odradek.net.frame_connection import FrameConnection, FrameHandler
from odradek.net.network import Network, Socket
from odradek.net.readiness import Readiness
from odradek.net.receive_budget import ReceiveBudget
from odradek.net.socket_transport import SocketTransport
from odradek.net.turn import Turn

log = logging.getLogger("odradek.net")

# Accepts in one go, so that a burst of connections does not starve those that are open.
ACCEPTS_PER_TURN_MAX = 64
# Out of descriptors: the next accept would fail at once again.
ACCEPT_RETRY_DELAY_S = 0.1
IDLE_SWEEPS_PER_PERIOD = 10
IDLE_SWEEP_INTERVAL_MS_MIN = 20
IDLE_SWEEP_INTERVAL_MS_MAX = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """One listener's socket options; sizes in bytes, -1 leaves the system's default."""

    name: str
    host: str
    port: int
    backlog: int = 50
    send_buffer_size: int = -1
    receive_buffer_size: int = -1
    frame_size_max: int = 100 << 20
    idle_ms_max: int = 600_000


class Listener:
    """One bound address and the connections that came in on it."""

    def __init__(
        self,
        options: ListenerOptions,
        *,
        loop: asyncio.AbstractEventLoop,
        turn: Turn,
        clock: Clock,
        counter: ConnectionCounter,
        network: Network,
        readiness: Readiness,
        receive_buffer: bytearray,
        budget: ReceiveBudget | None = None,
        connection_ids: Iterator[int] | None = None,
    ) -> None:
        self.options = options
        self.counter = counter
        self.idle_ms_max = options.idle_ms_max
        self._loop = loop
        self._turn = turn
        self._clock = clock
        self._network = network
        self._readiness = readiness
        self._handler: FrameHandler | None = None
        self._receive_buffer = receive_buffer
        self._budget = budget
        self._connection_ids = connection_ids or itertools.count(1)
        self._transports: dict[SocketTransport, int] = {}
        self._last_active_turn: dict[SocketTransport, int] = {}
        self._socket: Socket | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None
        self.refused_count = 0

    def bind(self) -> int:
        """Bind and listen; returns the port (the one chosen by the system for port 0).

        Raises:
            StartRefused: the address is in use or is not one of this machine's.
        """
        host, port = self.options.host, self.options.port
        try:
            bound = self._network.listen(host, port, backlog=self.options.backlog)
        except OSError as error:
            raise StartRefused(f"cannot listen on {host or '*'}:{port} for listener {self.options.name}: {_reason(error)}") from error
        bound.setblocking(False)
        self._socket = bound
        return int(bound.getsockname()[1])

    def open(self, handler: FrameHandler) -> None:
        """Begin to accept; frames go to `handler`."""
        assert self._socket is not None
        self._handler = handler
        self._loop.add_reader(self._socket.fileno(), self._on_acceptable)
        self._arm_sweep()

    def stop_accepting(self) -> None:
        """Close the listening socket; open connections stay."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Stop accepting and end every connection."""
        self.stop_accepting()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for transport in list(self._transports):
            transport.abort("")

    def prepare_goodbye(self) -> None:
        """The node begins to stop."""
        self.stop_accepting()
        for transport in self._transports:
            transport.prepare_goodbye()

    def say_goodbye(self) -> None:
        """Take no request any more; each connection ends when it has its answers and its peer has taken that in, or with `close`."""
        for transport in list(self._transports):
            transport.say_goodbye()

    @property
    def is_parting(self) -> bool:
        """Whether some connection needs a while for that."""
        return any(transport.is_parting for transport in self._transports)

    @property
    def has_output(self) -> bool:
        """Whether any connection still has answers to send."""
        return any(transport.has_output for transport in self._transports)

    @property
    def connections_count(self) -> int:
        """Connections open on this listener."""
        return len(self._transports)

    def _on_acceptable(self) -> None:
        assert self._socket is not None
        for _ in range(ACCEPTS_PER_TURN_MAX):
            wait_ms = self.counter.wait_ms(self._clock.now_ms())
            if wait_ms > 0:
                self._pause_accepting(wait_ms / 1000)
                return
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("accepting a connection failed", extra={"listener": self.options.name, "reason": _reason(error)})
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause_accepting(ACCEPT_RETRY_DELAY_S)
                return
            self._accept(accepted, address)

    def _pause_accepting(self, delay_s: float) -> None:
        assert self._socket is not None
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(delay_s, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._on_acceptable)

    def _accept(self, accepted: Socket, address: tuple[str, int]) -> None:
        client_host, client_port = _plain_host(address[0]), address[1]
        refusal = self.counter.refusal(client_host)
        if refusal is not None:
            self.refused_count += 1
            log.warning(
                "connection refused", extra={"listener": self.options.name, "client": f"{client_host}:{client_port}", "reason": refusal}
            )
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self.options.send_buffer_size > 0:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.options.send_buffer_size)
        if self.options.receive_buffer_size > 0:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.options.receive_buffer_size)
        try:
            dialled = accepted.getsockname()
        except OSError:
            accepted.close()
            return
        assert self._handler is not None
        transport = SocketTransport(self._readiness, accepted, self._turn, self._receive_buffer, self._on_transport_closed)
        connection = FrameConnection(
            self._handler,
            connection_id=next(self._connection_ids),
            listener_name=self.options.name,
            client=(client_host, client_port),
            dialled=(_plain_host(dialled[0]), dialled[1]),
            frame_size_max=self.options.frame_size_max,
            on_output=transport.touch,
            budget=self._budget,
        )
        self.counter.opened(client_host)
        self._transports[transport] = self._clock.monotonic_ms()
        self._last_active_turn[transport] = transport.last_active_turn
        transport.start(connection)

    def _on_transport_closed(self, transport: SocketTransport) -> None:
        del self._transports[transport]
        del self._last_active_turn[transport]
        self.counter.closed(transport.connection.client_host)

    # Idle connections

    def _arm_sweep(self) -> None:
        if self.idle_ms_max < 0:
            return
        interval_ms = max(IDLE_SWEEP_INTERVAL_MS_MIN, min(IDLE_SWEEP_INTERVAL_MS_MAX, self.idle_ms_max // IDLE_SWEEPS_PER_PERIOD))
        self._sweep_timer = self._loop.call_later(interval_ms / 1000, self._sweep)

    def _sweep(self) -> None:
        """Close what nothing was read from since `idle_ms_max`: reading only notes the turn, the time is looked at here."""
        now_ms = self._clock.monotonic_ms()
        for transport, since_ms in list(self._transports.items()):
            if transport.last_active_turn != self._last_active_turn[transport] or transport.connection.is_blocked:
                self._last_active_turn[transport] = transport.last_active_turn
                self._transports[transport] = now_ms
            elif now_ms - since_ms > self.idle_ms_max:
                transport.abort(f"idle for longer than connections.max.idle.ms={self.idle_ms_max}")
        self._arm_sweep()


def _plain_host(host: str) -> str:
    """An IPv4 address that came in on a dual-stack socket, as IPv4."""
    return host.removeprefix("::ffff:") if "." in host else host


def _reason(error: OSError) -> str:
    return "the address is already in use" if error.errno == errno.EADDRINUSE else str(error.strerror or error)
