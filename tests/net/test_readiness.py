"""Everybody who is ready is called once a turn, and the turn ends behind them; the loop and all that hangs on it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from odradek.net.readiness import CALLS_MAX, HAS_EPOLL, EpollReadiness, readiness_of
from odradek.net.turn import Turn
from odradek.net.turn_loop import TurnLoop

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="this system has no epoll; the loop itself stands in")

Story = Callable[[asyncio.AbstractEventLoop, EpollReadiness, Turn], Awaitable[None]]


class Ends:
    """Two ends of one connection, ours non-blocking."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture(params=["in the loop of a node", "in a loop of somebody else"])
def run(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Runs a story with an epoll that the loop waits on, and with one that it watches."""
    has_waiter = request.param == "in the loop of a node"

    def run_story(story: Story) -> None:
        async def whole() -> None:
            loop = asyncio.get_running_loop()
            turn = Turn(loop.call_soon)
            readiness = readiness_of(loop, turn)
            assert isinstance(readiness, EpollReadiness)
            assert has_waiter == (isinstance(loop, TurnLoop) and loop.waiter is readiness)
            try:
                async with asyncio.timeout(10):
                    await story(loop, readiness, turn)
            finally:
                readiness.close()

        with asyncio.Runner(loop_factory=TurnLoop if has_waiter else None) as runner:
            runner.run(whole())

    return run_story


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_all_that_are_ready_are_read_before_the_turn_ends(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        happened: list[str] = []
        pairs = [Ends() for _ in range(3)]
        turn.add_hook(lambda: happened.append("end"))
        for number, pair in enumerate(pairs):
            pair.theirs.send(b"x")

            def read(pair: Ends = pair, number: int = number) -> None:
                pair.ours.recv(10)
                turn.request_end()
                happened.append(f"read {number}")

            readiness.add_reader(pair.ours.fileno(), read)
        await until(lambda: "end" in happened)
        assert sorted(happened) == ["end", "read 0", "read 1", "read 2"]
        assert happened[-1] == "end"
        for pair in pairs:
            readiness.remove_reader(pair.ours.fileno())
            pair.close()

    run(story)


def test_who_comes_while_a_turn_ends_is_called_without_a_round_of_the_loop(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        happened: list[str] = []
        pair = Ends()

        def read() -> None:
            happened.append(pair.ours.recv(1).decode())

        def answer_is_answered() -> None:
            if happened[-1:] == ["a"]:
                pair.theirs.send(b"b")
            if happened[-1:] == ["b"]:
                loop.call_soon(happened.append, "loop")

        turn.add_hook(answer_is_answered)
        readiness.add_reader(pair.ours.fileno(), read)
        rounds = 0
        pair.theirs.send(b"a")
        while "loop" not in happened:
            # Nothing but the sockets wakes the loop: each of its rounds is one of ours.
            rounds += 1
            await asyncio.sleep(0.001)
        assert happened[:2] == ["a", "b"]
        assert rounds <= 2
        readiness.remove_reader(pair.ours.fileno())
        pair.close()

    run(story)


def test_the_loop_has_its_turn_however_much_comes(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        pair = Ends()
        calls_before: list[int] = []
        calls_count = 0
        told = threading.Event()

        def read() -> None:
            nonlocal calls_count
            pair.ours.recv(1)
            pair.theirs.send(b"x")
            calls_count += 1
            if calls_count == 1:
                loop.call_soon(lambda: calls_before.append(calls_count))

        readiness.add_reader(pair.ours.fileno(), read)
        pair.theirs.send(b"x")
        await until(lambda: bool(calls_before))
        assert calls_before[0] <= CALLS_MAX

        # The socket is never idle, and timers, other threads and descriptors of the loop's own have their turn all the same.
        await asyncio.sleep(0.001)
        await loop.run_in_executor(None, told.set)
        assert told.is_set()
        other = Ends()
        other.theirs.send(b"hello")
        assert await loop.sock_recv(other.ours, 10) == b"hello"
        other.close()
        readiness.remove_reader(pair.ours.fileno())
        pair.close()

    run(story)


def test_a_timer_asked_for_by_a_callback_is_due_while_nothing_comes(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        pair = Ends()
        is_over = asyncio.Event()

        def read() -> None:
            pair.ours.recv(1)
            loop.call_later(0.001, is_over.set)

        readiness.add_reader(pair.ours.fileno(), read)
        pair.theirs.send(b"x")
        await is_over.wait()
        readiness.remove_reader(pair.ours.fileno())
        pair.close()

    run(story)


def test_a_second_node_in_one_loop_hangs_below_it() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TurnLoop)
        first, second = (readiness_of(loop, Turn(loop.call_soon)) for _ in range(2))
        assert isinstance(first, EpollReadiness)
        assert isinstance(second, EpollReadiness)
        assert loop.waiter is first
        pairs = [Ends(), Ends()]
        received: list[bytes] = []

        def receive(pair: Ends) -> None:
            received.append(pair.ours.recv(10))

        for readiness, pair in zip((first, second), pairs, strict=True):
            readiness.add_reader(pair.ours.fileno(), partial(receive, pair))
            pair.theirs.send(b"x")
        async with asyncio.timeout(10):
            await until(lambda: len(received) == 2)
        for readiness, pair in zip((first, second), pairs, strict=True):
            readiness.remove_reader(pair.ours.fileno())
            readiness.close()
            pair.close()
        assert loop.waiter is None
        await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        runner.run(story())


def test_readers_and_writers_come_and_go_one_by_one(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        pair = Ends()
        descriptor = pair.ours.fileno()
        called: list[str] = []

        def write() -> None:
            called.append("writable")
            readiness.remove_writer(descriptor)

        def read() -> None:
            called.append(pair.ours.recv(10).decode())

        readiness.add_writer(descriptor, write)
        await until(lambda: called == ["writable"])
        readiness.add_reader(descriptor, read)
        pair.theirs.send(b"a")
        await until(lambda: called == ["writable", "a"])
        readiness.add_writer(descriptor, write)
        await until(lambda: called == ["writable", "a", "writable"])
        readiness.remove_reader(descriptor)
        readiness.remove_reader(descriptor)
        pair.theirs.send(b"b")
        for _ in range(5):
            await asyncio.sleep(0)
        assert called == ["writable", "a", "writable"]
        pair.close()

    run(story)


def test_one_that_fails_or_is_closed_by_another_does_not_hold_up_the_rest(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        complaints: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))
        pairs = [Ends() for _ in range(3)]
        read: list[int] = []

        def fail() -> None:
            readiness.remove_reader(pairs[0].ours.fileno())
            # The neighbour goes, though it is ready too.
            readiness.remove_reader(pairs[1].ours.fileno())
            pairs[1].ours.close()
            raise ZeroDivisionError

        for pair in pairs:
            pair.theirs.send(b"x")
        readiness.add_reader(pairs[0].ours.fileno(), fail)
        readiness.add_reader(pairs[1].ours.fileno(), lambda: read.append(1))
        readiness.add_reader(pairs[2].ours.fileno(), lambda: read.append(len(pairs[2].ours.recv(10))))
        await until(lambda: bool(read))
        assert [type(complaint) for complaint in complaints] == [ZeroDivisionError]
        assert read == [1]
        readiness.remove_reader(pairs[2].ours.fileno())
        for pair in pairs:
            pair.close()

    run(story)


def test_peer_that_hangs_up_is_told_to_who_waits_to_write(run: Callable[[Story], None]) -> None:
    async def story(loop: asyncio.AbstractEventLoop, readiness: EpollReadiness, turn: Turn) -> None:
        pair = Ends()
        descriptor = pair.ours.fileno()
        told: list[int] = []

        def write() -> None:
            told.append(1)
            readiness.remove_writer(descriptor)

        pair.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                pair.ours.send(bytes(4096))
        readiness.add_writer(descriptor, write)
        pair.theirs.close()
        await until(lambda: bool(told))
        pair.ours.close()

    run(story)
