"""Frames out of bytes, answers in order: the connection without a socket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odradek.net.frame_connection import FRAMES_PER_TURN_MAX, OUTGOING_SIZE_MAX, OWN_BUFFER_SIZE_MIN, FrameConnection
from odradek.net.receive_budget import ReceiveBudget

FRAME_SIZE_MAX = 1 << 20


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Collector:
    """Keeps the bodies of the frames it is handed, and how often output was announced."""

    def __init__(self, budget: ReceiveBudget | None = None) -> None:
        self.bodies: list[bytes] = []
        self.output_count = 0
        self.connection = FrameConnection(
            self.on_frame,
            connection_id=1,
            listener_name="PLAINTEXT",
            client=("127.0.0.1", 50_000),
            dialled=("127.0.0.1", 9092),
            frame_size_max=FRAME_SIZE_MAX,
            on_output=self.on_output,
            budget=budget,
        )

    def on_frame(self, connection: FrameConnection, data: bytes, start: int, end: int) -> None:
        self.bodies.append(data[start:end])

    def on_output(self) -> None:
        self.output_count += 1


@given(
    sizes=st.lists(st.one_of(st.integers(1, 200), st.integers(OWN_BUFFER_SIZE_MIN - 2, OWN_BUFFER_SIZE_MIN + 2)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 90_000), min_size=1, max_size=12),
)
def test_frames_come_out_whole_however_the_bytes_arrive(sizes: list[int], cuts: list[int]) -> None:
    bodies = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    stream = b"".join(framed(body) for body in bodies)
    collector = Collector()

    position = 0
    turn = 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        turn += 1
        view = collector.connection.receive_view()
        if view is not None and turn % 2:
            taken = min(len(view), size, len(stream) - position)
            view[:taken] = stream[position : position + taken]
            collector.connection.received_into_view(taken)
        else:
            taken = size
            collector.connection.feed(stream[position : position + taken])
        position += taken

    assert collector.bodies == bodies
    assert collector.connection.close_reason is None


def test_connection_closes_when_frame_is_larger_than_allowed() -> None:
    collector = Collector()

    collector.connection.feed((FRAME_SIZE_MAX + 1).to_bytes(4, "big"))

    assert collector.bodies == []
    assert (
        collector.connection.close_reason
        == f"a frame of {FRAME_SIZE_MAX + 1} bytes is not between 1 and socket.request.max.bytes={FRAME_SIZE_MAX}"
    )


def test_connection_closes_when_frame_size_is_negative() -> None:
    collector = Collector()

    collector.connection.feed(b"\xff\xff\xff\xff rest")

    assert collector.connection.close_reason is not None
    assert "a frame of -1 bytes" in collector.connection.close_reason


def test_connection_names_the_protocol_when_the_peer_speaks_another() -> None:
    for greeting, meaning in ((b"GET / HTTP/1.1\r\n\r\n", "HTTP"), (b"\x16\x03\x01\x02\x00\x01", "TLS on a plaintext port")):
        collector = Collector()

        collector.connection.feed(greeting)

        assert collector.connection.close_reason == f"the peer speaks {meaning}, not Kafka's protocol"


def test_frames_wait_when_the_connection_is_blocked() -> None:
    collector = Collector()
    collector.connection.is_blocked = True

    collector.connection.feed(framed(b"one") + framed(b"two"))
    assert collector.bodies == []
    assert not collector.connection.wants_more

    collector.connection.unblock()
    collector.connection.process()
    assert collector.bodies == [b"one", b"two"]
    assert not collector.connection.has_frames_waiting


def test_frames_of_one_read_are_decided_in_several_turns() -> None:
    collector = Collector()
    bodies = [str(number).encode() for number in range(2 * FRAMES_PER_TURN_MAX + 1)]

    collector.connection.feed(b"".join(framed(body) for body in bodies))
    assert collector.bodies == bodies[:FRAMES_PER_TURN_MAX]
    assert not collector.connection.wants_more
    assert collector.connection.is_flush_due

    collector.connection.process_further()
    assert collector.bodies == bodies[: 2 * FRAMES_PER_TURN_MAX]
    collector.connection.process_further()
    assert collector.bodies == bodies
    assert collector.connection.wants_more
    assert not collector.connection.has_frames_waiting


def test_frames_wait_when_the_peer_does_not_take_its_answers() -> None:
    collector = Collector()
    collector.connection.send(bytes(OUTGOING_SIZE_MAX + 1))

    collector.connection.feed(framed(b"one"))

    assert collector.bodies == []
    assert collector.connection.has_frames_waiting
    assert not collector.connection.wants_more


def test_large_frame_waits_unread_when_the_budget_is_spent() -> None:
    budget = ReceiveBudget(150_000)
    first, second = Collector(budget), Collector(budget)
    body = bytes(100_000)
    first.connection.feed(framed(body)[:50_000])

    second.connection.feed(framed(body)[:50_000])
    assert not second.connection.wants_more
    first.connection.feed(framed(body)[50_000:])
    assert second.connection.wants_more
    second.connection.process()
    second.connection.feed(framed(body)[50_000:])

    assert first.bodies == second.bodies == [body]
    assert budget.used == 0


def test_frame_larger_than_the_budget_gets_in_when_it_is_alone() -> None:
    budget = ReceiveBudget(1000)
    collector = Collector(budget)

    collector.connection.feed(framed(bytes(100_000)))
    collector.connection.feed(framed(bytes(50_000))[:9])
    collector.connection.closed()

    assert [len(body) for body in collector.bodies] == [100_000]
    assert budget.used == 0
