"""How a classic group comes from one generation to the next: who is waited for, how long, and what happens when the time is over.

Methods change the group and the shard's deadlines and add to an `Outcome` who is answered and what is written. The first generation
of an empty group waits for more members (`group.initial.rebalance.delay.ms`, prolonged while new ones come); every other waits until
all have rejoined, at most for the longest rebalance timeout. After that, members have as long again to send SyncGroup.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.deadlines import Deadlines
from odradek.coordinator.group.classic_group import NO_GENERATION, ClassicGroup, ClassicMember, ClassicState
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from odradek.protocol.messages.sync_group import SyncGroupResponse

Action = Callable[[Moment], Outcome]


@final
class ClassicRebalance:
    """The rebalances of a shard's classic groups."""

    def __init__(self, groups: Groups, deadlines: Deadlines[Action], settings: Callable[[], GroupSettings]) -> None:
        self._groups = groups
        self._deadlines = deadlines
        self._settings = settings

    # Sessions

    def keep_alive(self, group: ClassicGroup, member: ClassicMember, now: Moment) -> None:
        """The member has shown itself: its session begins anew."""
        self.expect(group, member.member_id, member.session_timeout_ms, now)

    def expect(self, group: ClassicGroup, member_id: str, timeout_ms: int, now: Moment) -> None:
        """Unless `member_id` shows itself within `timeout_ms`, it is gone."""
        group_id = group.group_id
        self._deadlines.set(
            ("session", group_id, member_id), now.monotonic_ms + timeout_ms, lambda late: self._session_over(group_id, member_id, late)
        )

    def forget_session(self, group: ClassicGroup, member_id: str) -> None:
        self._deadlines.cancel(("session", group.group_id, member_id))

    def forget_all(self, group: ClassicGroup) -> None:
        """The group is gone: nothing of it comes due any more."""
        for member_id in [*group.members, *group.pending_members]:
            self.forget_session(group, member_id)
        self._deadlines.cancel(("join", group.group_id))
        self._deadlines.cancel(("sync", group.group_id))

    # Becoming a group of another kind

    def abandon(self, group: ClassicGroup, outcome: Outcome) -> None:
        """The group is to be one of the consumer protocol: whoever waits has to rejoin that, and nothing of this one comes due."""
        for member in group.members.values():
            self.refuse_join(group, member, ErrorCode.REBALANCE_IN_PROGRESS, outcome, member_id=member.member_id)
            self.refuse_sync(member.sync_ticket, ErrorCode.REBALANCE_IN_PROGRESS, outcome)
            member.sync_ticket = None
        self.forget_all(group)

    def resume(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Nothing came of that: the group goes on, with nobody waiting."""
        for member in group.members.values():
            self.keep_alive(group, member, now)
        group.pending_members.clear()
        if group.state is ClassicState.PREPARING_REBALANCE:
            self._wait_for_joins(group, now)
        elif group.state is ClassicState.COMPLETING_REBALANCE:
            self.prepare(group, now, outcome)

    def _session_over(self, group_id: str, member_id: str, now: Moment) -> Outcome:
        outcome = Outcome()
        group = self._classic(group_id)
        if group is None or group.state is ClassicState.DEAD:
            return outcome
        if member_id in group.pending_members:
            group.remove(member_id)
            if group.state is ClassicState.PREPARING_REBALANCE and group.has_all_members_joined:
                self.complete_join(group, now, outcome)
            return outcome
        member = group.members.get(member_id)
        if member is not None and not member.has_satisfied_heartbeat:
            self.refuse_join(group, member, ErrorCode.UNKNOWN_MEMBER_ID, outcome)
            group.remove(member_id)
            self.go_on_without(group, now, outcome)
        return outcome

    def go_on_without(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Somebody has gone: the others share what he had, or need not wait for him any longer."""
        if group.state in (ClassicState.STABLE, ClassicState.COMPLETING_REBALANCE):
            self.prepare_or_complete(group, now, outcome)
        elif group.state is ClassicState.PREPARING_REBALANCE and group.has_all_members_joined:
            self.complete_join(group, now, outcome)

    # Preparing

    def prepare_or_complete(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Something has changed that calls for a new generation; where one is being made already, see whether it is complete."""
        if group.can_rebalance:
            self.prepare(group, now, outcome)
        else:
            self.complete_join_if_all_are_here(group, now, outcome)

    def prepare(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Begin to make a new generation."""
        if group.state is ClassicState.COMPLETING_REBALANCE:
            self.reset_assignments(group, ErrorCode.REBALANCE_IN_PROGRESS, now, outcome)
        self._stop_waiting_for_sync(group)
        is_initial = group.state is ClassicState.EMPTY
        if is_initial:
            delay_ms = self._settings().initial_rebalance_delay_ms
            self._delay_initial(group.group_id, delay_ms, max(group.rebalance_timeout_ms - delay_ms, 0), now)
        group.transition_to(ClassicState.PREPARING_REBALANCE, now.wall_ms)
        if is_initial:
            return
        if group.has_all_members_joined:
            self.complete_join(group, now, outcome)
        else:
            self._wait_for_joins(group, now)

    def _delay_initial(self, group_id: str, delay_ms: int, remaining_ms: int, now: Moment) -> None:
        self._deadlines.set(
            ("join", group_id), now.monotonic_ms + delay_ms, lambda late: self._initial_delay_over(group_id, delay_ms, remaining_ms, late)
        )

    def _initial_delay_over(self, group_id: str, delay_ms: int, remaining_ms: int, now: Moment) -> Outcome:
        outcome = Outcome()
        group = self._classic(group_id)
        if group is None:
            return outcome
        if group.has_new_member and remaining_ms != 0:
            group.has_new_member = False
            next_delay_ms = min(self._settings().initial_rebalance_delay_ms, remaining_ms)
            self._delay_initial(group_id, next_delay_ms, max(remaining_ms - delay_ms, 0), now)
        else:
            self.complete_join(group, now, outcome)
        return outcome

    def _wait_for_joins(self, group: ClassicGroup, now: Moment) -> None:
        group_id = group.group_id
        self._deadlines.set(("join", group_id), now.monotonic_ms + group.rebalance_timeout_ms, lambda late: self._join_over(group_id, late))

    def _join_over(self, group_id: str, now: Moment) -> Outcome:
        outcome = Outcome()
        group = self._classic(group_id)
        if group is not None:
            self.complete_join(group, now, outcome)
        return outcome

    # Completing

    def complete_join_if_all_are_here(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Nothing during the initial delay, which only time ends."""
        is_initial = group.previous_state is ClassicState.EMPTY
        if group.state is ClassicState.PREPARING_REBALANCE and not is_initial and group.has_all_members_joined:
            self.complete_join(group, now, outcome)

    def complete_join(self, group: ClassicGroup, now: Moment, outcome: Outcome) -> None:
        """Make the next generation of those who are here; dynamic members who are not are gone."""
        self._deadlines.cancel(("join", group.group_id))
        for member in list(group.members.values()):
            if not member.is_awaiting_join and not member.is_static:
                group.remove(member.member_id)
                self.forget_session(group, member.member_id)
        if group.state is ClassicState.DEAD:
            return
        if not group.elect_joined_leader() and group.members:
            # Only static members are left, and none of them has come back yet.
            self._wait_for_joins(group, now)
            return
        group.begin_next_generation(now.wall_ms)
        if group.state is ClassicState.EMPTY:
            outcome.records.append(group.record())
            return
        for member in group.members.values():
            self.answer_join(group, member, outcome, members=self.member_list(group) if group.is_leader(member.member_id) else ())
            self.keep_alive(group, member, now)
            member.is_new = False
            group.pending_sync_members[member.member_id] = None
        group_id, generation = group.group_id, group.generation
        self._deadlines.set(
            ("sync", group_id), now.monotonic_ms + group.rebalance_timeout_ms, lambda late: self._sync_over(group_id, generation, late)
        )

    def _sync_over(self, group_id: str, generation: int, now: Moment) -> Outcome:
        outcome = Outcome()
        group = self._classic(group_id)
        if group is None or group.generation != generation or not group.pending_sync_members:
            return outcome
        if group.state in (ClassicState.COMPLETING_REBALANCE, ClassicState.STABLE):
            for member_id in list(group.pending_sync_members):
                group.remove(member_id)
                self.forget_session(group, member_id)
            self.prepare(group, now, outcome)
        return outcome

    def note_sync(self, group: ClassicGroup, member_id: str) -> None:
        """The member has sent its SyncGroup."""
        group.pending_sync_members.pop(member_id, None)
        if not group.pending_sync_members:
            self._deadlines.cancel(("sync", group.group_id))

    def _stop_waiting_for_sync(self, group: ClassicGroup) -> None:
        group.pending_sync_members.clear()
        self._deadlines.cancel(("sync", group.group_id))

    # Assignments

    def reset_assignments(self, group: ClassicGroup, code: ErrorCode, now: Moment, outcome: Outcome) -> None:
        """Nobody has anything any more; who waits for an assignment hears `code`."""
        for member in group.members.values():
            member.assignment = b""
        self.answer_syncs(group, code, now, outcome)

    def answer_syncs(self, group: ClassicGroup, code: ErrorCode, now: Moment, outcome: Outcome) -> None:
        """Give everybody who waits for it his assignment, or `code`."""
        is_error = code is not ErrorCode.NONE
        for member in group.members.values():
            ticket, member.sync_ticket = member.sync_ticket, None
            if ticket is None:
                continue
            response = SyncGroupResponse(
                error_code=code,
                protocol_type=None if is_error else group.protocol_type,
                protocol_name=None if is_error else group.protocol_name,
                assignment=member.assignment,
            )
            outcome.answers.append((ticket, response))
            self.keep_alive(group, member, now)

    # Answers to JoinGroup

    def answer_join(
        self,
        group: ClassicGroup,
        member: ClassicMember,
        outcome: Outcome,
        *,
        members: list[JoinGroupResponseMember] | tuple[()] = (),
        is_assignment_skipped: bool = False,
    ) -> None:
        """Tell a member that waits for it of the generation it is in."""
        ticket = group.take_join_ticket(member)
        if ticket is not None:
            response = self.join_response(group, member.member_id, members=members, is_assignment_skipped=is_assignment_skipped)
            outcome.answers.append((ticket, response))

    def join_response(
        self,
        group: ClassicGroup,
        member_id: str,
        *,
        members: list[JoinGroupResponseMember] | tuple[()] = (),
        is_assignment_skipped: bool = False,
    ) -> JoinGroupResponse:
        return JoinGroupResponse(
            generation_id=group.generation,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            leader=group.leader_id or "",
            skip_assignment=is_assignment_skipped,
            member_id=member_id,
            members=list(members),
        )

    def member_list(self, group: ClassicGroup) -> list[JoinGroupResponseMember]:
        """What the leader is told, to assign by."""
        return [
            JoinGroupResponseMember(
                member_id=member.member_id, group_instance_id=member.instance_id, metadata=member.metadata(group.protocol_name)
            )
            for member in group.members.values()
        ]

    def refuse_join(self, group: ClassicGroup, member: ClassicMember, code: ErrorCode, outcome: Outcome, *, member_id: str = "") -> None:
        """Tell a member that waits for its JoinGroup, if it does, that it is in no generation by that."""
        ticket = group.take_join_ticket(member)
        if ticket is not None:
            outcome.answers.append((ticket, refused_join(code, member_id)))

    def refuse_sync(self, ticket: Ticket | None, code: ErrorCode, outcome: Outcome) -> None:
        if ticket is not None:
            outcome.answers.append((ticket, SyncGroupResponse(error_code=code)))

    def _classic(self, group_id: str) -> ClassicGroup | None:
        group = self._groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None


def refused_join(code: ErrorCode, member_id: str) -> JoinGroupResponse:
    """The answer to a JoinGroup that is refused."""
    return JoinGroupResponse(error_code=code, generation_id=NO_GENERATION, member_id=member_id)
