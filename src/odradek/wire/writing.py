"""What generated encoders call for everything that has no fixed size; the mirror of `wire.reading`.

All append to a `bytearray`. `None` reaches a writer without `nullable` in its name only when a caller put it into a field
that this version cannot carry as null; that is `Misuse`, as is anything that does not fit its length.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from struct import Struct, pack

from odradek.base.errors import Misuse
from odradek.base.identifiers import UUID_SIZE, Uuid
from odradek.wire.reading import STRING_SIZE_MAX
from odradek.wire.varint import write_unsigned_varint

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_INT16_NULL = b"\xff\xff"
_INT32_NULL = b"\xff\xff\xff\xff"
_SIZE_MAX = 0x7FFF_FFFF


def _null_refused() -> Misuse:
    return Misuse("null in a field that cannot be null in this version")


def _encoded(value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) > STRING_SIZE_MAX:
        raise Misuse(f"a string of {len(encoded)} bytes, at most {STRING_SIZE_MAX} are allowed")
    return encoded


def write_string(out: bytearray, value: str | None) -> None:
    """A string behind an int16 length."""
    if value is None:
        raise _null_refused()
    encoded = _encoded(value)
    out += _INT16.pack(len(encoded))
    out += encoded


def write_nullable_string(out: bytearray, value: str | None) -> None:
    """A string behind an int16 length, -1 for null."""
    if value is None:
        out += _INT16_NULL
    else:
        write_string(out, value)


def write_compact_string(out: bytearray, value: str | None) -> None:
    """A string behind its length plus one as a varint."""
    if value is None:
        raise _null_refused()
    encoded = _encoded(value)
    write_unsigned_varint(out, len(encoded) + 1)
    out += encoded


def write_compact_nullable_string(out: bytearray, value: str | None) -> None:
    """A string behind its length plus one as a varint, 0 for null."""
    if value is None:
        out.append(0)
    else:
        write_compact_string(out, value)


def write_bytes(out: bytearray, value: bytes | bytearray | memoryview | None) -> None:
    """Bytes behind an int32 length."""
    if value is None:
        raise _null_refused()
    out += _INT32.pack(len(value))
    out += value


def write_nullable_bytes(out: bytearray, value: bytes | bytearray | memoryview | None) -> None:
    """Bytes behind an int32 length, -1 for null."""
    if value is None:
        out += _INT32_NULL
    else:
        write_bytes(out, value)


def write_compact_bytes(out: bytearray, value: bytes | bytearray | memoryview | None) -> None:
    """Bytes behind their length plus one as a varint."""
    if value is None:
        raise _null_refused()
    write_unsigned_varint(out, len(value) + 1)
    out += value


def write_compact_nullable_bytes(out: bytearray, value: bytes | bytearray | memoryview | None) -> None:
    """Bytes behind their length plus one as a varint, 0 for null."""
    if value is None:
        out.append(0)
    else:
        write_compact_bytes(out, value)


def write_count(out: bytearray, elements: Sized | None) -> None:
    """The int32 count of an array."""
    if elements is None:
        raise _null_refused()
    out += _INT32.pack(len(elements))


def write_nullable_count(out: bytearray, elements: Sized | None) -> None:
    """The int32 count of an array, -1 for null."""
    if elements is None:
        out += _INT32_NULL
    else:
        out += _INT32.pack(len(elements))


def write_compact_count(out: bytearray, elements: Sized | None) -> None:
    """The count of an array, plus one, as a varint."""
    if elements is None:
        raise _null_refused()
    write_unsigned_varint(out, len(elements) + 1)


def write_compact_nullable_count(out: bytearray, elements: Sized | None) -> None:
    """The count of an array, plus one, as a varint, 0 for null."""
    if elements is None:
        out.append(0)
    else:
        write_unsigned_varint(out, len(elements) + 1)


def write_int8_elements(out: bytearray, elements: Sequence[int]) -> None:
    """Numbers of one byte; the count has been written."""
    out += pack(f">{len(elements)}b", *elements)


def write_int16_elements(out: bytearray, elements: Sequence[int]) -> None:
    """Numbers of two bytes."""
    out += pack(f">{len(elements)}h", *elements)


def write_int32_elements(out: bytearray, elements: Sequence[int]) -> None:
    """Numbers of four bytes."""
    out += pack(f">{len(elements)}i", *elements)


def write_int64_elements(out: bytearray, elements: Sequence[int]) -> None:
    """Numbers of eight bytes."""
    out += pack(f">{len(elements)}q", *elements)


def write_uuid_elements(out: bytearray, elements: Sequence[Uuid]) -> None:
    """UUIDs."""
    for element in elements:
        if len(element) != UUID_SIZE:
            raise Misuse(f"a UUID of {len(element)} bytes")
        out += element


def write_string_elements(out: bytearray, elements: Sequence[str]) -> None:
    """Strings with int16 lengths."""
    for element in elements:
        write_string(out, element)


def write_compact_string_elements(out: bytearray, elements: Sequence[str]) -> None:
    """Strings with varint lengths."""
    for element in elements:
        write_compact_string(out, element)


def write_tagged_field(out: bytearray, tag: int, value: bytes | bytearray) -> None:
    """One tagged field: its number, its size, its value (KIP-482)."""
    write_unsigned_varint(out, tag)
    write_unsigned_varint(out, len(value))
    out += value
