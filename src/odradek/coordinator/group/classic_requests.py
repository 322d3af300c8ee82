"""SyncGroup, Heartbeat and LeaveGroup of the classic protocol, and what DescribeGroups says of a classic group."""

from __future__ import annotations

from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicMember, ClassicState
from odradek.coordinator.group.classic_rebalance import ClassicRebalance
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


@final
class ClassicRequests:
    """Decides, for groups that are known to be classic ones."""

    def __init__(self, rebalance: ClassicRebalance) -> None:
        self._rebalance = rebalance

    # SyncGroup

    def sync(self, group: ClassicGroup, ticket: Ticket, request: SyncGroupRequest, now: Moment) -> Outcome:
        """The leader brings the assignment of all; everybody gets his own, as soon as it is there."""
        code = _refusal_of_sync(group, request)
        if code is ErrorCode.NONE and group.state is ClassicState.PREPARING_REBALANCE:
            code = ErrorCode.REBALANCE_IN_PROGRESS
        if code is not ErrorCode.NONE:
            return Outcome.answer(ticket, SyncGroupResponse(error_code=code))
        member = group.members[request.member_id]
        self._rebalance.note_sync(group, request.member_id)
        if group.state is ClassicState.STABLE:
            response = SyncGroupResponse(protocol_type=group.protocol_type, protocol_name=group.protocol_name, assignment=member.assignment)
            return Outcome.answer(ticket, response)
        outcome = Outcome()
        # A second SyncGroup of one member takes the place of the first, whose client has given it up.
        self._rebalance.refuse_sync(member.sync_ticket, ErrorCode.REBALANCE_IN_PROGRESS, outcome)
        member.sync_ticket = ticket
        if group.is_leader(request.member_id):
            self._assign(group, request, now, outcome)
        return outcome

    def _assign(self, group: ClassicGroup, request: SyncGroupRequest, now: Moment, outcome: Outcome) -> None:
        by_member = {assignment.member_id: assignment.assignment for assignment in request.assignments}
        generation = group.generation
        for member in group.members.values():
            member.assignment = by_member.get(member.member_id, b"")
        # The record tells since when the group completes its rebalance: it becomes stable by this very record.
        outcome.records.append(group.record())
        group.transition_to(ClassicState.STABLE, now.wall_ms)
        self._rebalance.answer_syncs(group, ErrorCode.NONE, now, outcome)
        answers = list(outcome.answers)

        def refuse(late: Moment) -> Outcome:
            """The assignment is larger than a record may be: nobody gets it, and all may try again."""
            refused = Outcome(answers=[(ticket, SyncGroupResponse(error_code=ErrorCode.UNKNOWN_SERVER_ERROR)) for ticket, _ in answers])
            if group.state is ClassicState.STABLE and group.generation == generation:
                for member in group.members.values():
                    member.assignment = b""
                self._rebalance.prepare(group, late, refused)
            return refused

        outcome.if_too_large = refuse

    # Heartbeat

    def heartbeat(self, group: ClassicGroup, ticket: Ticket, request: HeartbeatRequest, now: Moment) -> Outcome:
        """The member lives; it is told when it has to rejoin."""
        if group.state is ClassicState.DEAD:
            return Outcome.answer(ticket, HeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE))
        code = group.refusal_of_member(request.member_id, request.group_instance_id)
        if code is ErrorCode.NONE and request.generation_id != group.generation:
            code = ErrorCode.ILLEGAL_GENERATION
        if code is ErrorCode.NONE:
            self._rebalance.keep_alive(group, group.members[request.member_id], now)
            if group.state is ClassicState.PREPARING_REBALANCE:
                code = ErrorCode.REBALANCE_IN_PROGRESS
        return Outcome.answer(ticket, HeartbeatResponse(error_code=code))

    # LeaveGroup

    def leave(self, group: ClassicGroup, ticket: Ticket, request: LeaveGroupRequest, now: Moment) -> Outcome:
        """Let members go, each for itself; static ones by their instance id if need be (KIP-345)."""
        outcome = Outcome()
        if group.state is ClassicState.DEAD:
            return Outcome.answer(ticket, LeaveGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE))
        responses = [self._leave_one(group, identity, outcome) for identity in request.members]
        if any(response.error_code == ErrorCode.NONE for response in responses):
            if group.state in (ClassicState.STABLE, ClassicState.COMPLETING_REBALANCE):
                self._rebalance.prepare_or_complete(group, now, outcome)
            else:
                self._rebalance.complete_join_if_all_are_here(group, now, outcome)
        outcome.answers.append((ticket, LeaveGroupResponse(members=responses)))
        return outcome

    def _leave_one(self, group: ClassicGroup, identity: MemberIdentity, outcome: Outcome) -> MemberResponse:
        response = MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id)
        member_id = identity.member_id
        if member_id in group.pending_members:
            group.remove(member_id)
            self._rebalance.forget_session(group, member_id)
            return response
        if not member_id and identity.group_instance_id is not None:
            member_id = group.static_members.get(identity.group_instance_id, "")
        code = group.refusal_of_member(member_id, identity.group_instance_id)
        if code is not ErrorCode.NONE:
            response.error_code = code
            return response
        self._rebalance.forget_session(group, member_id)
        member = group.members[member_id]
        self._rebalance.refuse_join(group, member, ErrorCode.UNKNOWN_MEMBER_ID, outcome)
        self._rebalance.refuse_sync(member.sync_ticket, ErrorCode.UNKNOWN_MEMBER_ID, outcome)
        group.remove(member_id)
        return response


def describe(group: ClassicGroup) -> DescribedGroup:
    """What DescribeGroups says; metadata and protocol only while the group is stable."""
    is_stable = group.state is ClassicState.STABLE
    return DescribedGroup(
        group_id=group.group_id,
        group_state=group.state_name,
        protocol_type=group.protocol_type or "",
        protocol_data=group.protocol_name or "" if is_stable else "",
        members=[_described(member, group.protocol_name if is_stable else None) for member in group.members.values()],
    )


def _described(member: ClassicMember, protocol_name: str | None) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=b"" if protocol_name is None else member.metadata(protocol_name),
        member_assignment=member.assignment,
    )


def _refusal_of_sync(group: ClassicGroup, request: SyncGroupRequest) -> ErrorCode:
    if group.state is ClassicState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    code = group.refusal_of_member(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        return code
    if request.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    for said, known in ((request.protocol_type, group.protocol_type), (request.protocol_name, group.protocol_name)):
        if said is not None and known is not None and said != known:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    return ErrorCode.NONE
