"""A Kafka client inside the simulation, on the generated codec: one connection, and the truth about failures.

It says what happened and decides nothing: a request that got no answer is a `NoAnswer`, and whether it was carried out nobody knows.
Its reading can be slow (`pause_ms`), so that the node's answers pile up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, encode_request_header
from odradek.protocol.message import Message
from odradek.testing.simulated_network import SimulatedHost
from odradek.testing.simulated_socket import SimulatedSocket
from odradek.testing.virtual_loop import VirtualLoop

ResponseType = TypeVar("ResponseType", bound=Message)

RECEIVE_SIZE = 64 << 10
TIMEOUT_MS_DEFAULT = 5_000


class NoAnswer(Exception):
    """No answer came: nobody listens, the connection broke, or it took too long."""


class SimulatedClient:
    """A client at `host`; it connects when it has something to ask."""

    def __init__(self, loop: VirtualLoop, host: SimulatedHost, address: tuple[str, int], *, timeout_ms: int = TIMEOUT_MS_DEFAULT) -> None:
        self._loop = loop
        self._host = host
        self._address = address
        self._timeout_ms = timeout_ms
        self._socket: SimulatedSocket | None = None
        self._received = bytearray()
        self._correlation_id = 0
        self.pause_ms = 0

    async def request(self, request: Message, response_type: type[ResponseType], version: int) -> ResponseType:
        """The response to `request`.

        Raises:
            NoAnswer: and the connection is closed.
        """
        (answer,) = [answer async for answer in self.request_many([request], response_type, version)]
        return answer

    async def request_many(
        self, requests: Sequence[Message], response_type: type[ResponseType], version: int
    ) -> AsyncIterator[ResponseType]:
        """The responses to `requests`, which all leave before the first is answered.

        Raises:
            NoAnswer: and the connection is closed; those that were given are true.
        """
        first_id = self._correlation_id + 1
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                await self._send(b"".join([self._frame(request, version) for request in requests]))
        except (OSError, TimeoutError) as error:
            self.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        for number in range(len(requests)):
            try:
                async with asyncio.timeout(self._timeout_ms / 1000):
                    frame = await self._receive_frame()
            except (OSError, TimeoutError) as error:
                self.close()
                raise NoAnswer(f"{type(error).__name__}: {error}") from error
            key = response_type.API_KEY
            response, _ = response_type.decode(frame, 4 + apis.response_header_version(key, version), version)
            assert int.from_bytes(frame[:4], "big") == first_id + number, "an answer to another request"
            yield response

    async def tell(self, request: Message, version: int) -> None:
        """Send a request that is not answered (Produce with `acks=0`).

        Raises:
            NoAnswer: it may not have left.
        """
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                await self._send(self._frame(request, version))
        except (OSError, TimeoutError) as error:
            self.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._received.clear()

    def _frame(self, request: Message, version: int) -> bytes:
        self._correlation_id += 1
        out = bytearray(4)
        encode_request_header(out, RequestHeader(request.API_KEY, version, self._correlation_id, self._host.name))
        request.encode(out, version)
        out[0:4] = (len(out) - 4).to_bytes(4, "big")
        return bytes(out)

    async def _send(self, data: bytes) -> None:
        if self._socket is None:
            self._socket = await self._host.connect(*self._address)
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await self._wait_until_writable(self._socket)

    async def _receive_frame(self) -> bytes:
        size = int.from_bytes(await self._receive(4), "big")
        return await self._receive(size)

    async def _receive(self, size: int) -> bytes:
        received = self._received
        buffer = bytearray(RECEIVE_SIZE)
        while len(received) < size:
            if self._socket is None:
                raise ConnectionError("the connection was closed")
            try:
                count = self._socket.recv_into(buffer)
            except BlockingIOError:
                await self._wait_until_readable(self._socket)
                continue
            if count == 0:
                raise ConnectionError("the node closed the connection")
            received += buffer[:count]
            if self.pause_ms:
                await asyncio.sleep(self.pause_ms / 1000)
        taken = bytes(received[:size])
        del received[:size]
        return taken

    async def _wait_until_readable(self, end: SimulatedSocket) -> None:
        woken: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(end.fileno(), _wake, woken)
        try:
            await woken
        finally:
            self._loop.remove_reader(end.fileno())

    async def _wait_until_writable(self, end: SimulatedSocket) -> None:
        woken: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(end.fileno(), _wake, woken)
        try:
            await woken
        finally:
            self._loop.remove_writer(end.fileno())


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
