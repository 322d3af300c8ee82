"""Variable-length integers: seven bits a byte, least significant first, the top bit says that more follows.

Kafka has three: the unsigned 32-bit one of the flexible protocol versions, and the zigzag ones of 32 and 64 bits inside
record batches (`ByteUtils.java`). Readers take a position and return the one behind the value; nothing is read beyond the
longest legal form, so that a run of 0xff bytes cannot make a number grow without end.
"""

from __future__ import annotations

from odradek.base.errors import Misuse, ProtocolViolation

UNSIGNED_VARINT_MAX = 0xFFFF_FFFF


def read_unsigned_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, at most five bytes long, and the position behind it.

    Raises:
        ProtocolViolation: the data ends inside the number, or it has more than 32 bits.
    """
    try:
        byte = data[position]
        if byte < 0x80:
            return byte, position + 1
        value = byte & 0x7F
        byte = data[position + 1]
        if byte < 0x80:
            return value | byte << 7, position + 2
        value |= (byte & 0x7F) << 7
        byte = data[position + 2]
        if byte < 0x80:
            return value | byte << 14, position + 3
        value |= (byte & 0x7F) << 14
        byte = data[position + 3]
        if byte < 0x80:
            return value | byte << 21, position + 4
        value |= (byte & 0x7F) << 21
        byte = data[position + 4]
    except IndexError:
        raise ProtocolViolation(f"the data ends inside the variable-length number at {position}") from None
    if byte > 0x0F:
        raise ProtocolViolation(f"the variable-length number at {position} has more than 32 bits")
    return value | byte << 28, position + 5


def write_unsigned_varint(out: bytearray, value: int) -> None:
    """Append `value`, which has to fit 32 bits.

    Raises:
        Misuse: it does not.
    """
    if value < 0 or value > UNSIGNED_VARINT_MAX:
        raise Misuse(f"{value} is not an unsigned 32-bit number")
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def unsigned_varint_size(value: int) -> int:
    """Bytes that `value` takes."""
    assert value >= 0
    return max(1, (value.bit_length() + 6) // 7)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag number of 32 bits.

    Raises:
        ProtocolViolation: the data ends inside the number, or it has more than 32 bits.
    """
    value, position = read_unsigned_varint(data, position)
    return value >> 1 ^ -(value & 1), position


def write_varint(out: bytearray, value: int) -> None:
    """Append a zigzag number of 32 bits.

    Raises:
        Misuse: `value` does not fit.
    """
    if not -(1 << 31) <= value < 1 << 31:
        raise Misuse(f"{value} is not a signed 32-bit number")
    write_unsigned_varint(out, (value << 1) ^ (value >> 31))


def read_varlong(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag number of 64 bits, at most ten bytes long.

    Raises:
        ProtocolViolation: the data ends inside the number, or it has more than 64 bits.
    """
    value = 0
    shift = 0
    start = position
    while True:
        if position >= len(data):
            raise ProtocolViolation(f"the data ends inside the variable-length number at {start}")
        byte = data[position]
        position += 1
        if shift == 63 and byte > 1:
            raise ProtocolViolation(f"the variable-length number at {start} has more than 64 bits")
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), position
        shift += 7


def write_varlong(out: bytearray, value: int) -> None:
    """Append a zigzag number of 64 bits.

    Raises:
        Misuse: `value` does not fit.
    """
    if not -(1 << 63) <= value < 1 << 63:
        raise Misuse(f"{value} is not a signed 64-bit number")
    rest = (value << 1) ^ (value >> 63)
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


def varint_size(value: int) -> int:
    """Bytes that `value` takes as a zigzag number, of 32 or of 64 bits."""
    return unsigned_varint_size((value << 1) ^ (value >> 63))
