"""What the hand-written answers are made of beside numbers of fixed size. Compiled by mypyc.

`BytesWriter` and not `struct` and `bytearray`: with those a fetch response took 17,800 instructions.
"""

from __future__ import annotations

from librt.strings import BytesWriter, write_i32_be
from mypy_extensions import i32, i64, u8


def write_unsigned_varint(out: BytesWriter, value: i64) -> None:
    """Append `value`, which is not negative, seven bits a byte."""
    while value >= 0x80:
        out.append(u8((value & 0x7F) | 0x80))
        value >>= 7
    out.append(u8(value))


def write_length(out: BytesWriter, length: i64, is_flexible: bool) -> None:
    """The length of an array, as the version has it."""
    if is_flexible:
        write_unsigned_varint(out, length + 1)
    else:
        write_i32_be(out, i32(length))


def finished_frame(out: BytesWriter) -> bytes:
    """The bytes of a frame, whose first four, written as 0, now say how many follow them."""
    size = len(out) - 4
    out[0] = (size >> 24) & 0xFF
    out[1] = (size >> 16) & 0xFF
    out[2] = (size >> 8) & 0xFF
    out[3] = size & 0xFF
    return out.getvalue()
