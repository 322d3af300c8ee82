"""The connections of a client: at most one for each address, made when it is first needed, and made anew when it was lost.

Any broker will do until the cluster has said who its brokers are; from then on a broker is known by its id, at the address it advertises.
The addresses given at the start remain the last resort, for a cluster whose brokers have all moved (KIP-899).
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self, final

from odradek.client.connection import ClientIdentity, Connection
from odradek.client.connector import Connector, connect_plaintext
from odradek.client.core.address import Address
from odradek.client.core.cluster import Broker
from odradek.client.errors import ClientError, ConnectionLost, NobodyReached

# `socket.connection.setup.timeout.ms`; the deadline of an operation may be earlier.
CONNECT_TIMEOUT_S: Final = 10.0


@final
class NodePool:
    """`async with NodePool(...)`; every connection ends with it."""

    def __init__(
        self,
        bootstrap: Sequence[Address],
        identity: ClientIdentity,
        *,
        connector: Connector = connect_plaintext,
        dice: random.Random | None = None,
    ) -> None:
        assert bootstrap, "a client needs an address to begin at"
        self._bootstrap = list(bootstrap)
        self._identity = identity
        self._connector = connector
        self.dice = dice or random.Random()
        self._brokers: dict[int, Broker] = {}
        self._connections: dict[Address, Connection] = {}
        self._opening: dict[Address, asyncio.Future[Connection]] = {}
        self._tasks = asyncio.TaskGroup()
        self._readers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in list(self._connections.values()):
            await connection.close()
        for reader in list(self._readers):
            reader.cancel()
        # The readers never fail, so there is nothing to gather with what ends the block: it goes on its way as it is.
        await self._tasks.__aexit__(None, None, None)

    @property
    def has_reached_cluster(self) -> bool:
        """Whether a broker has ever told of the cluster."""
        return bool(self._brokers)

    @property
    def bootstrap(self) -> Sequence[Address]:
        return self._bootstrap

    def broker(self, node_id: int) -> Broker | None:
        """A broker that the cluster has told of."""
        return self._brokers.get(node_id)

    def learn(self, brokers: Iterable[Broker]) -> None:
        """The cluster has told where brokers are."""
        self._brokers.update({broker.node_id: broker for broker in brokers if broker.node_id >= 0})

    async def to_node(self, node_id: int, timeout_s: float) -> Connection:
        """The connection to a broker.

        Raises:
            ConnectionLost: it cannot be reached, or nobody has told where it is.
        """
        broker = self._brokers.get(node_id)
        if broker is None:
            raise ConnectionLost(f"nobody has told where broker {node_id} is")
        try:
            return await self._to_address(broker.address, timeout_s)
        except ConnectionLost as error:
            raise ConnectionLost(f"broker {node_id} cannot be reached at the address that it advertises, {error}") from error

    async def to_any(self, timeout_s: float) -> Connection:
        """A connection to some broker: one that there is, or one that can be made.

        Raises:
            NobodyReached: no address answers.
        """
        for connection in self._connections.values():
            if connection.is_usable:
                return connection
        known = [broker.address for broker in self._brokers.values()]
        self.dice.shuffle(known)
        reasons: dict[Address, str] = {}
        for address in dict.fromkeys([*known, *self._bootstrap]):
            try:
                return await self._to_address(address, timeout_s)
            except ClientError as error:
                reasons[address] = str(error).removeprefix(f"{address}: ")
        raise NobodyReached(reasons)

    async def _to_address(self, address: Address, timeout_s: float) -> Connection:
        existing = self._connections.get(address)
        if existing is not None and existing.is_usable:
            return existing
        opening = self._opening.get(address)
        if opening is not None:
            return await asyncio.shield(opening)
        opening = self._opening[address] = asyncio.get_running_loop().create_future()
        # Nobody else may be waiting, and then nobody would ask for the reason.
        opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            connection = await self._open(address, timeout_s)
        except BaseException as error:
            del self._opening[address]
            opening.set_exception(error if isinstance(error, ClientError) else ConnectionLost(f"{address}: the attempt was given up"))
            raise
        del self._opening[address]
        self._connections[address] = connection
        opening.set_result(connection)
        return connection

    async def _open(self, address: Address, timeout_s: float) -> Connection:
        timeout_s = min(timeout_s, CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await self._connector(address)
        except TimeoutError as error:
            raise ConnectionLost(f"{address}: no connection within {timeout_s:.3g} s") from error
        except OSError as error:
            raise ConnectionLost(f"{address}: {_reason(error)}") from error
        connection = Connection(address, reader, writer, self._identity)
        reading = self._tasks.create_task(connection.run(), name=f"answers of {address}")
        self._readers.add(reading)
        reading.add_done_callback(self._readers.discard)
        try:
            await connection.negotiate(timeout_s)
        except BaseException:
            await connection.close()
            raise
        return connection


def _reason(error: OSError) -> str:
    """Why there is no connection, in the system's words: asyncio puts its own in their place."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return (error.strerror or str(error)).lower()
    return os.strerror(error.errno).lower()
