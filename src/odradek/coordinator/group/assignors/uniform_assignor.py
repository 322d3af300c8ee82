"""`uniform`: everybody gets as many partitions as everybody else, and keeps of those he had as many as that allows (`UniformAssignor`).

Members with one subscription are given quotas: two members never differ by more than one partition, and nothing moves that need not.
Where subscriptions differ, unassigned partitions go to the subscriber that has least, the scarcest topics first, and then topic by
topic partitions move from those that have most to those that have least, until that helps no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, final

from odradek.base.identifiers import Uuid
from odradek.coordinator.group.assignors.assignor import AssignedMember, Partitions, frozen, has_one_subscription

# How often all topics are gone through where subscriptions overlap in parts; each round halves what is uneven, more or less.
BALANCING_ROUNDS_MAX: Final = 16


def assign_uniformly(members: Sequence[AssignedMember], partition_counts: Mapping[Uuid, int]) -> dict[str, Partitions]:
    """What each member is to have."""
    ordered = sorted(members, key=lambda member: member.member_id)
    if not ordered:
        return {}
    if has_one_subscription(ordered):
        return _assign_by_quota(ordered, partition_counts)
    return _Balancing(ordered, partition_counts).assigned()


def _assign_by_quota(members: Sequence[AssignedMember], partition_counts: Mapping[Uuid, int]) -> dict[str, Partitions]:
    topics = sorted(members[0].topics)
    share, extra = divmod(sum(partition_counts[topic] for topic in topics), len(members))
    kept: dict[str, dict[Uuid, set[int]]] = {}
    taken: dict[Uuid, set[int]] = {topic: set() for topic in topics}
    missing: dict[str, int] = {}
    # Who has more than his share keeps one of the extra partitions, if there are any left.
    for member in sorted(members, key=lambda it: (-_held(it, partition_counts, topics), it.member_id)):
        has_extra = extra > 0 and _held(member, partition_counts, topics) > share
        extra -= has_extra
        room = share + has_extra
        kept[member.member_id] = {}
        for topic, index in _in_order(member.before, partition_counts, topics):
            if room > 0 and index not in taken[topic]:
                kept[member.member_id].setdefault(topic, set()).add(index)
                taken[topic].add(index)
                room -= 1
        missing[member.member_id] = room
    unassigned = ((topic, index) for topic in topics for index in range(partition_counts[topic]) if index not in taken[topic])
    for member in members:
        room = missing[member.member_id]
        if extra > 0 and room == 0 and sum(map(len, kept[member.member_id].values())) == share:
            extra -= 1
            room = 1
        elif extra > 0 and room > 0:
            extra -= 1
            room += 1
        for _ in range(room):
            topic, index = next(unassigned)
            kept[member.member_id].setdefault(topic, set()).add(index)
    assert next(unassigned, None) is None, "partitions were left unassigned"
    return {member.member_id: frozen(kept[member.member_id]) for member in members}


def _held(member: AssignedMember, partition_counts: Mapping[Uuid, int], topics: Sequence[Uuid]) -> int:
    return sum(1 for _ in _in_order(member.before, partition_counts, topics))


def _in_order(partitions: Partitions, partition_counts: Mapping[Uuid, int], topics: Sequence[Uuid]) -> Iterator[tuple[Uuid, int]]:
    """The partitions of `topics` that still exist."""
    for topic in topics:
        for index in sorted(partitions.get(topic, ())):
            if index < partition_counts[topic]:
                yield topic, index


@final
class _Balancing:
    """An assignment of members with different subscriptions, on its way to balance."""

    def __init__(self, members: Sequence[AssignedMember], partition_counts: Mapping[Uuid, int]) -> None:
        self._members = members
        self._partition_counts = partition_counts
        self._subscribers: dict[Uuid, list[int]] = {}
        for number, member in enumerate(members):
            for topic in member.topics:
                self._subscribers.setdefault(topic, []).append(number)
        self._sizes = [0] * len(members)
        # By topic, the number of the member that has each partition.
        self._owners: dict[Uuid, dict[int, int]] = {topic: {} for topic in self._subscribers}
        # The scarcest first: many partitions for few subscribers leave the least choice.
        self._topics = sorted(
            self._subscribers,
            key=lambda topic: (-partition_counts[topic] / len(self._subscribers[topic]), len(self._subscribers[topic]), topic),
        )

    def assigned(self) -> dict[str, Partitions]:
        self._keep()
        for topic in self._topics:
            self._assign_rest(topic)
        self._balance()
        by_member: list[dict[Uuid, set[int]]] = [{} for _ in self._members]
        for topic, owners in self._owners.items():
            for index, owner in owners.items():
                by_member[owner].setdefault(topic, set()).add(index)
        return {member.member_id: frozen(by_member[number]) for number, member in enumerate(self._members)}

    def _keep(self) -> None:
        """Everybody keeps what he had, as far as he still subscribes to it."""
        for number, member in enumerate(self._members):
            for topic, index in _in_order(member.before, self._partition_counts, sorted(member.topics & member.before.keys())):
                if index not in self._owners[topic]:
                    self._give(topic, index, number)

    def _assign_rest(self, topic: Uuid) -> None:
        owners = self._owners[topic]
        least = [(self._sizes[number], number) for number in self._subscribers[topic]]
        heapify(least)
        for index in range(self._partition_counts[topic]):
            if index not in owners:
                _, number = heappop(least)
                self._give(topic, index, number)
                heappush(least, (self._sizes[number], number))

    def _balance(self) -> None:
        for _ in range(BALANCING_ROUNDS_MAX):
            if not sum(self._balance_topic(topic) for topic in self._topics if len(self._subscribers[topic]) > 1):
                return

    def _balance_topic(self, topic: Uuid) -> int:
        """Move partitions of one topic while that makes two members more equal; how many moved."""
        owned: dict[int, list[int]] = {}
        for index in sorted(self._owners[topic]):
            owned.setdefault(self._owners[topic][index], []).append(index)
        least = [(self._sizes[number], number) for number in self._subscribers[topic]]
        most = [(-self._sizes[number], number) for number in owned]
        heapify(least)
        heapify(most)
        moved = 0
        while most and least:
            size, giver = heappop(most)
            if -size != self._sizes[giver] or not owned[giver]:
                if owned[giver]:
                    heappush(most, (-self._sizes[giver], giver))
                continue
            while least[0][0] != self._sizes[least[0][1]]:
                _, number = heappop(least)
                heappush(least, (self._sizes[number], number))
            taker = least[0][1]
            if self._sizes[giver] - self._sizes[taker] <= 1:
                break
            index = owned[giver].pop()
            self._sizes[giver] -= 1
            self._give(topic, index, taker)
            owned.setdefault(taker, []).append(index)
            moved += 1
            if owned[giver]:
                heappush(most, (-self._sizes[giver], giver))
        return moved

    def _give(self, topic: Uuid, index: int, number: int) -> None:
        self._owners[topic][index] = number
        self._sizes[number] += 1
