"""One raw connection that sends requests frame by frame and writes down what came back.

An `Exchange` is the transcript of one script: every question has a label, every outcome is a line or a few in the notation of outcome.py.
Bytes that are no request at all go through `raw`, whose outcome is whether the node closed the connection, answered, or kept silent.
"""

import socket
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from struct import Struct
from types import TracebackType
from typing import Final, Self

from odradek.protocol.apis import request_header_version, response_header_version, response_type
from odradek.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from odradek.protocol.message import Message
from tests.conformance.differential.outcome import Notation

ANSWER_SECONDS_MAX: Final = 10
# How long a node may think before its silence is taken for an answer. Only outcomes that are silence wait for it.
SILENCE_SECONDS: Final = 1.0

_SIZE = Struct(">i")


class Closed(Exception):
    """The node closed the connection instead of answering."""


class Unanswered(Exception):
    """The node took the request and said nothing."""


class Exchange(AbstractContextManager["Exchange"]):
    def __init__(self, bootstrap: str, script_name: str) -> None:
        host, _, port = bootstrap.partition(":")
        self._bootstrap = bootstrap
        self._script_name = script_name
        self._address = (host, int(port))
        self._socket: socket.socket | None = None
        self._correlation_id = 0
        self._others: list[Exchange] = []
        # The request whose answer is fetched later, with its label.
        self._waiting: tuple[str, Message, int] | None = None
        self.notation = Notation()
        self.topic = f"differential-{script_name}"
        self.transcript: list[str] = []
        self.settled_count = 0

    def another(self) -> "Exchange":
        """A second connection in the same conversation: its own order of requests, one transcript and the same names in it."""
        other = Exchange(self._bootstrap, self._script_name)
        other.notation = self.notation
        other.transcript = self.transcript
        self._others.append(other)
        return other

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in (self, *self._others):
            connection.disconnect()

    def ask(self, label: str, request: Message, version: int) -> Message | None:
        """Send one request and write its outcome down; the answer, or None where the connection was closed."""
        try:
            answer = self.quietly(request, version)
        except Closed:
            self.transcript.append(f"{label} v{version}: closed")
            return None
        except Unanswered:
            self.transcript.append(f"{label} v{version}: no answer")
            return None
        self.note(label, answer, version)
        return answer

    def note(self, label: str, answer: Message, version: int) -> None:
        """Write an answer down."""
        self.transcript.append(f"{label} v{version}: {self.notation.told(answer)}")

    def ask_later(self, label: str, request: Message, version: int) -> None:
        """Send a request whose answer has to wait for something that comes after it; `hear` fetches that."""
        assert self._waiting is None, "one request of a connection waits at a time"
        self._send(request, version)
        self._waiting = (label, request, version)

    def hear(self, label_now: str | None = None) -> Message:
        """The answer to what was asked so, which is written down here; under `label_now` where that says more than the label before."""
        assert self._waiting is not None, "nothing was asked"
        (label, request, version), self._waiting = self._waiting, None
        answer = self.answer_to(request, version)
        self.note(label if label_now is None else label_now, answer, version)
        return answer

    def ask_each(self, label: str, request: Message, versions: Sequence[int]) -> None:
        """The same question in several versions; neighbours with one outcome share a line."""
        runs: list[tuple[int, int, str]] = []
        for version in versions:
            try:
                outcome = self.notation.told(self.quietly(request, version))
            except Closed:
                outcome = "closed"
            if runs and runs[-1][2] == outcome:
                runs[-1] = (runs[-1][0], version, outcome)
            else:
                runs.append((version, version, outcome))
        for first, last, outcome in runs:
            self.transcript.append(f"{label} v{first}{'' if first == last else f'-v{last}'}: {outcome}")

    def ask_until(self, label: str, request: Message, version: int, text: str) -> None:
        """Ask again until the outcome holds `text`, for what a node applies a moment after it accepted it; write the last outcome down."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        outcome = ""
        while text not in outcome and time.monotonic() < deadline:
            outcome = self.notation.told(self.quietly(request, version))
        self.transcript.append(f"{label} v{version}: {outcome}")

    def quietly(self, request: Message, version: int) -> Message:
        """Send one request for its effect; its outcome is not part of the transcript.

        Raises:
            Closed: the node closed the connection.
            Unanswered: it said nothing in time.
        """
        self._send(request, version)
        return self.answer_to(request, version)

    def _send(self, request: Message, version: int) -> None:
        self._correlation_id += 1
        self.send_frame(self.frame_of(request, version))

    def answer_to(self, request: Message, version: int) -> Message:
        """The answer to the request that was sent last.

        Raises:
            Closed: the node closed the connection.
            Unanswered: it said nothing in time.
        """
        frame = self.receive_frame(ANSWER_SECONDS_MAX)
        if frame is None:
            raise Unanswered(f"no answer to {request.NAME} version {version}")
        correlation_id, position = decode_response_header(frame, 0, response_header_version(request.API_KEY, version))
        assert correlation_id == self._correlation_id, "answers come in the order of the requests"
        answer, end = response_type(request.API_KEY).decode(frame, position, version)
        assert end == len(frame), f"{len(frame) - end} bytes follow the answer to {request.NAME} version {version}"
        return answer

    def frame_of(self, request: Message, version: int) -> bytes:
        """The request with its header, without the size before it."""
        out = bytearray()
        header = RequestHeader(request.API_KEY, version, self._correlation_id, "differential")
        encode_request_header(out, header)
        assert request_header_version(request.API_KEY, version) in (1, 2)
        request.encode(out, version)
        return bytes(out)

    def raw(self, label: str, data: bytes) -> None:
        """Send bytes as they are, on a connection of their own, and write down what the node does with it."""
        self.disconnect()
        self._connected().sendall(data)
        try:
            frame = self.receive_frame(SILENCE_SECONDS)
        except Closed:
            outcome = "closed"
        else:
            outcome = "silence" if frame is None else "an answer"
        self.transcript.append(f"{label}: {outcome}")
        self.disconnect()

    def expect_silence(self, label: str, request: Message, version: int) -> None:
        """A request that has no answer: what follows must be the answer to the next one, or a closed connection."""
        self._correlation_id += 1
        self.send_frame(self.frame_of(request, version))
        try:
            frame = self.receive_frame(SILENCE_SECONDS)
        except Closed:
            outcome = "closed"
        else:
            outcome = "silence" if frame is None else "an answer"
        self.transcript.append(f"{label} v{version}: {outcome}")

    def send_frame(self, frame: bytes) -> None:
        try:
            self._connected().sendall(_SIZE.pack(len(frame)) + frame)
        except (BrokenPipeError, ConnectionResetError) as failure:
            self.disconnect()
            raise Closed from failure

    def receive_frame(self, seconds_max: float) -> bytes | None:
        """The next frame; None when none came in time.

        Raises:
            Closed: the node closed the connection.
        """
        connection = self._connected()
        connection.settimeout(seconds_max)
        try:
            return self._read(connection, _SIZE.unpack(self._read(connection, 4))[0])
        except TimeoutError:
            self.disconnect()
            return None

    def disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self, connection: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = connection.recv(size - len(data))
            except ConnectionResetError as failure:
                self.disconnect()
                raise Closed from failure
            if not piece:
                self.disconnect()
                raise Closed
            data += piece
        return data

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_SECONDS_MAX)
        return self._socket

    def __enter__(self) -> Self:
        return self
