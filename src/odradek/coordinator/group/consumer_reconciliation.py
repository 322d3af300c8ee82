"""From what a member has to what it is meant to have, one safe step at a heartbeat (`CurrentAssignmentBuilder.java`, KIP-848).

First the member gives up what it is no longer meant to have, and stays in its epoch until it says that it has; then it comes to the
epoch of the target, with everything that is free; what others have still to release it gets as they do. So no partition ever has two
owners.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import final

from odradek.base.identifiers import Uuid
from odradek.coordinator.group.assignors.assignor import Partitions
from odradek.coordinator.group.consumer_member import NOTHING, AssignedPartitions, ConsumerMember, MemberState

# What a member says that it has, by topic; None if it did not say.
OwnedPartitions = dict[Uuid, Set[int]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a step is decided by. `is_owned(topic, partition)` says whether any member has a partition or has still to release it."""

    target_epoch: int
    target: Partitions
    subscribed_topics: Set[Uuid]
    has_subscription_changed: bool
    owned: OwnedPartitions | None
    is_owned: Callable[[Uuid, int], bool]


def next_step(member: ConsumerMember, by: Reconciliation) -> ConsumerMember | None:
    """The member one step on, the same one if there is none; None if it must give up everything and join again."""
    if member.state is MemberState.UNKNOWN:
        if by.owned is None or any(by.owned.values()):
            return None
        return _towards_target(member, by, epoch=by.target_epoch)
    if member.state is MemberState.UNRELEASED_PARTITIONS:
        return _towards_target(member, by)
    if member.state is MemberState.UNREVOKED_PARTITIONS and not _still_has(member.pending_revocation, by.owned):
        return _towards_target(member, by)
    if member.state is MemberState.STABLE and member.epoch != by.target_epoch:
        return _towards_target(member, by)
    return _without_unsubscribed(member, by) if by.has_subscription_changed else member


def _still_has(partitions: AssignedPartitions, owned: OwnedPartitions | None) -> bool:
    """Whether the member may still have one of `partitions`; one that does not say what it has may."""
    if owned is None:
        return True
    return any(index in partitions.get(topic, ()) for topic, indexes in owned.items() for index in indexes)


def _without_unsubscribed(member: ConsumerMember, by: Reconciliation) -> ConsumerMember:
    """A member has to give up at once what it does not subscribe to any more, whatever its target was."""
    leaving = {topic: partitions for topic, partitions in member.assigned.items() if topic not in by.subscribed_topics}
    if not leaving:
        return member
    staying = {topic: partitions for topic, partitions in member.assigned.items() if topic in by.subscribed_topics}
    pending = {topic: dict(partitions) for topic, partitions in member.pending_revocation.items()}
    for topic, partitions in leaving.items():
        pending.setdefault(topic, {}).update(partitions)
    if _still_has(pending, by.owned):
        return member.with_assignment(member.epoch, MemberState.UNREVOKED_PARTITIONS, staying, pending)
    return member.with_assignment(member.epoch, member.state, staying, member.pending_revocation)


def _towards_target(member: ConsumerMember, by: Reconciliation, *, epoch: int | None = None) -> ConsumerMember:
    kept: dict[Uuid, dict[int, int]] = {}
    revoked: dict[Uuid, dict[int, int]] = {}
    is_waiting = False
    free: list[tuple[Uuid, int]] = []
    for topic in sorted({*by.target, *member.assigned}):
        target = by.target.get(topic, frozenset()) if topic in by.subscribed_topics else frozenset()
        before = member.assigned.get(topic, {})
        for index, assigned_epoch in before.items():
            (kept if index in target else revoked).setdefault(topic, {})[index] = assigned_epoch
        own_pending = member.pending_revocation.get(topic, {})
        for index in sorted(target - before.keys()):
            if by.is_owned(topic, index) and index not in own_pending:
                is_waiting = True
            else:
                free.append((topic, index))
    if revoked and _still_has(revoked, by.owned):
        return member.with_assignment(member.epoch if epoch is None else epoch, MemberState.UNREVOKED_PARTITIONS, kept, revoked)
    for topic, index in free:
        kept.setdefault(topic, {})[index] = by.target_epoch
    state = MemberState.UNRELEASED_PARTITIONS if is_waiting else MemberState.STABLE
    return member.with_assignment(by.target_epoch, state, kept, NOTHING)
