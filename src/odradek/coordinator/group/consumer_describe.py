"""What ConsumerGroupDescribe says of a group: its epochs, and of each member what it has and what it is meant to have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import ConsumerMember
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.consumer_group_describe import Assignment, DescribedGroup, Member, TopicPartitions

CLASSIC_MEMBER = 0
CONSUMER_MEMBER = 1


def describe(group: ConsumerGroup, image: MetadataImage, default_assignor: str) -> DescribedGroup:
    """The group as it is."""
    return DescribedGroup(
        group_id=group.group_id,
        group_state=group.state_name,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=group.preferred_assignor(group.members.values(), default_assignor),
        members=[_member(group, member, image) for member in group.members.values()],
    )


def not_found(group_id: str, *, is_of_another_kind: bool) -> DescribedGroup:
    """The answer for a group that is none of this protocol: by it clients know to ask for a classic one."""
    reason = f"Group {group_id} is not a consumer group." if is_of_another_kind else f"Group {group_id} not found."
    return DescribedGroup(group_id=group_id, error_code=ErrorCode.GROUP_ID_NOT_FOUND, error_message=reason)


def _member(group: ConsumerGroup, member: ConsumerMember, image: MetadataImage) -> Member:
    has: dict[Uuid, set[int]] = {}
    for assigned in (member.assigned, member.pending_revocation):
        for topic, partitions in assigned.items():
            has.setdefault(topic, set()).update(partitions)
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        assignment=_assignment(has, image),
        target_assignment=_assignment(group.target_of(member.member_id), image),
        member_type=CONSUMER_MEMBER if member.classic is None else CLASSIC_MEMBER,
    )


def _assignment(partitions: Mapping[Uuid, Iterable[int]], image: MetadataImage) -> Assignment:
    """Partitions of topics that still exist; the others have no name to be told by."""
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic, topic_name=image.topics.by_id[topic].name, partitions=sorted(indexes))
            for topic, indexes in sorted(partitions.items())
            if topic in image.topics.by_id
        ]
    )
