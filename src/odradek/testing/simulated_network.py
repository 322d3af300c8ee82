"""The network of a simulation: machines with names, what they listen on, and the connections between them.

Each machine has a `SimulatedHost`, which is the `Network` of the node that runs on it and the way out for clients. Any number of nodes
and clients live on one network. Who dials somebody who does not listen is refused, as by a machine that is up and has nothing there.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random

from odradek.net.network import Socket
from odradek.testing.simulated_socket import ListeningSocket, SimulatedSocket, Wire, delay_ms
from odradek.testing.virtual_loop import VirtualLoop

FIRST_FREE_PORT = 40_000


class SimulatedNetwork:
    """Who listens where, and every connection there is."""

    def __init__(self, loop: VirtualLoop, dice: random.Random) -> None:
        self.wire = Wire(loop, dice)
        self.listeners: dict[tuple[str, int], ListeningSocket] = {}
        self._hosts: dict[str, SimulatedHost] = {}
        self._next_port = FIRST_FREE_PORT

    def host(self, name: str) -> SimulatedHost:
        """The machine called `name`."""
        if name not in self._hosts:
            self._hosts[name] = SimulatedHost(self, name)
        return self._hosts[name]

    def free_port(self) -> int:
        self._next_port += 1
        return self._next_port


class SimulatedHost:
    """One machine on the network. Its sockets are those of its present life."""

    def __init__(self, network: SimulatedNetwork, name: str) -> None:
        self.name = name
        self._network = network
        self._listening: dict[ListeningSocket, None] = {}
        self._connected: dict[SimulatedSocket, None] = {}

    def listen(self, host: str, port: int, *, backlog: int) -> Socket:
        """As `Network.listen`. The address is this machine's whatever `host` says, which must be its name or empty."""
        listeners = self._network.listeners
        if host not in ("", self.name):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        address = (self.name, port or self._network.free_port())
        if address in listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listening = ListeningSocket(self._network.wire, address, backlog)
        listening.on_closed = self._on_listening_closed
        listeners[address] = listening
        self._listening[listening] = None
        return listening

    async def connect(self, host: str, port: int) -> SimulatedSocket:
        """A connection to who listens at `host` and `port`.

        Raises:
            ConnectionRefusedError: nobody does, or too many wait there.
        """
        wire = self._network.wire
        await asyncio.sleep(delay_ms(wire.dice) / 1000)
        listening = self._network.listeners.get((host, port))
        if listening is None or len(listening.waiting) >= listening.backlog:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        near, far = SimulatedSocket.pair(wire, (self.name, self._network.free_port()), (host, port))
        self.own(near)
        self._network.host(host).own(far)
        listening.waiting.append(far)
        return near

    def connections(self) -> list[SimulatedSocket]:
        """The ends of this machine's connections, the oldest first."""
        return list(self._connected)

    def own(self, end: SimulatedSocket) -> None:
        """`end` ends with this machine."""
        self._connected[end] = None
        end.on_closed = self._on_connection_closed

    def crash(self) -> None:
        """Every socket of this machine is gone at once."""
        for listening in list(self._listening):
            listening.close()
        for end in list(self._connected):
            end.vanish()

    def _on_listening_closed(self, listening: ListeningSocket) -> None:
        del self._listening[listening]
        del self._network.listeners[listening.getsockname()]

    def _on_connection_closed(self, end: SimulatedSocket) -> None:
        self._connected.pop(end, None)
