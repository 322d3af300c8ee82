"""What follows when a member of a consumer group has said something, in steps that both of its protocols share (KIP-848).

Whether the member, or the topics themselves, call for a new group epoch; the targets of that epoch, once the assignment interval
allows; and the member's next step towards its own. All of it is worked out on the group as it stands and changes nothing that lasts:
replaying the records does. What a member said is taken by `consumer_heartbeat`, and by `classic_in_consumer` for those of the classic
protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group import consumer_records, topic_regex
from odradek.coordinator.group.assignors.assignor import AssignedMember, Assignor, Partitions
from odradek.coordinator.group.assignors.range_assignor import assign_ranges
from odradek.coordinator.group.assignors.uniform_assignor import assign_uniformly
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import JOIN_EPOCH, ConsumerMember, MemberState
from odradek.coordinator.group.consumer_reconciliation import OwnedPartitions, Reconciliation, next_step
from odradek.coordinator.group.consumer_sessions import ConsumerSessions
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Answer, Moment, Outcome, Ticket
from odradek.metadata.image import MetadataImage
from odradek.protocol.internal_records.group import ConsumerGroupRegularExpressionValue

ASSIGNORS: Final[Mapping[str, Assignor]] = {"uniform": assign_uniformly, "range": assign_ranges}
# A group that nothing has happened to looks at its topics again after this long, which is for ever.
METADATA_REFRESH_INTERVAL_MS: Final = (1 << 31) - 1


class Refused(Exception):
    """The request ends here with an error; caught where it is answered, and nowhere else."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@final
@dataclass(slots=True, kw_only=True)
class Working:
    """A request under way: the group as it would be with the records so far."""

    group: ConsumerGroup
    settings: GroupSettings
    # The member as it was before the request, and as it is after it.
    before: ConsumerMember
    member: ConsumerMember
    # What the member says that it has, None if it does not say.
    owned: OwnedPartitions | None
    records: list[CoordinatorRecord]
    # A static member whose place this one takes.
    replaced: str | None = None
    # Whether the group was one of the classic protocol until now, in the midst of a rebalance: then it is assigned anew even where the
    # member has only taken the place of a static one.
    is_rebalance_due: bool = False
    resolved: dict[str, ConsumerGroupRegularExpressionValue | None] = field(default_factory=dict)

    def members(self) -> dict[str, ConsumerMember]:
        """All members with this one as it is now."""
        members = {key: member for key, member in self.group.members.items() if key != self.replaced}
        members[self.member.member_id] = self.member
        return members

    def regex(self, expression: str) -> ConsumerGroupRegularExpressionValue | None:
        if expression in self.resolved:
            return self.resolved[expression]
        return self.group.resolved_regexes.get(expression)

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        resolved = self.regex(member.topic_regex) if member.topic_regex else None
        return member.topic_names if resolved is None else member.topic_names.union(resolved.topics)


