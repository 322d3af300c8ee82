"""What producers ask of their transactions, read in place and answered in bytes: the same as through the generated codec."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from odradek.base.errors import ProtocolViolation
from odradek.broker.transaction_answer import encode_end_answer, encode_join_answer
from odradek.coordinator.transaction.producer_requests import read_end_request, read_join_request
from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, encode_request_header, encode_response_header
from odradek.protocol.message import Message
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
)
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse

BEFORE = b"another frame"
BEHIND = b"and the next"
CORRELATION_ID = 4711
JOIN_VERSION_MAX = 3
VERSIONS = some.integers(EndTxnRequest.VERSION_MIN, EndTxnRequest.VERSION_MAX)
INT16 = some.integers(-(1 << 15), (1 << 15) - 1)
INT32 = some.integers(-(1 << 31), (1 << 31) - 1)
INT64 = some.integers(-(1 << 63), (1 << 63) - 1)
TOPICS = some.lists(some.tuples(some.text(), some.lists(INT32)), min_size=1, max_size=4)


def framed(request: Message, version: int, client_id: str | None = "client") -> bytes:
    """A request without its size, as the dispatcher sees it."""
    out = bytearray()
    header = RequestHeader(request.API_KEY, version, CORRELATION_ID, client_id)
    encode_request_header(out, header)
    request.encode(out, version)
    return bytes(out)


def answered(response: Message, version: int) -> bytes:
    """A response frame, by the codec."""
    out = bytearray()
    encode_response_header(out, CORRELATION_ID, apis.response_header_version(response.API_KEY, version))
    response.encode(out, version)
    return len(out).to_bytes(4, "big") + bytes(out)


def bounds(frame: bytes) -> tuple[bytes, int, int]:
    """The frame among others, and where it lies."""
    return BEFORE + frame + BEHIND, len(BEFORE), len(BEFORE) + len(frame)


@given(version=VERSIONS, client_id=some.none() | some.text(), name=some.text(), producer_id=INT64, epoch=INT16, is_commit=some.booleans())
def test_an_end_is_read_as_the_codec_reads_it(
    version: int, client_id: str | None, name: str, producer_id: int, epoch: int, is_commit: bool
) -> None:
    request = read_end_request(*bounds(framed(EndTxnRequest(name, producer_id, epoch, is_commit), version, client_id)))

    assert request is not None
    producer = request.producer
    assert (producer.version, producer.correlation_id) == (version, CORRELATION_ID)
    assert (producer.transactional_id, producer.producer_id, producer.producer_epoch) == (name, producer_id, epoch)
    assert request.is_commit == is_commit


@given(version=VERSIONS, code=INT16, next_producer_id=INT64, next_epoch=INT16)
def test_an_end_is_answered_in_the_bytes_of_the_codec(version: int, code: int, next_producer_id: int, next_epoch: int) -> None:
    request = read_end_request(*bounds(framed(EndTxnRequest("copier", 1, 2, True), version)))
    assert request is not None
    request.next_producer_id = next_producer_id
    request.next_epoch = next_epoch

    expected = EndTxnResponse(error_code=code)
    if code == 0 and version >= 5:
        expected = EndTxnResponse(producer_id=next_producer_id, producer_epoch=next_epoch)
    assert encode_end_answer(request, code) == answered(expected, version)


@given(version=some.integers(0, JOIN_VERSION_MAX), name=some.text(), producer_id=INT64, epoch=INT16, topics=TOPICS, code=INT16)
def test_a_join_is_read_and_answered_as_by_the_codec(
    version: int, name: str, producer_id: int, epoch: int, topics: Sequence[tuple[str, list[int]]], code: int
) -> None:
    asked = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer_id,
        v3_and_below_producer_epoch=epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(topic, indexes) for topic, indexes in topics],
    )

    request = read_join_request(*bounds(framed(asked, version)))

    assert request is not None
    producer = request.producer
    assert (producer.transactional_id, producer.producer_id, producer.producer_epoch) == (name, producer_id, epoch)
    assert request.places() == {(topic, index) for topic, indexes in topics for index in indexes}
    results = [
        AddPartitionsToTxnTopicResult(topic, [AddPartitionsToTxnPartitionResult(index, code) for index in indexes])
        for topic, indexes in topics
    ]
    assert encode_join_answer(request, code) == answered(AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results), version)


@pytest.mark.parametrize("name", [b"\x00", b"\x81\x80\x02" + bytes(0x8000)], ids=["null", "too long for a record"])
def test_a_name_that_no_record_can_hold_is_left_to_the_codec(name: bytes) -> None:
    """The codec does not write such names: they take the place of another one."""
    topics = [AddPartitionsToTxnTopic("#", [0])]
    end = framed(EndTxnRequest("#", 1, 2, True), 5)
    join_of_nobody = framed(AddPartitionsToTxnRequest(v3_and_below_transactional_id="#"), JOIN_VERSION_MAX)
    join = framed(AddPartitionsToTxnRequest(v3_and_below_transactional_id="copier", v3_and_below_topics=topics), JOIN_VERSION_MAX)

    assert read_end_request(*bounds(end.replace(b"\x02#", name))) is None
    assert read_join_request(*bounds(join_of_nobody.replace(b"\x02#", name))) is None
    assert read_join_request(*bounds(join.replace(b"\x02#", name))) is None


def test_a_join_of_nothing_is_left_to_the_codec() -> None:
    asked = AddPartitionsToTxnRequest(v3_and_below_transactional_id="copier")

    assert read_join_request(*bounds(framed(asked, JOIN_VERSION_MAX))) is None


@pytest.mark.parametrize("version", range(EndTxnRequest.VERSION_MIN, EndTxnRequest.VERSION_MAX + 1))
def test_a_frame_that_ends_too_early_is_refused(version: int) -> None:
    """The next frame lies behind it in the same bytes."""
    end = framed(EndTxnRequest("copier", 1, 2, True), version)
    for size in range(10, len(end)):
        with pytest.raises(ProtocolViolation):
            read_end_request(*bounds(end[:size]))
    if version <= JOIN_VERSION_MAX:
        topics = [AddPartitionsToTxnTopic("orders", [0, 1])]
        join = framed(AddPartitionsToTxnRequest(v3_and_below_transactional_id="copier", v3_and_below_topics=topics), version)
        for size in range(10, len(join)):
            with pytest.raises(ProtocolViolation):
                read_join_request(*bounds(join[:size]))
