"""The produce path reads and answers exactly as the generated codec does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import Uuid
from odradek.broker.produce_answer import encode_answer
from odradek.broker.produce_frame import ProduceFrame, read_frame
from odradek.protocol import apis
from odradek.protocol.headers import encode_response_header
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

VERSIONS = range(3, 14)

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
partitions = st.lists(
    st.builds(PartitionProduceData, index=st.integers(-(2**31), 2**31 - 1), records=st.one_of(st.none(), st.binary(max_size=80))),
    max_size=4,
)
topics = st.lists(
    st.builds(TopicProduceData, name=names, topic_id=st.binary(min_size=16, max_size=16).map(Uuid), partition_data=partitions), max_size=4
)


def request_frame(request: ProduceRequest, version: int, client_id: bytes | None) -> bytes:
    out = bytearray(b"\x00\x00" + version.to_bytes(2, "big") + (77).to_bytes(4, "big"))
    out += b"\xff\xff" if client_id is None else len(client_id).to_bytes(2, "big") + client_id
    if version >= 9:
        out.append(0)
    request.encode(out, version)
    return bytes(out)


def without_names(topic: TopicProduceData, version: int) -> TopicProduceData:
    return TopicProduceData("" if version >= 13 else topic.name, topic.topic_id if version >= 13 else Uuid(bytes(16)), topic.partition_data)


@given(
    version=st.sampled_from(VERSIONS),
    topics=topics,
    acks=st.integers(-(2**15), 2**15 - 1),
    timeout_ms=st.integers(-(2**31), 2**31 - 1),
    transactional_id=st.one_of(st.none(), names),
    client_id=st.one_of(st.none(), names),
    before=st.binary(max_size=9),
    behind=st.binary(max_size=9),
)
def test_frame_is_read_as_the_codec_reads_it(
    version: int,
    topics: list[TopicProduceData],
    acks: int,
    timeout_ms: int,
    transactional_id: str | None,
    client_id: str | None,
    before: bytes,
    behind: bytes,
) -> None:
    request = ProduceRequest(transactional_id, acks, timeout_ms, [without_names(topic, version) for topic in topics])
    encoded = request_frame(request, version, None if client_id is None else client_id.encode())
    data = before + encoded + behind

    frame = read_frame(data, len(before), len(before) + len(encoded))

    assert (frame.version, frame.correlation_id, frame.client_id) == (version, 77, client_id)
    assert (frame.transactional_id, frame.acks, frame.timeout_ms) == (transactional_id, acks, timeout_ms)
    expected = [
        (topic.topic_id if version >= 13 else topic.name.encode(), partition.index, partition.records or b"")
        for topic in request.topic_data
        for partition in topic.partition_data
    ]
    assert [(part.topic, part.index, data[part.start : part.end]) for part in frame.parts] == expected


@given(version=st.sampled_from(VERSIONS), topics=topics, data=st.data())
def test_damaged_frame_raises_nothing_but_a_protocol_violation(version: int, topics: list[TopicProduceData], data: st.DataObject) -> None:
    encoded = bytearray(request_frame(ProduceRequest(None, 1, 1000, [without_names(topic, version) for topic in topics]), version, b"c"))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(8, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(8, len(encoded)))

    try:
        frame = read_frame(bytes(encoded), 0, end)
    except ProtocolViolation:
        return
    assert all(0 <= part.start <= part.end <= end for part in frame.parts)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_truncation_is_refused(version: int) -> None:
    request = ProduceRequest(
        "t", 1, 1000, [without_names(TopicProduceData("orders", Uuid(b"0123456789abcdef"), [PartitionProduceData(3, b"batch")]), version)]
    )
    encoded = request_frame(request, version, b"client")

    for end in range(8, len(encoded)):
        with pytest.raises(ProtocolViolation):
            read_frame(encoded, 0, end)


@given(
    version=st.sampled_from(VERSIONS),
    topics=topics,
    outcomes=st.lists(st.tuples(st.integers(0, 133), st.integers(-1, 2**60)), min_size=16, max_size=16),
)
def test_answer_has_the_bytes_of_the_codec(version: int, topics: list[TopicProduceData], outcomes: list[tuple[int, int]]) -> None:
    request = ProduceRequest(None, 1, 1000, [without_names(topic, version) for topic in topics])
    encoded = request_frame(request, version, None)
    frame: ProduceFrame = read_frame(encoded, 0, len(encoded))
    for part, (code, offset) in zip(frame.parts, outcomes, strict=False):
        part.error_code = code
        part.base_offset = offset
        part.append_time_ms = offset // 2
        part.log_start_offset = offset // 3

    remaining = iter(frame.parts)
    response = ProduceResponse(
        [
            TopicProduceResponse(
                topic.name,
                topic.topic_id,
                [
                    PartitionProduceResponse(
                        index=part.index,
                        error_code=part.error_code,
                        base_offset=part.base_offset,
                        log_append_time_ms=part.append_time_ms,
                        log_start_offset=part.log_start_offset if version >= 5 else -1,
                    )
                    for part in [next(remaining) for _ in topic.partition_data]
                ],
            )
            for topic in request.topic_data
        ]
    )
    expected = bytearray(4)
    encode_response_header(expected, 77, apis.response_header_version(0, version))
    response.encode(expected, version)
    expected[0:4] = (len(expected) - 4).to_bytes(4, "big")

    assert encode_answer(frame) == bytes(expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_behind_the_last_field_are_ignored(version: int) -> None:
    """As Kafka does: librdkafka leaves some behind its requests."""
    encoded = request_frame(ProduceRequest(None, 1, 1000, []), version, b"client")

    assert read_frame(encoded + b"abc", 0, len(encoded) + 3).parts == []
