"""Records of groups that speak the consumer protocol, in the order and form in which 4.3 writes them (`GroupCoordinatorRecordHelpers`)."""

from __future__ import annotations

from collections.abc import Iterable

from odradek.coordinator.group.assignors.assignor import Partitions
from odradek.coordinator.group.consumer_member import AssignedPartitions, ClassicMembership, ConsumerMember, MemberState
from odradek.coordinator.record import CoordinatorRecord
from odradek.protocol.internal_records import group as records


def member_subscription(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What the member's client said."""
    value = records.ConsumerGroupMemberMetadataValue(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.assignor,
        # To Kafka's decoder a record that says nothing here is of a classic member, so that "none" has to be said.
        classic_member_metadata=_classic_metadata(member.classic),
    )
    return CoordinatorRecord(records.ConsumerGroupMemberMetadataKey(group_id, member.member_id), value)


def group_epoch(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    """The group is to be assigned anew."""
    return CoordinatorRecord(records.ConsumerGroupMetadataKey(group_id), records.ConsumerGroupMetadataValue(epoch, metadata_hash))


def target_assignment(group_id: str, member_id: str, partitions: Partitions) -> CoordinatorRecord:
    """What a member is meant to have."""
    value = records.ConsumerGroupTargetAssignmentMemberValue(
        topic_partitions=[
            records.ConsumerGroupTargetAssignmentMemberValueTopicPartition(topic_id=topic, partitions=sorted(indexes))
            for topic, indexes in sorted(partitions.items())
        ]
    )
    return CoordinatorRecord(records.ConsumerGroupTargetAssignmentMemberKey(group_id, member_id), value)


def target_epoch(group_id: str, epoch: int, now_ms: int) -> CoordinatorRecord:
    """The targets are those of this epoch."""
    value = records.ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=now_ms)
    return CoordinatorRecord(records.ConsumerGroupTargetAssignmentMetadataKey(group_id), value)


def current_assignment(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What a member has, and has still to give up."""
    value = records.ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=member.state,
        assigned_partitions=_with_epochs(member.assigned),
        partitions_pending_revocation=_with_epochs(member.pending_revocation),
    )
    return CoordinatorRecord(records.ConsumerGroupCurrentMemberAssignmentKey(group_id, member.member_id), value)


def member_tombstones(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """A member is gone."""
    return [
        CoordinatorRecord(records.ConsumerGroupCurrentMemberAssignmentKey(group_id, member_id), None),
        CoordinatorRecord(records.ConsumerGroupTargetAssignmentMemberKey(group_id, member_id), None),
        CoordinatorRecord(records.ConsumerGroupMemberMetadataKey(group_id, member_id), None),
    ]


def regular_expression(group_id: str, regex: str, value: records.ConsumerGroupRegularExpressionValue) -> CoordinatorRecord:
    """The topics that an expression stands for."""
    return CoordinatorRecord(records.ConsumerGroupRegularExpressionKey(group_id, regex), value)


def regular_expression_tombstone(group_id: str, regex: str) -> CoordinatorRecord:
    """Nobody subscribes by this expression any more."""
    return CoordinatorRecord(records.ConsumerGroupRegularExpressionKey(group_id, regex), None)


def group_tombstones(group_id: str, member_ids: Iterable[str], regexes: Iterable[str]) -> list[CoordinatorRecord]:
    """A group is gone, with whoever was in it."""
    members = list(member_ids)
    return [
        *(CoordinatorRecord(records.ConsumerGroupCurrentMemberAssignmentKey(group_id, member_id), None) for member_id in members),
        *(CoordinatorRecord(records.ConsumerGroupTargetAssignmentMemberKey(group_id, member_id), None) for member_id in members),
        CoordinatorRecord(records.ConsumerGroupTargetAssignmentMetadataKey(group_id), None),
        *(CoordinatorRecord(records.ConsumerGroupMemberMetadataKey(group_id, member_id), None) for member_id in members),
        *(regular_expression_tombstone(group_id, regex) for regex in regexes),
        CoordinatorRecord(records.ConsumerGroupPartitionMetadataKey(group_id), None),
        CoordinatorRecord(records.ConsumerGroupMetadataKey(group_id), None),
    ]


def assigned_of(
    listed: Iterable[records.ConsumerGroupCurrentMemberAssignmentValueTopicPartitions], member_epoch: int
) -> AssignedPartitions:
    """The partitions of a record; one of an older release does not say when they were assigned, and the member's epoch stands for it."""
    assigned = {}
    for entry in listed:
        epochs = entry.assignment_epochs
        if epochs is None or len(epochs) != len(entry.partitions):
            epochs = [member_epoch] * len(entry.partitions)
        assigned[entry.topic_id] = dict(zip(entry.partitions, epochs, strict=True))
    return assigned


def classic_of(value: records.ClassicMemberMetadata | None) -> ClassicMembership | None:
    """What a record says of the classic protocol. One that names no protocol is of a release that did not know of this."""
    if value is None or not value.supported_protocols:
        return None
    return ClassicMembership(value.session_timeout_ms, tuple((protocol.name, protocol.metadata) for protocol in value.supported_protocols))


def _classic_metadata(classic: ClassicMembership | None) -> records.ClassicMemberMetadata | None:
    if classic is None:
        return None
    return records.ClassicMemberMetadata(
        session_timeout_ms=classic.session_timeout_ms,
        supported_protocols=[records.ClassicProtocol(name=name, metadata=metadata) for name, metadata in classic.protocols],
    )


def state_of(number: int) -> MemberState:
    """The state a record names, UNKNOWN if this release has none of that number."""
    try:
        return MemberState(number)
    except ValueError:
        return MemberState.UNKNOWN


def _with_epochs(assigned: AssignedPartitions) -> list[records.ConsumerGroupCurrentMemberAssignmentValueTopicPartitions]:
    return [
        records.ConsumerGroupCurrentMemberAssignmentValueTopicPartitions(
            topic_id=topic, partitions=sorted(epochs), assignment_epochs=[epochs[index] for index in sorted(epochs)]
        )
        for topic, epochs in sorted(assigned.items())
    ]
