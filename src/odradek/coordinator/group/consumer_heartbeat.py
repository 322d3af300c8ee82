"""ConsumerGroupHeartbeat: how a member joins, goes on and leaves (KIP-848, `GroupMetadataManager.java`).

What the member says is taken here; what follows from it for the group is worked out in `consumer_steps`. A member that joins a group
of the classic protocol turns it into one of this protocol, if that may be (`migration`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid, random_uuid, uuid_to_text
from odradek.coordinator.group import consumer_records, migration
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import JOIN_EPOCH, LEAVE_EPOCH, NO_TIMEOUT, NOTHING, STATIC_LEAVE_EPOCH, ConsumerMember
from odradek.coordinator.group.consumer_reconciliation import OwnedPartitions
from odradek.coordinator.group.consumer_sessions import ConsumerSessions
from odradek.coordinator.group.consumer_steps import (
    ConsumerSteps,
    Refused,
    Working,
    outcome_of,
    refuse_if_fenced,
    refuse_if_full,
    take_place_of,
)
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseTopicPartitions,
)

# From here on the client makes its own member id (KIP-1082).
OWN_MEMBER_ID_SINCE_VERSION: Final = 1


@final
class ConsumerHeartbeat:
    """Decides heartbeats for a shard; `image` is the newest that the shard has been told of."""

    def __init__(
        self,
        groups: Groups,
        sessions: ConsumerSessions,
        steps: ConsumerSteps,
        settings_of: Callable[[str], GroupSettings],
        image: Callable[[], MetadataImage],
        dice: random.Random,
    ) -> None:
        self._groups = groups
        self._sessions = sessions
        self._steps = steps
        self._settings_of = settings_of
        self._image = image
        self._dice = dice

    def decide(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment) -> Outcome:
        """Answers at once; what changes is in the records."""
        try:
            self._check(request, caller)
            if request.member_epoch in (LEAVE_EPOCH, STATIC_LEAVE_EPOCH):
                return self._leave(ticket, request, now)
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
        work, converted = self._enter(request)
        self._take_what_is_said(work, request, caller)
        self._steps.take(work, now)
        member = work.member
        response = ConsumerGroupHeartbeatResponse(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=work.settings.consumer_heartbeat_interval_ms,
        )
        is_asking = request.member_epoch == JOIN_EPOCH or _is_full(request)
        if is_asking or member.assigned != work.before.assigned or _has_missed_an_answer(request, work):
            response.assignment = _assignment(member)
        outcome = outcome_of(work, ticket, response)
        if converted is not None:
            self._sessions.take_over(converted, work.group, now, outcome)
        self._sessions.keep_alive(work.group.group_id, member, now)
        return outcome

    def _enter(self, request: ConsumerGroupHeartbeatRequest) -> tuple[Working, ClassicGroup | None]:
        """Find the group and the member, or make them; with the classic group that is turned into this one."""
        is_joining = request.member_epoch == JOIN_EPOCH
        settings = self._settings_of(request.group_id)
        records: list[CoordinatorRecord] = []
        group, converted = self._group(request.group_id, records, settings, is_joining=is_joining)
        refuse_if_full(group, request.member_id, request.instance_id, settings)
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
        work = Working(
            group=group,
            settings=settings,
            before=member,
            member=member,
            owned=owned_by(request),
            records=records,
            replaced=replaced,
            is_rebalance_due=converted is not None and converted.state is not ClassicState.STABLE,
        )
        return work, converted

    def _group(
        self, group_id: str, records: list[CoordinatorRecord], settings: GroupSettings, *, is_joining: bool
    ) -> tuple[ConsumerGroup, ClassicGroup | None]:
        group = self._groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            return group, None
        if not is_joining:
            reason = f"Consumer group {group_id} not found." if group is None else f"Group {group_id} is not a consumer group."
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, reason)
        if not isinstance(group, ClassicGroup):
            return ConsumerGroup(group_id), None
        if not group.members:
            # Nobody is in it: from now on it is a group of this kind, with the offsets it has.
            records += group.tombstones()
            return ConsumerGroup(group_id), group
        try:
            upgraded, made = migration.upgrade(group, self._image(), settings)
        except migration.CannotMigrate as reason:
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group_id} to consumer group: {reason}.") from None
        records += made
        return upgraded, group

    def _static_member(
        self, group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, member_id: str, records: list[CoordinatorRecord]
    ) -> tuple[ConsumerMember, str | None]:
        """The member of an instance id, and the id of a former self whose place it takes."""
        instance_id = request.instance_id or ""
        holder = group.static_member(instance_id)
        if request.member_epoch != JOIN_EPOCH:
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
            refuse_if_fenced(holder, member_id, instance_id)
            _refuse_wrong_epoch(holder, request)
            return holder, None
        if holder is None:
            return group.members.get(member_id) or ConsumerMember(member_id=member_id), None
        # A client that is started anew with the other protocol cannot say beforehand that it will be back in this one.
        if holder.classic is None and not holder.has_left_for_a_while:
            raise Refused(
                ErrorCode.UNRELEASED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id is owned by "
                f"{holder.member_id} member.",
            )
        member = take_place_of(group, holder, member_id, records)
        return member, holder.member_id if holder.member_id != member_id else None

    def _take_what_is_said(self, work: Working, request: ConsumerGroupHeartbeatRequest, caller: Caller) -> None:
        """A client says again only what has changed; the rest (null, or -1) is as it was."""
        before = work.before
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
            classic=None,
        )

    # Leaving

    def _leave(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest, now: Moment) -> Outcome:
        group = self._groups.get(request.group_id)
        if not isinstance(group, ConsumerGroup):
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} is not a consumer group.")
        response = ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
        if request.instance_id is None:
            member = group.members.get(request.member_id)
            if member is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {request.member_id} is not a member of group {request.group_id}.")
        else:
            member = group.static_member(request.instance_id)
            if member is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown.")
            refuse_if_fenced(member, request.member_id, request.instance_id)
            if request.member_epoch == STATIC_LEAVE_EPOCH:
                return Outcome([consumer_records.current_assignment(group.group_id, _away(member))], [(ticket, response)])
        return self._sessions.let_go(group, [member], [(ticket, response)], now)


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


def _has_missed_an_answer(request: ConsumerGroupHeartbeatRequest, work: Working) -> bool:
    """Whether the member cannot know of all it has, though it does not ask: it is an epoch behind, or says that it has less.

    Apache Kafka tells nothing then, and its own clients ask. librdkafka, when an answer took longer than a heartbeat interval, says again
    what it has and no more: it would never hear of a partition that nobody else can have.
    """
    if request.member_epoch != work.before.epoch:
        return True
    owned = work.owned
    return owned is not None and any(partitions.keys() - owned.get(topic, set()) for topic, partitions in work.member.assigned.items())


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
