"""Requests as whole frames, encoded before the measurement, and where in their bytes something changes or is looked at.

The load generator knows nothing of the protocol but the length and the correlation id. Everything else it is told from here: the bytes to
send, the place of the offset in a fetch that walks a log, and the places of error codes in the responses. Places are not computed by hand:
two messages that differ in one field are encoded, and the bytes in which they differ are the place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, encode_request_header
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    OffsetForLeaderTopicResult,
)
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record

CLIENT_ID: Final = "benchmark"
# The newest versions that name topics by name, as clients of every language send them.
PRODUCE_VERSION: Final = 12
FETCH_VERSION: Final = 12
LIST_OFFSETS_VERSION: Final = 7
OFFSET_FOR_LEADER_EPOCH_VERSION: Final = 4
METADATA_VERSION: Final = 12

_MARKED_OFFSET: Final = 0x0123_4567_89AB_CDEF
# Every byte of it differs from no error, so that encoding both shows the whole place of an error code.
_MARKED_ERROR: Final = -1
_LATEST: Final = -1


def request_frame(request: Message, version: int) -> bytes:
    """One request with its length and header; the correlation id is 0."""
    out = bytearray(4)
    encode_request_header(out, RequestHeader(request.API_KEY, version, 0, CLIENT_ID))
    request.encode(out, version)
    out[0:4] = (len(out) - 4).to_bytes(4, "big")
    return bytes(out)


def batch_of_size(size_bytes: int, value_bytes: int) -> tuple[bytes, int]:
    """A batch of exactly `size_bytes` out of values of `value_bytes`, and the number of its records.

    The last values are a little longer or shorter than the others, to make the size even: offsets that walk the log then land on batches.

    Raises:
        ValueError: no batch has this size.
    """
    now_ms = int(time.time() * 1000)
    value = bytes(index % 251 for index in range(value_bytes))
    empty = len(encode_batch([Record(0, now_ms, None, value)])) - len(encode_batch([Record(0, now_ms, None, b"")]))
    count = max(1, (size_bytes - 61) // (empty + 6))
    while count > 0:
        values = [value] * count
        # A longer value may take a longer length field; two values share the correction, so that every size can be reached.
        for _ in range(2 * count):
            size = len(_encoded(values, now_ms))
            if size == size_bytes:
                return _encoded(values, now_ms), count
            missing = size_bytes - size
            index = -1 if abs(missing) > 1 or count == 1 else -2
            if len(values[index]) + missing < 0:
                break
            values[index] = _resized(values[index], len(values[index]) + missing)
        count -= 1
    raise ValueError(f"no batch of values of {value_bytes} bytes has {size_bytes} bytes")


def _encoded(values: Sequence[bytes], now_ms: int) -> bytes:
    return encode_batch([Record(index, now_ms, None, value) for index, value in enumerate(values)])


def _resized(value: bytes, size: int) -> bytes:
    return value[:size] if size <= len(value) else value + bytes(size - len(value))


def single_record_batch(value_bytes: int) -> bytes:
    """One record of `value_bytes` without a key."""
    return encode_batch([Record(0, int(time.time() * 1000), None, bytes(index % 251 for index in range(value_bytes)))])


def compressed_batch(record_count: int, value_bytes: int, codec: Codec) -> bytes:
    """Records that compress about as well as log lines do."""
    now_ms = int(time.time() * 1000)
    line = b"the quick brown fox number %d jumps over the lazy dog while the log keeps growing line by line, request %d took %d us"
    values = [(line % (index, index * 7919, index * index % 10_007))[:value_bytes].ljust(value_bytes) for index in range(record_count)]
    return encode_batch([Record(index, now_ms, None, value) for index, value in enumerate(values)], compression=codec)


def produce_frames(topic: str, partition_count: int, batch: bytes) -> list[bytes]:
    """One request per partition, each with one batch, acks=all."""
    return [
        request_frame(
            ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]), PRODUCE_VERSION
        )
        for data in (PartitionProduceData(partition, batch) for partition in range(partition_count))
    ]


def produce_error_positions(topic: str) -> list[int]:
    """Where the error code is in the response to one of `produce_frames`, counted from the correlation id."""

    def response(error_code: int) -> ProduceResponse:
        partition = PartitionProduceResponse(index=0, error_code=error_code)
        return ProduceResponse(responses=[TopicProduceResponse(name=topic, partition_responses=[partition])])

    return [first_difference(response(0), response(_MARKED_ERROR), PRODUCE_VERSION)]


def fetch_frames(
    topic: str, partition_count: int, *, bytes_max: int, bytes_min: int = 1, wait_ms_max: int = 500, fetch_offset: int = _MARKED_OFFSET
) -> list[bytes]:
    """One request per partition without a session; the offset is to be written by the load generator unless it is given."""
    return [
        request_frame(
            FetchRequest(
                max_wait_ms=wait_ms_max,
                min_bytes=bytes_min,
                max_bytes=max(bytes_max, 1),
                topics=[
                    FetchTopic(
                        topic=topic, partitions=[FetchPartition(partition, fetch_offset=fetch_offset, partition_max_bytes=bytes_max)]
                    )
                ],
            ),
            FETCH_VERSION,
        )
        for partition in range(partition_count)
    ]


def fetch_offset_position(frame: bytes) -> int:
    """Where the offset is in a frame of `fetch_frames`, counted from its length field.

    Raises:
        ValueError: the frame has no marked offset.
    """
    return frame.index(_MARKED_OFFSET.to_bytes(8, "big"))


def fetch_error_positions(topic: str) -> list[int]:
    """Where the two error codes of a fetch response are: that of the request, and that of its only partition."""

    def response(request_error: int, partition_error: int) -> FetchResponse:
        partition = PartitionData(partition_index=0, error_code=partition_error)
        return FetchResponse(error_code=request_error, responses=[FetchableTopicResponse(topic=topic, partitions=[partition])])

    fine = response(0, 0)
    return [first_difference(fine, other, FETCH_VERSION) for other in (response(_MARKED_ERROR, 0), response(0, _MARKED_ERROR))]


def list_offsets_frames(topic: str, partition_count: int) -> list[bytes]:
    """One request per partition for its end."""
    return [
        request_frame(
            ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(topic, [ListOffsetsPartition(partition, -1, _LATEST)])]),
            LIST_OFFSETS_VERSION,
        )
        for partition in range(partition_count)
    ]


def list_offsets_error_positions(topic: str) -> list[int]:
    def response(error_code: int) -> ListOffsetsResponse:
        return ListOffsetsResponse(topics=[ListOffsetsTopicResponse(topic, [ListOffsetsPartitionResponse(0, error_code)])])

    return [first_difference(response(0), response(_MARKED_ERROR), LIST_OFFSETS_VERSION)]


def offset_for_leader_epoch_frames(topic: str, partition_count: int) -> list[bytes]:
    """One request per partition for the end of epoch 0."""
    return [
        request_frame(
            OffsetForLeaderEpochRequest(replica_id=-1, topics=[OffsetForLeaderTopic(topic, [OffsetForLeaderPartition(partition, -1, 0)])]),
            OFFSET_FOR_LEADER_EPOCH_VERSION,
        )
        for partition in range(partition_count)
    ]


def offset_for_leader_epoch_error_positions(topic: str) -> list[int]:
    def response(error_code: int) -> OffsetForLeaderEpochResponse:
        return OffsetForLeaderEpochResponse(topics=[OffsetForLeaderTopicResult(topic, [EpochEndOffset(error_code=error_code)])])

    return [first_difference(response(0), response(_MARKED_ERROR), OFFSET_FOR_LEADER_EPOCH_VERSION)]


def metadata_frames(topic: str) -> list[bytes]:
    """One request for everything about one topic."""
    return [request_frame(MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False), METADATA_VERSION)]


def first_difference(response: Message, other: Message, version: int) -> int:
    """The first byte in which two responses differ, counted from the correlation id that comes before them."""
    header_bytes = 4 + apis.response_header_version(response.API_KEY, version)
    first, second = encode_message(response, version), encode_message(other, version)
    assert len(first) == len(second), "the two responses differ in more than a field of fixed size"
    return header_bytes + next(index for index, (left, right) in enumerate(zip(first, second, strict=True)) if left != right)


def decoded_response(response: bytes, response_type: type[Message], version: int) -> Message:
    """The message in a response that the load generator wrote out, without its header.

    Raises:
        ProtocolViolation: the bytes are no such message, or bytes follow it.
    """
    message, end = response_type.decode(response, 4 + apis.response_header_version(response_type.API_KEY, version), version)
    assert end == len(response), f"{len(response) - end} bytes follow the response"
    return message
