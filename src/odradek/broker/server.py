"""The node's sockets: every listener, the limits they share, and the dispatcher behind them."""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol

from odradek.base.clock import Clock
from odradek.config.broker import (
    CONNECTIONS_MAX_IDLE_MS,
    MAX_CONNECTION_CREATION_RATE,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_IP,
    MAX_CONNECTIONS_PER_IP_OVERRIDES,
    QUEUED_MAX_REQUEST_BYTES,
    SOCKET_LISTEN_BACKLOG_SIZE,
    SOCKET_RECEIVE_BUFFER_BYTES,
    SOCKET_REQUEST_MAX_BYTES,
    SOCKET_SEND_BUFFER_BYTES,
)
from odradek.config.broker_contradictions import connections_per_address
from odradek.config.listeners import Endpoint, listeners
from odradek.config.settings import Settings
from odradek.net.connection_limits import ConnectionCounter, ConnectionLimits
from odradek.net.frame_connection import FrameHandler
from odradek.net.listener import Listener, ListenerOptions
from odradek.net.network import Network
from odradek.net.readiness import Readiness
from odradek.net.receive_budget import ReceiveBudget
from odradek.net.socket_transport import RECEIVE_SIZE
from odradek.net.turn import Turn

# How long answers that are on their way may take when the node stops.
DRAIN_STEP_S = 0.01
DRAIN_STEPS_MAX = 50
# How long clients that are at work get to take their last answers and to close their ends; milliseconds, if the machine has time.
GOODBYE_STEPS_MAX = 500


class FrameDispatcher(Protocol):
    """Who knows what becomes of the frames of each listener."""

    def handler_for(self, listener_name: str) -> FrameHandler: ...


class Server:
    """Binds, accepts and closes. Frames that come before `open` gave it a handler cannot exist: nothing is accepted until then."""

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, turn: Turn, clock: Clock, network: Network, readiness: Readiness
    ) -> None:
        self._settings = settings
        self._counter = ConnectionCounter(connection_limits(settings))
        receive_buffer = bytearray(RECEIVE_SIZE)
        connection_ids = itertools.count(1)
        budget = ReceiveBudget(settings[QUEUED_MAX_REQUEST_BYTES])
        self._listeners = [
            Listener(
                listener_options(settings, endpoint),
                loop=loop,
                turn=turn,
                clock=clock,
                counter=self._counter,
                network=network,
                readiness=readiness,
                receive_buffer=receive_buffer,
                budget=budget,
                connection_ids=connection_ids,
            )
            for endpoint in listeners(settings)
        ]

    def bind(self) -> dict[str, int]:
        """Bind every listener; returns the ports by listener name.

        Raises:
            StartRefused: an address cannot be bound. Those that were bound are closed.
        """
        ports: dict[str, int] = {}
        try:
            for listener in self._listeners:
                ports[listener.options.name] = listener.bind()
        except BaseException:
            self.close()
            raise
        return ports

    def open(self, dispatcher: FrameDispatcher) -> None:
        """Begin to accept; frames go to `dispatcher`."""
        for listener in self._listeners:
            listener.open(dispatcher.handler_for(listener.options.name))

    def configure(self, settings: Settings) -> None:
        """Limits changed while running: they hold for connections that come from now on."""
        self._counter.limits = connection_limits(settings)

    async def drain(self) -> None:
        """Stop accepting and give answers that are on their way a moment to leave."""
        for listener in self._listeners:
            listener.prepare_goodbye()
        for _ in range(DRAIN_STEPS_MAX):
            if not any(listener.has_output for listener in self._listeners):
                return
            await asyncio.sleep(DRAIN_STEP_S)

    def fall_silent(self) -> None:
        """Take no request any more; what was taken is answered."""
        for listener in self._listeners:
            listener.say_goodbye()

    async def say_goodbye(self) -> None:
        """Take no request any more and see to it that every answer that is owed arrives; what is left then `close` ends."""
        self.fall_silent()
        for _ in range(GOODBYE_STEPS_MAX):
            # At least once: what was on its way when the goodbye was said has come by then.
            await asyncio.sleep(DRAIN_STEP_S)
            if not any(listener.is_parting for listener in self._listeners):
                return

    def close(self) -> None:
        """End every connection and every listener."""
        for listener in self._listeners:
            listener.close()

    @property
    def connections_count(self) -> int:
        """Connections open now, on all listeners."""
        return self._counter.count


def listener_options(settings: Settings, endpoint: Endpoint) -> ListenerOptions:
    """The options of one listener: its own settings (`listener.name.<name>.`) over the node's."""
    return ListenerOptions(
        name=endpoint.name,
        host=endpoint.host,
        port=endpoint.port,
        backlog=settings[SOCKET_LISTEN_BACKLOG_SIZE],
        send_buffer_size=settings[SOCKET_SEND_BUFFER_BYTES],
        receive_buffer_size=settings[SOCKET_RECEIVE_BUFFER_BYTES],
        frame_size_max=settings[SOCKET_REQUEST_MAX_BYTES],
        idle_ms_max=settings.of_listener(endpoint.name, CONNECTIONS_MAX_IDLE_MS),
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The node's connection limits as they are now."""
    return ConnectionLimits(
        connections_max=settings[MAX_CONNECTIONS],
        connections_per_address_max=settings[MAX_CONNECTIONS_PER_IP],
        address_overrides=connections_per_address(settings[MAX_CONNECTIONS_PER_IP_OVERRIDES]),
        creations_per_second_max=settings[MAX_CONNECTION_CREATION_RATE],
    )
