"""A group that speaks the consumer protocol (KIP-848): members, targets, and who has which partition (`ConsumerGroup.java`).

Changed by `replay` alone, one kind of record after the other, so that a coordinator that loads the group has what the one that wrote
it had. What lives in memory only is when the group looks at the topics again (`metadata_deadline_ms`).

Invariants: a partition has at most one owner, and whoever has still to give it up counts as its owner; static members are members.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group import consumer_records
from odradek.coordinator.group.assignors.assignor import NO_PARTITIONS, Partitions
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.group.consumer_member import ConsumerMember
from odradek.coordinator.record import CoordinatorRecord
from odradek.protocol.internal_records import group as records
from odradek.protocol.message import Message

# From here on a commit says the member's epoch in the sense of this protocol.
EPOCH_IN_COMMIT_SINCE_VERSION: Final = 9
NO_EPOCH: Final = -1
# A new group is at this epoch with an empty target, so that a member can be at an epoch of the group before the first target is there;
# what it is first assigned is of the epoch after (KAFKA-20268).
INITIAL_EPOCH: Final = 1


ConsumerKey = (
    records.ConsumerGroupMetadataKey
    | records.ConsumerGroupPartitionMetadataKey
    | records.ConsumerGroupMemberMetadataKey
    | records.ConsumerGroupTargetAssignmentMetadataKey
    | records.ConsumerGroupTargetAssignmentMemberKey
    | records.ConsumerGroupCurrentMemberAssignmentKey
    | records.ConsumerGroupRegularExpressionKey
)
CONSUMER_KEYS: Final = (
    records.ConsumerGroupMetadataKey,
    records.ConsumerGroupPartitionMetadataKey,
    records.ConsumerGroupMemberMetadataKey,
    records.ConsumerGroupTargetAssignmentMetadataKey,
    records.ConsumerGroupTargetAssignmentMemberKey,
    records.ConsumerGroupCurrentMemberAssignmentKey,
    records.ConsumerGroupRegularExpressionKey,
)


class ConsumerState(Enum):
    """States of a group, by the names that ListGroups says."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


