"""The bytes that are sent, and the places in them, against the codec read the other way round."""

from __future__ import annotations

import pytest

from benchmarks import request_frames
from odradek.protocol import apis
from odradek.protocol.headers import decode_request_header
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages.fetch import FetchableTopicResponse, FetchRequest, FetchResponse, PartitionData
from odradek.protocol.messages.list_offsets import ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse
from odradek.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)
from odradek.protocol.messages.produce import PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.compression import Codec

NOT_LEADER = 6


def error_code_at(response: Message, version: int, position: int) -> int:
    """The int16 at a place counted from the correlation id, as the load generator reads it."""
    whole = bytes(4 + apis.response_header_version(response.API_KEY, version)) + encode_message(response, version)
    return int.from_bytes(whole[position : position + 2], "big", signed=True)


@pytest.mark.parametrize(
    ("size", "value_bytes"), [(16_384, 100), (1_000_000, 100), (65_536, 1000), (16_384, 127), (16_384, 128), (300, 10)]
)
def test_a_batch_has_exactly_the_size_that_was_asked_for(size: int, value_bytes: int) -> None:
    batch, count = request_frames.batch_of_size(size, value_bytes)

    assert len(batch) == size
    (found,) = iterate_batches(batch)
    check_crc(batch, 0, found.header)
    records = decode_records(batch)
    assert len(records) == count
    sizes = [len(record.value or b"") for record in records]
    assert sizes[:-2] == [value_bytes] * (count - 2)


def test_a_batch_smaller_than_its_header_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no batch"):
        request_frames.batch_of_size(60, 100)


def test_a_compressed_batch_holds_what_it_says() -> None:
    batch = request_frames.compressed_batch(150, 100, Codec.LZ4)

    assert [len(record.value or b"") for record in decode_records(batch)] == [100] * 150
    assert len(batch) < 150 * 100


def test_produce_frames_are_whole_requests_one_for_each_partition() -> None:
    batch = request_frames.single_record_batch(100)

    frames = request_frames.produce_frames("t", 3, batch)

    for partition, frame in enumerate(frames):
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        header, position = decode_request_header(frame, 4)
        request, end = ProduceRequest.decode(frame, position, header.api_version)
        assert end == len(frame)
        assert (header.api_key, header.correlation_id, request.acks) == (ProduceRequest.API_KEY, 0, -1)
        assert request.topic_data[0].partition_data[0].index == partition
        assert request.topic_data[0].partition_data[0].records == batch


def test_the_correlation_id_is_where_the_load_generator_writes_it() -> None:
    frame = bytearray(request_frames.produce_frames("t", 1, b"")[0])
    frame[8:12] = (77).to_bytes(4, "big")

    header, _ = decode_request_header(bytes(frame), 4)

    assert header.correlation_id == 77


def test_the_offset_of_a_fetch_is_where_it_is_said_to_be() -> None:
    frame = bytearray(request_frames.fetch_frames("history", 2, bytes_max=65_536)[1])
    position = request_frames.fetch_offset_position(bytes(frame))
    frame[position : position + 8] = (4711).to_bytes(8, "big")

    header, body = decode_request_header(bytes(frame), 4)
    request, _ = FetchRequest.decode(bytes(frame), body, header.api_version)

    partition = request.topics[0].partitions[0]
    assert (partition.partition, partition.fetch_offset, partition.partition_max_bytes) == (1, 4711, 65_536)


def test_error_codes_are_where_they_are_said_to_be_whatever_else_the_response_holds() -> None:
    produced = PartitionProduceResponse(index=3, error_code=NOT_LEADER, base_offset=99, error_message="no")
    produce = ProduceResponse(responses=[TopicProduceResponse(name="t", partition_responses=[produced])], throttle_time_ms=9)
    fetched = PartitionData(partition_index=2, error_code=NOT_LEADER, high_watermark=5, records=b"abc")
    fetch = FetchResponse(throttle_time_ms=1, session_id=5, responses=[FetchableTopicResponse(topic="t", partitions=[fetched])])
    listed = ListOffsetsResponse(throttle_time_ms=3, topics=[ListOffsetsTopicResponse("t", [ListOffsetsPartitionResponse(1, NOT_LEADER)])])
    ended = OffsetForLeaderEpochResponse(
        throttle_time_ms=3, topics=[OffsetForLeaderTopicResult("t", [EpochEndOffset(NOT_LEADER, 2, 1, 5)])]
    )

    (produce_place,) = request_frames.produce_error_positions("t")
    (list_place,) = request_frames.list_offsets_error_positions("t")
    (epoch_place,) = request_frames.offset_for_leader_epoch_error_positions("t")
    request_place, partition_place = request_frames.fetch_error_positions("t")

    assert error_code_at(produce, request_frames.PRODUCE_VERSION, produce_place) == NOT_LEADER
    assert error_code_at(fetch, request_frames.FETCH_VERSION, partition_place) == NOT_LEADER
    assert error_code_at(FetchResponse(error_code=NOT_LEADER), request_frames.FETCH_VERSION, request_place) == NOT_LEADER
    assert error_code_at(listed, request_frames.LIST_OFFSETS_VERSION, list_place) == NOT_LEADER
    assert error_code_at(ended, request_frames.OFFSET_FOR_LEADER_EPOCH_VERSION, epoch_place) == NOT_LEADER
