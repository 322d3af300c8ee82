"""The socket side: one send a turn, files by sendfile or by copy with the same bytes, order kept behind held answers."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from odradek.net import socket_transport
from odradek.net.frame_connection import FrameConnection, FrameHandler
from odradek.net.output import FileRange
from odradek.net.socket_transport import RECEIVE_SIZE, SocketTransport
from odradek.net.turn import Turn


class DiskFile:
    """A real file with the face of a log segment; `has_descriptor` false plays the in-memory file system."""

    def __init__(self, path: Path, *, has_descriptor: bool) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._has_descriptor = has_descriptor

    def fileno(self) -> int | None:
        return self._descriptor if self._has_descriptor else None

    def pread(self, size: int, position: int) -> bytes:
        return os.pread(self._descriptor, size, position)

    def close(self) -> None:
        os.close(self._descriptor)


class Pair:
    """A transport of ours and the peer's end of the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_frame: FrameHandler, *, uses_sendfile: bool = True) -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.closed: list[SocketTransport] = []
        self.turn = Turn(loop.call_soon)
        self.transport = SocketTransport(loop, ours, self.turn, bytearray(RECEIVE_SIZE), self.closed.append, uses_sendfile=uses_sendfile)
        self.connection = FrameConnection(
            on_frame,
            connection_id=1,
            listener_name="PLAINTEXT",
            client=("peer", 1),
            dialled=("us", 2),
            frame_size_max=4 << 20,
            on_output=lambda: self.turn.touch(self.transport),
        )
        self.transport.start(self.connection)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


