"""A Produce request as it lies in its frame: who, how, and for each partition where its records begin and end. Compiled by mypyc.

The whole frame is read before anything is done with it. The names of the topics are kept as the bytes that they are, because the answer
repeats them.
"""

from __future__ import annotations

from typing import Any, Final, final

from librt.strings import read_i16_be, read_i32_be
from mypy_extensions import i64

from odradek.records.header import ATTRIBUTES_POSITION, HEADER_SIZE, TRANSACTIONAL_FLAG
from odradek.wire.frame_cursor import FrameCursor

FLEXIBLE_VERSION_MIN: Final[i64] = 9
TOPIC_ID_VERSION_MIN: Final[i64] = 13
UUID_SIZE: Final[i64] = 16

# The flag is in the second byte of the attributes.
TRANSACTIONAL_POSITION: Final[i64] = ATTRIBUTES_POSITION + 1

NO_OFFSET: Final[i64] = -1
NO_TIMESTAMP: Final[i64] = -1


@final
class ProducedPart:
    """What one request brings for one partition, and what became of it."""

    __slots__ = (
        "append_time_ms",
        "base_offset",
        "end",
        "error_code",
        "error_message",
        "index",
        "last_offset",
        "log_start_offset",
        "partition",
        "record_errors",
        "start",
        "topic",
    )

    def __init__(self, topic: bytes, index: i64, start: i64, end: i64) -> None:
        # The topic's name in UTF-8, or its id from version 13 on.
        self.topic = topic
        self.index = index
        self.start = start
        self.end = end
        self.error_code: i64 = 0
        self.base_offset: i64 = NO_OFFSET
        self.last_offset: i64 = NO_OFFSET
        self.append_time_ms: i64 = NO_TIMESTAMP
        self.log_start_offset: i64 = NO_OFFSET
        self.error_message: str | None = None
        self.record_errors: Any = None
        self.partition: Any = None


@final
class ProduceFrame:
    """A Produce request, read but not decided. `topics` are the bytes that the answer repeats."""

    __slots__ = (
        "acks",
        "client_id",
        "correlation_id",
        "parts",
        "parts_count_by_topic",
        "refusal_code",
        "timeout_ms",
        "topics",
        "topics_count",
        "transactional_id",
        "version",
    )

    def __init__(self, version: i64, correlation_id: i64) -> None:
        self.version = version
        self.correlation_id = correlation_id
        self.client_id: str | None = None
        self.transactional_id: str | None = None
        # Why the whole request is refused, 0 if it is not.
        self.refusal_code: i64 = 0
        self.acks: i64 = 0
        self.timeout_ms: i64 = 0
        self.topics_count: i64 = 0
        # The raw name (with its length) or id of each topic, as the answer repeats it.
        self.topics: list[bytes] = []
        self.parts_count_by_topic: list[int] = []
        self.parts: list[ProducedPart] = []


def read_frame(data: bytes, start: i64, end: i64) -> ProduceFrame:
    """The Produce request in `data[start:end]`, of version 3 to 13.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    version = i64(read_i16_be(data, start + 2))
    frame = ProduceFrame(version, i64(read_i32_be(data, start + 4)))
    cursor = FrameCursor(data, start + 8, end)
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    # The client id keeps its old encoding in every header version.
    frame.client_id = cursor.nullable_string(False)
    if is_flexible:
        cursor.skip_tagged_fields()
    frame.transactional_id = cursor.nullable_string(is_flexible)
    frame.acks = cursor.i16()
    frame.timeout_ms = cursor.i32()
    topics_count = cursor.array_length(is_flexible)
    frame.topics_count = topics_count
    while topics_count > 0:
        read_topic(frame, cursor, is_flexible)
        topics_count -= 1
    # Bytes behind the last field are ignored, as in Kafka.
    if is_flexible:
        cursor.skip_tagged_fields()
    return frame


def read_topic(frame: ProduceFrame, cursor: FrameCursor, is_flexible: bool) -> None:
    """One topic with its partitions."""
    raw_start = cursor.position
    size = UUID_SIZE if frame.version >= TOPIC_ID_VERSION_MIN else cursor.string_size(is_flexible)
    position = cursor.take(size)
    topic = cursor.data[position : position + size]
    frame.topics.append(cursor.data[raw_start : cursor.position])
    count = cursor.array_length(is_flexible)
    frame.parts_count_by_topic.append(count)
    while count > 0:
        index = cursor.i32()
        records_size = cursor.unsigned_varint() - 1 if is_flexible else cursor.i32()
        if records_size < 0:
            # Null records are an empty set: refused later, with a code.
            records_size = 0
        records_start = cursor.take(records_size)
        frame.parts.append(ProducedPart(topic, index, records_start, records_start + records_size))
        if is_flexible:
            cursor.skip_tagged_fields()
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()


def has_transactional_batch(frame: ProduceFrame, data: bytes) -> bool:
    """Whether any batch of the request says that it belongs to a transaction."""
    for part in frame.parts:
        if part.end - part.start >= HEADER_SIZE and data[part.start + TRANSACTIONAL_POSITION] & TRANSACTIONAL_FLAG != 0:
            return True
    return False
