"""A fetch response as pieces: bytes of our own between ranges of the log that go out as they lie in the file.

Hand-written, because the generated response would hold the records as bytes and the records of a plaintext consumer never come
into Python. A test builds both from the same results, for every version, and compares them byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple, final

from odradek.broker.fetch_plan import AbortedTransactions, PartitionResult
from odradek.net.output import FileRange
from odradek.wire.varint import write_unsigned_varint

FLEXIBLE_VERSION_MIN: Final = 12
TOPIC_ID_VERSION_MIN: Final = 13
NODE_ENDPOINTS_VERSION_MIN: Final = 16
NO_PREFERRED_REPLICA: Final = b"\xff\xff\xff\xff"

_CORRELATION_AND_THROTTLE = Struct(">iii")
_FLEXIBLE_START = Struct(">iibihi")
_CLASSIC_START = Struct(">iiihi")
_PARTITION_5 = Struct(">ihqqq")
_PARTITION_4 = Struct(">ihqq")
_ABORTED = Struct(">qq")
_INT32 = Struct(">i")
_INT32_PAIR = Struct(">ii")
_EPOCH_AND_OFFSET = Struct(">iq")


class NodeEndpoint(NamedTuple):
    """Where a leader named in the response listens."""

    node_id: int
    host: str
    port: int
    rack: str | None


@final
class ResponseWriter:
    """Gathers the pieces of one response. The size in front counts the ranges too, although their bytes never come by."""

    __slots__ = ("_out", "_pieces", "_ranges_size", "_version")

    def __init__(self, version: int) -> None:
        self._version = version
        self._out = bytearray()
        self._pieces: list[bytes | FileRange] = []
        self._ranges_size = 0

    def write(
        self, correlation_id: int, error: int, session_id: int, results: Sequence[PartitionResult], endpoints: Sequence[NodeEndpoint]
    ) -> list[bytes | FileRange]:
        """The whole response, from its size on. Call once."""
        version = self._version
        out = self._out
        if version >= FLEXIBLE_VERSION_MIN:
            out += _FLEXIBLE_START.pack(0, correlation_id, 0, 0, error, session_id)
        elif version >= 7:
            out += _CLASSIC_START.pack(0, correlation_id, 0, error, session_id)
        else:
            out += _CORRELATION_AND_THROTTLE.pack(0, correlation_id, 0)
        topics = _by_topic(results)
        self._count(len(topics))
        for topic in topics:
            self._write_topic(topic)
        if version >= FLEXIBLE_VERSION_MIN:
            self._write_endpoints(endpoints)
        return self._finish()

    def _write_topic(self, results: list[PartitionResult]) -> None:
        version = self._version
        fetch = results[0].fetch
        if version >= TOPIC_ID_VERSION_MIN:
            self._out += fetch.topic_id
        else:
            name = fetch.topic.encode()
            if version >= FLEXIBLE_VERSION_MIN:
                write_unsigned_varint(self._out, len(name) + 1)
            else:
                self._out += len(name).to_bytes(2, "big")
            self._out += name
        self._count(len(results))
        for result in results:
            self._write_partition(result)
        if version >= FLEXIBLE_VERSION_MIN:
            self._out.append(0)

    def _write_partition(self, result: PartitionResult) -> None:
        version = self._version
        index, error = result.fetch.index, result.error
        if version >= 5:
            self._out += _PARTITION_5.pack(index, error, result.high_watermark, result.last_stable_offset, result.log_start_offset)
        else:
            self._out += _PARTITION_4.pack(index, error, result.high_watermark, result.last_stable_offset)
        self._write_aborted(result.aborted)
        if version >= 11:
            self._out += NO_PREFERRED_REPLICA
        if version >= FLEXIBLE_VERSION_MIN:
            write_unsigned_varint(self._out, result.size + 1)
        else:
            self._out += _INT32.pack(result.size)
        if result.records is not None:
            self._pieces.append(bytes(self._out))
            self._pieces.append(result.records)
            self._ranges_size += result.size
            self._out = bytearray()
        if version >= FLEXIBLE_VERSION_MIN:
            self._write_partition_tags(result)

    def _write_aborted(self, aborted: AbortedTransactions | None) -> None:
        out = self._out
        is_flexible = self._version >= FLEXIBLE_VERSION_MIN
        if aborted is None:
            out += b"\x00" if is_flexible else b"\xff\xff\xff\xff"
            return
        self._count(len(aborted))
        for producer_id, first_offset in aborted:
            out += _ABORTED.pack(producer_id, first_offset)
            if is_flexible:
                out.append(0)

    def _write_partition_tags(self, result: PartitionResult) -> None:
        out = self._out
        has_divergence = result.diverging_epoch >= 0
        has_leader = result.current_leader_id != -1 or result.current_leader_epoch != -1
        out.append(has_divergence + has_leader)
        if has_divergence:
            out += b"\x00\x0d"
            out += _EPOCH_AND_OFFSET.pack(result.diverging_epoch, result.diverging_end_offset)
            out.append(0)
        if has_leader:
            out += b"\x01\x09"
            out += _INT32_PAIR.pack(result.current_leader_id, result.current_leader_epoch)
            out.append(0)

    def _write_endpoints(self, endpoints: Sequence[NodeEndpoint]) -> None:
        out = self._out
        if not endpoints or self._version < NODE_ENDPOINTS_VERSION_MIN:
            out.append(0)
            return
        value = bytearray()
        write_unsigned_varint(value, len(endpoints) + 1)
        for endpoint in endpoints:
            host = endpoint.host.encode()
            value += _INT32.pack(endpoint.node_id)
            write_unsigned_varint(value, len(host) + 1)
            value += host
            value += _INT32.pack(endpoint.port)
            rack = b"" if endpoint.rack is None else endpoint.rack.encode()
            write_unsigned_varint(value, 0 if endpoint.rack is None else len(rack) + 1)
            value += rack
            value.append(0)
        out += b"\x01\x00"
        write_unsigned_varint(out, len(value))
        out += value

    def _count(self, count: int) -> None:
        if self._version >= FLEXIBLE_VERSION_MIN:
            write_unsigned_varint(self._out, count + 1)
        else:
            self._out += _INT32.pack(count)

    def _finish(self) -> list[bytes | FileRange]:
        pieces = self._pieces
        if self._out:
            pieces.append(bytes(self._out))
        first = pieces[0]
        assert isinstance(first, bytes)
        size = self._ranges_size - 4
        for piece in pieces:
            if isinstance(piece, bytes):
                size += len(piece)
        pieces[0] = size.to_bytes(4, "big") + first[4:]
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