@final
class ConsumerGroup:
    """One group."""

    type_name: Final = "consumer"
    protocol_type: Final = "consumer"

    __slots__ = (
        "_owners",
        "classic_count",
        "classic_supporters",
        "epoch",
        "group_id",
        "members",
        "metadata_deadline_ms",
        "metadata_hash",
        "regex_counts",
        "resolved_regexes",
        "static_members",
        "target_epoch",
        "target_timestamp_ms",
        "targets",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = INITIAL_EPOCH
        self.metadata_hash = 0
        self.members: dict[str, ConsumerMember] = {}
        # Member id by instance id.
        self.static_members: dict[str, str] = {}
        self.target_epoch = INITIAL_EPOCH
        self.target_timestamp_ms = 0
        self.targets: dict[str, Partitions] = {}
        # What each regular expression stands for.
        self.resolved_regexes: dict[str, records.ConsumerGroupRegularExpressionValue] = {}
        # Monotonic time from which on the next heartbeat looks at the topics again; at once after loading.
        self.metadata_deadline_ms = 0
        # How many members subscribe by each regular expression.
        self.regex_counts: Counter[str] = Counter()
        # How many members speak the classic protocol, and how many of them offer each of its protocols.
        self.classic_count = 0
        self.classic_supporters: Counter[str] = Counter()
        self._owners: dict[tuple[Uuid, int], str] = {}

    # What everybody asks

    @property
    def state(self) -> ConsumerState:
        if not self.members:
            return ConsumerState.EMPTY
        if self.epoch > self.target_epoch:
            return ConsumerState.ASSIGNING
        if all(member.is_reconciled_to(self.target_epoch) for member in self.members.values()):
            return ConsumerState.STABLE
        return ConsumerState.RECONCILING

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def is_empty(self) -> bool:
        return not self.members

    def target_of(self, member_id: str) -> Partitions:
        return self.targets.get(member_id, NO_PARTITIONS)

    def is_owned(self, topic: Uuid, partition: int) -> bool:
        """Whether a member has the partition, or has still to release it."""
        return (topic, partition) in self._owners

    def is_assigned_too_recently(self, interval_ms: int, now_ms: int) -> bool:
        """Whether the interval between two assignments is not over yet."""
        return bool(self.target_timestamp_ms and interval_ms) and now_ms < self.target_timestamp_ms + interval_ms

    def is_waiting_for_release(self, member: ConsumerMember) -> bool:
        """Whether a member has to wait for something that another has still to give up."""
        return any(
            self.is_owned(topic, index)
            for topic, target in self.target_of(member.member_id).items()
            for index in target - member.assigned.get(topic, {}).keys()
        )

    def static_member(self, instance_id: str) -> ConsumerMember | None:
        """The member of an instance id."""
        member_id = self.static_members.get(instance_id)
        return None if member_id is None else self.members[member_id]

    def supports_classic(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a member that offers these classic protocols can be in the group with all others that speak it."""
        return protocol_type == self.protocol_type and any(self.classic_supporters[name] == self.classic_count for name in names)

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """The names that a member subscribes to, one by one or by an expression that has been resolved."""
        resolved = self.resolved_regexes.get(member.topic_regex) if member.topic_regex else None
        return member.topic_names if resolved is None else member.topic_names.union(resolved.topics)

    def subscribed_names(self, members: Iterable[ConsumerMember] | None = None) -> set[str]:
        """The names that any of `members`, by default all, subscribes to."""
        return {name for member in (self.members.values() if members is None else members) for name in self.topics_of(member)}

    def preferred_assignor(self, members: Iterable[ConsumerMember], default: str) -> str:
        """The assignor that most members ask for."""
        votes = Counter(member.assignor for member in members if member.assignor)
        return votes.most_common(1)[0][0] if votes else default

    # Refusals

    def refusal_of_classic_member(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """Why somebody is not the member of the classic protocol that he says; NONE if he is."""
        if instance_id is not None:
            known = self.static_members.get(instance_id)
            if known is not None and known != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
            member = None if known is None else self.members[known]
        else:
            member = self.members.get(member_id)
        return ErrorCode.UNKNOWN_MEMBER_ID if member is None or member.classic is None else ErrorCode.NONE

    def refusal_of_commit(self, member_id: str, instance_id: str | None, epoch: int, *, is_transactional: bool, version: int) -> ErrorCode:
        if epoch < 0 and not self.members:
            # A tool sets the offsets of a group that nobody uses.
            return ErrorCode.NONE
        if is_transactional and epoch == NO_EPOCH and not member_id and instance_id is None:
            return ErrorCode.NONE
        member = self.members.get(member_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if not is_transactional and member.classic is None and version < EPOCH_IN_COMMIT_SINCE_VERSION:
            return ErrorCode.UNSUPPORTED_VERSION
        return _wrong_epoch(member) if epoch > member.epoch else ErrorCode.NONE

    def refusal_of_partition_commit(self, member_id: str, epoch: int, topic: str, topic_id: Uuid, partition: int) -> ErrorCode:
        """A commit of an older epoch counts for what the member has had since then (KIP-1251)."""
        member = self.members.get(member_id)
        if member is None or epoch == member.epoch:
            return ErrorCode.NONE
        since = member.assignment_epoch(topic_id, partition)
        return _wrong_epoch(member) if since is None or epoch < since else ErrorCode.NONE

    def refusal_of_fetch(self, member_id: str | None, epoch: int) -> ErrorCode:
        if member_id is None and epoch < 0:
            return ErrorCode.NONE
        member = self.members.get(member_id or "")
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if epoch == member.epoch else _wrong_epoch(member)

    def refusal_of_offset_deletion(self) -> ErrorCode:
        return ErrorCode.NONE

    def refusal_of_deletion(self) -> ErrorCode:
        return ErrorCode.NON_EMPTY_GROUP if self.members else ErrorCode.NONE

    # Offsets

    def is_subscribed_to(self, topic: str) -> bool:
        return any(topic in self.topics_of(member) for member in self.members.values())

    def expiry_base_ms(self, committed: CommittedOffset) -> int | None:
        return committed.commit_timestamp_ms

    def tombstones(self) -> list[CoordinatorRecord]:
        return consumer_records.group_tombstones(self.group_id, self.members, self.resolved_regexes)

    # Replay

    def replay(self, key: ConsumerKey, value: Message | None) -> None:
        """Take in a record of this group. What an older release wrote of the topics' racks is not needed any more."""
        match key, value:
            case records.ConsumerGroupMetadataKey(), records.ConsumerGroupMetadataValue():
                self.epoch, self.metadata_hash = value.epoch, value.metadata_hash
            case records.ConsumerGroupMemberMetadataKey(), None | records.ConsumerGroupMemberMetadataValue():
                self.replay_member(key.member_id, value)
            case records.ConsumerGroupTargetAssignmentMetadataKey(), None | records.ConsumerGroupTargetAssignmentMetadataValue():
                self.replay_target_epoch(value)
            case records.ConsumerGroupTargetAssignmentMemberKey(), None | records.ConsumerGroupTargetAssignmentMemberValue():
                self.replay_target(key.member_id, value)
            case records.ConsumerGroupCurrentMemberAssignmentKey(), None | records.ConsumerGroupCurrentMemberAssignmentValue():
                self.replay_current_assignment(key.member_id, value)
            case records.ConsumerGroupRegularExpressionKey(), None | records.ConsumerGroupRegularExpressionValue():
                self.replay_regex(key.regular_expression, value)

    def replay_member(self, member_id: str, value: records.ConsumerGroupMemberMetadataValue | None) -> None:
        """What a client said, or that it is gone."""
        if value is None:
            self._release(self.members.pop(member_id, None))
            return
        before = self.members.get(member_id) or ConsumerMember(member_id=member_id)
        self._put(
            replace(
                before,
                instance_id=value.instance_id,
                rack_id=value.rack_id,
                client_id=value.client_id,
                client_host=value.client_host,
                topic_names=frozenset(value.subscribed_topic_names),
                topic_regex=value.subscribed_topic_regex or "",
                rebalance_timeout_ms=value.rebalance_timeout_ms,
                assignor=value.server_assignor,
                classic=consumer_records.classic_of(value.classic_member_metadata),
            )
        )

    def replay_current_assignment(self, member_id: str, value: records.ConsumerGroupCurrentMemberAssignmentValue | None) -> None:
        """What a member has. Without a value it has nothing, and joins anew."""
        before = self.members.get(member_id)
        if before is None:
            if value is None:
                return
            # The record of what it said follows in the same log; compaction has moved this one before it.
            before = ConsumerMember(member_id=member_id)
        if value is None:
            fresh = ConsumerMember(member_id=member_id)
            self._put(
                replace(
                    before,
                    epoch=fresh.epoch,
                    previous_epoch=fresh.previous_epoch,
                    state=fresh.state,
                    assigned=fresh.assigned,
                    pending_revocation=fresh.pending_revocation,
                )
            )
            return
        self._put(
            replace(
                before,
                epoch=value.member_epoch,
                previous_epoch=value.previous_member_epoch,
                state=consumer_records.state_of(value.state),
                assigned=consumer_records.assigned_of(value.assigned_partitions, value.member_epoch),
                pending_revocation=consumer_records.assigned_of(value.partitions_pending_revocation, value.member_epoch),
            )
        )

    def replay_target(self, member_id: str, value: records.ConsumerGroupTargetAssignmentMemberValue | None) -> None:
        if value is None:
            self.targets.pop(member_id, None)
        else:
            self.targets[member_id] = {entry.topic_id: frozenset(entry.partitions) for entry in value.topic_partitions}

    def replay_target_epoch(self, value: records.ConsumerGroupTargetAssignmentMetadataValue | None) -> None:
        self.target_epoch = 0 if value is None else value.assignment_epoch
        self.target_timestamp_ms = 0 if value is None else value.assignment_timestamp

    def replay_regex(self, regex: str, value: records.ConsumerGroupRegularExpressionValue | None) -> None:
        if value is None:
            self.resolved_regexes.pop(regex, None)
        else:
            self.resolved_regexes[regex] = value

    def _put(self, member: ConsumerMember) -> None:
        self._release(self.members.get(member.member_id))
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        if member.topic_regex:
            self.regex_counts[member.topic_regex] += 1
        if member.classic is not None:
            self.classic_count += 1
            self.classic_supporters.update(name for name, _ in member.classic.protocols)
        for assigned in (member.assigned, member.pending_revocation):
            for topic, partitions in assigned.items():
                for index in partitions:
                    self._owners[topic, index] = member.member_id

    def _release(self, member: ConsumerMember | None) -> None:
        """Forget what counts by a member, and whose partitions these were unless they have another owner by now."""
        if member is None:
            return
        if member.instance_id is not None and self.static_members.get(member.instance_id) == member.member_id:
            del self.static_members[member.instance_id]
        if member.topic_regex:
            _count_down(self.regex_counts, member.topic_regex)
        if member.classic is not None:
            self.classic_count -= 1
            for name, _ in member.classic.protocols:
                _count_down(self.classic_supporters, name)
        for assigned in (member.assigned, member.pending_revocation):
            for topic, partitions in assigned.items():
                for index in partitions:
                    if self._owners.get((topic, index)) == member.member_id:
                        del self._owners[topic, index]


def _count_down(counts: Counter[str], name: str) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]


def _wrong_epoch(member: ConsumerMember) -> ErrorCode:
    """That an epoch is not the member's, in the words of its protocol."""
    return ErrorCode.STALE_MEMBER_EPOCH if member.classic is None else ErrorCode.ILLEGAL_GENERATION
