"""The turns of the event loop: read everything that is ready, decide it, write what it needs, answer in one send.

The first connection that is touched in a turn asks the loop for `end` to be called as soon as the callbacks that are ready now
have run. Until then every other socket that was ready is read and decided too. `end` runs the hooks (the logs write what was
staged, once per log; parked requests complete) and then every touched connection sends what it has, once. A request that comes
alone waits for nobody: its turn ends right behind it. Whoever reads several sockets in one go (`readiness`) says so with `gather`
and ends the turn itself, which spares the loop a round.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, final


class Flushable(Protocol):
    """A connection's sending side."""

    def flush(self) -> None: ...


@final
class Turn:
    """Gathers what happened between two looks at the sockets. One per event loop."""

    __slots__ = ("_afterwards", "_call_soon", "_ending", "_hooks", "_is_scheduled", "_touched", "turns_count")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._hooks: list[Callable[[], None]] = []
        self._touched: dict[Flushable, None] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._is_scheduled = False
        self._ending = False
        self.turns_count = 0

    def add_hook(self, hook: Callable[[], None]) -> None:
        """Run `hook` at the end of every turn, before anything is sent, in the order of adding."""
        self._hooks.append(hook)

    def touch(self, connection: Flushable) -> None:
        """`connection` has something to send."""
        self._touched[connection] = None
        if not self._is_scheduled:
            self.request_end()

    def request_end(self) -> None:
        """There is something for the hooks to do even if nobody has anything to send."""
        if not self._is_scheduled:
            self._is_scheduled = True
            # While the turn is ending the loop in `end` looks again by itself.
            if not self._ending:
                self._call_soon(self.end)

    def gather(self) -> None:
        """The caller is about to read sockets and calls `end` when it has."""
        self._is_scheduled = True

    def after_sending(self, work: Callable[[], None]) -> None:
        """Do `work` behind the answers of this turn, and before anything is read again: what nobody waits for, but all who come rest on.

        The hooks run again after it, and what it has to send is sent.
        """
        self._afterwards.append(work)
        if not self._ending:
            self.request_end()

    def end(self) -> None:
        """Run the hooks, then let every touched connection send; and once more for what was put off until then."""
        self._ending = True
        self.turns_count += 1
        try:
            self._settle()
            while self._afterwards:
                afterwards, self._afterwards = self._afterwards, []
                for work in afterwards:
                    work()
                self._settle()
        finally:
            self._ending = False
            if self._is_scheduled or self._touched:
                self._is_scheduled = True
                self._call_soon(self.end)

    def _settle(self) -> None:
        self._is_scheduled = False
        for hook in self._hooks:
            hook()
        # Who was touched by a hook is sent to below; only what is touched while sending needs another turn.
        self._is_scheduled = False
        touched = self._touched
        self._touched = {}
        for connection in touched:
            connection.flush()
