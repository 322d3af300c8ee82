"""JoinGroup of the classic protocol: who may enter a group, under which member id, and whether that makes a new generation.

A dynamic member that comes without an id is given one and has to come back with it (from version 4 on), so that a client which gives
up on an answer does not leave dead members behind (KIP-394). A static member that comes back takes the place of its former self, and
where that changes nothing for the others, nobody has to rejoin (KIP-345, KIP-814).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import random_uuid
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicMember, ClassicState, metadata_bytes_of
from odradek.coordinator.group.classic_rebalance import ClassicRebalance, refused_join
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from odradek.protocol.messages.sync_group import SyncGroupResponse

MEMBER_ID_REQUIRED_SINCE_VERSION: Final = 4
SKIPPED_ASSIGNMENT_SINCE_VERSION: Final = 9
NO_MEMBER_ID: Final = ""
# Members of one group that were given an id and have not come back with it. A client comes back within a round trip; whoever asks for ids
# and does not want them pushes out others like him, and does not fill the memory. Apache Kafka keeps all until their sessions end.
PENDING_MEMBERS_MAX: Final = 10_000


@final
class ClassicJoin:
    """Decides JoinGroup for a shard."""

    def __init__(self, groups: Groups, rebalance: ClassicRebalance, settings: Callable[[], GroupSettings], dice: random.Random) -> None:
        self._groups = groups
        self._rebalance = rebalance
        self._settings = settings
        self._dice = dice

    def decide(self, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        """Answers at once, or when the generation is complete. The group is a classic one, or there is none."""
        found = self._groups.get(request.group_id)
        if found is None and request.member_id != NO_MEMBER_ID:
            return Outcome.answer(ticket, refused_join(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
        is_new_group = found is None
        if found is None:
            found = ClassicGroup(request.group_id, now.wall_ms)
            self._groups.put(found)
        assert isinstance(found, ClassicGroup), "a join to a group of another kind is decided elsewhere"
        outcome = self._enter(found, ticket, request, caller, now)
        if is_new_group and not outcome.records:
            # The name is taken from now on, whoever coordinates.
            outcome.records.append(found.record_of_name())
        return outcome

    def _enter(self, group: ClassicGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        if not self._has_room(group, request.member_id):
            group.remove(request.member_id)
            return Outcome.answer(ticket, refused_join(ErrorCode.GROUP_MAX_SIZE_REACHED, NO_MEMBER_ID))
        code = ErrorCode.NONE
        if group.state is ClassicState.DEAD:
            code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        elif not group.supports(request.protocol_type, [protocol.name for protocol in request.protocols]):
            code = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if code is not ErrorCode.NONE:
            return Outcome.answer(ticket, refused_join(code, request.member_id))
        if not self._has_room_for_metadata(group, request):
            return Outcome.answer(ticket, refused_join(ErrorCode.GROUP_MAX_SIZE_REACHED, request.member_id))
        if request.member_id == NO_MEMBER_ID:
            return self._enter_as_new(group, ticket, request, caller, now)
        if request.member_id in group.pending_members:
            if request.group_instance_id is not None:
                # Only dynamic members are given ids to come back with.
                return Outcome.answer(ticket, refused_join(ErrorCode.UNKNOWN_SERVER_ERROR, NO_MEMBER_ID))
            return self._add(group, ticket, request, caller, request.member_id, now)
        return self._rejoin(group, ticket, request, now)

    def _has_room(self, group: ClassicGroup, member_id: str) -> bool:
        members_max = self._settings().members_max
        if group.state in (ClassicState.EMPTY, ClassicState.DEAD):
            return True
        member = group.members.get(member_id)
        if group.state is ClassicState.PREPARING_REBALANCE:
            # Those who have not come back yet may lose their place to those who have.
            return (member is not None and member.is_awaiting_join) or len(group.awaiting_join) < members_max
        return member is not None or len(group.members) < members_max

    def _has_room_for_metadata(self, group: ClassicGroup, request: JoinGroupRequest) -> bool:
        """Apache Kafka keeps whatever is said, and finds later that the group's record is too large to be written."""
        before = group.members.get(request.member_id)
        replaced = 0 if before is None else before.metadata_bytes
        size = metadata_bytes_of([(protocol.name, protocol.metadata) for protocol in request.protocols])
        return group.metadata_bytes - replaced + size <= self._settings().metadata_bytes_max

    # New members

    def _enter_as_new(self, group: ClassicGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        instance_id = request.group_instance_id
        member_id = self._new_member_id(instance_id if instance_id is not None else caller.client_id)
        if instance_id is None:
            if caller.api_version >= MEMBER_ID_REQUIRED_SINCE_VERSION:
                self._give_id(group, member_id)
                self._rebalance.expect(group, member_id, request.session_timeout_ms, now)
                return Outcome.answer(ticket, refused_join(ErrorCode.MEMBER_ID_REQUIRED, member_id))
            return self._add(group, ticket, request, caller, member_id, now)
        if instance_id in group.static_members:
            return self._replace(group, ticket, request, caller, member_id, now)
        return self._add(group, ticket, request, caller, member_id, now)

    def _give_id(self, group: ClassicGroup, member_id: str) -> None:
        """Somebody is to come back with this id; who has been expected for the longest is not any more if there are too many."""
        if len(group.pending_members) >= PENDING_MEMBERS_MAX:
            longest = next(iter(group.pending_members))
            group.remove(longest)
            self._rebalance.forget_session(group, longest)
        group.pending_members[member_id] = None

    def _new_member_id(self, prefix: str) -> str:
        digits = random_uuid(self._dice).hex()
        return f"{prefix}-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _add(self, group: ClassicGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, member_id: str, now: Moment) -> Outcome:
        outcome = Outcome()
        member = ClassicMember(
            member_id,
            instance_id=request.group_instance_id,
            client_id=caller.client_id,
            client_host=caller.client_host,
            rebalance_timeout_ms=rebalance_timeout_of(request, caller),
            session_timeout_ms=request.session_timeout_ms,
            protocols=[(protocol.name, protocol.metadata) for protocol in request.protocols],
        )
        member.is_new = True
        if group.state is ClassicState.PREPARING_REBALANCE and group.previous_state is ClassicState.EMPTY:
            group.has_new_member = True
        group.add(member, request.protocol_type)
        group.await_join(member, ticket)
        # The client sends no heartbeats while it waits; who has gone away meanwhile is found out after this time.
        self._rebalance.expect(group, member_id, self._settings().new_member_join_timeout_ms, now)
        self._rebalance.prepare_or_complete(group, now, outcome)
        return outcome

    # Members that come again

    def _rejoin(self, group: ClassicGroup, ticket: Ticket, request: JoinGroupRequest, now: Moment) -> Outcome:
        member_id = request.member_id
        code = group.refusal_of_member(member_id, request.group_instance_id)
        if code is not ErrorCode.NONE:
            refused = refused_join(code, member_id)
            refused.protocol_name = None
            return Outcome.answer(ticket, refused)
        member = group.members[member_id]
        is_leader = group.is_leader(member_id)
        is_unchanged = member.protocols == [(protocol.name, protocol.metadata) for protocol in request.protocols]
        if group.state is ClassicState.EMPTY:
            return Outcome.answer(ticket, refused_join(ErrorCode.UNKNOWN_MEMBER_ID, member_id))
        if group.state is ClassicState.COMPLETING_REBALANCE and is_unchanged:
            # The answer to its first JoinGroup was lost.
            members = self._rebalance.member_list(group) if is_leader else []
            return Outcome.answer(ticket, self._rebalance.join_response(group, member_id, members=members))
        if group.state is ClassicState.STABLE and is_unchanged and not is_leader:
            return Outcome.answer(ticket, self._rebalance.join_response(group, member_id))
        outcome = Outcome()
        self._update(group, member, ticket, request, outcome)
        self._rebalance.prepare_or_complete(group, now, outcome)
        return outcome

    def _update(self, group: ClassicGroup, member: ClassicMember, ticket: Ticket, request: JoinGroupRequest, outcome: Outcome) -> None:
        """What the member says now counts; an earlier JoinGroup of it that still waits is answered that this one has taken its place."""
        group.update_protocols(member, [(protocol.name, protocol.metadata) for protocol in request.protocols])
        member.rebalance_timeout_ms = request.rebalance_timeout_ms if request.rebalance_timeout_ms >= 0 else request.session_timeout_ms
        member.session_timeout_ms = request.session_timeout_ms
        self._rebalance.refuse_join(group, member, ErrorCode.REBALANCE_IN_PROGRESS, outcome, member_id=member.member_id)
        group.await_join(member, ticket)

    def _replace(
        self, group: ClassicGroup, ticket: Ticket, request: JoinGroupRequest, caller: Caller, member_id: str, now: Moment
    ) -> Outcome:
        """A static member is back, with a new id."""
        outcome = Outcome()
        instance_id = request.group_instance_id
        assert instance_id is not None
        leader_before = group.leader_id
        old, member = group.replace_static_member(instance_id, member_id)
        self._rebalance.forget_session(group, old.member_id)
        self._rebalance.refuse_join(group, old, ErrorCode.FENCED_INSTANCE_ID, outcome, member_id=old.member_id)
        if old.sync_ticket is not None:
            outcome.answers.append((old.sync_ticket, SyncGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID)))
        if group.pending_sync_members.pop(old.member_id, "absent") is None:
            group.pending_sync_members[member_id] = None
        self._rebalance.keep_alive(group, member, now)
        topics_before = group.topics_of(member)
        self._update(group, member, ticket, request, outcome)
        if group.state is ClassicState.COMPLETING_REBALANCE:
            self._rebalance.prepare(group, now, outcome)
        elif group.state is not ClassicState.STABLE:
            self._rebalance.complete_join_if_all_are_here(group, now, outcome)
        elif group.select_protocol() != group.protocol_name or group.topics_of(member) != topics_before:
            # Of the latter Apache Kafka takes no notice: the member goes on with topics that it does not subscribe to any more, and what
            # it now subscribes to is consumed by nobody.
            self._rebalance.prepare_or_complete(group, now, outcome)
        else:
            self._keep_assignment(group, member, caller, leader_before, outcome)
        return outcome

    def _keep_assignment(
        self, group: ClassicGroup, member: ClassicMember, caller: Caller, leader_before: str | None, outcome: Outcome
    ) -> None:
        """Nothing changes for the others: the member goes on with what its former self had."""
        outcome.records.append(group.record())
        if caller.api_version >= SKIPPED_ASSIGNMENT_SINCE_VERSION:
            is_leader = group.is_leader(member.member_id)
            members = self._rebalance.member_list(group) if is_leader else []
            self._rebalance.answer_join(group, member, outcome, members=members, is_assignment_skipped=is_leader)
            return
        # An older client that is told it leads would assign anew; so it is told that its former self does.
        response = self._rebalance.join_response(group, member.member_id)
        response.leader = leader_before or ""
        ticket = group.take_join_ticket(member)
        assert ticket is not None
        outcome.answers.append((ticket, response))


def refusal_of_request(request: JoinGroupRequest, settings: GroupSettings) -> ErrorCode:
    """What is wrong with a JoinGroup whatever the group is; NONE if nothing is."""
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    if not settings.session_timeout_ms_min <= request.session_timeout_ms <= settings.session_timeout_ms_max:
        return ErrorCode.INVALID_SESSION_TIMEOUT
    return ErrorCode.NONE


def without_repeated_protocols(request: JoinGroupRequest) -> None:
    """Let a protocol that a member offers twice count once, as it was said first.

    Members are counted by the protocols they offer: one that counted twice would make it look as if not all of them offered any.
    """
    by_name: dict[str, JoinGroupRequestProtocol] = {}
    for protocol in request.protocols:
        by_name.setdefault(protocol.name, protocol)
    request.protocols = list(by_name.values())


def rebalance_timeout_of(request: JoinGroupRequest, caller: Caller) -> int:
    """Version 0 has no such field: there the session timeout is meant."""
    return request.session_timeout_ms if caller.api_version == 0 else request.rebalance_timeout_ms
