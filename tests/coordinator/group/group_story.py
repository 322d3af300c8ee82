"""One shard of the group coordinator with a log of records and a clock that is moved by hand: what a story is told with.

After every step the records that were written are replayed into a second shard, which must know the same of everything that outlives a
crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.records import RECORD_TYPES
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.coordinator.shard import Answer, Moment, Outcome, Refusal, Ticket
from odradek.metadata.image import EMPTY_IMAGE
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

GROUP = "readers"
START_MS = 1_700_000_000_000

AnyAnswer = TypeVar("AnyAnswer")


class GroupStory:
    """Tells a story to a shard. Answers are kept by ticket until somebody asks for them."""

    def __init__(self, **settings: int) -> None:
        self.settings = replace(GroupSettings(), **settings)  # type: ignore[arg-type]
        self.records: list[CoordinatorRecord] = []
        self.answers: dict[Ticket, Answer] = {}
        self.elapsed_ms = 0
        self._tickets = 0
        self.shard = self._new_shard()
        self._take(self.shard.on_loaded(EMPTY_IMAGE, self.now))

    @property
    def now(self) -> Moment:
        return Moment(START_MS + self.elapsed_ms, self.elapsed_ms)

    @property
    def group(self) -> ClassicGroup:
        group = self.shard.groups.get(GROUP)
        assert isinstance(group, ClassicGroup)
        return group

    def ask(self, question: Callable[[Ticket], Outcome]) -> Ticket:
        """Ask the shard; the ticket of the answer, which may come later."""
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self._take(question(ticket))
        return ticket

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, from deadline to deadline."""
        end_ms = self.elapsed_ms + elapsed_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.elapsed_ms = max(deadline_ms, self.elapsed_ms)
            for outcome in self.shard.act_on_time(self.now):
                self._take(outcome)
        self.elapsed_ms = end_ms

    def reload(self) -> None:
        """The coordinator crashes, and another one loads what it wrote; nobody who waited is ever answered."""
        self.shard = self._replayed()
        self._take(self.shard.on_loaded(EMPTY_IMAGE, self.now))

    def answer(self, ticket: Ticket, kind: type[AnyAnswer]) -> AnyAnswer:
        """What `ticket` was answered."""
        answer = self.answers[ticket]
        assert isinstance(answer, kind), f"answered {answer}"
        return answer

    def code(self, ticket: Ticket) -> ErrorCode:
        """The error of the answer, whatever form it has."""
        answer = self.answers[ticket]
        return answer.code if isinstance(answer, Refusal) else ErrorCode(answer.error_code)  # type: ignore[attr-defined]

    # Requests

    def join(
        self,
        member_id: str = "",
        *,
        instance_id: str | None = None,
        protocols: Sequence[tuple[str, bytes]] = (("range", b"meta"),),
        protocol_type: str = "consumer",
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 60_000,
        version: int = 9,
        client_id: str = "client",
    ) -> Ticket:
        request = JoinGroupRequest(
            group_id=GROUP,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols],
        )
        caller = Caller(version, client_id, "/127.0.0.1")
        return self.ask(lambda ticket: self.shard.join(ticket, request, caller, self.now))

    def join_with_id(self, **details: object) -> tuple[str, Ticket]:
        """Join as clients do: be given an id, come back with it. The id, and the ticket of the second request."""
        first = self.answer(self.join(**details), JoinGroupResponse)  # type: ignore[arg-type]
        assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
        return first.member_id, self.join(first.member_id, **details)  # type: ignore[arg-type]

    def sync(
        self, member_id: str, generation: int, assignments: dict[str, bytes] | None = None, *, instance_id: str | None = None
    ) -> Ticket:
        request = SyncGroupRequest(
            group_id=GROUP,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance_id,
            assignments=[SyncGroupRequestAssignment(member_id=key, assignment=value) for key, value in (assignments or {}).items()],
        )
        return self.ask(lambda ticket: self.shard.sync(ticket, request, self.now))

    def heartbeat(self, member_id: str, generation: int, *, instance_id: str | None = None) -> ErrorCode:
        request = HeartbeatRequest(group_id=GROUP, generation_id=generation, member_id=member_id, group_instance_id=instance_id)
        ticket = self.ask(lambda ticket: self.shard.heartbeat(ticket, request, self.now))
        return ErrorCode(self.answer(ticket, HeartbeatResponse).error_code)

    def leave(self, *members: tuple[str, str | None]) -> list[ErrorCode]:
        identities = [MemberIdentity(member_id=member_id, group_instance_id=instance_id) for member_id, instance_id in members]
        request = LeaveGroupRequest(group_id=GROUP, members=identities)
        ticket = self.ask(lambda ticket: self.shard.leave(ticket, request, self.now))
        return [ErrorCode(member.error_code) for member in self.answer(ticket, LeaveGroupResponse).members]

    def commit(
        self,
        offset: int,
        member_id: str = "",
        epoch: int = -1,
        *,
        topic: str = "orders",
        partition: int = 0,
        metadata: str | None = "",
        retention_ms: int = -1,
        version: int = 9,
    ) -> ErrorCode:
        """Commit one offset; the error of the request, or of the partition."""
        partitions = [OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata=metadata)]
        request = OffsetCommitRequest(
            group_id=GROUP,
            generation_id_or_member_epoch=epoch,
            member_id=member_id,
            retention_time_ms=retention_ms,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=partitions)],
        )
        ticket = self.ask(lambda ticket: self.shard.commit_offsets(ticket, request, Caller(version, "client", "/127.0.0.1"), self.now))
        answer = self.answers[ticket]
        if isinstance(answer, Refusal):
            return answer.code
        return ErrorCode(answer.topics[0].partitions[0].error_code)  # type: ignore[attr-defined]

    def committed(self, topic: str = "orders", partition: int = 0) -> int | None:
        found = self.shard.offsets.get(GROUP, topic, partition)
        return None if found is None else found.offset

    def stable_group(self, members: int = 1, **details: object) -> list[str]:
        """A group of that many members in a stable generation; the ids of the members, the leader first."""
        joined = [self.join_with_id(client_id=f"client{number}", **details) for number in range(members)]
        self.advance(self.settings.initial_rebalance_delay_ms * 2)
        ids = [member_id for member_id, _ in joined]
        generation = self.answer(joined[0][1], JoinGroupResponse).generation_id
        leader = self.group.leader_id
        assert leader is not None
        syncs = [self.sync(member_id, generation) for member_id in ids if member_id != leader]
        syncs.append(self.sync(leader, generation, {member_id: member_id.encode() for member_id in ids}))
        for ticket in syncs:
            assert self.answer(ticket, SyncGroupResponse).error_code == ErrorCode.NONE
        assert self.group.state is ClassicState.STABLE
        return [leader, *(member_id for member_id in ids if member_id != leader)]

    # The log

    def _take(self, outcome: Outcome) -> None:
        for record in outcome.records:
            if not record.is_applied:
                self.shard.replay(record, offset=len(self.records), producer_id=-1)
            self.records.append(record)
        for ticket, answer in outcome.answers:
            assert ticket not in self.answers, "a request is answered once"
            self.answers[ticket] = answer
        self._check_replay()

    def _new_shard(self) -> GroupShard:
        return GroupShard(lambda: self.settings, random.Random(1))

    def _replayed(self) -> GroupShard:
        shard = self._new_shard()
        for offset, record in enumerate(self.records):
            decoded = decode_record(RECORD_TYPES, record.encoded_key(), record.encoded_value())
            assert decoded is not None
            shard.replay(decoded, offset=offset, producer_id=-1)
        return shard

    def _check_replay(self) -> None:
        replayed = self._replayed()
        for group_id in {*self.shard.offsets.groups(), *replayed.offsets.groups()}:
            assert self.shard.offsets.of_group(group_id) == replayed.offsets.of_group(group_id)
        for group in self.shard.groups:
            again = replayed.groups.get(group.group_id)
            assert isinstance(group, ClassicGroup)
            if group.state is ClassicState.STABLE:
                assert isinstance(again, ClassicGroup)
                assert again.generation == group.generation
                # Those who have gone since are found missing when their sessions end.
                assert {key: it.assignment for key, it in group.members.items()}.items() <= {
                    key: it.assignment for key, it in again.members.items()
                }.items()
