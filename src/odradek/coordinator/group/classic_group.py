"""A group of the classic protocol: its members, who leads it, and in which state it is (`ClassicGroup.java`).

State and the questions about it; what follows from a request is decided in `classic_join` and `classic_requests`, what follows from
that for the whole group in `classic_rebalance`. Nothing here is replayed but what `GroupMetadataValue` holds: a group that is loaded
again is Stable or Empty.

Invariants: `supporters` counts, for each protocol name, the members that offer it; the leader is a member; every static member is a
member.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import Uuid
from odradek.coordinator.group import consumer_embedding, records
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Ticket
from odradek.protocol.internal_records.group import GroupMetadataValue, MemberMetadata

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
NO_GENERATION: Final = -1


class ClassicState(Enum):
    """States of a classic group, by the names that ListGroups and DescribeGroups say."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


# From where each state can be reached.
STATES_BEFORE: Final = {
    ClassicState.EMPTY: {ClassicState.PREPARING_REBALANCE},
    ClassicState.PREPARING_REBALANCE: {ClassicState.STABLE, ClassicState.COMPLETING_REBALANCE, ClassicState.EMPTY},
    ClassicState.COMPLETING_REBALANCE: {ClassicState.PREPARING_REBALANCE},
    ClassicState.STABLE: {ClassicState.COMPLETING_REBALANCE},
    ClassicState.DEAD: set(ClassicState),
}

# Protocols that a member offers, its favourite first: name and metadata.
Protocols = Sequence[tuple[str, bytes]]


def metadata_bytes_of(protocols: Protocols) -> int:
    """How large they are, names included."""
    return sum(len(name) + len(metadata) for name, metadata in protocols)


@final
class ClassicMember:
    """One member. The tickets are of its JoinGroup and its SyncGroup, as long as these wait."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "instance_id",
        "is_new",
        "join_ticket",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_ticket",
    )

    def __init__(
        self,
        member_id: str,
        *,
        instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = list(protocols)
        self.assignment = assignment
        self.join_ticket: Ticket | None = None
        self.sync_ticket: Ticket | None = None
        # Until its first JoinGroup is answered: then its session does not stop at the time it waits for that.
        self.is_new = False

    @property
    def is_static(self) -> bool:
        return self.instance_id is not None

    @property
    def is_awaiting_join(self) -> bool:
        return self.join_ticket is not None

    @property
    def has_satisfied_heartbeat(self) -> bool:
        """Whether the member is alive without a heartbeat, because it is us who keep it waiting."""
        return not self.is_new and (self.join_ticket is not None or self.sync_ticket is not None)

    @property
    def metadata_bytes(self) -> int:
        """What it said for all its protocols."""
        return metadata_bytes_of(self.protocols)

    def metadata(self, protocol: str | None) -> bytes:
        """What the member said for `protocol`, which it supports."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        raise KeyError(f"member {self.member_id} does not offer {protocol}")

    def vote(self, candidates: Iterable[str]) -> str:
        """Its favourite among the candidates, of which it offers one at least."""
        return next(name for name, _ in self.protocols if name in candidates)


