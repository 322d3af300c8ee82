"""One connection without a socket: bytes in, whole frames out to a handler, answers gathered in the order of the requests.

A frame is a 32-bit size and that many bytes. Small frames are handed over as a slice of what was received, without a copy; a frame
that is larger than one receive gets a buffer of its own, into which the transport reads directly. As in Kafka, one request
of a connection is in process at a time (`SocketServer.scala` mutes the channel): while `is_blocked`, received frames wait unparsed.

Limits: a frame of more than `frame_size_max` closes the connection; more than `OUTGOING_SIZE_MAX` bytes of answers that the peer has
not taken stop the parsing of further requests, and after `FRAMES_PER_TURN_MAX` it is the turn of others.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

from librt.strings import read_i32_be

from odradek.net.output import FileRange, HeldResponse, OutputPiece
from odradek.net.receive_budget import ReceiveBudget

FRAME_HEADER_SIZE: Final = 4
# Requests of one receive that are answered before the answers must leave; metadata of a large cluster is half a megabyte.
OUTGOING_SIZE_MAX: Final = 4 << 20
# Requests of one connection that are decided in one turn. One read can take in six thousand small ones; all others would wait for them.
FRAMES_PER_TURN_MAX: Final = 64
# A frame of this size or more is read into a buffer of its own: gathering it from pieces would copy it once per piece.
OWN_BUFFER_SIZE_MIN: Final = 4 << 10
# Bytes that look like the start of another protocol, so that the log can say what was meant.
FOREIGN_GREETINGS: Final = (
    (b"\x16\x03", "TLS on a plaintext port"),
    (b"GET ", "HTTP"),
    (b"POST", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HEAD", "HTTP"),
    (b"SSH-", "SSH"),
)

FrameHandler = Callable[["FrameConnection", bytes, int, int], None]


@final
class FrameConnection:
    """Parses frames, keeps answers in order, and knows when to stop doing either."""

    __slots__ = (
        "_budget",
        "_data",
        "_frame_size_max",
        "_handler",
        "_own_buffer",
        "_own_filled",
        "_own_size",
        "_position",
        "client_host",
        "client_port",
        "close_reason",
        "connection_id",
        "dialled_host",
        "dialled_port",
        "frames_count",
        "is_blocked",
        "is_flush_due",
        "is_out_of_budget",
        "is_over_for_this_turn",
        "listener_name",
        "on_closed",
        "on_output",
        "outgoing",
        "outgoing_size",
    )

    def __init__(
        self,
        handler: FrameHandler,
        *,
        connection_id: int,
        listener_name: str,
        client: tuple[str, int],
        dialled: tuple[str, int],
        frame_size_max: int,
        on_output: Callable[[], None],
        budget: ReceiveBudget | None = None,
    ) -> None:
        self.connection_id = connection_id
        self.listener_name = listener_name
        self.client_host, self.client_port = client
        self.dialled_host, self.dialled_port = dialled
        self.outgoing: list[OutputPiece] = []
        self.outgoing_size = 0
        # Whether `on_output` was called since the transport flushed last: the answers of one turn announce themselves once.
        self.is_flush_due = False
        self.is_blocked = False
        self.is_out_of_budget = False
        # Whether frames wait only because it is the turn of others.
        self.is_over_for_this_turn = False
        self.close_reason: str | None = None
        self.frames_count = 0
        self.on_output = on_output
        self.on_closed: Callable[[], None] | None = None
        self._handler = handler
        self._frame_size_max = frame_size_max
        self._budget = budget or ReceiveBudget()
        self._data = b""
        self._position = 0
        # The frame that is being received by itself: the first `_own_size` bytes of the buffer are its room.
        self._own_buffer: bytearray | None = None
        self._own_size = 0
        self._own_filled = 0

    # Receiving

    def feed(self, data: bytes) -> None:
        """Take what was received; may call the handler any number of times."""
        if self._own_buffer is not None:
            data = self._feed_own_buffer(data)
        if self._position < len(self._data):
            data = self._data[self._position :] + data
        self._data = data
        self._position = 0
        self.process()

    def receive_view(self) -> memoryview | None:
        """The rest of the large frame that is being received, for the transport to read into; None where there is none."""
        if self._own_buffer is None:
            return None
        return memoryview(self._own_buffer)[self._own_filled : self._own_size]

    def received_into_view(self, size: int) -> None:
        """`size` bytes were read into `receive_view()`."""
        assert self._own_buffer is not None
        self._own_filled += size
        self._finish_own_buffer()

    def process(self) -> None:
        """Hand over whole frames until there is none, the handler blocks, too much waits to be sent, or others have their turn."""
        data = self._data
        end = len(data)
        frames_end = self.frames_count + FRAMES_PER_TURN_MAX
        while self.wants_more:
            start = self._position + FRAME_HEADER_SIZE
            if start > end:
                return
            size = int(read_i32_be(data, self._position))
            if size <= 0 or size > self._frame_size_max:
                self._refuse_size(size, data[self._position : start])
                return
            frame_end = start + size
            if frame_end > end:
                if size >= OWN_BUFFER_SIZE_MIN:
                    self._begin_own_buffer(size, start)
                return
            self._position = frame_end
            self.frames_count += 1
            self._handler(self, data, start, frame_end)
            if self.frames_count >= frames_end and frame_end < end:
                self.is_over_for_this_turn = True
                self.request_flush()

    def process_further(self) -> None:
        """A new turn: take up what the last one left."""
        self.is_over_for_this_turn = False
        self.process()

    @property
    def has_frames_waiting(self) -> bool:
        """Whether bytes were received that nobody has looked at."""
        return self._position < len(self._data)

    @property
    def wants_more(self) -> bool:
        """Whether it makes sense to read from the peer."""
        is_held_up = self.is_blocked or self.is_out_of_budget or self.is_over_for_this_turn or self.outgoing_size > OUTGOING_SIZE_MAX
        return self.close_reason is None and not is_held_up

    def _begin_own_buffer(self, size: int, start: int) -> None:
        if not self._budget.take(size):
            self.is_out_of_budget = True
            self._budget.wait(self._try_budget_again)
            return
        received = self._data[start:]
        self._own_buffer = self._budget.buffer_of(size)
        self._own_buffer[: len(received)] = received
        self._own_size = size
        self._own_filled = len(received)
        self._data = b""
        self._position = 0

    def _try_budget_again(self) -> None:
        self.is_out_of_budget = False
        if self.close_reason is None:
            self.request_flush()

    def _feed_own_buffer(self, data: bytes) -> bytes:
        assert self._own_buffer is not None
        taken = min(len(data), self._own_size - self._own_filled)
        self._own_buffer[self._own_filled : self._own_filled + taken] = data[:taken]
        self._own_filled += taken
        self._finish_own_buffer()
        return data[taken:]

    def _finish_own_buffer(self) -> None:
        buffer = self._own_buffer
        if buffer is None or self._own_filled < self._own_size:
            return
        size = self._own_size
        self._own_buffer = None
        self.frames_count += 1
        with memoryview(buffer) as view:
            frame = bytes(view[:size])
        self._budget.take_back(buffer)
        self._handler(self, frame, 0, size)
        self._budget.give_back(size)

    def _refuse_size(self, size: int, greeting: bytes) -> None:
        for prefix, meaning in FOREIGN_GREETINGS:
            if greeting.startswith(prefix):
                self.close(f"the peer speaks {meaning}, not Kafka's protocol")
                return
        self.close(f"a frame of {size} bytes is not between 1 and socket.request.max.bytes={self._frame_size_max}")

    # Answering

    def request_flush(self) -> None:
        """There is something for the transport to do: to send, to go on reading, to close."""
        if not self.is_flush_due:
            self.is_flush_due = True
            self.on_output()

    def send(self, response: bytes) -> None:
        """Answer the request in process."""
        self.outgoing.append(response)
        self.outgoing_size += len(response)
        self.request_flush()

    def send_pieces(self, pieces: Sequence[bytes | FileRange]) -> None:
        """Answer the request in process with bytes and ranges of files."""
        for piece in pieces:
            self.outgoing.append(piece)
            self.outgoing_size += piece.size if isinstance(piece, FileRange) else len(piece)
        self.request_flush()

    def hold(self) -> HeldResponse:
        """Keep the place of an answer that comes later. Does not block: set `is_blocked` where the next request must wait."""
        held = HeldResponse(self.request_flush)
        self.outgoing.append(held)
        return held

    def unblock(self) -> None:
        """The request in process is done; the frames that wait are taken up when the connection flushes."""
        self.is_blocked = False
        self.request_flush()

    def close(self, reason: str) -> None:
        """End the connection after what can be sent has been sent. The first reason counts."""
        if self.close_reason is None:
            self.close_reason = reason
            self.request_flush()

    def closed(self) -> None:
        """The transport is gone: whoever waits for this connection is told."""
        if self.close_reason is None:
            self.close_reason = ""
        if self._own_buffer is not None:
            self._budget.give_back(self._own_size)
            self._own_buffer = None
        if self.on_closed is not None:
            callback, self.on_closed = self.on_closed, None
            callback()
