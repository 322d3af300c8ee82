"""What generated decoders call for everything that has no fixed size: strings, bytes, counts of arrays, tagged fields.

Every reader takes the whole frame and a position and returns the value and the position behind it. Lengths are compared
with what is left of the frame before anything is allocated, so a frame can never cost more memory than a small multiple
of its own size. Invalid UTF-8 leaves as `UnicodeDecodeError`, and data that ends inside a fixed-size number as
`struct.error`; the `decode` of a message turns both into `ProtocolViolation` (`wire.refusals`).
"""

from __future__ import annotations

from struct import Struct, unpack_from

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import UUID_SIZE, Uuid
from odradek.wire.varint import read_unsigned_varint

# Kafka refuses longer strings in both encodings, although the compact one could carry them.
STRING_SIZE_MAX = 32_767

_INT16 = Struct(">h")
_INT32 = Struct(">i")


def _truncated(position: int, size: int, length: int) -> ProtocolViolation:
    return ProtocolViolation(f"{size} bytes announced at {position}, {length - position} are left")


def _null_refused(position: int) -> ProtocolViolation:
    return ProtocolViolation(f"null at {position} where a value is needed")


def _string(data: bytes, position: int, size: int) -> tuple[str, int]:
    if size > STRING_SIZE_MAX:
        raise ProtocolViolation(f"a string of {size} bytes at {position}, at most {STRING_SIZE_MAX} are allowed")
    end = position + size
    if end > len(data):
        raise _truncated(position, size, len(data))
    return data[position:end].decode(), end


def read_string(data: bytes, position: int) -> tuple[str, int]:
    """A string behind an int16 length."""
    size: int = _INT16.unpack_from(data, position)[0]
    if size < 0:
        raise _null_refused(position)
    return _string(data, position + 2, size)


def read_nullable_string(data: bytes, position: int) -> tuple[str | None, int]:
    """A string behind an int16 length; a negative length is null."""
    size: int = _INT16.unpack_from(data, position)[0]
    if size < 0:
        return None, position + 2
    return _string(data, position + 2, size)


def read_compact_string(data: bytes, position: int) -> tuple[str, int]:
    """A string behind its length plus one as a varint."""
    size, position = read_unsigned_varint(data, position)
    if size == 0:
        raise _null_refused(position)
    return _string(data, position, size - 1)


def read_compact_nullable_string(data: bytes, position: int) -> tuple[str | None, int]:
    """A string behind its length plus one as a varint; zero is null."""
    size, position = read_unsigned_varint(data, position)
    if size == 0:
        return None, position
    return _string(data, position, size - 1)


def _bytes(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(data):
        raise _truncated(position, size, len(data))
    return data[position:end], end


def read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes behind an int32 length; a copy."""
    size: int = _INT32.unpack_from(data, position)[0]
    if size < 0:
        raise _null_refused(position)
    return _bytes(data, position + 4, size)


def read_nullable_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    """Bytes behind an int32 length; a negative length is null."""
    size: int = _INT32.unpack_from(data, position)[0]
    if size < 0:
        return None, position + 4
    return _bytes(data, position + 4, size)


def read_compact_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes behind their length plus one as a varint; a copy."""
    size, position = read_unsigned_varint(data, position)
    if size == 0:
        raise _null_refused(position)
    return _bytes(data, position, size - 1)


def read_compact_nullable_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    """Bytes behind their length plus one as a varint; zero is null."""
    size, position = read_unsigned_varint(data, position)
    if size == 0:
        return None, position
    return _bytes(data, position, size - 1)


def _check_count(data: bytes, position: int, count: int, element_size_min: int) -> None:
    if count * element_size_min > len(data) - position:
        raise ProtocolViolation(
            f"{count} elements of at least {element_size_min} bytes announced at {position}, {len(data) - position} bytes are left"
        )


def read_count(data: bytes, position: int, element_size_min: int) -> tuple[int, int]:
    """The int32 count of an array whose elements take at least `element_size_min` bytes each."""
    count: int = _INT32.unpack_from(data, position)[0]
    if count < 0:
        raise _null_refused(position)
    position += 4
    _check_count(data, position, count, element_size_min)
    return count, position


def read_nullable_count(data: bytes, position: int, element_size_min: int) -> tuple[int, int]:
    """The int32 count of an array; -1 stands for null."""
    count: int = _INT32.unpack_from(data, position)[0]
    position += 4
    if count < 0:
        return -1, position
    _check_count(data, position, count, element_size_min)
    return count, position


def read_compact_count(data: bytes, position: int, element_size_min: int) -> tuple[int, int]:
    """The count of an array, plus one, as a varint."""
    count, position = read_unsigned_varint(data, position)
    if count == 0:
        raise _null_refused(position)
    _check_count(data, position, count - 1, element_size_min)
    return count - 1, position


def read_compact_nullable_count(data: bytes, position: int, element_size_min: int) -> tuple[int, int]:
    """The count of an array, plus one, as a varint; -1 is returned for null."""
    count, position = read_unsigned_varint(data, position)
    if count == 0:
        return -1, position
    _check_count(data, position, count - 1, element_size_min)
    return count - 1, position


def read_int8_elements(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers of one byte. Here and below the caller has compared `count` with what is left."""
    return list(unpack_from(f">{count}b", data, position)), position + count


def read_int16_elements(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers of two bytes."""
    return list(unpack_from(f">{count}h", data, position)), position + 2 * count


def read_int32_elements(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers of four bytes."""
    return list(unpack_from(f">{count}i", data, position)), position + 4 * count


def read_int64_elements(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` numbers of eight bytes."""
    return list(unpack_from(f">{count}q", data, position)), position + 8 * count


def read_uuid_elements(data: bytes, position: int, count: int) -> tuple[list[Uuid], int]:
    """`count` UUIDs."""
    end = position + UUID_SIZE * count
    return [Uuid(data[start : start + UUID_SIZE]) for start in range(position, end, UUID_SIZE)], end


def read_string_elements(data: bytes, position: int, count: int) -> tuple[list[str], int]:
    """`count` strings with int16 lengths."""
    elements = []
    for _ in range(count):
        element, position = read_string(data, position)
        elements.append(element)
    return elements, position


def read_compact_string_elements(data: bytes, position: int, count: int) -> tuple[list[str], int]:
    """`count` strings with varint lengths."""
    elements = []
    for _ in range(count):
        element, position = read_compact_string(data, position)
        elements.append(element)
    return elements, position


def read_tag(data: bytes, position: int) -> tuple[int, int, int]:
    """The number of one tagged field, where its value begins, and where it ends; the end lies inside the data."""
    tag, position = read_unsigned_varint(data, position)
    size, position = read_unsigned_varint(data, position)
    end = position + size
    if end > len(data):
        raise _truncated(position, size, len(data))
    return tag, position, end


def skip_tagged_fields(data: bytes, position: int) -> int:
    """The position behind a section of tagged fields, none of which this side knows (KIP-482)."""
    count, position = read_unsigned_varint(data, position)
    for _ in range(count):
        _, _, position = read_tag(data, position)
    return position
