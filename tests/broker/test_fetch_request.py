"""The hand-written reader of fetch requests sees what the generated one sees, and refuses what is no request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.fetch_request import FetchFrame, read_fetch
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState

int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)
uuids = st.binary(min_size=16, max_size=16).map(Uuid)


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, FetchRequest]:
    """A version, and a request whose fields that version has."""
    version = draw(st.integers(4, 18))
    by_id = version >= 13

    def named() -> dict[str, str | Uuid]:
        return {"topic_id": draw(uuids)} if by_id else {"topic": draw(names)}

    request = FetchRequest(
        max_wait_ms=draw(int32), min_bytes=draw(int32), max_bytes=draw(int32), isolation_level=draw(st.integers(0, 1)), rack_id=draw(names)
    )
    if version >= 15:
        request.replica_state = draw(st.builds(ReplicaState, int32, int64))
    else:
        request.replica_id = draw(int32)
    if version >= 12:
        request.cluster_id = draw(st.none() | names)
    partitions = st.builds(
        FetchPartition,
        partition=int32,
        current_leader_epoch=int32 if version >= 9 else st.just(-1),
        fetch_offset=int64,
        last_fetched_epoch=int32 if version >= 12 else st.just(-1),
        log_start_offset=int64 if version >= 5 else st.just(-1),
        partition_max_bytes=int32,
        replica_directory_id=uuids if version >= 17 else st.just(ZERO_UUID),
        high_watermark=int64 if version >= 18 else st.just(2**63 - 1),
    )
    for _ in range(draw(st.integers(0, 3))):
        request.topics.append(FetchTopic(**named(), partitions=draw(st.lists(partitions, max_size=3))))  # type: ignore[arg-type]
    if version >= 7:
        request.session_id, request.session_epoch = draw(int32), draw(int32)
        for _ in range(draw(st.integers(0, 2))):
            request.forgotten_topics_data.append(ForgottenTopic(**named(), partitions=draw(st.lists(int32, max_size=3))))  # type: ignore[arg-type]
    return version, request


def encoded(version: int, request: FetchRequest) -> bytes:
    out = bytearray()
    request.encode(out, version)
    return bytes(out)


def seen(frame: FetchFrame) -> object:
    fetches = [
        (it.topic, it.topic_id, it.index, it.offset, it.bytes_max, it.current_leader_epoch, it.last_fetched_epoch) for it in frame.fetches
    ]
    numbers = (frame.replica_id, frame.wait_max_ms, frame.bytes_min, frame.bytes_max, frame.isolation_level)
    return numbers, (frame.session_id, frame.session_epoch), fetches, frame.forgotten


def seen_by_the_codec(version: int, data: bytes) -> object:
    request, _ = FetchRequest.decode(data, 0, version)
    fetches = [
        (
            topic.topic,
            topic.topic_id,
            it.partition,
            it.fetch_offset,
            it.partition_max_bytes,
            it.current_leader_epoch,
            it.last_fetched_epoch,
        )
        for topic in request.topics
        for it in topic.partitions
    ]
    replica_id = request.replica_state.replica_id if version >= 15 else request.replica_id
    numbers = (replica_id, request.max_wait_ms, request.min_bytes, request.max_bytes, request.isolation_level)
    forgotten = [(topic.topic or topic.topic_id, index) for topic in request.forgotten_topics_data for index in topic.partitions]
    return numbers, (request.session_id, request.session_epoch), fetches, forgotten


@given(drawn=requests(), before=st.binary(max_size=9), behind=st.binary(max_size=9))
def test_request_is_read_as_the_codec_reads_it(drawn: tuple[int, FetchRequest], before: bytes, behind: bytes) -> None:
    version, request = drawn
    data = encoded(version, request)

    frame = read_fetch(before + data + behind, len(before), len(before) + len(data), version)

    assert seen(frame) == seen_by_the_codec(version, data)


@given(drawn=requests(), data=st.data())
def test_request_that_is_cut_off_is_a_violation(drawn: tuple[int, FetchRequest], data: st.DataObject) -> None:
    version, request = drawn
    whole = encoded(version, request)
    size = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(ProtocolViolation):
        read_fetch(whole, 0, size, version)


@given(garbage=st.binary(max_size=80), version=st.integers(4, 18))
def test_garbage_is_a_request_or_a_violation(garbage: bytes, version: int) -> None:
    try:
        read_fetch(garbage, 0, len(garbage), version)
    except ProtocolViolation:
        return
    FetchRequest.decode(garbage, 0, version)


def test_bytes_behind_the_last_field_are_ignored() -> None:
    """As in Kafka: some clients leave some there."""
    data = encoded(12, FetchRequest(max_wait_ms=7))

    assert read_fetch(data + b"?", 0, len(data) + 1, 12).wait_max_ms == 7
