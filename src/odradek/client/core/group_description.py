"""A group of consumers as a value, whichever protocol it speaks, and how it is read from what a coordinator answers.

Members of a classic group carry what they are subscribed and assigned to as bytes of the consumers' embedded protocol
(`ConsumerProtocol.java`), which a coordinator hands on as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import TopicPartition
from odradek.protocol.internal_records.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from odradek.protocol.messages import consumer_group_describe, describe_groups

CONSUMER_PROTOCOL_TYPE: Final = "consumer"
CONSUMER: Final = "Consumer"
CLASSIC: Final = "Classic"
EMPTY: Final = "Empty"
DEAD: Final = "Dead"
# `member_type` of ConsumerGroupDescribe version 1.
_MEMBER_TYPE_UNKNOWN: Final = -1
_MEMBER_TYPE_CONSUMER: Final = 1
_VERSION_PREFIX_BYTES: Final = 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDescription:
    """One member. Epoch and target are None in a classic group, which has neither; `is_classic` is None where the broker does not say."""

    member_id: str
    instance_id: str | None
    rack_id: str | None
    client_id: str
    host: str
    assignment: tuple[TopicPartition, ...]
    target_assignment: tuple[TopicPartition, ...] | None
    epoch: int | None
    subscribed_topics: tuple[str, ...]
    subscribed_regex: str | None
    is_classic: bool | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """One group. The epochs are None for a classic group: no API tells its generation."""

    group_id: str
    type: str
    protocol_type: str
    state: str
    assignor: str
    coordinator_id: int
    epoch: int | None
    assignment_epoch: int | None
    members: tuple[MemberDescription, ...]

    @property
    def has_members(self) -> bool:
        return self.state not in (EMPTY, DEAD)


def consumer_group(node_id: int, group: consumer_group_describe.DescribedGroup) -> GroupDescription:
    """A group of KIP-848, told by the coordinator on broker `node_id`."""
    members = tuple(
        MemberDescription(
            member_id=member.member_id,
            instance_id=member.instance_id,
            rack_id=member.rack_id,
            client_id=member.client_id,
            host=member.client_host,
            assignment=_partitions(member.assignment),
            target_assignment=_partitions(member.target_assignment),
            epoch=member.member_epoch,
            subscribed_topics=tuple(sorted(member.subscribed_topic_names)),
            subscribed_regex=member.subscribed_topic_regex or None,
            is_classic=None if member.member_type == _MEMBER_TYPE_UNKNOWN else member.member_type != _MEMBER_TYPE_CONSUMER,
        )
        for member in group.members
    )
    return GroupDescription(
        group_id=group.group_id,
        type=CONSUMER,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        state=group.group_state,
        assignor=group.assignor_name,
        coordinator_id=node_id,
        epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        members=members,
    )


def classic_group(node_id: int, group: describe_groups.DescribedGroup) -> GroupDescription:
    """A classic group, told by the coordinator on broker `node_id`."""
    members = tuple(
        MemberDescription(
            member_id=member.member_id,
            instance_id=member.group_instance_id,
            rack_id=None,
            client_id=member.client_id,
            host=member.client_host,
            assignment=assigned_partitions(member.member_assignment),
            target_assignment=None,
            epoch=None,
            subscribed_topics=subscribed_topics(member.member_metadata),
            subscribed_regex=None,
            is_classic=None,
        )
        for member in group.members
    )
    return GroupDescription(
        group_id=group.group_id,
        type=CLASSIC,
        protocol_type=group.protocol_type,
        state=group.group_state,
        assignor=group.protocol_data,
        coordinator_id=node_id,
        epoch=None,
        assignment_epoch=None,
        members=members,
    )


def assigned_partitions(data: bytes) -> tuple[TopicPartition, ...]:
    """What a classic member's assignment says, in any version of the embedded protocol; nothing where it is no such thing."""
    try:
        assignment, _ = ConsumerProtocolAssignment.decode(data, _VERSION_PREFIX_BYTES, _embedded_version(data))
    except ProtocolViolation:
        # A client with a protocol of its own: its bytes are not for others to read.
        return ()
    return tuple(sorted(TopicPartition(topic.topic, index) for topic in assignment.assigned_partitions for index in topic.partitions))


def subscribed_topics(data: bytes) -> tuple[str, ...]:
    """What a classic member is subscribed to; nothing where its metadata is no subscription, or was not told."""
    try:
        subscription, _ = ConsumerProtocolSubscription.decode(data, _VERSION_PREFIX_BYTES, _embedded_version(data))
    except ProtocolViolation:
        return ()
    return tuple(sorted(subscription.topics))


def _embedded_version(data: bytes) -> int:
    """The version in front; one that is newer than ours can be read as ours, because versions only add fields at the end."""
    if len(data) < _VERSION_PREFIX_BYTES:
        raise ProtocolViolation("there is no version in front")
    version = int.from_bytes(data[:_VERSION_PREFIX_BYTES], "big", signed=True)
    return min(version, ConsumerProtocolSubscription.VERSION_MAX)


def _partitions(assignment: consumer_group_describe.Assignment) -> tuple[TopicPartition, ...]:
    return tuple(sorted(TopicPartition(topic.topic_name, index) for topic in assignment.topic_partitions for index in topic.partitions))
