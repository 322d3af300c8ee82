"""EndTxn and AddPartitionsToTxn as they lie in their frames, without the objects that the generated codec makes of them. Compiled by mypyc.

A name that is null, or too long for a record, is left to the codec and the handlers, as is everything that is refused.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.coordinator.transaction.transaction import TopicPartitionName
from odradek.wire.frame_cursor import FrameCursor

# Of both requests.
FLEXIBLE_VERSION_MIN: Final[i64] = 3
# Behind key, version and correlation id.
CLIENT_ID_POSITION: Final[i64] = 8


@final
class ProducerRequest:
    """Which producer asks, in which version, and what its answer is to be called by."""

    __slots__ = ("correlation_id", "producer_epoch", "producer_id", "transactional_id", "version")

    def __init__(self, version: i64, correlation_id: i64, transactional_id: str, producer_id: i64, producer_epoch: i64) -> None:
        self.version = version
        self.correlation_id = correlation_id
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch


@final
class EndRequest:
    """EndTxn. From version 5 on the answer says what the producer is from now on: `next_producer_id` and `next_epoch`, once decided."""

    __slots__ = ("is_commit", "next_epoch", "next_producer_id", "producer")

    def __init__(self, producer: ProducerRequest, is_commit: bool) -> None:
        self.producer = producer
        self.is_commit = is_commit
        self.next_producer_id: i64 = -1
        self.next_epoch: i64 = -1


@final
class JoinedTopic:
    """The partitions of one topic. `raw` is the name with its size, as the answer repeats it."""

    __slots__ = ("indexes", "name", "raw")

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.raw = raw
        self.indexes: list[int] = []


@final
class JoinRequest:
    """AddPartitionsToTxn of a client, up to version 3."""

    __slots__ = ("producer", "topics")

    def __init__(self, producer: ProducerRequest) -> None:
        self.producer = producer
        self.topics: list[JoinedTopic] = []

    def places(self) -> frozenset[TopicPartitionName]:
        """All partitions."""
        return frozenset([(topic.name, index) for topic in self.topics for index in topic.indexes])


def read_end_request(data: bytes, start: i64, end: i64) -> EndRequest | None:
    """The EndTxn in the frame `data[start:end]`, of any version; None where it is one for the codec.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    cursor = FrameCursor(data, start + CLIENT_ID_POSITION, end)
    producer = _read_producer(cursor, start)
    if producer is None:
        return None
    is_commit = data[cursor.take(1)] != 0
    if producer.version >= FLEXIBLE_VERSION_MIN:
        cursor.skip_tagged_fields()
    return EndRequest(producer, is_commit)


def read_join_request(data: bytes, start: i64, end: i64) -> JoinRequest | None:
    """The AddPartitionsToTxn in the frame `data[start:end]`, of version 0 to 3; None where it is one for the codec.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    cursor = FrameCursor(data, start + CLIENT_ID_POSITION, end)
    producer = _read_producer(cursor, start)
    if producer is None:
        return None
    is_flexible = producer.version >= FLEXIBLE_VERSION_MIN
    request = JoinRequest(producer)
    count = cursor.array_length(is_flexible)
    while count > 0:
        topic = _read_topic(cursor, is_flexible)
        if topic is None:
            return None
        request.topics.append(topic)
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()
    return request if request.topics else None


def _read_producer(cursor: FrameCursor, start: i64) -> ProducerRequest | None:
    version = i64(read_i16_be(cursor.data, start + 2))
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    # The client id keeps its old encoding in every header version.
    cursor.nullable_string(False)
    if is_flexible:
        cursor.skip_tagged_fields()
    transactional_id = cursor.name(is_flexible)
    if transactional_id is None:
        return None
    producer_id = i64(read_i64_be(cursor.data, cursor.take(8)))
    return ProducerRequest(version, i64(read_i32_be(cursor.data, start + 4)), transactional_id, producer_id, cursor.i16())


def _read_topic(cursor: FrameCursor, is_flexible: bool) -> JoinedTopic | None:
    raw_start = cursor.position
    name = cursor.name(is_flexible)
    if name is None:
        return None
    topic = JoinedTopic(name, cursor.data[raw_start : cursor.position])
    count = cursor.array_length(is_flexible)
    while count > 0:
        topic.indexes.append(int(cursor.i32()))
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()
    return topic
