"""The response to Produce where no partition has more to say than a code, written straight into bytes. Compiled by mypyc.

A test holds it to the bytes of the generated `ProduceResponse`; answers with messages or leaders go through that (`produce_slow_path`).
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.broker.produce_frame import FLEXIBLE_VERSION_MIN, ProducedPart, ProduceFrame
from odradek.wire.frame_writing import finished_frame, write_length

LOG_START_OFFSET_VERSION_MIN: Final[i64] = 5
RECORD_ERRORS_VERSION_MIN: Final[i64] = 8


def encode_answer(frame: ProduceFrame) -> bytes:
    """The response frame, where no partition has more to say than a code."""
    version = frame.version
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    out = BytesWriter()
    write_i32_be(out, 0)
    write_i32_be(out, i32(frame.correlation_id))
    if is_flexible:
        out.append(0)
    write_length(out, frame.topics_count, is_flexible)
    position: i64 = 0
    for number, raw_topic in enumerate(frame.topics):
        out.write(raw_topic)
        count: i64 = frame.parts_count_by_topic[number]
        write_length(out, count, is_flexible)
        while count > 0:
            write_part(out, frame.parts[position], version, is_flexible)
            position += 1
            count -= 1
        if is_flexible:
            out.append(0)
    # Throttle time.
    write_i32_be(out, 0)
    if is_flexible:
        out.append(0)
    return finished_frame(out)


def write_part(out: BytesWriter, part: ProducedPart, version: i64, is_flexible: bool) -> None:
    """One partition of the answer, without record errors, message and tagged fields."""
    write_i32_be(out, i32(part.index))
    write_i16_be(out, i16(part.error_code))
    write_i64_be(out, part.base_offset)
    write_i64_be(out, part.append_time_ms)
    if version >= LOG_START_OFFSET_VERSION_MIN:
        write_i64_be(out, part.log_start_offset)
    if version >= RECORD_ERRORS_VERSION_MIN:
        if is_flexible:
            # No record errors, a null message, no tagged fields.
            out.append(1)
            out.append(0)
            out.append(0)
        else:
            write_i32_be(out, 0)
            write_i16_be(out, -1)
