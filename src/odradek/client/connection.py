"""One connection to one broker: requests out, answers back in their order, each in the version that both sides know.

The answers are read by `run`, a task of whoever owns the connection. Everything that breaks the stream (its end, a frame that is too large,
an answer to no request, an answer that takes too long) ends the connection and fails all who wait on it with `ConnectionLost`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeVar, final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import Misuse, ProtocolViolation
from odradek.client.core.address import Address
from odradek.client.core.negotiation import BrokerVersions, version_to_ask_again
from odradek.client.errors import ConnectionLost, Refused, RequestTimedOut, UnsupportedByBroker
from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from odradek.protocol.message import Message
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

ResponseType = TypeVar("ResponseType", bound=Message)

# What a broker takes as a request at most (`socket.request.max.bytes`); an answer larger than that is none.
FRAME_BYTES_MAX: Final = 100 << 20
# `max.in.flight.requests.per.connection` of a producer; further requests wait for an answer to one of these.
IN_FLIGHT_MAX: Final = 5
_SIZE_BYTES: Final = 4


@final
@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """How a client names itself: for logs and quotas, and (KIP-511) the software that it is."""

    client_id: str
    software_version: str
    software_name: str = "odradek"


@dataclass(slots=True)
class _Waiting:
    correlation_id: int
    header_version: int
    answer: asyncio.Future[bytes]


@final
class Connection:
    """`await open`, then `run` in a task, then `request` as often as one likes, then `close`."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: ClientIdentity) -> None:
        self.address = address
        self._reader = reader
        self._writer = writer
        self._identity = identity
        self._waiting: deque[_Waiting] = deque()
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._correlation_ids = count()
        self._versions: BrokerVersions | None = None
        self._lost_because: str | None = None

    @property
    def is_usable(self) -> bool:
        return self._lost_because is None

    async def run(self) -> None:
        """Read answers until the connection ends, for whatever reason."""
        try:
            while True:
                frame = await self._read_frame()
                self._take(frame)
        except asyncio.IncompleteReadError:
            self._lose("the broker closed the connection")
        except (OSError, ProtocolViolation) as error:
            self._lose(str(error))
        except asyncio.CancelledError:
            self._lose("the client closed the connection")
            raise

    async def negotiate(self, timeout_s: float) -> None:
        """Learn what the broker speaks; the first thing on a connection.

        Raises:
            ConnectionLost: the connection ended first.
            Refused: it answered with an error.
        """
        asked = ApiVersionsRequest(
            client_software_name=self._identity.software_name, client_software_version=self._identity.software_version
        )
        response = await self._negotiate_in(asked, ApiVersionsRequest.VERSION_MAX, timeout_s)
        if response.error_code == ErrorCode.UNSUPPORTED_VERSION:
            version = version_to_ask_again(response)
            again = asked if version >= ApiVersionsRequest.FLEXIBLE_VERSION_MIN else ApiVersionsRequest()
            response = await self._negotiate_in(again, version, timeout_s)
        if response.error_code != ErrorCode.NONE:
            raise Refused(response.error_code)
        self._versions = BrokerVersions(response.api_keys)

    async def request(
        self,
        request: Message,
        response_type: type[ResponseType],
        timeout_s: float,
        *,
        version_min: int = 0,
        version_max: int | None = None,
    ) -> ResponseType:
        """The answer to `request`, in the greatest version that both sides know within the bounds.

        Raises:
            ConnectionLost: the connection ended first, or the answer took longer than `timeout_s`.
            UnsupportedByBroker: there is no such version, or it cannot carry what the request says.
        """
        assert self._versions is not None, "negotiate comes first"
        version = self._versions.greatest_common(type(request), version_min=version_min, version_max=version_max)
        name = request.NAME.removesuffix("Request")
        if version is None:
            raise UnsupportedByBroker(f"the broker at {self.address} does not offer {name} in a version that this client can use")
        try:
            body = await self._exchange(request, version, timeout_s)
        except Misuse as error:
            raise UnsupportedByBroker(f"the broker at {self.address} offers {name} only up to version {version}: {error}") from error
        return self._decoded(response_type, body, version)

    async def close(self) -> None:
        """End the connection; who still waits is told."""
        self._lose("the client closed the connection")
        with suppress(OSError):
            await self._writer.wait_closed()

    # Requests

    async def _negotiate_in(self, request: ApiVersionsRequest, version: int, timeout_s: float) -> ApiVersionsResponse:
        body = await self._exchange(request, version, timeout_s)
        # A broker that does not know the version says so in version 0.
        is_unknown_version = body[:2] == ErrorCode.UNSUPPORTED_VERSION.to_bytes(2, "big")
        return self._decoded(ApiVersionsResponse, body, 0 if is_unknown_version else version)

    async def _exchange(self, request: Message, version: int, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                async with self._room:
                    answer = self._send(request, version)
                    await self._writer.drain()
                    return await answer
        except TimeoutError:
            self._lose(f"no answer within {timeout_s:.3g} s")
            raise RequestTimedOut(f"{self.address}: no answer within {timeout_s:.3g} s") from None
        except OSError as error:
            self._lose(str(error))
            raise ConnectionLost(f"{self.address}: {error}") from error

    def _send(self, request: Message, version: int) -> asyncio.Future[bytes]:
        if self._lost_because is not None:
            raise ConnectionLost(f"{self.address}: {self._lost_because}")
        correlation_id = next(self._correlation_ids) & 0x7FFFFFFF
        out = bytearray(_SIZE_BYTES)
        encode_request_header(out, RequestHeader(request.API_KEY, version, correlation_id, self._identity.client_id))
        request.encode(out, version)
        out[:_SIZE_BYTES] = (len(out) - _SIZE_BYTES).to_bytes(_SIZE_BYTES, "big")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(correlation_id, apis.response_header_version(request.API_KEY, version), answer))
        self._writer.write(out)
        return answer

    def _decoded(self, response_type: type[ResponseType], body: bytes, version: int) -> ResponseType:
        try:
            response, _ = response_type.decode(body, 0, version)
        except ProtocolViolation as error:
            self._lose(str(error))
            raise ConnectionLost(f"{self.address}: {error}") from error
        return response

    # Answers

    async def _read_frame(self) -> bytes:
        size = int.from_bytes(await self._reader.readexactly(_SIZE_BYTES), "big", signed=True)
        if not 0 <= size <= FRAME_BYTES_MAX:
            raise ProtocolViolation(f"a frame of {size} bytes is no answer of Kafka")
        return await self._reader.readexactly(size)

    def _take(self, frame: bytes) -> None:
        if not self._waiting:
            raise ProtocolViolation("the broker answers what nobody asked")
        first = self._waiting[0]
        correlation_id, position = decode_response_header(frame, 0, first.header_version)
        if correlation_id != first.correlation_id:
            raise ProtocolViolation(f"the broker answers request {correlation_id} where {first.correlation_id} is due")
        self._waiting.popleft()
        if not first.answer.done():
            first.answer.set_result(frame[position:])

    def _lose(self, reason: str) -> None:
        if self._lost_because is not None:
            return
        self._lost_because = reason
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if not one.answer.done():
                one.answer.set_exception(ConnectionLost(f"{self.address}: {reason}"))
        # Whatever has not left yet is of no use, and a peer that takes nothing must not hold up the end.
        self._writer.transport.abort()