async def read_exactly(peer: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = bytearray()
    async with asyncio.timeout(10):
        while len(received) < size:
            received += await loop.sock_recv(peer, 1 << 16)
    return bytes(received)


@pytest.mark.parametrize(
    ("has_descriptor", "uses_sendfile", "has_msg_more"), [(True, True, 1), (True, True, 0), (True, False, 1), (False, True, 1)]
)
def test_file_ranges_arrive_between_bytes_however_they_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_descriptor: bool, uses_sendfile: bool, has_msg_more: bool
) -> None:
    """Linux has all three; what stands in for each elsewhere sends the same bytes."""
    if not has_msg_more:
        monkeypatch.setattr(socket_transport, "MSG_MORE", 0)
    content = os.urandom(3 << 20)
    (tmp_path / "segment").write_bytes(content)
    file = DiskFile(tmp_path / "segment", has_descriptor=has_descriptor)

    async def story() -> bytes:
        def answer(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            connection.send_pieces([b"head", FileRange(file, 100, len(content) - 100), b"middle", FileRange(file, 0, 10), b"tail"])

        pair = Pair(asyncio.get_running_loop(), answer, uses_sendfile=uses_sendfile)
        pair.peer.send(framed(b"fetch"))
        received = await read_exactly(pair.peer, 4 + len(content) - 100 + 6 + 10 + 4)
        pair.transport.abort("")
        pair.peer.close()
        return received

    assert asyncio.run(story()) == b"head" + content[100:] + b"middle" + content[:10] + b"tail"
    file.close()


def test_answers_keep_the_order_of_the_requests_when_one_takes_longer() -> None:
    async def story() -> tuple[bytes, int]:
        helds = []

        def answer(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            body = data[start:end]
            if body == b"slow":
                helds.append(connection.hold())
            else:
                connection.send(body)

        pair = Pair(asyncio.get_running_loop(), answer)
        pair.peer.send(framed(b"first") + framed(b"slow") + framed(b"third"))
        early = await read_exactly(pair.peer, 5)
        waiting = len(pair.connection.outgoing)
        helds[0].fulfil([b"SLOW"])
        late = await read_exactly(pair.peer, 9)
        pair.transport.abort("")
        pair.peer.close()
        return early + late, waiting

    assert asyncio.run(story()) == (b"firstSLOWthird", 2)


def test_large_frames_are_read_into_their_own_buffer_and_answered_in_order() -> None:
    async def story() -> list[int]:
        sizes: list[int] = []

        def answer(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            sizes.append(end - start)
            connection.send(b".")

        pair = Pair(asyncio.get_running_loop(), answer)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(pair.peer, framed(bytes(10)) + framed(bytes(3 << 20)) + framed(bytes(7)))
        await read_exactly(pair.peer, 3)
        pair.transport.abort("")
        pair.peer.close()
        return sizes

    assert asyncio.run(story()) == [10, 3 << 20, 7]


def test_connection_ends_after_its_last_answer_when_it_was_closed_by_the_handler() -> None:
    async def story() -> tuple[bytes, int]:
        def answer(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            connection.send(b"bye")
            connection.close("done")

        pair = Pair(asyncio.get_running_loop(), answer)
        loop = asyncio.get_running_loop()
        pair.peer.send(framed(b"x") + framed(b"ignored"))
        async with asyncio.timeout(10):
            received = await loop.sock_recv(pair.peer, 100)
            rest = await loop.sock_recv(pair.peer, 100)
        pair.peer.close()
        return received + rest, len(pair.closed)

    assert asyncio.run(story()) == (b"bye", 1)


def test_waiting_request_is_told_when_the_peer_goes() -> None:
    async def story() -> list[str]:
        told: list[str] = []
        gone = asyncio.Event()

        def wait(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            def on_closed() -> None:
                told.append("closed")
                gone.set()

            connection.hold()
            connection.on_closed = on_closed

        pair = Pair(asyncio.get_running_loop(), wait)
        pair.peer.send(framed(b"x"))
        loop = asyncio.get_running_loop()
        loop.call_soon(pair.peer.close)
        async with asyncio.timeout(10):
            await gone.wait()
        return told

    assert asyncio.run(story()) == ["closed"]


def test_peer_that_is_still_sending_gets_every_answer_and_an_orderly_end_when_the_node_says_goodbye() -> None:
    """A plain close with bytes unread would reset the connection, and take away the answer that the peer has not read yet."""

    async def story() -> tuple[list[bytes], bytes, bool, list[SocketTransport]]:
        frames: list[bytes] = []

        def answer(connection: FrameConnection, data: bytes, start: int, end: int) -> None:
            frames.append(data[start:end])
            connection.send(b"answer")

        pair = Pair(asyncio.get_running_loop(), answer)
        pair.peer.send(framed(b"before"))
        async with asyncio.timeout(10):
            while not frames:
                await asyncio.sleep(0)
        pair.transport.say_goodbye()
        pair.peer.send(framed(b"after"))
        received = await read_exactly(pair.peer, 6)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            has_ended = await loop.sock_recv(pair.peer, 1) == b""
            is_early = bool(pair.closed)
            pair.peer.close()
            while not pair.closed:
                await asyncio.sleep(0)
        return frames, received, has_ended and not is_early, pair.closed

    frames, received, has_ended_in_order, closed = asyncio.run(story())

    assert frames == [b"before"]
    assert received == b"answer"
    assert has_ended_in_order
    assert len(closed) == 1


@pytest.mark.parametrize("is_at_work", [True, False])
def test_goodbye_waits_for_peers_that_were_at_work_and_not_for_idle_ones(is_at_work: bool) -> None:
    """A client that is slow to notice the goodbye would send to a socket that is closed, and lose the answers that it has not read."""

    async def story() -> tuple[bool, bool]:
        pair = Pair(asyncio.get_running_loop(), lambda connection, data, start, end: connection.send(b"answer"))
        pair.peer.send(framed(b"long ago"))
        await read_exactly(pair.peer, 6)
        pair.transport.prepare_goodbye()
        if is_at_work:
            pair.peer.send(framed(b"meanwhile"))
            await read_exactly(pair.peer, 6)
        pair.transport.say_goodbye()
        await asyncio.sleep(0)
        is_parting = pair.transport.is_parting
        pair.peer.close()
        async with asyncio.timeout(10):
            while not pair.closed:
                await asyncio.sleep(0)
        return is_parting, pair.transport.has_output

    assert asyncio.run(story()) == (is_at_work, False)
