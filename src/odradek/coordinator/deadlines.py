"""Deadlines of a shard by name: set, moved, cancelled, and taken when they are due. Pure: the driver says what time it is.

A deadline that is moved later, which is what every heartbeat does, costs one dictionary entry; its place in the heap is mended when
it comes up. Deadlines that are due together come out in the order of their time, then of their setting, so that a story always runs
the same way.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Generic, TypeVar, final

# The heap is made anew when more than this, and more than half of it, is of deadlines that are cancelled or were moved forward: members
# that join and leave again are not to be remembered until their sessions would have ended.
STALE_MIN: Final = 256

Action = TypeVar("Action")


@final
class _Deadline(Generic[Action]):
    __slots__ = ("action", "at_ms", "number")

    def __init__(self, at_ms: int, number: int, action: Action) -> None:
        self.at_ms = at_ms
        self.number = number
        self.action = action


@final
class Deadlines(Generic[Action]):
    """What a shard has to do by the clock; times are monotonic milliseconds."""

    __slots__ = ("_by_name", "_heap", "_numbers")

    def __init__(self) -> None:
        self._by_name: dict[Hashable, _Deadline[Action]] = {}
        # (when to look, number of setting, name); looks at a deadline that was moved or cancelled find that out.
        self._heap: list[tuple[int, int, Hashable]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def places_count(self) -> int:
        """How many places the heap has, those of deadlines that are no more included."""
        return len(self._heap)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._by_name

    def set(self, name: Hashable, at_ms: int, action: Action) -> None:
        """Do `action` at `at_ms`, instead of what `name` stood for before."""
        before = self._by_name.get(name)
        number = next(self._numbers)
        if before is not None and before.at_ms <= at_ms:
            # The heap looks at the earlier time and finds the later one.
            before.at_ms = at_ms
            before.action = action
            return
        self._by_name[name] = _Deadline(at_ms, number, action)
        heappush(self._heap, (at_ms, number, name))
        if len(self._heap) > 2 * len(self._by_name) + STALE_MIN:
            self._heap = [(deadline.at_ms, deadline.number, name) for name, deadline in self._by_name.items()]
            heapify(self._heap)

    def cancel(self, name: Hashable) -> None:
        """Forget the deadline, if there is one."""
        self._by_name.pop(name, None)

    def at_ms(self, name: Hashable) -> int | None:
        """When `name` is due."""
        deadline = self._by_name.get(name)
        return None if deadline is None else deadline.at_ms

    def next_ms(self) -> int | None:
        """When to look next: never late, and early only if the first deadline was moved or cancelled."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ms: int) -> Action | None:
        """Take out the earliest deadline that has come; None if none has. Call again, for what it does may set others."""
        while self._heap and self._heap[0][0] <= now_ms:
            looked_at_ms, number, name = heappop(self._heap)
            deadline = self._by_name.get(name)
            if deadline is None or deadline.number != number:
                continue
            if deadline.at_ms > looked_at_ms:
                # Though it may be due as well by now: others between the two times come first.
                heappush(self._heap, (deadline.at_ms, number, name))
                continue
            del self._by_name[name]
            return deadline.action
        return None

    def _drop_stale(self) -> None:
        while self._heap:
            at_ms, number, name = self._heap[0]
            deadline = self._by_name.get(name)
            if deadline is not None and deadline.number == number:
                if deadline.at_ms == at_ms:
                    return
                heappop(self._heap)
                heappush(self._heap, (deadline.at_ms, number, name))
            else:
                heappop(self._heap)
