"""From the classic protocol to that of KIP-848 and back, while members are there (`group.consumer.migration.policy`).

A group goes up when the first member of the consumer protocol joins it, and down when the last one leaves or comes back with the
classic protocol. On the way up, what the coordinator never read before, the members' metadata and assignments, is read, and becomes
subscriptions, targets and current assignments in the epoch that was the group's generation. On the way down each member's target
becomes its assignment, and the epoch the generation. Pure: who is answered and which deadlines there are is up to the callers.

Where a group cannot be read, or would have two owners of one partition, it stays what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import Uuid
from odradek.coordinator.group import consumer_embedding, consumer_records
from odradek.coordinator.group.assignors.assignor import Partitions
from odradek.coordinator.group.classic_group import CONSUMER_PROTOCOL_TYPE, ClassicGroup, ClassicMember, ClassicState
from odradek.coordinator.group.consumer_group import CONSUMER_KEYS, ConsumerGroup
from odradek.coordinator.group.consumer_member import ClassicMembership, ConsumerMember
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.metadata.image import MetadataImage
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)

# Kafka's own assignors put nothing into an assignment that would be lost. librdkafka returns to each member what that said of its
# own for `cooperative-sticky`; Apache Kafka takes that for the sign of a custom assignor, and refuses to upgrade such a group.
ASSIGNORS_WITHOUT_USER_DATA: Final = frozenset({"range", "roundrobin", "sticky", "cooperative-sticky"})


class CannotMigrate(Exception):
    """The group stays what it is; the message says why."""


# Up


def upgrade(group: ClassicGroup, image: MetadataImage, settings: GroupSettings) -> tuple[ConsumerGroup, list[CoordinatorRecord]]:
    """The group of the consumer protocol that a classic one with members becomes, and the records that make it.

    Raises:
        CannotMigrate: it may not, or cannot.
    """
    if not settings.consumer_migration_policy.is_upgrade_allowed:
        raise CannotMigrate("online upgrade is disabled")
    if not group.uses_consumer_protocol:
        raise CannotMigrate("the group does not use the consumer embedded protocol")
    if len(group.members) > settings.consumer_members_max:
        raise CannotMigrate("the group size exceeds the consumer group maximum size")
    try:
        members = _upgraded_members(group, image)
    except ProtocolViolation:
        raise CannotMigrate("the embedded consumer protocol is malformed") from None
    made = _records_of(group, members, image)
    upgraded = ConsumerGroup(group.group_id)
    for record in made:
        assert isinstance(record.key, CONSUMER_KEYS)
        upgraded.replay(record.key, record.value)
    return upgraded, [*group.tombstones(), *made]


def _upgraded_members(group: ClassicGroup, image: MetadataImage) -> list[ConsumerMember]:
    # Before its first generation a group has not chosen any protocol; all of them say the same of the topics.
    protocol = group.protocol_name if group.protocol_name is not None else group.select_protocol()
    subscriptions = {member.member_id: consumer_embedding.subscription_of(member.metadata(protocol)) for member in group.members.values()}
    assigned = _assigned_partitions(group, subscriptions, image)
    return [
        ConsumerMember(
            member_id=member.member_id,
            epoch=group.generation,
            previous_epoch=group.generation,
            instance_id=member.instance_id,
            rack_id=subscriptions[member.member_id].rack_id or None,
            client_id=member.client_id,
            client_host=member.client_host,
            topic_names=frozenset(subscriptions[member.member_id].topics),
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            assigned={
                topic: dict.fromkeys(sorted(partitions), group.generation) for topic, partitions in assigned[member.member_id].items()
            },
            classic=ClassicMembership(member.session_timeout_ms, tuple(member.protocols)),
        )
        for member in group.members.values()
    ]


def _assigned_partitions(
    group: ClassicGroup, subscriptions: dict[str, ConsumerProtocolSubscription], image: MetadataImage
) -> dict[str, dict[Uuid, set[int]]]:
    """What each member has: what it was assigned, and what it may not have given up yet.

    In cooperative rebalancing a member goes on consuming what it said it has when it joined (KIP-429), until it has learned that it is
    not assigned that any more, whether by an assignment that it has not acted upon or because a rebalance was begun anew. Such a
    partition is assigned to nobody, but must not be given to others before the member rejoins without it.
    """
    owners: dict[tuple[Uuid, int], str] = {}
    for member in group.members.values():
        for topic, indexes in _assignment_of(member, group.protocol_name, image).items():
            for index in indexes:
                if owners.setdefault((topic, index), member.member_id) != member.member_id:
                    raise CannotMigrate(f"partition {index} of {image.topics.by_id[topic].name} is assigned to two members")
    # Where two say that they have a partition, the one whose word is of the later generation does.
    for member_id, subscription in sorted(subscriptions.items(), key=lambda said: -said[1].generation_id):
        for topic, indexes in owned_partitions(subscription, image).items():
            for index in indexes:
                owners.setdefault((topic, index), member_id)
    assigned: dict[str, dict[Uuid, set[int]]] = {member_id: {} for member_id in group.members}
    for (topic, index), member_id in owners.items():
        assigned[member_id].setdefault(topic, set()).add(index)
    return assigned


def _assignment_of(member: ClassicMember, protocol: str | None, image: MetadataImage) -> dict[Uuid, set[int]]:
    if not member.assignment:
        return {}
    assignment = consumer_embedding.assignment_of(member.assignment)
    if assignment.user_data and protocol not in ASSIGNORS_WITHOUT_USER_DATA:
        raise CannotMigrate(
            "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before "
            "re-attempting the upgrade"
        )
    return _by_topic_id(assignment.assigned_partitions, image)


def _records_of(group: ClassicGroup, members: Collection[ConsumerMember], image: MetadataImage) -> list[CoordinatorRecord]:
    group_id, epoch = group.group_id, group.generation
    metadata_hash = subscription_hash({name for member in members for name in member.topic_names}, image)
    return [
        *(consumer_records.member_subscription(group_id, member) for member in members),
        consumer_records.group_epoch(group_id, epoch, metadata_hash),
        *(consumer_records.target_assignment(group_id, member.member_id, _without_epochs(member)) for member in members),
        # Assigned at no time, so that the interval between assignments does not hold up the first one.
        consumer_records.target_epoch(group_id, epoch, 0),
        *(consumer_records.current_assignment(group_id, member) for member in members),
    ]


def _without_epochs(member: ConsumerMember) -> Partitions:
    return {topic: frozenset(partitions) for topic, partitions in member.assigned.items()}


# Down


def may_downgrade(group: ConsumerGroup, without: Collection[ConsumerMember], settings: GroupSettings, *, joining_count: int = 0) -> bool:
    """Whether a group is one for the classic protocol when it goes on `without` some members, in whose place as many come as join."""
    staying_count = len(group.members) - len(without)
    staying_classic_count = group.classic_count - sum(member.classic is not None for member in without)
    size = staying_count + joining_count
    return (
        staying_classic_count == staying_count
        and 0 < size <= settings.members_max
        and settings.consumer_migration_policy.is_downgrade_allowed
    )


def downgrade(
    group: ConsumerGroup, without: Collection[ConsumerMember], image: MetadataImage, now_ms: int, *, joining: ConsumerMember | None = None
) -> ClassicGroup:
    """The classic group that a group becomes `without` some members, of whom one, static, comes back as `joining`.

    Raises:
        CannotMigrate: what a member said for the protocol that all offer cannot be read.
    """
    gone = {member.member_id for member in without}
    # Whose target each member takes.
    targets_of = {member_id: member_id for member_id in group.members if member_id not in gone}
    members = [member for member in group.members.values() if member.member_id not in gone]
    if joining is not None:
        (replaced,) = without
        targets_of[joining.member_id] = replaced.member_id
        members.append(joining)
    classic = ClassicGroup(group.group_id, now_ms)
    classic.generation = group.epoch
    classic.state = ClassicState.STABLE
    for member in members:
        classic.add(_downgraded(member), CONSUMER_PROTOCOL_TYPE)
    classic.protocol_name = classic.select_protocol()
    classic.subscribed_topics = classic.find_subscribed_topics()
    try:
        for member_id, target_of in targets_of.items():
            version = consumer_embedding.assignment_version_for(classic.members[member_id].metadata(classic.protocol_name))
            assignment = embedded_assignment(group.target_of(target_of), image)
            classic.members[member_id].assignment = consumer_embedding.encode_assignment(assignment, version)
    except ProtocolViolation as violation:
        raise CannotMigrate(str(violation)) from violation
    return classic


def _downgraded(member: ConsumerMember) -> ClassicMember:
    assert member.classic is not None, "only members of the classic protocol can be in a classic group"
    return ClassicMember(
        member.member_id,
        instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        session_timeout_ms=member.classic.session_timeout_ms,
        protocols=member.classic.protocols,
    )


# Names and ids


def embedded_assignment(partitions: Partitions, image: MetadataImage) -> ConsumerProtocolAssignment:
    """Partitions as members of the classic protocol are told of them, by name; topics that are gone have none."""
    return ConsumerProtocolAssignment(
        assigned_partitions=[
            ConsumerProtocolAssignmentTopicPartition(topic=image.topics.by_id[topic].name, partitions=sorted(indexes))
            for topic, indexes in sorted(partitions.items())
            if topic in image.topics.by_id
        ]
    )


def owned_partitions(subscription: ConsumerProtocolSubscription, image: MetadataImage) -> dict[Uuid, set[int]]:
    """What a member of the classic protocol says that it has; nothing, where its version cannot say or it gave up all before."""
    return _by_topic_id(subscription.owned_partitions, image)


def _by_topic_id(
    entries: Iterable[ConsumerProtocolAssignmentTopicPartition | ConsumerProtocolSubscriptionTopicPartition], image: MetadataImage
) -> dict[Uuid, set[int]]:
    """Partitions of topics that exist; a client may name a topic more than once."""
    found: dict[Uuid, set[int]] = {}
    for entry in entries:
        topic = image.topics.by_name.get(entry.topic)
        if topic is not None:
            found.setdefault(Uuid(topic.id), set()).update(entry.partitions)
    return found
