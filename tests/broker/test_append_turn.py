"""The end of a turn: what was staged is in the log, whatever becomes of those who waited for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from odradek.broker.append_turn import AppendTurn
from odradek.broker.group_commit import GroupCommit
from odradek.net.turn import Turn
from odradek.records.header import parse_header
from tests.broker.small_node import SmallNode, batch_of


class Broken:
    """A parked request that cannot be answered."""

    def __init__(self) -> None:
        self.tries_count = 0

    def try_complete(self, key: Hashable) -> bool:
        self.tries_count += 1
        raise ZeroDivisionError

    def expire(self) -> None:
        raise AssertionError("nobody lets the time go by")


def in_a_turn(work: Callable[[SmallNode, Turn, AppendTurn], None]) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        node = SmallNode()
        node.create_topic("orders")
        node.create_topic("prices")
        turn = Turn(loop.call_soon)
        work(node, turn, AppendTurn(turn, node.purgatory, node.clock, GroupCommit(loop, node.pool)))

    asyncio.run(story())


def stage(node: SmallNode, appends: AppendTurn, topic: str) -> None:
    partition = node.partition(topic)
    batch = batch_of(b"value")
    partition.log.tail.stage(batch, 0, parse_header(batch, 0), partition.leader_epoch, node.clock.now_ms())
    appends.add_partition(partition)


def test_records_are_written_and_seen_even_if_who_waited_for_them_cannot_be_answered() -> None:
    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        broken = Broken()
        node.purgatory.park(broken, [node.partition("orders")], node.clock.monotonic_ms() + 1000)
        stage(node, appends, "orders")
        stage(node, appends, "prices")
        turn.end()

        assert broken.tries_count == 1
        for topic in ("orders", "prices"):
            partition = node.partition(topic)
            assert (partition.log.log_end_offset, partition.high_watermark) == (1, 1)

    in_a_turn(work)


def test_what_is_staged_waits_for_the_end_of_the_turn() -> None:
    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        stage(node, appends, "orders")
        stage(node, appends, "orders")
        assert node.partition("orders").log.log_end_offset == 0
        turn.end()
        assert node.partition("orders").log.log_end_offset == 2
        turn.end()
        assert node.partition("orders").log.log_end_offset == 2

    in_a_turn(work)


def test_what_follows_a_write_is_written_in_the_same_turn() -> None:
    """A coordinator's next step rests on its last one: it comes after that is in the log, and does not wait for the next turn."""

    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        seen: list[int] = []

        def follow() -> None:
            end = node.partition("orders").log.log_end_offset
            if end < 3 and end not in seen:
                seen.append(end)
                stage(node, appends, "orders")

        appends.add_follower(follow)
        stage(node, appends, "orders")
        turn.end()

        assert seen == [1, 2]
        assert node.partition("orders").log.log_end_offset == 3

    in_a_turn(work)


def test_a_follower_sees_what_another_one_staged_before_it_as_written() -> None:
    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        seen: list[int] = []

        def first() -> None:
            if not seen:
                stage(node, appends, "prices")

        appends.add_follower(first)
        appends.add_follower(lambda: seen.append(node.partition("prices").log.log_end_offset))
        turn.end()

        assert seen == [1, 1], "called after the write, and again because there was one"

    in_a_turn(work)


def test_every_follower_is_called_after_a_write_that_was_made_for_a_later_one() -> None:
    """What the second stages is written before the third is called; the first, whose partition it is, has to see it all the same."""

    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        seen_by_first: list[int] = []
        has_staged: list[bool] = []

        def second() -> None:
            if not has_staged:
                has_staged.append(True)
                stage(node, appends, "prices")

        appends.add_follower(lambda: seen_by_first.append(node.partition("prices").log.log_end_offset))
        appends.add_follower(second)
        appends.add_follower(lambda: None)
        turn.end()

        assert seen_by_first == [0, 1]

    in_a_turn(work)


def test_a_follower_that_fails_stops_neither_the_others_nor_the_turn() -> None:
    def work(node: SmallNode, turn: Turn, appends: AppendTurn) -> None:
        called: list[str] = []

        def fail() -> None:
            raise ZeroDivisionError

        appends.add_follower(fail)
        appends.add_follower(lambda: called.append("second"))
        turn.end()

        assert called == ["second"]

    in_a_turn(work)
