"""A fetch request, read in place: what the sessions and the plan need of it, and nothing else of it becomes an object.

The generated class says the same in five objects more; a test holds the two together for every version. What only a follower of the
metadata log sends (cluster id, directory ids, its high watermark) is passed over here.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.fetch_plan import PartitionFetch, PartitionKey
from odradek.wire.frame_cursor import FrameCursor, text_of

FLEXIBLE_VERSION_MIN: Final[i64] = 12
TOPIC_ID_VERSION_MIN: Final[i64] = 13
SESSION_VERSION_MIN: Final[i64] = 7
REPLICA_STATE_VERSION_MIN: Final[i64] = 15
REPLICA_STATE_TAG: Final[i64] = 1
UUID_SIZE: Final[i64] = 16


@final
class FetchFrame:
    """One request. Before version 7 it belongs to no session."""

    __slots__ = (
        "bytes_max",
        "bytes_min",
        "fetches",
        "forgotten",
        "isolation_level",
        "replica_id",
        "session_epoch",
        "session_id",
        "wait_max_ms",
    )

    def __init__(self) -> None:
        self.replica_id: i64 = -1
        self.wait_max_ms: i64 = 0
        self.bytes_min: i64 = 0
        self.bytes_max: i64 = 0
        self.isolation_level: i64 = 0
        self.session_id: i64 = 0
        self.session_epoch: i64 = -1
        self.fetches: list[PartitionFetch] = []
        self.forgotten: list[PartitionKey] = []


def read_fetch(data: bytes, start: i64, end: i64, version: i64) -> FetchFrame:
    """The body of a fetch request of version 4 to 18 in `data[start:end]`.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    frame = FetchFrame()
    cursor = FrameCursor(data, start, end)
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    if version < REPLICA_STATE_VERSION_MIN:
        frame.replica_id = cursor.i32()
    frame.wait_max_ms = cursor.i32()
    frame.bytes_min = cursor.i32()
    frame.bytes_max = cursor.i32()
    frame.isolation_level = i64(data[cursor.take(1)])
    if version >= SESSION_VERSION_MIN:
        frame.session_id = cursor.i32()
        frame.session_epoch = cursor.i32()
    count = cursor.array_length(is_flexible)
    while count > 0:
        _read_topic(frame, cursor, version)
        count -= 1
    if version >= SESSION_VERSION_MIN:
        _read_forgotten(frame, cursor, version)
    if version >= 11:
        _skip_rack(cursor, is_flexible)
    if is_flexible:
        _read_tags(frame, cursor, version)
    # Bytes behind the last field are ignored, as in Kafka.
    return frame


def _read_topic(frame: FetchFrame, cursor: FrameCursor, version: i64) -> None:
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    topic = ""
    topic_id = ZERO_UUID
    if version >= TOPIC_ID_VERSION_MIN:
        topic_id = _uuid(cursor)
    else:
        topic = _name(cursor, is_flexible)
    count = cursor.array_length(is_flexible)
    while count > 0:
        index = cursor.i32()
        current_leader_epoch: i64 = cursor.i32() if version >= 9 else -1
        offset = _offset(cursor)
        last_fetched_epoch: i64 = cursor.i32() if is_flexible else -1
        if version >= 5:
            # The log start of a follower: replication's, not ours.
            cursor.take(8)
        bytes_max = cursor.i32()
        if is_flexible:
            cursor.skip_tagged_fields()
        frame.fetches.append(PartitionFetch(topic, topic_id, index, offset, bytes_max, current_leader_epoch, last_fetched_epoch))
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()


def _read_forgotten(frame: FetchFrame, cursor: FrameCursor, version: i64) -> None:
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    topics_count = cursor.array_length(is_flexible)
    while topics_count > 0:
        topic: str | bytes = _uuid(cursor) if version >= TOPIC_ID_VERSION_MIN else _name(cursor, is_flexible)
        count = cursor.array_length(is_flexible)
        while count > 0:
            frame.forgotten.append((topic, cursor.i32()))
            count -= 1
        if is_flexible:
            cursor.skip_tagged_fields()
        topics_count -= 1


def _read_tags(frame: FetchFrame, cursor: FrameCursor, version: i64) -> None:
    count = cursor.unsigned_varint()
    while count > 0:
        tag = cursor.unsigned_varint()
        size = cursor.unsigned_varint()
        value_end = cursor.take(size) + size
        if tag == REPLICA_STATE_TAG and version >= REPLICA_STATE_VERSION_MIN:
            state = FrameCursor(cursor.data, value_end - size, value_end)
            frame.replica_id = state.i32()
            state.take(8)
            state.skip_tagged_fields()
            if state.position != value_end:
                raise ProtocolViolation("the replica state has bytes left over")
        count -= 1


def _offset(cursor: FrameCursor) -> i64:
    return read_i64_be(cursor.data, cursor.take(8))


def _uuid(cursor: FrameCursor) -> Uuid:
    position = cursor.take(UUID_SIZE)
    return Uuid(cursor.data[position : position + UUID_SIZE])


def _name(cursor: FrameCursor, is_flexible: bool) -> str:
    size = cursor.string_size(is_flexible)
    position = cursor.take(size)
    return text_of(cursor.data[position : position + size])


def _skip_rack(cursor: FrameCursor, is_flexible: bool) -> None:
    cursor.take(cursor.string_size(is_flexible))
