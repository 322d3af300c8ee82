"""CreatePartitions: more partitions for a topic that exists (`ReplicationControlManager#createPartitions`). Fewer is never possible."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.controller.refusal import RECORDS_PER_REQUEST_MAX, TOO_MANY_RECORDS, Refusal
from odradek.controller.topic_creation import assigned_partition, place_partitions
from odradek.metadata.image import MetadataImage
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


def decide_create_partitions(
    image: MetadataImage, request: CreatePartitionsRequest, dice: random.Random
) -> Decision[MetadataRecord, CreatePartitionsResponse]:
    """The new partitions of every topic that can grow, and an answer for every topic asked for."""
    records: list[MetadataRecord] = []
    results: list[CreatePartitionsTopicResult] = []
    count_by_name = Counter(topic.name for topic in request.topics)
    for name, count in count_by_name.items():
        if count > 1:
            results.append(_result(name, Refusal(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")))
    for asked in request.topics:
        if count_by_name[asked.name] > 1:
            continue
        outcome = _grow(image, asked, dice, records_left=RECORDS_PER_REQUEST_MAX - len(records))
        if isinstance(outcome, Refusal):
            results.append(_result(asked.name, outcome))
        else:
            records.extend(outcome)
            results.append(_result(asked.name, None))
    return Decision(records=[] if request.validate_only else records, response=CreatePartitionsResponse(results=results))


def _grow(image: MetadataImage, asked: CreatePartitionsTopic, dice: random.Random, *, records_left: int) -> list[MetadataRecord] | Refusal:
    topic = image.topics.by_name.get(asked.name)
    if topic is None:
        return Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    present = len(topic.partitions)
    refusal = _count_refusal(asked, present)
    if refusal is not None:
        return refusal
    if asked.count - present > records_left:
        return Refusal(ErrorCode.POLICY_VIOLATION, TOO_MANY_RECORDS)
    new = _new_partitions(image, topic, asked.count - present, asked.assignments, dice)
    if isinstance(new, Refusal):
        return new
    return [registration.to_record(topic.id, present + index) for index, registration in enumerate(new)]


def _count_refusal(asked: CreatePartitionsTopic, present: int) -> Refusal | None:
    if asked.count == present:
        return Refusal(ErrorCode.INVALID_PARTITIONS, f"Topic already has {present} partition(s).")
    if asked.count < present:
        return Refusal(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {asked.name} currently has {present} partition(s); {asked.count} would not be an increase.",
        )
    if asked.assignments is not None and len(asked.assignments) != asked.count - present:
        return Refusal(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {asked.count - present} additional partition(s), but only {len(asked.assignments)} "
            "assignment(s) were specified.",
        )
    return None


def _new_partitions(
    image: MetadataImage,
    topic: TopicImage,
    count: int,
    assignments: Sequence[CreatePartitionsAssignment] | None,
    dice: random.Random,
) -> list[PartitionRegistration] | Refusal:
    replication_factor = len(topic.partitions[0].replicas)
    if assignments is None:
        placed = place_partitions(image, count, replication_factor, dice)
        if isinstance(placed, Refusal) and placed.message is not None:
            # Here Kafka gives the reason without saying first what it was trying to do.
            return Refusal(placed.code, placed.message.split(": ", 1)[1])
        return placed
    new: list[PartitionRegistration] = []
    for index, assignment in enumerate(assignments):
        registration = assigned_partition(image, len(topic.partitions) + index, assignment.broker_ids, replication_factor)
        if isinstance(registration, Refusal):
            return registration
        new.append(registration)
    return new


def _result(name: str, refusal: Refusal | None) -> CreatePartitionsTopicResult:
    if refusal is None:
        return CreatePartitionsTopicResult(name=name)
    return CreatePartitionsTopicResult(name=name, error_code=refusal.code, error_message=refusal.message)
