"""The response to OffsetCommit where all partitions are answered alike, written straight into bytes. Compiled by mypyc.

A test holds it to the bytes of the generated `OffsetCommitResponse`.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be
from mypy_extensions import i16, i32, i64

from odradek.coordinator.group.commit_request import FLEXIBLE_VERSION_MIN, CommitRequest
from odradek.wire.frame_writing import finished_frame, write_length

THROTTLE_TIME_VERSION_MIN: Final[i64] = 3


def encode_commit_answer(request: CommitRequest, error_code: i64) -> bytes:
    """The response frame with `error_code` for each partition, in the order of the request."""
    is_flexible = request.version >= FLEXIBLE_VERSION_MIN
    out = BytesWriter()
    write_i32_be(out, 0)
    write_i32_be(out, i32(request.correlation_id))
    if is_flexible:
        out.append(0)
    if request.version >= THROTTLE_TIME_VERSION_MIN:
        write_i32_be(out, 0)
    write_length(out, len(request.topics), is_flexible)
    for topic in request.topics:
        out.write(topic.raw)
        write_length(out, len(topic.partitions), is_flexible)
        for partition in topic.partitions:
            write_i32_be(out, i32(partition.partition_index))
            write_i16_be(out, i16(error_code))
            if is_flexible:
                out.append(0)
        if is_flexible:
            out.append(0)
    if is_flexible:
        out.append(0)
    return finished_frame(out)
