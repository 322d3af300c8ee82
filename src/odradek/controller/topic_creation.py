"""CreateTopics: which topics can be made, and the records that make them (`ReplicationControlManager#createTopics`).

Refusals come in Kafka's order, because a client sees only the first: duplicates in the request, the reserved name, the total of
partitions, the name, a collision, an existing topic, null configs, the configs themselves, the assignment or the placement. One topic
refused does not keep the others from being made. The records of one request are one atomic batch: each topic, its configs, its
partitions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import METADATA_TOPIC_NAME, UNASSIGNED_DIRECTORY, Uuid
from odradek.controller.config_rules import ConfigRules
from odradek.controller.placement import PlacementRefused, has_uncordoned_directory, place_replicas, usable_brokers
from odradek.controller.refusal import RECORDS_PER_REQUEST_MAX, Refusal, too_many_records
from odradek.controller.topic_defaults import TopicDefaults
from odradek.controller.topic_names import TopicNameCollisions, topic_name_complaint
from odradek.metadata.image import MetadataImage
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import ConfigRecord, TopicRecord
from odradek.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

# More would not fit into one atomic batch of the metadata log.
PARTITIONS_PER_REQUEST_MAX = 10_000
USE_DEFAULT = -1
TOPIC_RESOURCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopics:
    """One request's surroundings."""

    image: MetadataImage
    defaults: TopicDefaults
    configs: ConfigRules
    collisions: TopicNameCollisions
    new_topic_id: Callable[[], Uuid]
    dice: random.Random
    _judged_by_overrides: dict[frozenset[tuple[str, str]], list[CreatableTopicConfigs] | Refusal] = field(default_factory=dict)

    def decide(self, request: CreateTopicsRequest) -> Decision[MetadataRecord, CreateTopicsResponse]:
        """The records of all topics that can be made, and an answer for every topic asked for.

        Raises:
            RequestRefused: POLICY_VIOLATION, the request asks for too many partitions, or all it asks for makes too many records.
        """
        count_by_name = Counter(topic.name for topic in request.topics)
        candidates = [topic for topic in request.topics if count_by_name[topic.name] == 1 and topic.name != METADATA_TOPIC_NAME]
        if sum(self._partition_count(topic) for topic in candidates) > PARTITIONS_PER_REQUEST_MAX:
            raise RequestRefused(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
        records: list[MetadataRecord] = []
        results: list[CreatableTopicResult] = []
        for topic in candidates:
            outcome = self._create(topic)
            if isinstance(outcome, Refusal):
                results.append(_refused(topic.name, outcome))
            else:
                records.extend(outcome.records)
                results.append(outcome.result)
            if len(records) > RECORDS_PER_REQUEST_MAX:
                raise too_many_records()
        results.extend(_refusals_of_names(count_by_name))
        return Decision(records=[] if request.validate_only else records, response=CreateTopicsResponse(topics=results))

    def _partition_count(self, topic: CreatableTopic) -> int:
        if topic.assignments:
            return len(topic.assignments)
        return self.defaults.partition_count if topic.num_partitions == USE_DEFAULT else max(topic.num_partitions, 0)

    def _create(self, topic: CreatableTopic) -> _NewTopic | Refusal:
        refusal = self._name_refusal(topic.name)
        if refusal is not None:
            return refusal
        overrides = {config.name: config.value for config in topic.configs if config.value is not None}
        null_configs = [config.name for config in topic.configs if config.value is None]
        if null_configs:
            return Refusal(ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {','.join(null_configs)}")
        judged = self._judged(topic.name, overrides)
        if isinstance(judged, Refusal):
            return judged
        partitions = self._assigned(topic) if topic.assignments else self._placed(topic)
        if isinstance(partitions, Refusal):
            return partitions
        return self._new_topic(topic.name, overrides, partitions, judged)

    def _judged(self, name: str, overrides: Mapping[str, str]) -> list[CreatableTopicConfigs] | Refusal:
        """The effective configs of a new topic, or why it cannot have these."""
        key = frozenset(overrides.items())
        judged = self._judged_by_overrides.get(key)
        if judged is None:
            refusal = self.configs.complaint(self.image, name, overrides)
            judged = self.configs.effective(self.image, overrides) if refusal is None else refusal
            # A request for a thousand topics mostly asks a thousand times for the same configs.
            self._judged_by_overrides[key] = judged
        return judged

    def _name_refusal(self, name: str) -> Refusal | None:
        # A colliding topic may be the topic itself; that it exists is then the better answer, as in Kafka.
        if name in self.image.topics.by_name:
            return Refusal(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        complaint = topic_name_complaint(name)
        colliding = self.collisions.colliding_with(name)
        if colliding is not None:
            complaint = f"Topic '{name}' collides with existing topic: {colliding}"
        return None if complaint is None else Refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, complaint)

    def _placed(self, topic: CreatableTopic) -> list[PartitionRegistration] | Refusal:
        if topic.replication_factor < USE_DEFAULT or topic.replication_factor == 0:
            return Refusal(
                ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0, or -1 to use the default value."
            )
        if topic.num_partitions < USE_DEFAULT or topic.num_partitions == 0:
            return Refusal(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
        factor = self.defaults.replication_factor if topic.replication_factor == USE_DEFAULT else topic.replication_factor
        return place_partitions(self.image, self._partition_count(topic), factor, self.dice)

    def _assigned(self, topic: CreatableTopic) -> list[PartitionRegistration] | Refusal:
        if topic.replication_factor != USE_DEFAULT:
            return Refusal(
                ErrorCode.INVALID_REQUEST, "A manual partition assignment was specified, but replication factor was not set to -1."
            )
        if topic.num_partitions != USE_DEFAULT:
            return Refusal(ErrorCode.INVALID_REQUEST, "A manual partition assignment was specified, but numPartitions was not set to -1.")
        registration_by_index: dict[int, PartitionRegistration] = {}
        factor: int | None = None
        for assignment in topic.assignments:
            registration = self._assigned_partition(assignment, registration_by_index, factor)
            if isinstance(registration, Refusal):
                return registration
            registration_by_index[assignment.partition_index] = registration
            factor = len(assignment.broker_ids)
        if sorted(registration_by_index) != list(range(len(registration_by_index))):
            return Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence")
        return [registration_by_index[index] for index in range(len(registration_by_index))]

    def _assigned_partition(
        self, assignment: CreatableReplicaAssignment, earlier: Mapping[int, PartitionRegistration], factor: int | None
    ) -> PartitionRegistration | Refusal:
        if assignment.partition_index in earlier:
            return Refusal(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Found multiple manual partition assignments for partition {assignment.partition_index}",
            )
        return assigned_partition(self.image, assignment.partition_index, assignment.broker_ids, factor)

    def _new_topic(
        self,
        name: str,
        overrides: Mapping[str, str],
        partitions: Sequence[PartitionRegistration],
        effective: list[CreatableTopicConfigs],
    ) -> _NewTopic:
        topic_id = self.new_topic_id()
        configs = [
            ConfigRecord(resource_type=TOPIC_RESOURCE, resource_name=name, name=key, value=value) for key, value in overrides.items()
        ]
        result = CreatableTopicResult(
            name=name,
            topic_id=topic_id,
            error_message=None,
            num_partitions=len(partitions),
            replication_factor=len(partitions[0].replicas),
            configs=effective,
        )
        partition_records = [registration.to_record(topic_id, index) for index, registration in enumerate(partitions)]
        return _NewTopic([TopicRecord(name=name, topic_id=topic_id), *configs, *partition_records], result)


@dataclass(frozen=True, slots=True)
class _NewTopic:
    records: list[MetadataRecord]
    result: CreatableTopicResult


def place_partitions(
    image: MetadataImage, partition_count: int, replication_factor: int, dice: random.Random
) -> list[PartitionRegistration] | Refusal:
    """New partitions on brokers that the controller chooses."""
    brokers = usable_brokers(image.cluster.brokers.values())
    try:
        placed = place_replicas(partition_count, replication_factor, brokers, dice)
    except PlacementRefused as refused:
        return Refusal(ErrorCode.INVALID_REPLICATION_FACTOR, f"Unable to replicate the partition {replication_factor} time(s): {refused}")
    return [new_partition(image, replicas, _active(image, replicas)) for replicas in placed]


def assigned_partition(
    image: MetadataImage, partition_index: int, broker_ids: Sequence[int], replication_factor: int | None
) -> PartitionRegistration | Refusal:
    """A new partition on the brokers a client chose; `replication_factor` is that of its neighbours, None for the first one."""
    complaint = _assignment_complaint(image, broker_ids, replication_factor)
    if complaint is None and not _active(image, broker_ids):
        complaint = (
            f"All brokers specified in the manual partition assignment for partition {partition_index} "
            "are fenced or in controlled shutdown."
        )
    if complaint is not None:
        return Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, complaint)
    return new_partition(image, tuple(broker_ids), _active(image, broker_ids))


def new_partition(image: MetadataImage, replicas: tuple[int, ...], isr: tuple[int, ...]) -> PartitionRegistration:
    """A partition before its first change, led by the first replica that is in sync."""
    assert isr, "a partition needs a live replica"
    return PartitionRegistration(
        replicas=replicas,
        directories=tuple(_default_directory(image, broker_id) for broker_id in replicas),
        isr=isr,
        leader=isr[0],
        leader_epoch=0,
        partition_epoch=0,
    )


def _default_directory(image: MetadataImage, broker_id: int) -> Uuid:
    # Where a broker has one directory there is nothing to choose; where it has several it chooses itself and tells (KIP-858).
    directories = image.cluster.brokers[broker_id].directories
    return directories[0] if len(directories) == 1 else UNASSIGNED_DIRECTORY


def _active(image: MetadataImage, broker_ids: Sequence[int]) -> tuple[int, ...]:
    brokers = image.cluster.brokers
    return tuple(broker_id for broker_id in broker_ids if broker_id in brokers and brokers[broker_id].is_active)


def _assignment_complaint(image: MetadataImage, broker_ids: Sequence[int], replication_factor: int | None) -> str | None:
    if not broker_ids:
        return "The manual partition assignment includes an empty replica list."
    previous: int | None = None
    for broker_id in sorted(broker_ids):
        broker = image.cluster.brokers.get(broker_id)
        if broker is None:
            return f"The manual partition assignment includes broker {broker_id}, but no such broker is registered."
        if not has_uncordoned_directory(broker):
            return f"The manual partition assignment includes broker {broker_id}, but all its log directories are cordoned."
        if broker_id == previous:
            return f"The manual partition assignment includes the broker {broker_id} more than once."
        previous = broker_id
    if replication_factor is not None and len(broker_ids) != replication_factor:
        return (
            f"The manual partition assignment includes a partition with {len(broker_ids)} replica(s), but this is not consistent "
            f"with previous partitions, which have {replication_factor} replica(s)."
        )
    return None


def _refused(name: str, refusal: Refusal) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=refusal.code, error_message=refusal.message)


def _refusals_of_names(count_by_name: Mapping[str, int]) -> list[CreatableTopicResult]:
    refused: list[CreatableTopicResult] = []
    for name, count in count_by_name.items():
        if count > 1:
            refused.append(_refused(name, Refusal(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")))
        elif name == METADATA_TOPIC_NAME:
            message = f"Creation of internal topic {METADATA_TOPIC_NAME} is prohibited."
            refused.append(_refused(name, Refusal(ErrorCode.INVALID_REQUEST, message)))
    return refused