@final
class ClassicGroup:
    """One classic group. `state_since_ms` is wall-clock time, None where an old record did not say."""

    type_name: Final = "classic"

    __slots__ = (
        "awaiting_join",
        "generation",
        "group_id",
        "has_new_member",
        "is_rebalance_due",
        "leader_id",
        "members",
        "metadata_bytes",
        "pending_members",
        "pending_sync_members",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "state",
        "state_since_ms",
        "static_members",
        "subscribed_topics",
        "supporters",
    )

    def __init__(self, group_id: str, now_ms: int | None) -> None:
        self.group_id = group_id
        self.state = ClassicState.EMPTY
        self.previous_state = ClassicState.DEAD
        self.state_since_ms = now_ms
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, ClassicMember] = {}
        # Member id by instance id.
        self.static_members: dict[str, str] = {}
        # Those whose JoinGroup waits for an answer. Kept, and not counted each time: ten thousand members join one by one.
        self.awaiting_join: set[str] = set()
        # Those who were given a member id and have not come back with it, the longest ago first.
        self.pending_members: OrderedDict[str, None] = OrderedDict()
        # Those who were answered their JoinGroup and have not sent SyncGroup.
        self.pending_sync_members: dict[str, None] = {}
        self.supporters: Counter[str] = Counter()
        # Of all protocols of all members.
        self.metadata_bytes = 0
        # What the members consume, None where that cannot be known.
        self.subscribed_topics: frozenset[str] | None = None
        # Whether somebody joined since the initial delay was prolonged last.
        self.has_new_member = False
        # Whether the group was loaded in the midst of a rebalance that nobody but the coordinator knows of.
        self.is_rebalance_due = False

    @classmethod
    def of_record(cls, group_id: str, value: GroupMetadataValue) -> ClassicGroup:
        """The group that a record describes: Stable with members, else Empty."""
        group = cls(group_id, value.current_state_timestamp if value.current_state_timestamp != -1 else None)
        group.generation = value.generation
        group.protocol_type = value.protocol_type or None
        group.protocol_name = value.protocol
        group.leader_id = value.leader
        group.is_rebalance_due = bool(value.members) and value.leader is None
        if value.members:
            group.state = ClassicState.STABLE
        for member in value.members:
            group._enter(
                ClassicMember(
                    member.member_id,
                    instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout_ms=member.session_timeout if member.rebalance_timeout == -1 else member.rebalance_timeout,
                    session_timeout_ms=member.session_timeout,
                    protocols=[(value.protocol or "", member.subscription)],
                    assignment=member.assignment,
                )
            )
        group.subscribed_topics = group.find_subscribed_topics()
        return group

    # What everybody asks

    @property
    def state_name(self) -> str:
        return self.state.value

    @property
    def is_empty(self) -> bool:
        return self.state is ClassicState.EMPTY

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether members speak the protocol of Kafka's consumers, whose metadata can be read here."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest time that a member allows for rejoining."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def has_all_members_joined(self) -> bool:
        """Whether nobody has to be waited for."""
        return not self.pending_members and len(self.awaiting_join) == len(self.members)

    @property
    def can_rebalance(self) -> bool:
        return self.state in STATES_BEFORE[ClassicState.PREPARING_REBALANCE]

    def is_leader(self, member_id: str) -> bool:
        return self.leader_id == member_id

    def supports(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a member with these protocols can be in the group with all the others."""
        if self.state is ClassicState.EMPTY:
            return bool(protocol_type) and any(True for _ in names)
        return self.protocol_type == protocol_type and any(self.supporters[name] == len(self.members) for name in names)

    # Changes

    def transition_to(self, state: ClassicState, now_ms: int) -> None:
        assert self.state in STATES_BEFORE[state], f"group {self.group_id} cannot go from {self.state.value} to {state.value}"
        self.previous_state = self.state
        self.state = state
        self.state_since_ms = now_ms

    def add(self, member: ClassicMember, protocol_type: str) -> None:
        """Take in a new member, whose protocols the group supports."""
        if not self.members:
            self.protocol_type = protocol_type
        self._enter(member)
        self.pending_members.pop(member.member_id, None)

    def await_join(self, member: ClassicMember, ticket: Ticket) -> None:
        """The JoinGroup of a member waits for the generation to be complete."""
        assert member.join_ticket is None, f"two JoinGroups of member {member.member_id} wait"
        member.join_ticket = ticket
        self.awaiting_join.add(member.member_id)

    def take_join_ticket(self, member: ClassicMember) -> Ticket | None:
        """The JoinGroup of a member that waited, to be answered now; None if none does. The member may have gone already."""
        ticket, member.join_ticket = member.join_ticket, None
        self.awaiting_join.discard(member.member_id)
        return ticket

    def remove(self, member_id: str) -> None:
        """Let somebody go: a member, or one that was only given an id."""
        member = self.members.pop(member_id, None)
        self.awaiting_join.discard(member_id)
        if member is not None:
            self.supporters.subtract(name for name, _ in member.protocols)
            self.metadata_bytes -= member.metadata_bytes
            if member.instance_id is not None:
                self.static_members.pop(member.instance_id, None)
        if self.is_leader(member_id):
            self.leader_id = next(iter(self.members), None)
        self.pending_members.pop(member_id, None)
        self.pending_sync_members.pop(member_id, None)

    def replace_static_member(self, instance_id: str, new_member_id: str) -> tuple[ClassicMember, ClassicMember]:
        """A static member comes back under a new id, in the place of the old one; both, the old one with whoever waited for it."""
        old = self.members[self.static_members[instance_id]]
        new = ClassicMember(
            new_member_id,
            instance_id=instance_id,
            client_id=old.client_id,
            client_host=old.client_host,
            rebalance_timeout_ms=old.rebalance_timeout_ms,
            session_timeout_ms=old.session_timeout_ms,
            protocols=old.protocols,
            assignment=old.assignment,
        )
        del self.members[old.member_id]
        self.members[new_member_id] = new
        self.awaiting_join.discard(old.member_id)
        if self.is_leader(old.member_id):
            self.leader_id = new_member_id
        self.static_members[instance_id] = new_member_id
        return old, new

    def update_protocols(self, member: ClassicMember, protocols: Protocols) -> None:
        self.supporters.subtract(name for name, _ in member.protocols)
        self.metadata_bytes += metadata_bytes_of(protocols) - member.metadata_bytes
        member.protocols = list(protocols)
        self.supporters.update(name for name, _ in member.protocols)

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is one who has rejoined; False if there is none."""
        if self.leader_id is None:
            return False
        if self.members[self.leader_id].is_awaiting_join:
            return True
        joined = next((member.member_id for member in self.members.values() if member.is_awaiting_join), None)
        if joined is None:
            return False
        self.leader_id = joined
        return True

    def select_protocol(self) -> str:
        """The protocol of which most members say that it is their favourite among those that all offer."""
        candidates = {name for name, count in self.supporters.items() if count == len(self.members)}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return votes.most_common(1)[0][0]

    def begin_next_generation(self, now_ms: int) -> None:
        """Everybody who is here makes the next generation."""
        self.generation += 1
        if self.members:
            self.protocol_name = self.select_protocol()
            self.subscribed_topics = self.find_subscribed_topics()
            self.transition_to(ClassicState.COMPLETING_REBALANCE, now_ms)
        else:
            self.protocol_name = None
            self.subscribed_topics = self.find_subscribed_topics()
            self.transition_to(ClassicState.EMPTY, now_ms)
        self.pending_sync_members.clear()

    def find_subscribed_topics(self) -> frozenset[str] | None:
        """What the members consume, as far as they say it in the protocol of Kafka's consumers."""
        if not self.uses_consumer_protocol:
            return None
        if not self.members:
            return frozenset()
        if self.protocol_name is None:
            return None
        found: set[str] = set()
        for member in self.members.values():
            topics = self.topics_of(member)
            if topics is None:
                return None
            found |= topics
        return frozenset(found)

    def topics_of(self, member: ClassicMember) -> frozenset[str] | None:
        """What a member consumes; None where it does not say so in the protocol of Kafka's consumers."""
        if not self.uses_consumer_protocol or self.protocol_name is None:
            return None
        try:
            return frozenset(consumer_embedding.subscribed_topics(member.metadata(self.protocol_name)))
        except ProtocolViolation:
            return None

    def _enter(self, member: ClassicMember) -> None:
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self.metadata_bytes += member.metadata_bytes
        self.supporters.update(name for name, _ in member.protocols)

    # Refusals

    def refusal_of_member(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """Why somebody is not the member he says; NONE if he is."""
        if instance_id is not None:
            known = self.static_members.get(instance_id)
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if known != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def refusal_of_commit(self, member_id: str, instance_id: str | None, epoch: int, *, is_transactional: bool, version: int) -> ErrorCode:
        if self.state is ClassicState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if epoch < 0 and self.state is ClassicState.EMPTY:
            # A tool, or a consumer that does not use groups: allowed while the group has no members.
            return ErrorCode.NONE
        if epoch >= 0 or member_id or instance_id is not None:
            code = self.refusal_of_member(member_id, instance_id)
            if code is not ErrorCode.NONE:
                return code
            if epoch != self.generation:
                return ErrorCode.ILLEGAL_GENERATION
        elif not is_transactional and self.state is not ClassicState.EMPTY:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if not is_transactional and self.state is ClassicState.COMPLETING_REBALANCE:
            # The member knows the new generation, but the partitions it commits for may be another's now.
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def refusal_of_partition_commit(self, member_id: str, epoch: int, topic: str, topic_id: Uuid, partition: int) -> ErrorCode:
        return ErrorCode.NONE

    def refusal_of_fetch(self, member_id: str | None, epoch: int) -> ErrorCode:
        return ErrorCode.GROUP_ID_NOT_FOUND if self.state is ClassicState.DEAD else ErrorCode.NONE

    def refusal_of_offset_deletion(self) -> ErrorCode:
        if self.state is ClassicState.DEAD:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if self.state is not ClassicState.EMPTY and not self.uses_consumer_protocol:
            return ErrorCode.NON_EMPTY_GROUP
        return ErrorCode.NONE

    def refusal_of_deletion(self) -> ErrorCode:
        if self.state is ClassicState.DEAD:
            return ErrorCode.GROUP_ID_NOT_FOUND
        return ErrorCode.NONE if self.state is ClassicState.EMPTY else ErrorCode.NON_EMPTY_GROUP

    # Offsets

    def is_subscribed_to(self, topic: str) -> bool:
        if self.subscribed_topics is None:
            return self.uses_consumer_protocol
        return topic in self.subscribed_topics

    def expiry_base_ms(self, committed: CommittedOffset) -> int | None:
        if self.protocol_type is None:
            return committed.commit_timestamp_ms
        if self.state is ClassicState.EMPTY:
            return committed.commit_timestamp_ms if self.state_since_ms is None else self.state_since_ms
        if self.uses_consumer_protocol and self.subscribed_topics is not None and self.state is ClassicState.STABLE:
            return committed.commit_timestamp_ms
        return None

    # Records

    def record(self, *, is_rebalance_due: bool = False) -> CoordinatorRecord:
        """The group as it is now, for its next life.

        A group with members and without a leader (which no other coordinator minds) is rebalanced when it is loaded: where members of
        another protocol have gone, nobody else would ever ask for that.
        """
        value = GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol_name,
            leader=None if is_rebalance_due else self.leader_id,
            current_state_timestamp=-1 if self.state_since_ms is None else self.state_since_ms,
            members=[
                MemberMetadata(
                    member_id=member.member_id,
                    group_instance_id=member.instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout=member.rebalance_timeout_ms,
                    session_timeout=member.session_timeout_ms,
                    subscription=member.metadata(self.protocol_name),
                    assignment=member.assignment,
                )
                for member in self.members.values()
            ],
        )
        return records.group_metadata(self.group_id, value)

    def record_of_name(self) -> CoordinatorRecord:
        """That there is such a group, before it has its first generation."""
        value = GroupMetadataValue(
            protocol=None, leader=None, current_state_timestamp=-1 if self.state_since_ms is None else self.state_since_ms
        )
        return records.group_metadata(self.group_id, value)

    def tombstones(self) -> list[CoordinatorRecord]:
        return [records.group_tombstone(self.group_id)]
