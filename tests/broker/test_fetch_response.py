"""The hand-written fetch response has the bytes of the generated one, in every version."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.fetch_plan import PartitionFetch, PartitionResult
from odradek.broker.fetch_response import NodeEndpoint, ResponseWriter
from odradek.net.output import FileRange
from odradek.protocol import apis
from odradek.protocol.headers import encode_response_header
from odradek.protocol.messages import fetch as messages

FETCH = 1
int16 = st.integers(-1, 2**15 - 1)
int32 = st.integers(-1, 2**31 - 1)
int64 = st.integers(-1, 2**63 - 1)
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=200)


class BytesFile:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def fileno(self) -> None:
        return None

    def pread(self, size: int, position: int) -> bytes:
        return self._data[position : position + size]


@st.composite
def results(draw: st.DrawFn) -> PartitionResult:
    topic = draw(st.sampled_from(["orders", "refunds", "ä" * 100]))
    topic_id = Uuid(topic.encode()[:16].ljust(16, b"\x01"))
    result = PartitionResult(PartitionFetch(topic, topic_id, draw(int32), 0, 0), None, draw(int16))
    result.high_watermark, result.last_stable_offset, result.log_start_offset = draw(int64), draw(int64), draw(int64)
    result.aborted = draw(st.none() | st.lists(st.tuples(int64, int64), max_size=3))
    records = draw(st.binary(max_size=300))
    if records:
        before = draw(st.binary(max_size=5))
        result.records = FileRange(BytesFile(before + records + b"behind"), len(before), len(records))
        result.size = len(records)
    if draw(st.booleans()):
        result.diverging_epoch, result.diverging_end_offset = draw(st.integers(0, 9)), draw(int64)
    if draw(st.booleans()):
        result.current_leader_id, result.current_leader_epoch = draw(int32), draw(int32)
    return result


endpoints = st.lists(st.builds(NodeEndpoint, int32, names, int32, st.none() | names), max_size=2, unique_by=lambda it: it.node_id)


def joined(pieces: Sequence[bytes | FileRange]) -> bytes:
    """What the connection would send."""
    return b"".join(piece.file.pread(piece.size, piece.position) if isinstance(piece, FileRange) else piece for piece in pieces)


def generated(
    version: int, correlation_id: int, error: int, session_id: int, answers: Sequence[PartitionResult], nodes: Sequence[NodeEndpoint]
) -> bytes:
    """The same response through the generated class."""
    response = messages.FetchResponse(
        error_code=error if version >= 7 else 0,
        session_id=session_id if version >= 7 else 0,
        responses=[
            messages.FetchableTopicResponse(
                topic=topic if version < 13 else "",
                topic_id=first.fetch.topic_id if version >= 13 else ZERO_UUID,
                partitions=[partition_data(version, answer) for answer in (first, *rest)],
            )
            for topic, (first, *rest) in groupby(answers, lambda answer: answer.fetch.topic)
        ],
        node_endpoints=[messages.NodeEndpoint(*node) for node in nodes] if version >= 16 else [],
    )
    out = bytearray(4)
    encode_response_header(out, correlation_id, apis.response_header_version(FETCH, version))
    response.encode(out, version)
    return (len(out) - 4).to_bytes(4, "big") + bytes(out[4:])


def partition_data(version: int, answer: PartitionResult) -> messages.PartitionData:
    records = answer.records
    data = messages.PartitionData(
        partition_index=answer.fetch.index,
        error_code=answer.error,
        high_watermark=answer.high_watermark,
        last_stable_offset=answer.last_stable_offset,
        log_start_offset=answer.log_start_offset,
        aborted_transactions=None if answer.aborted is None else [messages.AbortedTransaction(*it) for it in answer.aborted],
        records=b"" if records is None else records.file.pread(records.size, records.position),
    )
    if version >= 12:
        data.diverging_epoch = messages.EpochEndOffset(answer.diverging_epoch, answer.diverging_end_offset)
        data.current_leader = messages.LeaderIdAndEpoch(answer.current_leader_id, answer.current_leader_epoch)
    return data


@given(
    version=st.integers(4, 18),
    correlation_id=int32,
    error=int16,
    session_id=int32,
    answers=st.lists(results(), max_size=5),
    nodes=endpoints,
)
def test_pieces_are_the_bytes_of_the_generated_response(
    version: int, correlation_id: int, error: int, session_id: int, answers: list[PartitionResult], nodes: list[NodeEndpoint]
) -> None:
    expected = generated(version, correlation_id, error, session_id, answers, nodes)

    pieces = ResponseWriter(version).write(correlation_id, error, session_id, answers, nodes)

    assert joined(pieces) == expected


def test_records_are_never_read_but_handed_on_as_ranges() -> None:
    """Two partitions with data: bytes, range, bytes, range, and what follows the last."""
    answers = []
    for index in range(2):
        answer = PartitionResult(PartitionFetch("orders", ZERO_UUID, index, 0, 0), None, 0)
        answer.records, answer.size = FileRange(BytesFile(b"records"), 0, 7), 7
        answers.append(answer)

    pieces = ResponseWriter(12).write(1, 0, 0, answers, [])

    assert [type(piece) for piece in pieces] == [bytes, FileRange, bytes, FileRange, bytes]
    assert [piece for piece in pieces if isinstance(piece, FileRange)] == [answer.records for answer in answers]
