"""The records of commits as bytes: what the generated codec makes of `OffsetCommitKey` and `OffsetCommitValue`. Compiled by mypyc.

`plain_commits` reads the same form. A test holds both to the codec.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.base.identifiers import ZERO_UUID
from odradek.coordinator.group.commit_request import CommitPartition, CommitRequest, CommitTopic
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.records.plain_batch import PlainBatch
from odradek.wire.frame_writing import write_unsigned_varint

# `coordinator.group.records`, for the compiler.
OFFSET_COMMIT_TYPE: Final[i16] = 1
OFFSET_COMMIT_VERSION: Final[i16] = 4
# One tagged field, number 0, of 16 bytes.
TOPIC_ID_TAG: Final = b"\x01\x00\x10"
NO_EXPIRY: Final[i64] = -1


def encode_commits(request: CommitRequest, timestamp_ms: i64, base_sequence: i64) -> bytes:
    """A batch with the record of each partition, in the order of the request."""
    batch = PlainBatch(timestamp_ms)
    group = request.group_id.encode()
    for topic in request.topics:
        front = encode_front(group, topic.name.encode())
        for partition in topic.partitions:
            key = BytesWriter()
            key.write(front)
            write_i32_be(key, i32(partition.partition_index))
            batch.add(key.getvalue(), encode_value(topic, partition, timestamp_ms))
    return batch.encoded(base_sequence)


def encode_front(group: bytes, topic: bytes) -> bytes:
    """A key but for its partition."""
    out = BytesWriter()
    write_i16_be(out, OFFSET_COMMIT_TYPE)
    write_i16_be(out, i16(len(group)))
    out.write(group)
    write_i16_be(out, i16(len(topic)))
    out.write(topic)
    return out.getvalue()


def encode_value(topic: CommitTopic, partition: CommitPartition, timestamp_ms: i64) -> bytes:
    """What is kept of one partition."""
    out = BytesWriter()
    write_i16_be(out, OFFSET_COMMIT_VERSION)
    write_i64_be(out, partition.committed_offset)
    write_i32_be(out, i32(partition.committed_leader_epoch))
    metadata = partition.committed_metadata.encode()
    write_unsigned_varint(out, len(metadata) + 1)
    out.write(metadata)
    write_i64_be(out, timestamp_ms)
    if topic.topic_id == ZERO_UUID:
        out.append(0)
    else:
        out.write(TOPIC_ID_TAG)
        out.write(topic.topic_id)
    return out.getvalue()


def committed_of(topic: CommitTopic, partition: CommitPartition, timestamp_ms: i64, record_offset: i64) -> CommittedOffset:
    """What a record of this comes to."""
    return CommittedOffset(
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata,
        timestamp_ms,
        NO_EXPIRY,
        topic.topic_id,
        record_offset,
    )