@final
class ConsumerSteps:
    """Takes the steps for a shard; `image` is the newest that the shard has been told of."""

    def __init__(self, sessions: ConsumerSessions, image: Callable[[], MetadataImage]) -> None:
        self._sessions = sessions
        self._image = image

    def take(self, work: Working, now: Moment) -> None:
        """All steps, for a member that has said what it had to say: adds the records, and brings `work.member` on its way."""
        names_changed = work.member.topic_names != work.before.topic_names
        if work.member != work.before:
            work.records.append(consumer_records.member_subscription(work.group.group_id, work.member))
        regex_changed = self._resolve_regexes(work, now)
        epoch = self._epoch(work, now, is_changed=names_changed or regex_changed or work.is_rebalance_due)
        target_epoch, target = self._target(work, epoch, now)
        subscription_changed = names_changed or work.member.topic_regex != work.before.topic_regex
        work.member = self._reconcile(work, target_epoch, target, now, has_subscription_changed=subscription_changed)

    # Regular expressions

    def _resolve_regexes(self, work: Working, now: Moment) -> bool:
        """Resolve what is new or may have changed; whether the member, or any other, now has other topics by it."""
        group = work.group
        counts = group.regex_counts
        old, new = work.before.topic_regex, work.member.topic_regex
        is_changed = False
        if old != new:
            if old and counts[old] == 1:
                work.records.append(consumer_records.regular_expression_tombstone(group.group_id, old))
                work.resolved[old] = None
            if new and not counts[new]:
                complaint = topic_regex.complaint_about(new)
                if complaint is not None:
                    raise Refused(
                        ErrorCode.INVALID_REGULAR_EXPRESSION,
                        f"SubscribedTopicRegex `{new}` is not a valid regular expression: {complaint}.",
                    )
                self._resolve(work, new, now)
            is_changed = True
        if counts and now.monotonic_ms >= group.metadata_deadline_ms:
            for expression in sorted(counts):
                if expression not in work.resolved:
                    is_changed |= self._resolve(work, expression, now)
        return is_changed

    def _resolve(self, work: Working, expression: str, now: Moment) -> bool:
        """Find the topics of an expression; whether they are others than before."""
        image = self._image()
        topics = sorted(topic_regex.matching(expression, image.topics.by_name))
        known = work.regex(expression)
        if known is not None and sorted(known.topics) == topics:
            return False
        value = ConsumerGroupRegularExpressionValue(topics=topics, version=image.offset, timestamp=now.wall_ms)
        work.resolved[expression] = value
        work.records.append(consumer_records.regular_expression(work.group.group_id, expression, value))
        return True

    # The group

    def _epoch(self, work: Working, now: Moment, *, is_changed: bool) -> int:
        """The group's epoch, another one where members or topics are others than when it was last assigned."""
        group = work.group
        if not is_changed and now.monotonic_ms < group.metadata_deadline_ms:
            return group.epoch
        names = {name for member in work.members().values() for name in work.topics_of(member)}
        metadata_hash = subscription_hash(names, self._image())
        epoch = group.epoch
        if is_changed or metadata_hash != group.metadata_hash:
            epoch += 1
            work.records.append(consumer_records.group_epoch(group.group_id, epoch, metadata_hash))
        has_regex = any(member.topic_regex for member in work.members().values())
        interval_ms = work.settings.consumer_regex_refresh_interval_ms if has_regex else METADATA_REFRESH_INTERVAL_MS
        group.metadata_deadline_ms = now.monotonic_ms + interval_ms
        return epoch

    def _target(self, work: Working, epoch: int, now: Moment) -> tuple[int, Partitions]:
        """What the member is meant to have and since which epoch; all targets are made anew if that is due."""
        group = work.group
        last = group.target_of(work.replaced if work.replaced is not None else work.member.member_id)
        if group.target_epoch >= epoch or group.is_assigned_too_recently(work.settings.consumer_assignment_interval_ms, now.wall_ms):
            return group.target_epoch, last
        members = work.members()
        assigned = self._assign(work, members)
        for member_id, partitions in assigned.items():
            # Who takes the place of a static member has no target of his own yet, and is written one again.
            if partitions != group.targets.get(member_id):
                work.records.append(consumer_records.target_assignment(group.group_id, member_id, partitions))
        work.records.append(consumer_records.target_epoch(group.group_id, epoch, now.wall_ms))
        return epoch, assigned.get(work.member.member_id, {})

    def _assign(self, work: Working, members: Mapping[str, ConsumerMember]) -> dict[str, Partitions]:
        topics = self._image().topics
        group = work.group
        described = []
        for member_id, member in members.items():
            before_id = work.replaced if member_id == work.member.member_id and work.replaced is not None else member_id
            ids = frozenset(topics.by_name[name].id for name in work.topics_of(member) if name in topics.by_name)
            described.append(AssignedMember(member_id, member.instance_id, ids, group.target_of(before_id)))
        counts = {topic: len(topics.by_id[topic].partitions) for member in described for topic in member.topics}
        name = group.preferred_assignor(members.values(), work.settings.consumer_assignors[0])
        return ASSIGNORS[name](described, counts)

    # The member

    def _reconcile(
        self, work: Working, target_epoch: int, target: Partitions, now: Moment, *, has_subscription_changed: bool
    ) -> ConsumerMember:
        member = work.member
        if not has_subscription_changed and member.is_reconciled_to(target_epoch):
            return member
        topics = self._image().topics.by_name
        step = Reconciliation(
            target_epoch=target_epoch,
            target=target,
            subscribed_topics={topics[name].id for name in work.topics_of(member) if name in topics},
            has_subscription_changed=has_subscription_changed,
            owned=work.owned,
            is_owned=self._ownership(work),
        )
        after = next_step(member, step)
        if after is None:
            raise Refused(
                ErrorCode.FENCED_MEMBER_EPOCH,
                "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
            )
        if after == member:
            return member
        group_id = work.group.group_id
        work.records.append(consumer_records.current_assignment(group_id, after))
        if after.state is MemberState.UNREVOKED_PARTITIONS:
            self._sessions.expect_revocation(group_id, after, now)
        else:
            self._sessions.forget_revocation(group_id, after.member_id)
        return after

    def _ownership(self, work: Working) -> Callable[[Uuid, int], bool]:
        """Who has what, as if the former self of a static member were gone already."""
        if work.replaced is None:
            return work.group.is_owned
        former = work.group.members[work.replaced]
        return lambda topic, index: work.group.is_owned(topic, index) and former.assignment_epoch(topic, index) is None


def outcome_of(work: Working, ticket: Ticket, answer: Answer) -> Outcome:
    """The records of a request, and its answer. If they are too many, the next request looks at the topics again."""
    outcome = Outcome(work.records, [(ticket, answer)])

    def refuse(late: Moment) -> Outcome:
        work.group.metadata_deadline_ms = 0
        return Outcome.refusal(ticket, ErrorCode.UNKNOWN_SERVER_ERROR)

    outcome.if_too_large = refuse
    return outcome


def refuse_if_full(group: ConsumerGroup, member_id: str, instance_id: str | None, settings: GroupSettings) -> None:
    """A group has room for so many; who is in it, or takes the place of one who is, needs none.

    Raises:
        Refused: the member would be one too many.
    """
    if instance_id is not None and instance_id in group.static_members:
        return
    if len(group.members) >= settings.consumer_members_max and member_id not in group.members:
        raise Refused(
            ErrorCode.GROUP_MAX_SIZE_REACHED,
            f"The consumer group has reached its maximum capacity of {settings.consumer_members_max} members.",
        )


def refuse_if_fenced(holder: ConsumerMember, member_id: str, instance_id: str) -> None:
    """Somebody else has taken the place of a static member.

    Raises:
        Refused: `member_id` is not the holder of the instance id.
    """
    if holder.member_id != member_id:
        raise Refused(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {holder.member_id}.",
        )


def take_place_of(group: ConsumerGroup, holder: ConsumerMember, member_id: str, records: list[CoordinatorRecord]) -> ConsumerMember:
    """The member `member_id` in the place of a static one, which it joins anew with what that one had; adds the records."""
    member = replace(holder, member_id=member_id, epoch=JOIN_EPOCH, previous_epoch=JOIN_EPOCH)
    records += consumer_records.member_tombstones(group.group_id, holder.member_id)
    records.append(consumer_records.member_subscription(group.group_id, member))
    records.append(consumer_records.target_assignment(group.group_id, member_id, group.target_of(holder.member_id)))
    records.append(consumer_records.current_assignment(group.group_id, member))
    return member
