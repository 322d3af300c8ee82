"""An answer that is not there yet, and whoever goes on when it is, in the same moment and without a task.

A coordinator's answer is there at the end of the turn in which it was asked for, once its records are written. A task would learn of that
in the next turn: so the coroutine of such a request is driven by hand (`broker.prompt_answers`), up to where it waits for one of these,
and from there on as soon as that is given. Inside a task it is awaited like a future.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Generic, TypeVar, final

Given = TypeVar("Given")


@final
class Later(Generic[Given]):
    """What is given once, and waited for by one coroutine."""

    __slots__ = ("_given", "_go_on")

    def __init__(self) -> None:
        self._given: list[Given] = []
        self._go_on: Callable[[], object] | None = None

    @property
    def is_given(self) -> bool:
        return bool(self._given)

    def give(self, given: Given) -> None:
        """Whoever waits goes on now, before this returns."""
        assert not self._given, "an answer is given once"
        self._given.append(given)
        if self._go_on is not None:
            self._go_on()

    def then(self, go_on: Callable[[], object]) -> None:
        """Call `go_on` when it is given, which it is not yet."""
        assert self._go_on is None, "one waits"
        self._go_on = go_on

    def __await__(self) -> Generator[object, None, Given]:
        if not self._given:
            if asyncio.current_task() is None:
                yield self
            else:
                yield from self._future().__await__()
        return self._given[0]

    def _future(self) -> asyncio.Future[None]:
        """A future that is done when this is given; a task that was cancelled meanwhile has done with it before."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.then(lambda: None if future.done() else future.set_result(None))
        return future
