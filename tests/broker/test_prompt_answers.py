"""Coroutines that are driven by hand: on at once when a coordinator has answered, and as a task when something else is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from odradek.broker.later import Later
from odradek.broker.prompt_answers import drive
from odradek.protocol.message import Message
from odradek.protocol.messages.heartbeat import HeartbeatResponse

ANSWER = HeartbeatResponse(error_code=7)


async def _answering(awaited: Awaitable[Message]) -> Message:
    return await awaited


def story(told: Callable[[asyncio.TaskGroup, list[Message | Exception]], Awaitable[None]]) -> list[Message | Exception]:
    """What was answered, by the time that the story and all its tasks are over."""
    done: list[Message | Exception] = []

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            await told(tasks, done)

    asyncio.run(run())
    return done


def by_hand(call: Callable[[], None]) -> None:
    """As the loop calls it, in no task."""
    asyncio.get_running_loop().call_soon(call)


def test_what_was_given_already_is_answered_before_the_call_returns() -> None:
    later: Later[Message] = Later()
    later.give(ANSWER)
    done: list[Message | Exception] = []

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            drive(_answering(later), done.append, tasks)
            assert done == [ANSWER]

    asyncio.run(run())


def test_what_is_given_later_is_answered_in_that_moment() -> None:
    async def told(tasks: asyncio.TaskGroup, done: list[Message | Exception]) -> None:
        later: Later[Message] = Later()
        by_hand(lambda: drive(_answering(later), done.append, tasks))
        await asyncio.sleep(0)
        assert done == []
        later.give(ANSWER)
        assert done == [ANSWER]

    assert story(told) == [ANSWER]


def test_one_thing_after_the_other_is_waited_for() -> None:
    async def told(tasks: asyncio.TaskGroup, done: list[Message | Exception]) -> None:
        first: Later[int] = Later()
        second: Later[int] = Later()

        async def answering() -> Message:
            return HeartbeatResponse(error_code=await first + await second)

        by_hand(lambda: drive(answering(), done.append, tasks))
        await asyncio.sleep(0)
        second.give(2)
        assert done == []
        first.give(1)

    assert story(told) == [HeartbeatResponse(error_code=3)]


def test_who_waits_for_a_future_goes_on_as_a_task_and_may_wait_for_a_coordinator_there() -> None:
    async def told(tasks: asyncio.TaskGroup, done: list[Message | Exception]) -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        later: Later[int] = Later()

        async def answering() -> Message:
            code = await future
            assert asyncio.current_task() is not None
            return HeartbeatResponse(error_code=code + await later)

        by_hand(lambda: drive(answering(), done.append, tasks))
        await asyncio.sleep(0)
        future.set_result(1)
        await asyncio.sleep(0.001)
        later.give(2)

    assert story(told) == [HeartbeatResponse(error_code=3)]


def test_a_future_that_fails_is_raised_where_it_is_waited_for() -> None:
    async def told(tasks: asyncio.TaskGroup, done: list[Message | Exception]) -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answering() -> Message:
            with pytest.raises(ZeroDivisionError):
                await future
            return ANSWER

        by_hand(lambda: drive(answering(), done.append, tasks))
        await asyncio.sleep(0)
        future.set_exception(ZeroDivisionError())

    assert story(told) == [ANSWER]


def test_what_is_raised_is_handed_on_instead_of_a_response() -> None:
    async def told(tasks: asyncio.TaskGroup, done: list[Message | Exception]) -> None:
        later: Later[int] = Later()

        async def answering() -> Message:
            raise LookupError(str(await later))

        by_hand(lambda: drive(answering(), done.append, tasks))
        await asyncio.sleep(0)
        later.give(1)

    (failure,) = story(told)
    assert isinstance(failure, LookupError)


def test_a_task_that_was_cancelled_meanwhile_is_not_called() -> None:
    async def run() -> None:
        later: Later[int] = Later()

        async def wait() -> int:
            return await later

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        later.give(1)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_an_answer_is_given_once() -> None:
    later: Later[int] = Later()
    later.give(1)

    with pytest.raises(AssertionError, match="given once"):
        later.give(2)
