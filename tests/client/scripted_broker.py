"""A broker of one socket that says what a test wants it to say, in the loop of the test."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from odradek.client.core.address import Address
from odradek.protocol import apis
from odradek.protocol.headers import decode_request_header, encode_response_header
from odradek.protocol.message import Message
from odradek.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse, MetadataResponseBroker

NODE_ID = 1


class HangUp(Exception):
    """Raised by a script: the broker closes the connection instead of answering."""


# What to answer a request in this version; None for no answer at all, bytes for a frame as it stands.
Script = Callable[[Message, int], Message | bytes | None]


def all_apis() -> ApiVersionsResponse:
    return ApiVersionsResponse(api_keys=[ApiVersion(api.key, api.version_min, api.version_max) for api in apis.API_BY_KEY.values()])


class ScriptedBroker:
    """`async with ScriptedBroker(script) as broker`. It knows how to say what it speaks, that it is the cluster, and every coordinator."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[tuple[Message, int]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    @property
    def asked(self) -> list[str]:
        """The requests after those in which a connection begins."""
        return [request.NAME for request, _ in self.requests if not isinstance(request, ApiVersionsRequest)]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                answer = self._answer(await reader.readexactly(size))
                if answer is not None:
                    writer.write(len(answer).to_bytes(4, "big") + answer)
        except (asyncio.IncompleteReadError, ConnectionError, HangUp):
            writer.close()

    def _answer(self, frame: bytes) -> bytes | None:
        header, position = decode_request_header(frame, 0)
        version = header.api_version
        request, _ = apis.request_type(header.api_key).decode(frame, position, version)
        self.requests.append((request, version))
        answer = self._script(request, version)
        if answer is None:
            answer = self._usual(request)
        if answer is None or isinstance(answer, bytes):
            return answer
        out = bytearray()
        encode_response_header(out, header.correlation_id, apis.response_header_version(header.api_key, version))
        is_unknown = isinstance(answer, ApiVersionsResponse) and answer.error_code
        answer.encode(out, 0 if is_unknown else version)
        return bytes(out)

    def _usual(self, request: Message) -> Message | None:
        if isinstance(request, ApiVersionsRequest):
            return all_apis()
        if isinstance(request, MetadataRequest):
            return MetadataResponse(brokers=[MetadataResponseBroker(NODE_ID, "127.0.0.1", self.port)])
        if isinstance(request, FindCoordinatorRequest):
            found = [Coordinator(key, NODE_ID, "127.0.0.1", self.port) for key in request.coordinator_keys]
            return FindCoordinatorResponse(coordinators=found)
        return None
