"""ConsumerGroupHeartbeat: how a member joins, goes on and leaves, and what that means for the group (KIP-848, `GroupMetadataManager.java`).

A heartbeat is decided in steps, each of which may add records: what the member says; whether that, or the topics themselves, call for
a new group epoch; the targets of that epoch, once the assignment interval allows; and the member's next step towards its own. All of
it is worked out on the group as it stands and changes nothing: replaying the records does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid, random_uuid, uuid_to_text
from odradek.coordinator.group import consumer_records, topic_regex
from odradek.coordinator.group.assignors.assignor import AssignedMember, Assignor, Partitions
from odradek.coordinator.group.assignors.range_assignor import assign_ranges
from odradek.coordinator.group.assignors.uniform_assignor import assign_uniformly
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    NO_TIMEOUT,
    NOTHING,
    STATIC_LEAVE_EPOCH,
    ConsumerMember,
    MemberState,
)
from odradek.coordinator.group.consumer_reconciliation import OwnedPartitions, Reconciliation, next_step
from odradek.coordinator.group.consumer_sessions import ConsumerSessions
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.metadata.image import MetadataImage
from odradek.protocol.internal_records.group import ConsumerGroupRegularExpressionValue
from odradek.protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseTopicPartitions,
)

# From here on the client makes its own member id (KIP-1082).
OWN_MEMBER_ID_SINCE_VERSION: Final = 1
ASSIGNORS: Final[Mapping[str, Assignor]] = {"uniform": assign_uniformly, "range": assign_ranges}
# A group that nothing has happened to looks at its topics again after this long, which is for ever.
METADATA_REFRESH_INTERVAL_MS: Final = (1 << 31) - 1


class Refused(Exception):
    """The heartbeat ends here with an error; caught where it is answered, and nowhere else."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@final
