"""An OffsetCommit as it lies in its frame, without the objects that the generated codec makes of it. Compiled by mypyc.

Of all that a coordinator is asked, commits are the most. What nearly all of them look like is read here; `read_commit_request` leaves
everything else to the codec: a retention of its own, a topic named twice, strings that are too long for a record. The fields have the
names that they have in `OffsetCommitRequest`, so that the rules of who may commit are written once.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.wire.frame_cursor import FrameCursor

RETENTION_VERSION_MAX: Final[i64] = 4
LEADER_EPOCH_VERSION_MIN: Final[i64] = 6
INSTANCE_ID_VERSION_MIN: Final[i64] = 7
FLEXIBLE_VERSION_MIN: Final[i64] = 8
TOPIC_IDS_VERSION_MIN: Final[i64] = 10
# Behind key, version and correlation id.
CLIENT_ID_POSITION: Final[i64] = 8
UUID_SIZE: Final[i64] = 16


@final
class CommitPartition:
    """How far one partition has been read."""

    __slots__ = ("committed_leader_epoch", "committed_metadata", "committed_offset", "partition_index")

    def __init__(self, partition_index: i64, committed_offset: i64, committed_leader_epoch: i64, committed_metadata: str) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.committed_metadata = committed_metadata


@final
class CommitTopic:
    """The partitions of one topic. What the frame does not say, its name or its id, is there when somebody has looked it up."""

    __slots__ = ("name", "partitions", "raw", "topic_id")

    def __init__(self, name: str, topic_id: Uuid, raw: bytes) -> None:
        self.name = name
        self.topic_id = topic_id
        # The name with its size, or the id, as the answer repeats it.
        self.raw = raw
        self.partitions: list[CommitPartition] = []


@final
class CommitRequest:
    """Who commits what. `metadata_size_max` is of the longest metadata, in bytes of UTF-8."""

    __slots__ = (
        "correlation_id",
        "generation_id_or_member_epoch",
        "group_id",
        "group_instance_id",
        "member_id",
        "metadata_size_max",
        "topics",
        "version",
    )

    def __init__(self, version: i64, correlation_id: i64, group_id: str) -> None:
        self.version = version
        self.correlation_id = correlation_id
        self.group_id = group_id
        self.generation_id_or_member_epoch: i64 = -1
        self.member_id = ""
        self.group_instance_id: str | None = None
        self.metadata_size_max: i64 = 0
        self.topics: list[CommitTopic] = []


def read_commit_request(data: bytes, start: i64, end: i64) -> CommitRequest | None:
    """The request in the frame `data[start:end]`, of version 2 to 10; None where it is one for the codec.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    version = i64(read_i16_be(data, start + 2))
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    cursor = FrameCursor(data, start + CLIENT_ID_POSITION, end)
    # The client id keeps its old encoding in every header version.
    cursor.nullable_string(False)
    if is_flexible:
        cursor.skip_tagged_fields()
    group_id = cursor.name(is_flexible)
    if group_id is None:
        return None
    request = CommitRequest(version, i64(read_i32_be(data, start + 4)), group_id)
    request.generation_id_or_member_epoch = cursor.i32()
    member_id = cursor.nullable_string(is_flexible)
    if member_id is None:
        return None
    request.member_id = member_id
    if version >= INSTANCE_ID_VERSION_MIN:
        request.group_instance_id = cursor.nullable_string(is_flexible)
    if version <= RETENTION_VERSION_MAX and read_i64_be(data, cursor.take(8)) != -1:
        return None
    count = cursor.array_length(is_flexible)
    if count == 0:
        return None
    while count > 0:
        topic = read_topic(request, cursor, is_flexible)
        if topic is None:
            return None
        request.topics.append(topic)
        count -= 1
    # Bytes behind the last field are ignored, as in Kafka.
    if is_flexible:
        cursor.skip_tagged_fields()
    return None if is_a_topic_repeated(request.topics) else request


def read_topic(request: CommitRequest, cursor: FrameCursor, is_flexible: bool) -> CommitTopic | None:
    """One topic with its partitions, of which it has some; None as above."""
    name: str | None = ""
    topic_id = ZERO_UUID
    raw_start = cursor.position
    if request.version >= TOPIC_IDS_VERSION_MIN:
        position = cursor.take(UUID_SIZE)
        topic_id = Uuid(cursor.data[position : position + UUID_SIZE])
    else:
        name = cursor.name(is_flexible)
    if name is None:
        return None
    topic = CommitTopic(name, topic_id, cursor.data[raw_start : cursor.position])
    count = cursor.array_length(is_flexible)
    if count == 0:
        return None
    while count > 0:
        topic.partitions.append(read_partition(request, cursor, is_flexible))
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()
    return topic


def read_partition(request: CommitRequest, cursor: FrameCursor, is_flexible: bool) -> CommitPartition:
    """One partition; metadata that is null is kept as empty."""
    index = cursor.i32()
    offset = read_i64_be(cursor.data, cursor.take(8))
    leader_epoch: i64 = -1
    if request.version >= LEADER_EPOCH_VERSION_MIN:
        leader_epoch = cursor.i32()
    before = cursor.position
    metadata = cursor.nullable_string(is_flexible)
    # With the bytes that say how many there are.
    size = cursor.position - before
    if size > request.metadata_size_max:
        request.metadata_size_max = size
    if is_flexible:
        cursor.skip_tagged_fields()
    return CommitPartition(index, offset, leader_epoch, "" if metadata is None else metadata)


def is_a_topic_repeated(topics: list[CommitTopic]) -> bool:
    """Whether two of them are the same: their partitions are answered together, which is left to the codec."""
    return len(topics) > 1 and len({topic.raw for topic in topics}) < len(topics)
