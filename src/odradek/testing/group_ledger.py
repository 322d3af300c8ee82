"""Who owns which partition of a group, as its members know it: never two of them at one moment.

A member owns what it was given until it has given it up, which it does before it says so. One that hears nothing from its coordinator may
go on believing that it owns something when its session is over and another has it; so its word holds as long as a session lasts after
the last heartbeat that was answered, counted from when that was sent.
"""

from __future__ import annotations

from odradek.testing.history import BrokenPromise
from odradek.testing.transaction_operations import Place


class GroupLedger:
    """The members of one group and what they own; times are virtual milliseconds."""

    def __init__(self, group: str, session_timeout_ms: int) -> None:
        self.group = group
        self._session_timeout_ms = session_timeout_ms
        # In the order in which they were given it.
        self._owners: dict[Place, dict[str, None]] = {}
        self._heard_ms: dict[str, int] = {}
        self.takings_count = 0

    def heard(self, member: str, sent_ms: int) -> None:
        """A heartbeat of `member`, sent at `sent_ms`, was answered well: it has its place in the group."""
        self._heard_ms[member] = max(sent_ms, self._heard_ms.get(member, sent_ms))

    def took(self, member: str, place: Place, now_ms: int) -> None:
        """`member` was told that it owns `place`.

        Raises:
            BrokenPromise: so was another, which still is in the group and has not given it up.
        """
        owners = self._owners.setdefault(place, {})
        for other in owners:
            if other != member and now_ms < self._heard_ms.get(other, 0) + self._session_timeout_ms:
                raise BrokenPromise("one owner", f"{place[0]}-{place[1]} of {self.group} was given to {member}, and {other} has it")
        owners[member] = None
        self.takings_count += 1

    def gave_up(self, member: str, place: Place) -> None:
        """`member` does nothing with `place` from now on."""
        self._owners.get(place, {}).pop(member, None)

    def vanished(self, member: str) -> None:
        """`member` is dead: it does nothing with anything."""
        for owners in self._owners.values():
            owners.pop(member, None)

    def owner_of(self, place: Place) -> str | None:
        """Who has it, if that is one member."""
        owners = self._owners.get(place, {})
        return next(iter(owners)) if len(owners) == 1 else None

    def successor_of(self, member: str, place: Place) -> str | None:
        """Who has been given `place` after `member`, which does not know yet that it has it no longer."""
        owners = list(self._owners.get(place, {}))
        return owners[-1] if member in owners[:-1] else None