@dataclass(slots=True, kw_only=True)
class _Working:
    """A heartbeat under way: the group as it would be with the records so far."""

    group: ConsumerGroup
    settings: GroupSettings
    request: ConsumerGroupHeartbeatRequest
    # The member as it was before the request, and as it is after it.
    before: ConsumerMember
    member: ConsumerMember
    records: list[CoordinatorRecord]
    # A static member whose place this one takes.
    replaced: str | None = None
    resolved: dict[str, ConsumerGroupRegularExpressionValue | None] = field(default_factory=dict)

    @property
    def owned(self) -> OwnedPartitions | None:
        return owned_by(self.request)

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
class ConsumerHeartbeat:
    """Decides heartbeats for a shard; `image` is the newest that the shard has been told of."""

    def __init__(
        self,
        groups: Groups,
        sessions: ConsumerSessions,
        settings_of: Callable[[str], GroupSettings],
        image: Callable[[], MetadataImage],
        dice: random.Random,
    ) -> None:
        self._groups = groups
        self._sessions = sessions
        self._settings_of = settings_of
        self._image = image
        self._dice = dice

    def decide(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment) -> Outcome:
        """Answers at once; what changes is in the records."""
        try:
            self._check(request, caller)
            if request.member_epoch in (LEAVE_EPOCH, STATIC_LEAVE_EPOCH):
                return self._leave(ticket, request)
            return self._go_on(ticket, request, caller, now)
        except Refused as refused:
            return Outcome.answer(ticket, ConsumerGroupHeartbeatResponse(error_code=refused.code, error_message=refused.message))

    def _check(self, request: ConsumerGroupHeartbeatRequest, caller: Caller) -> None:
        """What is wrong with the request whatever the group is."""
        epoch = request.member_epoch
        needs_id = caller.api_version >= OWN_MEMBER_ID_SINCE_VERSION or epoch > 0 or epoch == LEAVE_EPOCH
        _refuse_if(needs_id and not request.member_id.strip(), "MemberId can't be empty.")
        _refuse_if(not request.group_id.strip(), "GroupId can't be empty.")
        _refuse_if(request.instance_id is not None and not request.instance_id.strip(), "InstanceId can't be empty.")
        _refuse_if(request.rack_id is not None and not request.rack_id.strip(), "RackId can't be empty.")
        if epoch == JOIN_EPOCH:
            _refuse_if(request.rebalance_timeout_ms == NO_TIMEOUT, "RebalanceTimeoutMs must be provided in first request.")
            _refuse_if(
                request.topic_partitions is None or bool(request.topic_partitions), "TopicPartitions must be empty when (re-)joining."
            )
            is_unsubscribed = request.subscribed_topic_names is None and request.subscribed_topic_regex is None
            _refuse_if(is_unsubscribed, "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
        _refuse_if(epoch == STATIC_LEAVE_EPOCH and request.instance_id is None, "InstanceId can't be null.")
        _refuse_if(epoch < STATIC_LEAVE_EPOCH, "MemberEpoch is invalid.")
        assignors = self._settings_of(request.group_id).consumer_assignors
        if request.server_assignor is not None and request.server_assignor not in assignors:
            raise Refused(
                ErrorCode.UNSUPPORTED_ASSIGNOR,
                f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {', '.join(assignors)}.",
            )

    # Going on

    def _go_on(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment) -> Outcome:
        work = self._enter(request)
        self._take_what_is_said(work, caller)
        names_changed = work.member.topic_names != work.before.topic_names
        if work.member != work.before:
            work.records.append(consumer_records.member_subscription(work.group.group_id, work.member))
        regex_changed = self._resolve_regexes(work, now)
        epoch = self._epoch(work, now, is_changed=names_changed or regex_changed)
        target_epoch, target = self._target(work, epoch, now)
        subscription_changed = names_changed or work.member.topic_regex != work.before.topic_regex
        member = self._reconcile(work, target_epoch, target, now, has_subscription_changed=subscription_changed)
        self._sessions.keep_alive(work.group.group_id, member.member_id, now)
        response = ConsumerGroupHeartbeatResponse(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=work.settings.consumer_heartbeat_interval_ms,
        )
        if request.member_epoch == JOIN_EPOCH or _is_full(request) or member.assigned != work.before.assigned:
            response.assignment = _assignment(member)
        return Outcome(work.records, [(ticket, response)])

    def _enter(self, request: ConsumerGroupHeartbeatRequest) -> _Working:
        """Find the group and the member, or make them."""
        is_joining = request.member_epoch == JOIN_EPOCH
        settings = self._settings_of(request.group_id)
        records: list[CoordinatorRecord] = []
        group = self._group(request.group_id, records, is_joining=is_joining)
        self._refuse_if_full(group, request, settings)
        member_id = request.member_id or uuid_to_text(random_uuid(self._dice))
        replaced: str | None = None
        if request.instance_id is not None:
            member, replaced = self._static_member(group, request, member_id, records)
        else:
            found = group.members.get(member_id)
            if found is None and not is_joining:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {request.group_id}.")
            member = found or ConsumerMember(member_id=member_id)
            _refuse_wrong_epoch(member, request)
        return _Working(group=group, settings=settings, request=request, before=member, member=member, records=records, replaced=replaced)

    def _group(self, group_id: str, records: list[CoordinatorRecord], *, is_joining: bool) -> ConsumerGroup:
        group = self._groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            return group
        if not is_joining:
            reason = f"Consumer group {group_id} not found." if group is None else f"Group {group_id} is not a consumer group."
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, reason)
        if isinstance(group, ClassicGroup):
            if not group.is_empty:
                raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group_id} to consumer group: it has members.")
            # Nobody is in it: from now on it is a group of this kind, with the offsets it has.
            records += group.tombstones()
        return ConsumerGroup(group_id)

    def _refuse_if_full(self, group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, settings: GroupSettings) -> None:
        if request.instance_id is not None and request.instance_id in group.static_members:
            return
        if len(group.members) >= settings.consumer_members_max and request.member_id not in group.members:
            raise Refused(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                f"The consumer group has reached its maximum capacity of {settings.consumer_members_max} members.",
            )

    def _static_member(
        self, group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, member_id: str, records: list[CoordinatorRecord]
    ) -> tuple[ConsumerMember, str | None]:
        """The member of an instance id, and the id of a former self whose place it takes."""
        instance_id = request.instance_id or ""
        holder_id = group.static_members.get(instance_id)
        holder = None if holder_id is None else group.members[holder_id]
        if request.member_epoch != JOIN_EPOCH:
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
            _refuse_if_fenced(holder, member_id, instance_id)
            _refuse_wrong_epoch(holder, request)
            return holder, None
        if holder is None:
            return group.members.get(member_id) or ConsumerMember(member_id=member_id), None
        if not holder.has_left_for_a_while:
            raise Refused(
                ErrorCode.UNRELEASED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id is owned by "
                f"{holder.member_id} member.",
            )
        member = replace(holder, member_id=member_id, epoch=JOIN_EPOCH, previous_epoch=JOIN_EPOCH)
        records += consumer_records.member_tombstones(group.group_id, holder.member_id)
        records.append(consumer_records.member_subscription(group.group_id, member))
        records.append(consumer_records.target_assignment(group.group_id, member_id, group.target_of(holder.member_id)))
        records.append(consumer_records.current_assignment(group.group_id, member))
        return member, holder.member_id if holder.member_id != member_id else None

    def _take_what_is_said(self, work: _Working, caller: Caller) -> None:
        """A client says again only what has changed; the rest (null, or -1) is as it was."""
        request, before = work.request, work.before
        names = request.subscribed_topic_names
        work.member = replace(
            before,
            instance_id=request.instance_id if request.instance_id is not None else before.instance_id,
            rack_id=request.rack_id if request.rack_id is not None else before.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms
            if request.rebalance_timeout_ms != NO_TIMEOUT
            else before.rebalance_timeout_ms,
            assignor=request.server_assignor if request.server_assignor is not None else before.assignor,
            topic_names=before.topic_names if names is None else frozenset(names),
            topic_regex=before.topic_regex if request.subscribed_topic_regex is None else request.subscribed_topic_regex,
            client_id=caller.client_id,
            client_host=caller.client_host,
        )

    # Regular expressions

    def _resolve_regexes(self, work: _Working, now: Moment) -> bool:
        """Resolve what is new or may have changed; whether the member, or any other, now has other topics by it."""
        group = work.group
        counts = group.regex_counts()
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

    def _resolve(self, work: _Working, expression: str, now: Moment) -> bool:
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

    def _epoch(self, work: _Working, now: Moment, *, is_changed: bool) -> int:
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

    def _target(self, work: _Working, epoch: int, now: Moment) -> tuple[int, Partitions]:
        """What the member is meant to have and since which epoch; all targets are made anew if that is due."""
        group = work.group
        last = group.target_of(work.replaced if work.replaced is not None else work.member.member_id)
        interval_ms = work.settings.consumer_assignment_interval_ms
        is_too_soon = bool(group.target_timestamp_ms and interval_ms) and now.wall_ms < group.target_timestamp_ms + interval_ms
        if group.target_epoch >= epoch or is_too_soon:
            return group.target_epoch, last
        members = work.members()
        assigned = self._assign(work, members)
        for member_id, partitions in assigned.items():
            before = group.targets.get(member_id)
            if member_id == work.member.member_id and work.replaced is not None:
                before = last
            if partitions != before:
                work.records.append(consumer_records.target_assignment(group.group_id, member_id, partitions))
        work.records.append(consumer_records.target_epoch(group.group_id, epoch, now.wall_ms))
        return epoch, assigned.get(work.member.member_id, {})

    def _assign(self, work: _Working, members: Mapping[str, ConsumerMember]) -> dict[str, Partitions]:
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
        self, work: _Working, target_epoch: int, target: Partitions, now: Moment, *, has_subscription_changed: bool
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

    def _ownership(self, work: _Working) -> Callable[[Uuid, int], bool]:
        """Who has what, as if the former self of a static member were gone already."""
        if work.replaced is None:
            return work.group.is_owned
        former = work.group.members[work.replaced]
        return lambda topic, index: work.group.is_owned(topic, index) and former.assignment_epoch(topic, index) is None

    # Leaving

    def _leave(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest) -> Outcome:
        group = self._groups.get(request.group_id)
        if not isinstance(group, ConsumerGroup):
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} is not a consumer group.")
        response = ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
        if request.instance_id is None:
            member = group.members.get(request.member_id)
            if member is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {request.member_id} is not a member of group {request.group_id}.")
        else:
            holder_id = group.static_members.get(request.instance_id)
            if holder_id is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown.")
            member = group.members[holder_id]
            _refuse_if_fenced(member, request.member_id, request.instance_id)
            if request.member_epoch == STATIC_LEAVE_EPOCH:
                return Outcome([consumer_records.current_assignment(group.group_id, _away(member))], [(ticket, response)])
        return Outcome(self._sessions.removal(group, member, self._image()), [(ticket, response)])


