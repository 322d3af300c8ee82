"""What an assignor of the consumer protocol is given, and what it answers (`ConsumerGroupPartitionAssignor.java`).

Pure and deterministic: the same group always gets the same assignment, in whatever order its members are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from odradek.base.identifiers import Uuid

# Partitions by topic id; no topic stands here without a partition.
Partitions = Mapping[Uuid, frozenset[int]]
NO_PARTITIONS: Partitions = {}


@dataclass(frozen=True, slots=True)
class AssignedMember:
    """One member: what it subscribes to, and what it was meant to have before."""

    member_id: str
    instance_id: str | None
    topics: frozenset[Uuid]
    before: Partitions


# From the members and the number of partitions of every topic that one of them subscribes to, what each member is to have.
Assignor = Callable[[Sequence[AssignedMember], Mapping[Uuid, int]], dict[str, Partitions]]


def has_one_subscription(members: Sequence[AssignedMember]) -> bool:
    """Whether all members subscribe to the same topics."""
    return all(member.topics == members[0].topics for member in members)


def frozen(partitions: Mapping[Uuid, set[int]]) -> Partitions:
    """Partitions as an assignment keeps them."""
    return {topic: frozenset(indexes) for topic, indexes in partitions.items() if indexes}
