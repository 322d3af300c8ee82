"""A `FrameConnection` on a non-blocking socket: `recv_into` a shared buffer, `send` once per turn, `sendfile` for ranges of files.

Raw sockets on readiness callbacks, not asyncio transports: one receive takes in dozens of small requests, and `sendfile`
can be called on the same socket at once. Only Linux has MSG_MORE; elsewhere the header of a fetch goes out in a packet of its own.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from typing import Final, final

from odradek.net.frame_connection import FrameConnection
from odradek.net.network import Socket
from odradek.net.output import FileRange
from odradek.net.readiness import Readiness
from odradek.net.turn import Turn

log = logging.getLogger("odradek.net")

RECEIVE_SIZE: Final = 256 << 10
# What one `send` takes at the most; joining more would only copy what the socket does not take anyway.
SEND_SIZE_MAX: Final = 1 << 20
# What is read into memory at once where there is no `sendfile` or no descriptor.
COPY_SIZE_MAX: Final = 1 << 20
MSG_MORE: int = getattr(socket, "MSG_MORE", 0)
HAS_SENDFILE: bool = hasattr(os, "sendfile")


@final
class SocketTransport:
    """Owns the socket. Ends by `abort`, by the peer, or by the connection's own wish; `say_goodbye` lets the peer have the last word."""

    __slots__ = (
        "_descriptor",
        "_frames_before_stop",
        "_has_ended_sending",
        "_has_thrown_away",
        "_is_closed",
        "_is_leaving",
        "_is_reading",
        "_is_writing",
        "_on_closed",
        "_readiness",
        "_receive_buffer",
        "_socket",
        "_turn",
        "connection",
        "last_active_turn",
        "uses_sendfile",
    )

    def __init__(
        self,
        readiness: Readiness,
        sock: Socket,
        turn: Turn,
        receive_buffer: bytearray,
        on_closed: Callable[[SocketTransport], None],
        *,
        uses_sendfile: bool = HAS_SENDFILE,
    ) -> None:
        self._readiness = readiness
        self._socket = sock
        self._descriptor = sock.fileno()
        self._turn = turn
        self._receive_buffer = memoryview(receive_buffer)
        self._on_closed = on_closed
        self._is_reading = False
        self._is_writing = False
        self._is_closed = False
        self._is_leaving = False
        self._has_ended_sending = False
        self._has_thrown_away = False
        self._frames_before_stop = 0
        self.uses_sendfile = uses_sendfile
        self.last_active_turn = turn.turns_count
        self.connection: FrameConnection

    def start(self, connection: FrameConnection) -> None:
        """Begin to read on behalf of `connection`."""
        self.connection = connection
        self._resume_reading()

    # Reading

    def _on_readable(self) -> None:
        connection = self.connection
        if self._is_leaving:
            self._throw_away()
            return
        if not connection.wants_more:
            # The kernel keeps what the peer sends until this connection's request is answered.
            self._pause_reading()
            return
        view = connection.receive_view()
        try:
            size = self._socket.recv_into(self._receive_buffer if view is None else view)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"receiving failed: {error.strerror or error}")
            return
        if size == 0:
            self._end("")
            return
        self.last_active_turn = self._turn.turns_count
        if view is None:
            connection.feed(bytes(self._receive_buffer[:size]))
        else:
            del view
            connection.received_into_view(size)

    def _pause_reading(self) -> None:
        if self._is_reading:
            self._readiness.remove_reader(self._descriptor)
            self._is_reading = False

    def _resume_reading(self) -> None:
        if not self._is_reading and not self._is_closed:
            self._readiness.add_reader(self._descriptor, self._on_readable)
            self._is_reading = True

    # Writing

    def touch(self) -> None:
        """The connection has something for `flush` to do at the end of the turn."""
        self._turn.touch(self)

    def flush(self) -> None:
        """Send what is ready; then take up what the connection had to leave, or end it."""
        if self._is_closed or self._has_ended_sending:
            return
        connection = self.connection
        connection.is_flush_due = False
        try:
            is_all_sent = self._send_ready(connection)
        except OSError as error:
            self._end(f"sending failed: {error.strerror or error}")
            return
        if not is_all_sent:
            self._wait_for_room()
            return
        self._stop_waiting_for_room()
        if connection.close_reason is not None and not connection.outgoing:
            if self._is_leaving:
                self._end_sending()
            else:
                self._end(connection.close_reason, level=logging.WARNING)
            return
        if connection.has_frames_waiting:
            connection.process_further()
        if not self._is_reading and connection.wants_more:
            self._resume_reading()

    def _send_ready(self, connection: FrameConnection) -> bool:
        """Send until nothing is ready (True) or the socket takes no more (False)."""
        outgoing = connection.outgoing
        while outgoing:
            first = outgoing[0]
            if isinstance(first, bytes):
                if not self._send_bytes(connection):
                    return False
            elif isinstance(first, FileRange):
                if not self._send_file_range(first):
                    return False
                del outgoing[0]
            else:
                if first.pieces is None:
                    return True
                outgoing[0:1] = first.pieces
                connection.outgoing_size += sum([piece.size if isinstance(piece, FileRange) else len(piece) for piece in first.pieces])
        return True

    def _send_bytes(self, connection: FrameConnection) -> bool:
        """Send the bytes at the front in one call; False when the socket is full."""
        outgoing = connection.outgoing
        parts: list[bytes] = []
        size = 0
        more = 0
        for piece in outgoing:
            if not isinstance(piece, bytes):
                # The header and the first records of a fetch leave in one packet.
                more = MSG_MORE if isinstance(piece, FileRange) else 0
                break
            if size >= SEND_SIZE_MAX:
                break
            parts.append(piece)
            size += len(piece)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            sent = self._socket.send(data, more)
        except (BlockingIOError, InterruptedError):
            return False
        del outgoing[: len(parts)]
        connection.outgoing_size -= sent
        if sent < size:
            outgoing.insert(0, data[sent:])
            return False
        return True

    def _send_file_range(self, part: FileRange) -> bool:
        """Send a range of a file as far as the socket takes it; False when the socket is full."""
        descriptor = part.file.fileno()
        is_by_kernel = descriptor is not None and self.uses_sendfile
        while part.size > 0:
            try:
                if descriptor is not None and is_by_kernel:
                    sent = os.sendfile(self._descriptor, descriptor, part.position, part.size)
                else:
                    sent = self._socket.send(part.file.pread(min(part.size, COPY_SIZE_MAX), part.position))
            except (BlockingIOError, InterruptedError):
                return False
            if sent == 0:
                # The file is shorter than it was when the answer was decided: the peer must not wait for bytes that never come.
                raise OSError(f"{part.file!r} ends before position {part.position + part.size}")
            asked = part.size
            part.position += sent
            part.size -= sent
            self.connection.outgoing_size -= sent
            if sent < asked and is_by_kernel:
                # Full. Asking again would only raise BlockingIOError, ten times for a megabyte.
                return False
        return True

    def _wait_for_room(self) -> None:
        if not self._is_writing:
            self._readiness.add_writer(self._descriptor, self.flush)
            self._is_writing = True

    def _stop_waiting_for_room(self) -> None:
        if self._is_writing:
            self._readiness.remove_writer(self._descriptor)
            self._is_writing = False

    # Ending

    def prepare_goodbye(self) -> None:
        """The node begins to stop: who asks for something from now on is at work, and has more on its way when the goodbye is said."""
        self._frames_before_stop = self.connection.frames_count

    def say_goodbye(self) -> None:
        """Take no request any more and give the answers that are owed; end when the peer does, or with `abort`.

        What the peer still sends is read and thrown away: a socket that is closed with bytes unread resets the connection, and then the
        peer loses the answers that it has not read yet.
        """
        if self._is_closed or self._is_leaving:
            return
        self._is_leaving = True
        self._resume_reading()
        self.connection.close("")

    @property
    def is_parting(self) -> bool:
        """Whether the goodbye needs a while: answers are owed, or the peer is at work and has not closed yet.

        On a busy machine the peer may come to it only later, and what it sends to a closed socket would cost it the answers that it has not
        read. To a producer that is a write of which it does not know, and librdkafka may give up for good over one.
        """
        is_at_work = self._has_thrown_away or self.connection.frames_count > self._frames_before_stop
        return self._is_leaving and (bool(self.connection.outgoing) or is_at_work)

    def _end_sending(self) -> None:
        self._has_ended_sending = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._end(f"sending failed: {error.strerror or error}")

    def _throw_away(self) -> None:
        try:
            size = self._socket.recv_into(self._receive_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        self._has_thrown_away = True
        if size == 0:
            self._end("")

    def abort(self, reason: str) -> None:
        """Close now, whatever waits to be sent."""
        self._end(reason)

    @property
    def has_output(self) -> bool:
        """Whether answers wait to be taken by the peer."""
        return bool(self.connection.outgoing)

    def _end(self, reason: str, *, level: int = logging.INFO) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._pause_reading()
        self._stop_waiting_for_room()
        self._socket.close()
        connection = self.connection
        if reason:
            log.log(
                level,
                "connection closed",
                extra={
                    "reason": reason,
                    "client": f"{connection.client_host}:{connection.client_port}",
                    "listener": connection.listener_name,
                },
            )
        connection.closed()
        self._on_closed(self)
