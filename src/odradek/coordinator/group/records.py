"""Records of `__consumer_offsets`: their types, and those that this release writes, in the versions that 4.3 writes
(`GroupCoordinatorRecordHelpers.java`).
"""

from __future__ import annotations

from typing import Final

from odradek.base.identifiers import Uuid
from odradek.coordinator.record import CoordinatorRecord, RecordTypes
from odradek.protocol.internal_records import group as records

# The runtime of Kafka's newer coordinators writes it, whoever's batch it is (`CoordinatorRuntime.maybeAllocateNewBatch`).
BASE_SEQUENCE: Final = 0

OFFSET_COMMIT_VERSION: Final = 4
# The only version that can say when an offset expires: written for clients that ask for a retention of their own.
OFFSET_COMMIT_VERSION_WITH_EXPIRY: Final = 1
GROUP_METADATA_VERSION: Final = 3

LEGACY_OFFSET_COMMIT: Final = 0
OFFSET_COMMIT: Final = 1
GROUP_METADATA: Final = 2

RECORD_TYPES: Final[RecordTypes] = {
    LEGACY_OFFSET_COMMIT: (records.LegacyOffsetCommitKey, records.LegacyOffsetCommitValue),
    OFFSET_COMMIT: (records.OffsetCommitKey, records.OffsetCommitValue),
    GROUP_METADATA: (records.GroupMetadataKey, records.GroupMetadataValue),
    3: (records.ConsumerGroupMetadataKey, records.ConsumerGroupMetadataValue),
    4: (records.ConsumerGroupPartitionMetadataKey, records.ConsumerGroupPartitionMetadataValue),
    5: (records.ConsumerGroupMemberMetadataKey, records.ConsumerGroupMemberMetadataValue),
    6: (records.ConsumerGroupTargetAssignmentMetadataKey, records.ConsumerGroupTargetAssignmentMetadataValue),
    7: (records.ConsumerGroupTargetAssignmentMemberKey, records.ConsumerGroupTargetAssignmentMemberValue),
    8: (records.ConsumerGroupCurrentMemberAssignmentKey, records.ConsumerGroupCurrentMemberAssignmentValue),
    16: (records.ConsumerGroupRegularExpressionKey, records.ConsumerGroupRegularExpressionValue),
}


def offset_commit(
    group_id: str,
    topic: str,
    partition: int,
    *,
    offset: int,
    leader_epoch: int,
    metadata: str,
    commit_timestamp_ms: int,
    expire_timestamp_ms: int,
    topic_id: Uuid,
) -> CoordinatorRecord:
    """A committed offset; `leader_epoch` and `expire_timestamp_ms` are -1 where nobody said them."""
    value = records.OffsetCommitValue(
        offset=offset,
        leader_epoch=leader_epoch,
        metadata=metadata,
        commit_timestamp=commit_timestamp_ms,
        expire_timestamp=expire_timestamp_ms,
        topic_id=topic_id,
    )
    version = OFFSET_COMMIT_VERSION if expire_timestamp_ms < 0 else OFFSET_COMMIT_VERSION_WITH_EXPIRY
    return CoordinatorRecord(records.OffsetCommitKey(group_id, topic, partition), value, version)


def offset_tombstone(group_id: str, topic: str, partition: int) -> CoordinatorRecord:
    """An offset is forgotten."""
    return CoordinatorRecord(records.OffsetCommitKey(group_id, topic, partition), None)


def group_metadata(group_id: str, value: records.GroupMetadataValue) -> CoordinatorRecord:
    """A classic group as it is now; the live group is that already."""
    return CoordinatorRecord(records.GroupMetadataKey(group_id), value, GROUP_METADATA_VERSION, is_applied=True)


def group_tombstone(group_id: str) -> CoordinatorRecord:
    """A classic group is gone."""
    return CoordinatorRecord(records.GroupMetadataKey(group_id), None)
