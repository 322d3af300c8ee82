"""Keys and values of the records of a batch, for whoever reads millions and needs nothing else of them: a coordinator that loads.

Compiled by mypyc. What is rare (headers, or anything that is wrong) is left to `records.record`, which reads or refuses it.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

# Offset, key and value.
KeyValue = tuple[int, bytes | None, bytes | None]

VARINT_SIZE_MAX: Final[i64] = 5
VARLONG_SIZE_MAX: Final[i64] = 10
UINT32_MAX: Final[i64] = 0xFFFF_FFFF


class NotPlain(Exception):
    """The batch holds something that is not read here."""


@final
class _Cursor:
    """A position in the uncompressed records of a batch."""

    __slots__ = ("body", "end", "position")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position: i64 = 0
        self.end: i64 = len(body)

    def varint(self) -> i64:
        """A zigzag number of 32 bits."""
        value: i64 = 0
        shift: i64 = 0
        while True:
            if self.position >= self.end:
                raise NotPlain
            byte: i64 = self.body[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= 7 * VARINT_SIZE_MAX:
                raise NotPlain
        if value > UINT32_MAX:
            raise NotPlain
        return (value >> 1) ^ -(value & 1)

    def skip_varlong(self) -> None:
        size: i64 = 1
        while True:
            if self.position >= self.end:
                raise NotPlain
            byte: i64 = self.body[self.position]
            self.position += 1
            if byte < 0x80:
                if size == VARLONG_SIZE_MAX and byte > 1:
                    raise NotPlain
                return
            size += 1
            if size > VARLONG_SIZE_MAX:
                raise NotPlain

    def nullable_bytes(self) -> bytes | None:
        size = self.varint()
        if size < 0:
            return None
        begin = self.position
        if size > self.end - begin:
            raise NotPlain
        self.position = begin + size
        return self.body[begin : begin + size]


def read_key_values(body: bytes, record_count: i64, base_offset: i64) -> list[KeyValue]:
    """Every record of an uncompressed `body`, which must hold exactly `record_count` of them.

    Raises:
        NotPlain: one has headers, or is malformed.
    """
    found: list[KeyValue] = []
    cursor = _Cursor(body)
    while record_count > 0:
        record_count -= 1
        size = cursor.varint()
        end = cursor.position + size
        if size < 1 or end > cursor.end:
            raise NotPlain
        cursor.position += 1
        cursor.skip_varlong()
        offset = base_offset + cursor.varint()
        key = cursor.nullable_bytes()
        value = cursor.nullable_bytes()
        if cursor.position != end - 1 or body[end - 1] != 0:
            raise NotPlain
        cursor.position = end
        found.append((offset, key, value))
    if cursor.position != cursor.end:
        raise NotPlain
    return found
