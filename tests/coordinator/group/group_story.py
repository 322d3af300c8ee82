"""Requests of the classic protocol to a shard, and stories of groups that speak nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.shard import Refusal, Ticket
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.coordinator.group.shard_story import GROUP, ShardStory


class ClassicRequestsStory(ShardStory):
    """A shard that is sent requests of the classic protocol."""

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
            group_id=self.group_id,
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
        self,
        member_id: str,
        generation: int,
        assignments: dict[str, bytes] | None = None,
        *,
        instance_id: str | None = None,
        protocol: str | None = None,
    ) -> Ticket:
        request = SyncGroupRequest(
            group_id=self.group_id,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=None if protocol is None else "consumer",
            protocol_name=protocol,
            assignments=[SyncGroupRequestAssignment(member_id=key, assignment=value) for key, value in (assignments or {}).items()],
        )
        return self.ask(lambda ticket: self.shard.sync(ticket, request, self.now))

    def heartbeat(self, member_id: str, generation: int, *, instance_id: str | None = None) -> ErrorCode:
        request = HeartbeatRequest(group_id=self.group_id, generation_id=generation, member_id=member_id, group_instance_id=instance_id)
        ticket = self.ask(lambda ticket: self.shard.heartbeat(ticket, request, self.now))
        return ErrorCode(self.answer(ticket, HeartbeatResponse).error_code)

    def leave(self, *members: tuple[str, str | None]) -> list[ErrorCode]:
        identities = [MemberIdentity(member_id=member_id, group_instance_id=instance_id) for member_id, instance_id in members]
        request = LeaveGroupRequest(group_id=self.group_id, members=identities)
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
            group_id=self.group_id,
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


class GroupStory(ClassicRequestsStory):
    """A story of a classic group."""

    @property
    def group(self) -> ClassicGroup:
        return self.classic_group

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