def _away(member: ConsumerMember) -> ConsumerMember:
    """A static member that will be back: it keeps what it has, whatever epoch it comes back in."""
    assigned = {topic: dict.fromkeys(partitions, 0) for topic, partitions in member.assigned.items()}
    return replace(member, epoch=STATIC_LEAVE_EPOCH, assigned=assigned, pending_revocation=NOTHING)


def owned_by(request: ConsumerGroupHeartbeatRequest) -> OwnedPartitions | None:
    """What the member says that it has."""
    if request.topic_partitions is None:
        return None
    owned: dict[Uuid, set[int]] = {}
    for entry in request.topic_partitions:
        owned.setdefault(entry.topic_id, set()).update(entry.partitions)
    return dict(owned)


def _is_full(request: ConsumerGroupHeartbeatRequest) -> bool:
    """Whether the member says everything, as after a lost answer: then it has to be told everything."""
    is_subscribed = request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None
    return request.rebalance_timeout_ms != NO_TIMEOUT and is_subscribed and request.topic_partitions is not None


def _assignment(member: ConsumerMember) -> Assignment:
    return Assignment(
        topic_partitions=[
            ConsumerGroupHeartbeatResponseTopicPartitions(topic_id=topic, partitions=sorted(partitions))
            for topic, partitions in sorted(member.assigned.items())
        ]
    )


def _refuse_if(is_wrong: bool, message: str) -> None:
    if is_wrong:
        raise Refused(ErrorCode.INVALID_REQUEST, message)


def _refuse_if_fenced(holder: ConsumerMember, member_id: str, instance_id: str) -> None:
    if holder.member_id != member_id:
        raise Refused(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {holder.member_id}.",
        )


def _refuse_wrong_epoch(member: ConsumerMember, request: ConsumerGroupHeartbeatRequest) -> None:
    """A member may be one epoch behind, when the answer that told it was lost and it has nothing that it should not have."""
    received = request.member_epoch
    if received in (JOIN_EPOCH, member.epoch):
        return
    if received < member.epoch:
        owned = owned_by(request)
        has_no_more = owned is not None and all(
            index in member.assigned.get(topic, ()) for topic, indexes in owned.items() for index in indexes
        )
        if received == member.previous_epoch and has_no_more:
            return
    size = "greater" if received > member.epoch else "smaller"
    raise Refused(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {size} member epoch ({received}) than the one known by the group coordinator "
        f"({member.epoch}). The member must abandon all its partitions and rejoin.",
    )
