"""Which brokers hold the replicas of new partitions (`StripedReplicaPlacer.java`).

Racks take turns, and so do the brokers of a rack, each partition beginning one further than the last: replicas and leaderships are spread
evenly, no two replicas of a partition share a broker, and they share a rack only when there are fewer racks than replicas. The first
replica, which will lead, is never a fenced broker; fenced ones are used only where a rack has no other left. Placement is no protocol:
any other spread would be as good to clients.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from odradek.metadata.cluster import BrokerRegistration


@dataclass(frozen=True, slots=True)
class UsableBroker:
    """A broker that may be given replicas."""

    id: int
    rack: str | None
    is_fenced: bool


class PlacementRefused(Exception):
    """The replication factor cannot be had; the text says why. Never leaves the controller."""


def usable_brokers(brokers: Iterable[BrokerRegistration]) -> list[UsableBroker]:
    """Brokers with at least one directory that takes new replicas, and not on their way out."""
    return [
        UsableBroker(broker.node_id, broker.rack, broker.is_fenced)
        for broker in brokers
        if not broker.in_controlled_shutdown and has_uncordoned_directory(broker)
    ]


def has_uncordoned_directory(broker: BrokerRegistration) -> bool:
    """Whether new replicas can be put on the broker."""
    if not broker.directories or broker.cordoned_directories is None:
        return True
    return not set(broker.directories) <= set(broker.cordoned_directories)


def place_replicas(
    partition_count: int, replication_factor: int, brokers: Sequence[UsableBroker], dice: random.Random
) -> list[tuple[int, ...]]:
    """The replicas of each new partition, preferred leader first.

    Raises:
        PlacementRefused: there are too few brokers.
    """
    if replication_factor <= 0:
        raise PlacementRefused(f"Invalid replication factor {replication_factor}: the replication factor must be positive.")
    if all(broker.is_fenced for broker in brokers):
        raise PlacementRefused("All brokers are currently fenced, or have all their log directories cordoned.")
    if replication_factor > len(brokers):
        raise PlacementRefused(
            f"The target replication factor of {replication_factor} cannot be reached because only {len(brokers)} "
            "broker(s) are registered or some brokers have all their log directories cordoned."
        )
    stripes = _Stripes(brokers, dice)
    return [stripes.next(replication_factor) for _ in range(partition_count)]


class _Ring:
    """Brokers that take turns: each partition starts one broker further."""

    __slots__ = ("_broker_ids", "_start", "_taken", "_turn")

    def __init__(self, broker_ids: list[int], dice: random.Random) -> None:
        self._broker_ids = sorted(broker_ids)
        self._start = dice.randrange(len(broker_ids)) if broker_ids else 0
        self._taken = 0
        self._turn = 0

    def next(self, turn: int) -> int | None:
        """The next broker of this ring in partition number `turn`; None when all were used."""
        if self._turn != turn:
            self._turn = turn
            self._taken = 0
            self._start += 1
        if self._taken >= len(self._broker_ids):
            return None
        broker_id = self._broker_ids[(self._start + self._taken) % len(self._broker_ids)]
        self._taken += 1
        return broker_id

    def shuffle(self, dice: random.Random) -> None:
        dice.shuffle(self._broker_ids)


class _Rack:
    """The brokers of one rack, those in service before the fenced ones."""

    __slots__ = ("fenced", "in_service")

    def __init__(self, brokers: Sequence[UsableBroker], dice: random.Random) -> None:
        self.in_service = _Ring([broker.id for broker in brokers if not broker.is_fenced], dice)
        self.fenced = _Ring([broker.id for broker in brokers if broker.is_fenced], dice)

    def next(self, turn: int) -> int | None:
        broker_id = self.in_service.next(turn)
        return self.fenced.next(turn) if broker_id is None else broker_id


class _Stripes:
    """Racks that take turns."""

    __slots__ = ("_dice", "_in_service_count", "_offset", "_racks", "_turn", "_turns_until_shuffle")

    def __init__(self, brokers: Sequence[UsableBroker], dice: random.Random) -> None:
        names = sorted({broker.rack for broker in brokers}, key=lambda rack: (rack is not None, rack or ""))
        self._racks = [_Rack([broker for broker in brokers if broker.rack == name], dice) for name in names]
        self._dice = dice
        self._in_service_count = sum(not broker.is_fenced for broker in brokers)
        self._turns_until_shuffle = self._in_service_count
        self._turn = 0
        self._offset = dice.randrange(len(self._racks))

    def next(self, replication_factor: int) -> tuple[int, ...]:
        self._shuffle_when_all_had_a_turn()
        rack_count = len(self._racks)
        rack_of_leader = self._offset
        while (leader := self._racks[rack_of_leader].in_service.next(self._turn)) is None:
            rack_of_leader = (rack_of_leader + 1) % rack_count
        replicas = [leader]
        rack_index = self._offset
        rack_to_skip: int | None = rack_of_leader
        while len(replicas) < replication_factor:
            if rack_index == rack_to_skip:
                # The leader's rack has had its turn in the first round.
                rack_to_skip = None
            else:
                broker_id = self._racks[rack_index].next(self._turn)
                if broker_id is not None:
                    replicas.append(broker_id)
            rack_index = (rack_index + 1) % rack_count
        self._turn += 1
        self._offset = (self._offset + 1) % rack_count
        return tuple(replicas)

    def _shuffle_when_all_had_a_turn(self) -> None:
        # Without it every broker would always be followed by the same neighbour, and one broken broker would load only that one.
        if self._turns_until_shuffle == 0 and self._in_service_count > 1:
            self._dice.shuffle(self._racks)
            for rack in self._racks:
                rack.in_service.shuffle(self._dice)
                rack.fenced.shuffle(self._dice)
            self._turns_until_shuffle = self._in_service_count
        self._turns_until_shuffle -= 1
