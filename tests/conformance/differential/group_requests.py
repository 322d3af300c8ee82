"""Requests of groups, as short as the scripts about them can be told; what is not named is what a well-behaved client says."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.consumer_embedding import encode_assignment
from odradek.coordinator.placement import partition_of
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
)
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.heartbeat import HeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.conformance.differential.wire import Exchange

OFFSETS_PARTITION_COUNT: Final = 3
RANGE: Final = (("range", b"meta"),)
# The error of a coordinator that is about to be one.
_NOT_YET: Final = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)


def await_coordinator(exchange: Exchange) -> None:
    """Until the coordinator of every group is there, whichever partition keeps it."""
    places: dict[int, str] = {}
    for number in count():
        places.setdefault(partition_of(f"group-{number}", OFFSETS_PARTITION_COUNT), f"group-{number}")
        if len(places) == OFFSETS_PARTITION_COUNT:
            break
    for group in places.values():
        while True:
            exchange.quietly(FindCoordinatorRequest(key=group), 1)
            answer = exchange.quietly(SyncGroupRequest(group_id=group, member_id="nobody"), 3)
            assert isinstance(answer, SyncGroupResponse)
            if answer.error_code not in _NOT_YET:
                break


# The classic protocol


def join(
    group: str,
    member_id: str = "",
    *,
    instance_id: str | None = None,
    protocols: Sequence[tuple[str, bytes]] = RANGE,
    protocol_type: str = "consumer",
    session_timeout_ms: int = 10_000,
    rebalance_timeout_ms: int = 5_000,
) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type=protocol_type,
        protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols],
    )


def sync(
    group: str,
    member_id: str,
    generation: int,
    assignments: Mapping[str, bytes] | None = None,
    *,
    instance_id: str | None = None,
    protocol_type: str | None = "consumer",
    protocol: str | None = "range",
) -> SyncGroupRequest:
    return SyncGroupRequest(
        group_id=group,
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type=protocol_type,
        protocol_name=protocol,
        assignments=[SyncGroupRequestAssignment(member_id=key, assignment=value) for key, value in (assignments or {}).items()],
    )


def heartbeat(group: str, member_id: str, generation: int, instance_id: str | None = None) -> HeartbeatRequest:
    return HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id, group_instance_id=instance_id)


def leave(group: str, *members: tuple[str, str | None]) -> LeaveGroupRequest:
    """From version 3 on: members by their id and instance id."""
    return LeaveGroupRequest(
        group_id=group, members=[MemberIdentity(member_id=member_id, group_instance_id=instance_id) for member_id, instance_id in members]
    )


def leave_alone(group: str, member_id: str) -> LeaveGroupRequest:
    """Up to version 2."""
    return LeaveGroupRequest(group_id=group, member_id=member_id)


def admitted(connection: Exchange, label: str, request: JoinGroupRequest) -> str:
    """The member id that a newcomer is told to come back with."""
    answer = connection.ask(f"{label}: JoinGroup without an id", request, 9)
    assert isinstance(answer, JoinGroupResponse)
    return answer.member_id


def alone(exchange: Exchange, group: str, label: str = "a", **details: object) -> str:
    """A group of one dynamic member in its first generation, which is stable; nothing of this is written down. Its member id."""
    first = exchange.quietly(join(group, **details), 9)  # type: ignore[arg-type]
    assert isinstance(first, JoinGroupResponse)
    joined = exchange.quietly(join(group, first.member_id, **details), 9)  # type: ignore[arg-type]
    assert isinstance(joined, JoinGroupResponse)
    assert joined.error_code == ErrorCode.NONE
    synced = sync(
        group,
        first.member_id,
        joined.generation_id,
        {first.member_id: b"all"},
        protocol=joined.protocol_name,
        protocol_type=joined.protocol_type,
    )
    exchange.quietly(synced, 5)
    return first.member_id


def subscription(*topics: str) -> bytes:
    """What Kafka's consumers say when they join."""
    message = ConsumerProtocolSubscription(topics=list(topics), user_data=None)
    out = bytearray(b"\x00\x00")
    message.encode(out, 0)
    return bytes(out)


def assignment(topic: str, *partitions: int) -> bytes:
    """What the leader of Kafka's consumers gives to one of them."""
    entry = ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=list(partitions))
    return encode_assignment(ConsumerProtocolAssignment(assigned_partitions=[entry], user_data=None), 0)


# Offsets


def commit(
    group: str,
    topic: str,
    *partitions: tuple[int, int],
    member_id: str = "",
    epoch: int = -1,
    instance_id: str | None = None,
    metadata: str | None = "",
    topic_id: Uuid = ZERO_UUID,
) -> OffsetCommitRequest:
    """Commit offsets, by partition and offset."""
    places = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=metadata)
        for index, offset in partitions
    ]
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=epoch,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=[OffsetCommitRequestTopic(name=topic, topic_id=topic_id, partitions=places)],
    )


def fetch_offsets(
    group: str,
    topic: str | None,
    *partitions: int,
    is_stable_required: bool = False,
    member_id: str | None = None,
    epoch: int = -1,
    topic_id: Uuid = ZERO_UUID,
) -> OffsetFetchRequest:
    """Fetch offsets from version 8 on; of everything the group has committed where no topic is named."""
    topics = None if topic is None else [OffsetFetchRequestTopics(name=topic, topic_id=topic_id, partition_indexes=list(partitions))]
    return OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id=group, member_id=member_id, member_epoch=epoch, topics=topics)],
        require_stable=is_stable_required,
    )


def fetch_offsets_of_one(group: str, topic: str | None, *partitions: int, is_stable_required: bool = False) -> OffsetFetchRequest:
    """The same up to version 7."""
    topics = None if topic is None else [OffsetFetchRequestTopic(name=topic, partition_indexes=list(partitions))]
    return OffsetFetchRequest(group_id=group, topics=topics, require_stable=is_stable_required)


# The consumer protocol


def beat(
    group: str,
    member_id: str,
    epoch: int,
    *,
    topics: Sequence[str] | None = None,
    regex: str | None = None,
    owned: tuple[Uuid, Sequence[int]] | tuple[()] | None = None,
    instance_id: str | None = None,
    rack_id: str | None = None,
    assignor: str | None = None,
    rebalance_timeout_ms: int = -1,
) -> ConsumerGroupHeartbeatRequest:
    """One heartbeat; `owned` is a topic and its partitions, () for nothing, None where it is not said."""
    partitions = None
    if owned is not None:
        partitions = [ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=owned[0], partitions=list(owned[1]))] if owned else []
    return ConsumerGroupHeartbeatRequest(
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        instance_id=instance_id,
        rack_id=rack_id,
        rebalance_timeout_ms=rebalance_timeout_ms,
        subscribed_topic_names=None if topics is None else list(topics),
        subscribed_topic_regex=regex,
        server_assignor=assignor,
        topic_partitions=partitions,
    )


def first_beat(group: str, member_id: str, topics: Sequence[str] | None = None, **details: object) -> ConsumerGroupHeartbeatRequest:
    """The heartbeat by which a member joins."""
    return beat(group, member_id, 0, topics=topics, owned=(), rebalance_timeout_ms=5_000, **details)  # type: ignore[arg-type]
