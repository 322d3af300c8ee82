"""Members of the classic protocol in groups of the consumer protocol: JoinGroup, SyncGroup, Heartbeat and LeaveGroup (KIP-848).

Such a member is assigned by the coordinator like all others, and told by the means of its own protocol. The member epoch is its
generation; a heartbeat says that it has to rejoin when there is something to give up or to take over; JoinGroup, which nobody has to
wait for here, brings it one step on its way, and SyncGroup tells it what it has. It leads nobody. By its rejoining it gives up what
it does not say any more that it owns, so that a partition has one owner whichever protocol that speaks.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import random_uuid, uuid_to_text
from odradek.coordinator.group import consumer_embedding, migration
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_join import (
    MEMBER_ID_REQUIRED_SINCE_VERSION,
    NO_MEMBER_ID,
    SKIPPED_ASSIGNMENT_SINCE_VERSION,
    rebalance_timeout_of,
)
from odradek.coordinator.group.classic_rebalance import ClassicRebalance, refused_join
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import ClassicMembership, ConsumerMember, MemberState
from odradek.coordinator.group.consumer_sessions import ConsumerSessions
from odradek.coordinator.group.consumer_steps import (
    METADATA_REFRESH_INTERVAL_MS,
    ConsumerSteps,
    Refused,
    Working,
    outcome_of,
    refuse_if_fenced,
    refuse_if_full,
    take_place_of,
)
from odradek.coordinator.group.settings import GroupSettings, MigrationPolicy
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.metadata.image import MetadataImage
from odradek.protocol.internal_records.consumer_protocol import ConsumerProtocolSubscription
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


@final
class ClassicInConsumer:
    """Decides, for groups that are known to be of the consumer protocol and to have members."""

    def __init__(
        self,
        sessions: ConsumerSessions,
        rebalance: ClassicRebalance,
        steps: ConsumerSteps,
        settings_of: Callable[[str], GroupSettings],
        image: Callable[[], MetadataImage],
        dice: random.Random,
    ) -> None:
        self._sessions = sessions
        self._rebalance = rebalance
        self._steps = steps
        self._settings_of = settings_of
        self._image = image
        self._dice = dice

    # JoinGroup

    def join(self, group: ConsumerGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        """Answers at once, unless the group becomes a classic one by this and has to be assigned anew."""
        try:
            return self._join(group, ticket, request, caller, now)
        except Refused as refused:
            # The member has to give up everything and come back as a new one; its own protocol knows no epochs.
            is_fenced = refused.code is ErrorCode.FENCED_MEMBER_EPOCH
            return Outcome.answer(ticket, refused_join(ErrorCode.UNKNOWN_MEMBER_ID if is_fenced else refused.code, NO_MEMBER_ID))

    def _join(self, group: ConsumerGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        settings = self._settings_of(group.group_id)
        is_new = request.member_id == NO_MEMBER_ID
        member_id = uuid_to_text(random_uuid(self._dice)) if is_new else request.member_id
        _refuse_unfit(group, request, settings)
        refuse_if_full(group, member_id, request.group_instance_id, settings)
        if is_new and request.group_instance_id is None and caller.api_version >= MEMBER_ID_REQUIRED_SINCE_VERSION:
            return Outcome.answer(ticket, refused_join(ErrorCode.MEMBER_ID_REQUIRED, member_id))
        subscription = _subscription_of(request)
        holder = None if request.group_instance_id is None else group.static_member(request.group_instance_id)
        if request.group_instance_id is not None and not is_new:
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {request.group_instance_id} is unknown.")
            refuse_if_fenced(holder, member_id, request.group_instance_id)
        if holder is not None and holder.classic is None and migration.may_downgrade(group, [holder], settings, joining_count=1):
            joining = _with_what_is_said(replace(holder, member_id=member_id), request, subscription, caller)
            outcome = self._go_down(group, holder, joining, ticket, caller, now)
            if outcome is not None:
                return outcome
        records: list[CoordinatorRecord] = []
        replaced: str | None = None
        if holder is None:
            before = group.members.get(member_id) or ConsumerMember(member_id=member_id)
        elif is_new:
            before, replaced = take_place_of(group, holder, member_id, records), holder.member_id
        else:
            before = holder
        work = Working(
            group=group,
            settings=settings,
            before=before,
            member=_with_what_is_said(before, request, subscription, caller),
            owned=dict(migration.owned_partitions(subscription, self._image())),
            records=records,
            replaced=replaced,
        )
        self._steps.take(work, now)
        member = work.member
        self._sessions.keep_alive(group.group_id, member, now)
        self._sessions.expect_sync(group.group_id, member, now)
        return outcome_of(work, ticket, _joined(member))

    # A static member that takes the last place of the consumer protocol

    def _go_down(
        self, group: ConsumerGroup, holder: ConsumerMember, joining: ConsumerMember, ticket: Ticket, caller: Caller, now: Moment
    ) -> Outcome | None:
        """The group becomes a classic one with `joining` in the place of `holder`; None if that cannot be.

        Where everybody has what he is meant to have, nobody has to rejoin, if the joining member can be told that it leads without
        assigning (KIP-814): somebody has to watch the topics from now on. Otherwise all are assigned anew; the joining member must not
        be given at once what another has still to give up.
        """
        try:
            classic = migration.downgrade(group, [holder], self._image(), now.wall_ms, joining=joining)
        except migration.CannotMigrate:
            return None
        others = (member for member in group.members.values() if member is not holder)
        is_subscription_same = joining.topic_names == holder.topic_names and not holder.topic_regex
        has_same_topics = subscription_hash(group.subscribed_names(), self._image()) == group.metadata_hash
        is_settled = (
            has_same_topics and group.epoch == group.target_epoch and all(member.is_reconciled_to(group.epoch) for member in others)
        )
        can_lead = caller.api_version >= SKIPPED_ASSIGNMENT_SINCE_VERSION
        is_rebalance_due = not (is_subscription_same and is_settled and can_lead)
        classic.leader_id = joining.member_id
        outcome = self._sessions.go_down(group, classic, now, is_rebalance_due=is_rebalance_due)
        if is_rebalance_due:
            classic.await_join(classic.members[joining.member_id], ticket)
            self._rebalance.prepare(classic, now, outcome)
        else:
            members = self._rebalance.member_list(classic)
            response = self._rebalance.join_response(classic, joining.member_id, members=members, is_assignment_skipped=True)
            outcome.answers.append((ticket, response))
        refused = Outcome.refusal(ticket, ErrorCode.UNKNOWN_SERVER_ERROR)
        outcome.if_too_large = lambda late: self._sessions.stay(group, late, refused)
        return outcome

    # SyncGroup

    def sync(self, group: ConsumerGroup, ticket: Ticket, request: SyncGroupRequest, now: Moment) -> Outcome:
        """What the member has, unless it has to rejoin first."""
        code = _refusal_of_sync(group, request)
        if code is not ErrorCode.NONE:
            return Outcome.answer(ticket, SyncGroupResponse(error_code=code))
        member = group.members[request.member_id]
        classic = member.classic
        assert classic is not None
        # Who is giving something up has rejoined already, and does so again when it has.
        if self._has_newer_epoch(group, member, now) and member.state is not MemberState.UNREVOKED_PARTITIONS:
            self._sessions.expect_join(group.group_id, member, now)
            return Outcome.answer(ticket, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        self._sessions.note_sync(group.group_id, member.member_id)
        self._sessions.keep_alive(group.group_id, member, now)
        assignment = migration.embedded_assignment(
            {topic: frozenset(partitions) for topic, partitions in member.assigned.items()}, self._image()
        )
        version = consumer_embedding.assignment_version_for(classic.metadata)
        response = SyncGroupResponse(
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignment=consumer_embedding.encode_assignment(assignment, version),
        )
        return Outcome.answer(ticket, response)

    # Heartbeat

    def heartbeat(self, group: ConsumerGroup, ticket: Ticket, request: HeartbeatRequest, now: Moment) -> Outcome:
        """The member lives; it is told when it has to rejoin."""
        code = group.refusal_of_classic_member(request.member_id, request.group_instance_id)
        if code is not ErrorCode.NONE:
            return Outcome.answer(ticket, HeartbeatResponse(error_code=code))
        member = group.members[request.member_id]
        if request.generation_id != member.epoch:
            return Outcome.answer(ticket, HeartbeatResponse(error_code=ErrorCode.ILLEGAL_GENERATION))
        self._sessions.keep_alive(group.group_id, member, now)
        has_to_rejoin = (
            member.state is MemberState.UNREVOKED_PARTITIONS
            or (member.state is MemberState.UNRELEASED_PARTITIONS and not group.is_waiting_for_release(member))
            or self._has_newer_epoch(group, member, now)
        )
        if not has_to_rejoin:
            return Outcome.answer(ticket, HeartbeatResponse())
        self._sessions.expect_join(group.group_id, member, now)
        return Outcome.answer(ticket, HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))

    def _has_newer_epoch(self, group: ConsumerGroup, member: ConsumerMember, now: Moment) -> bool:
        """Whether there are newer targets than the member knows, or there would be if it rejoined.

        Targets are made when somebody joins or a member of the consumer protocol sends a heartbeat. Where downgrading is forbidden, the
        last one of these may be gone, and the others have to do it.
        """
        if member.epoch < group.target_epoch:
            return True
        if now.monotonic_ms >= group.metadata_deadline_ms and group.classic_count == len(group.members):
            if subscription_hash(group.subscribed_names(), self._image()) != group.metadata_hash:
                return True
            group.metadata_deadline_ms = now.monotonic_ms + METADATA_REFRESH_INTERVAL_MS
        interval_ms = self._settings_of(group.group_id).consumer_assignment_interval_ms
        return group.epoch > group.target_epoch and not group.is_assigned_too_recently(interval_ms, now.wall_ms)

    # LeaveGroup

    def leave(self, group: ConsumerGroup, ticket: Ticket, request: LeaveGroupRequest, now: Moment) -> Outcome:
        """Let members go, each for itself; a tool may send away those of either protocol, static ones by their instance id (KIP-345)."""
        leaving: dict[str, ConsumerMember] = {}
        responses = []
        for identity in request.members:
            member, code = _found(group, identity)
            if member is not None:
                leaving[member.member_id] = member
            responses.append(MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=code))
        return self._sessions.let_go(group, list(leaving.values()), [(ticket, LeaveGroupResponse(members=responses))], now)


def _refuse_unfit(group: ConsumerGroup, request: JoinGroupRequest, settings: GroupSettings) -> None:
    if settings.consumer_migration_policy is MigrationPolicy.DISABLED:
        raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "Group migration is disabled.")
    if not group.supports_classic(request.protocol_type, [protocol.name for protocol in request.protocols]):
        raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, f"The protocols of member {request.member_id} are not supported.")


def _subscription_of(request: JoinGroupRequest) -> ConsumerProtocolSubscription:
    """What the member subscribes to; every protocol it offers says the same of that."""
    try:
        return consumer_embedding.subscription_of(request.protocols[0].metadata)
    except ProtocolViolation as violation:
        raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, f"The embedded consumer protocol is malformed: {violation}.") from violation


def _with_what_is_said(
    member: ConsumerMember, request: JoinGroupRequest, subscription: ConsumerProtocolSubscription, caller: Caller
) -> ConsumerMember:
    return replace(
        member,
        instance_id=request.group_instance_id if request.group_instance_id is not None else member.instance_id,
        rack_id=subscription.rack_id or member.rack_id,
        client_id=caller.client_id,
        client_host=caller.client_host,
        topic_names=frozenset(subscription.topics),
        topic_regex="",
        rebalance_timeout_ms=rebalance_timeout_of(request, caller),
        classic=ClassicMembership(request.session_timeout_ms, tuple((protocol.name, protocol.metadata) for protocol in request.protocols)),
    )


def _joined(member: ConsumerMember) -> JoinGroupResponse:
    assert member.classic is not None
    return JoinGroupResponse(
        generation_id=member.epoch,
        protocol_type=ConsumerGroup.protocol_type,
        protocol_name=member.classic.protocol_name,
        member_id=member.member_id,
    )


def _refusal_of_sync(group: ConsumerGroup, request: SyncGroupRequest) -> ErrorCode:
    code = group.refusal_of_classic_member(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        return code
    member = group.members[request.member_id]
    assert member.classic is not None
    if request.generation_id != member.epoch:
        return ErrorCode.ILLEGAL_GENERATION
    for said, known in ((request.protocol_type, group.protocol_type), (request.protocol_name, member.classic.protocol_name)):
        if said is not None and said != known:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    return ErrorCode.NONE


def _found(group: ConsumerGroup, identity: MemberIdentity) -> tuple[ConsumerMember | None, ErrorCode]:
    """The member that is to go, or why there is none."""
    if identity.group_instance_id is None:
        member = group.members.get(identity.member_id)
    else:
        member = group.static_member(identity.group_instance_id)
        if member is not None and identity.member_id not in (NO_MEMBER_ID, member.member_id):
            return None, ErrorCode.FENCED_INSTANCE_ID
    return member, ErrorCode.UNKNOWN_MEMBER_ID if member is None else ErrorCode.NONE
