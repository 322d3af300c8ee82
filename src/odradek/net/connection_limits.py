"""How many connections may be open: in all, per listener, per address, and how fast they may come (`ConnectionQuotas.scala`).

Pure book-keeping; the listener asks before it accepts and says when a connection is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNLIMITED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Kafka's `max.connections`, `max.connections.per.ip`, `max.connections.per.ip.overrides`, `max.connection.creation.rate`."""

    connections_max: int = UNLIMITED
    connections_per_address_max: int = UNLIMITED
    address_overrides: Mapping[str, int] = field(default_factory=dict)
    creations_per_second_max: int = UNLIMITED


class ConnectionCounter:
    """Counts what is open against limits that may change while running."""

    __slots__ = ("_by_address", "_created_in_second", "_second", "count", "limits")

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.count = 0
        self._by_address: dict[str, int] = {}
        self._second = 0
        self._created_in_second = 0

    def refusal(self, address: str) -> str | None:
        """Why one more connection from `address` is too many, or None."""
        limits = self.limits
        if self.count >= limits.connections_max:
            return f"max.connections={limits.connections_max} are open"
        address_max = limits.address_overrides.get(address, limits.connections_per_address_max)
        if self._by_address.get(address, 0) >= address_max:
            return f"max.connections.per.ip={address_max} are open from {address}"
        return None

    def wait_ms(self, now_ms: int) -> int:
        """How long to wait before the next accept so that the creation rate is kept; 0 for not at all."""
        second = now_ms // 1000
        if second != self._second:
            self._second = second
            self._created_in_second = 0
        if self._created_in_second < self.limits.creations_per_second_max:
            return 0
        return (second + 1) * 1000 - now_ms

    def opened(self, address: str) -> None:
        """A connection from `address` was accepted."""
        self.count += 1
        self._created_in_second += 1
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def closed(self, address: str) -> None:
        """A connection from `address` is gone."""
        self.count -= 1
        remaining = self._by_address[address] - 1
        assert remaining >= 0
        if remaining:
            self._by_address[address] = remaining
        else:
            del self._by_address[address]

    def count_of(self, address: str) -> int:
        """Connections open from `address`."""
        return self._by_address.get(address, 0)
