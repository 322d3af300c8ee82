"""`GET /metrics` on a port of its own, for Prometheus: as much of HTTP/1.1 as that takes.

One request a connection, and the connection ends with its answer. What is asked is bounded in size and time; of those who ask at the same
time, `SCRAPES_MAX` are answered and the others told to come again, as each answer is work that requests have to share the loop with.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final, final

from odradek.base.errors import StartRefused
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.metrics_text import CONTENT_TYPE

log = logging.getLogger("odradek.broker.metrics_endpoint")

PATH: Final = "/metrics"
SCRAPES_MAX: Final = 4
# Others who ask meanwhile are told so; more than these are not even listened to.
CONNECTIONS_MAX: Final = 16
# Somebody who has connected and says nothing, or does not take his answer.
EXCHANGE_S_MAX: Final = 30.0
HEAD_BYTES_MAX: Final = 8 << 10


@final
class MetricsEndpoint:
    """Bound when it is made, answers from `open` on, gone after `close`."""

    def __init__(self, address: MetricsAddress) -> None:
        """Raises StartRefused when the address cannot be bound."""
        self._host = address.host
        try:
            family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._socket = socket.create_server(where[:2], family=family)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StartRefused(f"cannot listen on {address.host}:{address.port} for metrics: {reason}") from error
        self._socket.setblocking(False)
        self._server: asyncio.Server | None = None
        self._is_closed = False
        self._exchanges: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}{PATH}"

    async def open(self, tasks: asyncio.TaskGroup, text: Callable[[], AsyncIterator[bytes]]) -> None:
        """Answer from now on, in tasks of `tasks`, with what `text` says."""

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._is_closed or len(self._exchanges) >= CONNECTIONS_MAX:
                writer.transport.abort()
                return
            exchange = tasks.create_task(self._exchange(reader, writer, text), name="metrics")
            self._exchanges[exchange] = writer
            exchange.add_done_callback(lambda ended: self._exchanges.pop(ended, None))

        self._server = await asyncio.start_server(begin, sock=self._socket, limit=HEAD_BYTES_MAX)

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._is_closed = True
        for exchange, writer in list(self._exchanges.items()):
            exchange.cancel()
            # One that is cancelled before it has begun does nothing more.
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: Callable[[], AsyncIterator[bytes]]) -> None:
        try:
            async with asyncio.timeout(EXCHANGE_S_MAX):
                status, is_whole = await self._asked(reader)
                writer.write(_head(status))
                if status is not HTTPStatus.OK:
                    writer.write(f"{status.phrase}; metrics are at {PATH}\n".encode())
                elif is_whole:
                    async for piece in text():
                        writer.write(piece)
                        await writer.drain()
            # What the socket has not taken yet it takes by itself.
            writer.close()
        except (OSError, TimeoutError) as error:
            log.debug("metrics were not taken", extra={"reason": str(error) or type(error).__name__})
            writer.transport.abort()

    async def _asked(self, reader: asyncio.StreamReader) -> tuple[HTTPStatus, bool]:
        """How to answer, and whether with a body."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, True
        except asyncio.IncompleteReadError:
            return HTTPStatus.BAD_REQUEST, True
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return HTTPStatus.BAD_REQUEST, True
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, True
        if target.partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND, True
        if len(self._exchanges) > SCRAPES_MAX:
            return HTTPStatus.SERVICE_UNAVAILABLE, True
        return HTTPStatus.OK, method == "GET"


def _head(status: HTTPStatus) -> bytes:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {CONTENT_TYPE}",
        "Connection: close",
        *(["Allow: GET, HEAD"] if status is HTTPStatus.METHOD_NOT_ALLOWED else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
