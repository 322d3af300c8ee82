"""The responses to EndTxn and AddPartitionsToTxn, written straight into bytes. Compiled by mypyc.

A test holds them to the bytes of the generated classes.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.coordinator.transaction.producer_requests import FLEXIBLE_VERSION_MIN, EndRequest, JoinRequest, ProducerRequest
from odradek.wire.frame_writing import finished_frame, write_length

# From this version of EndTxn on every end brings another epoch.
EPOCH_BUMP_VERSION_MIN: Final[i64] = 5


def encode_end_answer(request: EndRequest, error_code: i64) -> bytes:
    """The response frame to EndTxn; what the producer is from now on is told where it has ended its transaction."""
    version = request.producer.version
    out = _begun(request.producer)
    write_i16_be(out, i16(error_code))
    if version >= EPOCH_BUMP_VERSION_MIN:
        has_ended = error_code == 0
        write_i64_be(out, request.next_producer_id if has_ended else -1)
        write_i16_be(out, i16(request.next_epoch if has_ended else -1))
    if version >= FLEXIBLE_VERSION_MIN:
        out.append(0)
    return finished_frame(out)


def encode_join_answer(request: JoinRequest, error_code: i64) -> bytes:
    """The response frame to AddPartitionsToTxn with `error_code` for each partition, in the order of the request."""
    is_flexible = request.producer.version >= FLEXIBLE_VERSION_MIN
    out = _begun(request.producer)
    write_length(out, len(request.topics), is_flexible)
    for topic in request.topics:
        out.write(topic.raw)
        write_length(out, len(topic.indexes), is_flexible)
        for index in topic.indexes:
            write_i32_be(out, i32(index))
            write_i16_be(out, i16(error_code))
            if is_flexible:
                out.append(0)
        if is_flexible:
            out.append(0)
    if is_flexible:
        out.append(0)
    return finished_frame(out)


def _begun(request: ProducerRequest) -> BytesWriter:
    """A frame without its size yet: the header, and that nobody is throttled."""
    out = BytesWriter()
    write_i32_be(out, 0)
    write_i32_be(out, i32(request.correlation_id))
    if request.version >= FLEXIBLE_VERSION_MIN:
        out.append(0)
    write_i32_be(out, 0)
    return out
