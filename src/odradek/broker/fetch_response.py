"""A fetch response as pieces: bytes of our own between ranges of the log that go out as they lie in the file.

Hand-written, because the generated response would hold the records as bytes and the records of a plaintext consumer never come
into Python. A test builds both from the same results, for every version, and compares them byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.broker.fetch_plan import AbortedTransactions, PartitionResult
from odradek.net.output import FileRange
from odradek.wire.frame_writing import write_length, write_unsigned_varint

FLEXIBLE_VERSION_MIN: Final[i64] = 12
TOPIC_ID_VERSION_MIN: Final[i64] = 13
NODE_ENDPOINTS_VERSION_MIN: Final[i64] = 16
SESSION_VERSION_MIN: Final[i64] = 7
NO_PREFERRED_REPLICA: Final[i32] = -1


class NodeEndpoint(NamedTuple):
    """Where a leader named in the response listens."""

    node_id: int
    host: str
    port: int
    rack: str | None


@final
class ResponseWriter:
    """Gathers the pieces of one response. The size in front counts the ranges too, although their bytes never come by."""

    __slots__ = ("_is_flexible", "_out", "_pieces", "_size", "_version")

    def __init__(self, version: i64) -> None:
        self._version = version
        self._is_flexible = version >= FLEXIBLE_VERSION_MIN
        self._out = BytesWriter()
        self._pieces: list[bytes | FileRange] = []
        # Of all that is in `_pieces`.
        self._size: i64 = 0

    def write(
        self, correlation_id: i64, error: i64, session_id: i64, results: Sequence[PartitionResult], endpoints: Sequence[NodeEndpoint]
    ) -> list[bytes | FileRange]:
        """The whole response, from its size on. Call once."""
        out = self._out
        # The size, which is known at the end.
        write_i32_be(out, 0)
        write_i32_be(out, i32(correlation_id))
        if self._is_flexible:
            out.append(0)
        # Throttle time.
        write_i32_be(out, 0)
        if self._version >= SESSION_VERSION_MIN:
            write_i16_be(out, i16(error))
            write_i32_be(out, i32(session_id))
        topics = _by_topic(results)
        write_length(out, len(topics), self._is_flexible)
        for topic in topics:
            self._write_topic(topic)
        if self._is_flexible:
            self._write_endpoints(endpoints)
        return self._finish()

    def _write_topic(self, results: list[PartitionResult]) -> None:
        fetch = results[0].fetch
        if self._version >= TOPIC_ID_VERSION_MIN:
            self._out.write(fetch.topic_id)
        else:
            name = fetch.topic.encode()
            if self._is_flexible:
                write_unsigned_varint(self._out, len(name) + 1)
            else:
                write_i16_be(self._out, i16(len(name)))
            self._out.write(name)
        write_length(self._out, len(results), self._is_flexible)
        for result in results:
            self._write_partition(result)
        if self._is_flexible:
            self._out.append(0)

    def _write_partition(self, result: PartitionResult) -> None:
        out = self._out
        write_i32_be(out, i32(result.fetch.index))
        write_i16_be(out, i16(result.error))
        write_i64_be(out, i64(result.high_watermark))
        write_i64_be(out, i64(result.last_stable_offset))
        if self._version >= 5:
            write_i64_be(out, i64(result.log_start_offset))
        self._write_aborted(result.aborted)
        if self._version >= 11:
            write_i32_be(out, NO_PREFERRED_REPLICA)
        size = i64(result.size)
        if self._is_flexible:
            write_unsigned_varint(out, size + 1)
        else:
            write_i32_be(out, i32(size))
        records = result.records
        if records is not None:
            self._close_piece()
            self._pieces.append(records)
            self._size += size
        if self._is_flexible:
            self._write_partition_tags(result)

    def _write_aborted(self, aborted: AbortedTransactions | None) -> None:
        out = self._out
        if aborted is None:
            if self._is_flexible:
                out.append(0)
            else:
                write_i32_be(out, -1)
            return
        write_length(out, len(aborted), self._is_flexible)
        for producer_id, first_offset in aborted:
            write_i64_be(out, i64(producer_id))
            write_i64_be(out, i64(first_offset))
            if self._is_flexible:
                out.append(0)

    def _write_partition_tags(self, result: PartitionResult) -> None:
        out = self._out
        has_divergence = result.diverging_epoch >= 0
        has_leader = result.current_leader_id != -1 or result.current_leader_epoch != -1
        out.append((1 if has_divergence else 0) + (1 if has_leader else 0))
        if has_divergence:
            # Tag and size, as in what follows.
            out.write(b"\x00\x0d")
            write_i32_be(out, i32(result.diverging_epoch))
            write_i64_be(out, i64(result.diverging_end_offset))
            out.append(0)
        if has_leader:
            out.write(b"\x01\x09")
            write_i32_be(out, i32(result.current_leader_id))
            write_i32_be(out, i32(result.current_leader_epoch))
            out.append(0)

    def _write_endpoints(self, endpoints: Sequence[NodeEndpoint]) -> None:
        out = self._out
        if not endpoints or self._version < NODE_ENDPOINTS_VERSION_MIN:
            out.append(0)
            return
        value = BytesWriter()
        write_unsigned_varint(value, len(endpoints) + 1)
        for endpoint in endpoints:
            host = endpoint.host.encode()
            write_i32_be(value, i32(endpoint.node_id))
            write_unsigned_varint(value, len(host) + 1)
            value.write(host)
            write_i32_be(value, i32(endpoint.port))
            rack = b"" if endpoint.rack is None else endpoint.rack.encode()
            write_unsigned_varint(value, 0 if endpoint.rack is None else len(rack) + 1)
            value.write(rack)
            value.append(0)
        out.write(b"\x01\x00")
        encoded = value.getvalue()
        write_unsigned_varint(out, len(encoded))
        out.write(encoded)

    def _close_piece(self) -> None:
        piece = self._out.getvalue()
        self._pieces.append(piece)
        self._size += len(piece)
        self._out = BytesWriter()

    def _finish(self) -> list[bytes | FileRange]:
        if len(self._out) > 0:
            self._close_piece()
        pieces = self._pieces
        first = pieces[0]
        assert isinstance(first, bytes)
        size = BytesWriter()
        write_i32_be(size, i32(self._size - 4))
        pieces[0] = size.getvalue() + first[4:]
        return pieces


def _by_topic(results: Sequence[PartitionResult]) -> list[list[PartitionResult]]:
    """Neighbours of one topic share an entry; the order of the partitions is kept, so a topic may have several."""
    topics: list[list[PartitionResult]] = []
    topic_key: str | bytes | None = None
    for result in results:
        key = result.fetch.key[0]
        if key != topic_key or not topics:
            topics.append([])
            topic_key = key
        topics[-1].append(result)
    return topics
