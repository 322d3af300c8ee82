"""A Kafka client of one socket and no comfort, for tests and measuring: a request goes out, its response comes back, that is all."""

from __future__ import annotations

import socket
from typing import TypeVar

from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, encode_request_header
from odradek.protocol.message import Message

ResponseType = TypeVar("ResponseType", bound=Message)


class WireClient:
    """One connection, one request at a time."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 30) -> None:
        """Raises OSError when nobody listens."""
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_id = 0

    def request(self, request: Message, response_type: type[ResponseType], version: int) -> ResponseType:
        """The response to `request`.

        Raises:
            OSError: the connection broke.
        """
        self.send(request, version)
        return self.receive(response_type, version)

    def send(self, request: Message, version: int) -> None:
        """Send `request` and do not wait for its response."""
        self._correlation_id += 1
        out = bytearray(4)
        encode_request_header(out, RequestHeader(request.API_KEY, version, self._correlation_id, "wire-client"))
        request.encode(out, version)
        out[0:4] = (len(out) - 4).to_bytes(4, "big")
        self._socket.sendall(out)

    def send_raw(self, body: bytes) -> None:
        """Send one frame of any bytes."""
        self._socket.sendall(len(body).to_bytes(4, "big") + body)

    def receive(self, response_type: type[ResponseType], version: int) -> ResponseType:
        """The next response, which the caller knows the type of."""
        frame = self._read(int.from_bytes(self._read(4), "big"))
        key = response_type.API_KEY
        response, _ = response_type.decode(frame, 4 + apis.response_header_version(key, version), version)
        return response

    def is_closed_by_peer(self) -> bool:
        """Wait for the peer's next sign of life; whether it is the end."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._socket.close()

    def _read(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            chunk = self._socket.recv(size - len(received))
            if not chunk:
                raise ConnectionError("the node closed the connection")
            received += chunk
        return bytes(received)
