"""`flush.ms`: no record stays unflushed for longer than its topic says, and nobody is looked at who did not ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from odradek.broker.group_commit import GroupCommit
from odradek.broker.timed_flush import FLUSH_LOOK_MAX_MS, FLUSH_LOOK_MIN_MS, TimedFlush
from odradek.config.log_configuration import LONG_MAX, LogConfiguration
from odradek.testing.virtual_loop import run_in_virtual_time
from tests.broker.small_node import SmallNode


def lived(flush_ms: int, story: Callable[[SmallNode], Coroutine[None, None, None]]) -> SmallNode:
    """A node with one topic `orders`, its flushes by time under way while the story runs in virtual time."""
    node = SmallNode(log_configuration=LogConfiguration(flush_ms=flush_ms))
    node.create_topic("orders")

    async def life() -> None:
        flushes = TimedFlush(node.partitions, GroupCommit(asyncio.get_running_loop(), node.pool), node.clock)
        task = asyncio.ensure_future(flushes.run())
        await story(node)
        task.cancel()

    run_in_virtual_time(node.clock, life())
    return node


def unflushed(node: SmallNode) -> int:
    log = node.partition("orders").log
    return log.log_end_offset - log.recovery_point


@pytest.mark.parametrize("flush_ms", [40, 100, 700, 1500, 5000])
def test_no_record_stays_unflushed_for_longer_than_it_may(flush_ms: int) -> None:
    """Records come at all sorts of moments; at each moment, what came longer ago than `flush.ms` is durable."""

    async def story(node: SmallNode) -> None:
        log = node.partition("orders").log
        written_at: list[int] = []
        for number in range(200):
            if number % 3:
                node.append("orders", b"x")
                written_at.append(node.clock.monotonic_ms())
            await asyncio.sleep((number * 37 % 91 + 1) / 1000)
            late = [at for at in written_at[log.recovery_point :] if node.clock.monotonic_ms() - at > flush_ms]
            assert late == [], f"unflushed for {node.clock.monotonic_ms() - late[0]} ms"
        await asyncio.sleep((flush_ms + 1) / 1000)
        assert unflushed(node) == 0

    lived(flush_ms, story)


@pytest.mark.parametrize("flush_ms", [0, 1])
def test_shorter_promises_are_kept_as_well_as_a_clock_can(flush_ms: int) -> None:
    async def story(node: SmallNode) -> None:
        await asyncio.sleep(1)
        node.append("orders", b"x")
        await asyncio.sleep((FLUSH_LOOK_MIN_MS + 1) / 1000)
        assert unflushed(node) == 0

    lived(flush_ms, story)


def test_topics_without_the_setting_are_left_to_the_operating_system() -> None:
    async def story(node: SmallNode) -> None:
        node.append("orders", b"x")
        await asyncio.sleep(600)

    node = lived(LONG_MAX, story)

    assert unflushed(node) == 1
    assert node.pool.submitted == 0


def test_idle_topic_is_flushed_once() -> None:
    async def story(node: SmallNode) -> None:
        node.append("orders", b"x")
        await asyncio.sleep(60)

    assert lived(200, story).pool.submitted == 1


def test_setting_that_is_changed_while_the_node_runs_acts_within_a_second() -> None:
    async def story(node: SmallNode) -> None:
        node.append("orders", b"x")
        await asyncio.sleep(10)
        assert unflushed(node) == 1
        node.partition("orders").configure(LogConfiguration(flush_ms=50))
        await asyncio.sleep((FLUSH_LOOK_MAX_MS + 50) / 1000)
        assert unflushed(node) == 0

    lived(LONG_MAX, story)


def test_what_was_there_before_anybody_appended_is_made_durable_too() -> None:
    """`flush.messages` in a log that a crash has left unflushed, or that had not the setting before."""

    async def story(node: SmallNode) -> None:
        node.append("orders", b"x")
        await asyncio.sleep(10)
        assert unflushed(node) == 1
        node.partition("orders").configure(LogConfiguration(flush_messages=1))
        await asyncio.sleep((FLUSH_LOOK_MAX_MS + 50) / 1000)
        assert unflushed(node) == 0

    lived(LONG_MAX, story)


def test_deleted_topic_is_forgotten() -> None:
    async def story(node: SmallNode) -> None:
        node.append("orders", b"x")
        await asyncio.sleep(0.1)
        node.delete_topic(node.partition("orders").topic_id)
        await asyncio.sleep(60)

    assert lived(20_000, story).pool.submitted == 0
