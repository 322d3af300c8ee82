"""A member of a group that speaks the consumer protocol (KIP-848), as the records of the group describe it (`ConsumerGroupMember.java`).

Values: a change makes another one. Beside what the client said stand its epoch, the partitions it has, and those it has still to give
up. Each partition bears the epoch in which it was assigned, by which commits of older epochs are told from those of somebody who
never had it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, final

from odradek.base.identifiers import Uuid

# Epochs that a heartbeat uses for something else than an epoch.
JOIN_EPOCH: Final = 0
LEAVE_EPOCH: Final = -1
STATIC_LEAVE_EPOCH: Final = -2
NO_TIMEOUT: Final = -1

# By topic id, the epoch in which each partition was assigned.
AssignedPartitions = Mapping[Uuid, Mapping[int, int]]
NOTHING: Final[AssignedPartitions] = {}


class MemberState(IntEnum):
    """How far a member has come towards its target."""

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    # A state that a newer coordinator wrote.
    UNKNOWN = 127


@final
@dataclass(frozen=True, slots=True)
class ClassicMembership:
    """What is known of a member that speaks the classic protocol, beside what every member has (`ClassicMemberMetadata`)."""

    session_timeout_ms: int
    # The protocols it offers, its favourite first: name and metadata. There is one at least.
    protocols: tuple[tuple[str, bytes], ...]

    @property
    def protocol_name(self) -> str:
        """The protocol that it is told to be in: its own favourite, since the coordinator assigns and not one of the members."""
        return self.protocols[0][0]

    @property
    def metadata(self) -> bytes:
        """What it said for that protocol."""
        return self.protocols[0][1]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerMember:
    """One member. `topic_names` and `topic_regex` together are what it subscribes to; `classic` is None if it speaks this protocol."""

    member_id: str
    epoch: int = 0
    previous_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str = ""
    assignor: str | None = None
    rebalance_timeout_ms: int = NO_TIMEOUT
    assigned: AssignedPartitions = field(default_factory=dict)
    pending_revocation: AssignedPartitions = field(default_factory=dict)
    classic: ClassicMembership | None = None

    @property
    def has_left_for_a_while(self) -> bool:
        """Whether a static member said that it will be back."""
        return self.epoch == STATIC_LEAVE_EPOCH

    def is_reconciled_to(self, target_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.epoch == target_epoch

    def assignment_epoch(self, topic: Uuid, partition: int) -> int | None:
        """When the member was given a partition that it has or has still to give up; None if it has not."""
        epoch = self.assigned.get(topic, {}).get(partition)
        return self.pending_revocation.get(topic, {}).get(partition) if epoch is None else epoch

    def with_assignment(
        self, epoch: int, state: MemberState, assigned: AssignedPartitions, pending_revocation: AssignedPartitions = NOTHING
    ) -> ConsumerMember:
        """The member in another epoch, which makes its present one the previous."""
        return replace(self, epoch=epoch, previous_epoch=self.epoch, state=state, assigned=assigned, pending_revocation=pending_revocation)

    def has_same_partitions(self, other: ConsumerMember) -> bool:
        """Whether both have the same partitions, whenever they got them."""
        return partition_sets(self.assigned) == partition_sets(other.assigned)


def partition_sets(assigned: AssignedPartitions) -> dict[Uuid, Set[int]]:
    """The partitions without their epochs."""
    return {topic: partitions.keys() for topic, partitions in assigned.items()}
