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
# Where a key or a value begins that is null.
NULL_POSITION: Final[i64] = -1


class NotPlain(Exception):
    """The batch holds something that is not read here."""


@final
class RecordCursor:
    """Goes through the `record_count` uncompressed records that lie between `begin` and `end` of `data`, and makes no objects of them.

    After each step `key_begin` and `key_end`, `value_begin` and `value_end` are positions in `data`; where a null begins is -1.
    """

    __slots__ = (
        "_base_offset",
        "_end",
        "_left",
        "_position",
        "data",
        "key_begin",
        "key_end",
        "offset",
        "value_begin",
        "value_end",
    )

    def __init__(self, data: bytes, begin: i64, end: i64, record_count: i64, base_offset: i64) -> None:
        self.data = data
        self._position: i64 = begin
        self._end: i64 = end
        self._left: i64 = record_count
        self._base_offset: i64 = base_offset
        self.offset: i64 = base_offset
        self.key_begin: i64 = NULL_POSITION
        self.key_end: i64 = NULL_POSITION
        self.value_begin: i64 = NULL_POSITION
        self.value_end: i64 = NULL_POSITION

    def advance(self) -> bool:
        """Go to the next record; False behind the last.

        Raises:
            NotPlain: it has headers, or it is malformed, or there is something behind the last one.
        """
        if self._left <= 0:
            if self._position != self._end:
                raise NotPlain
            return False
        self._left -= 1
        size = self._varint()
        end = self._position + size
        if size < 1 or end > self._end:
            raise NotPlain
        self._position += 1
        self._skip_varlong()
        self.offset = self._base_offset + self._varint()
        self.key_begin = self._skip_nullable_bytes()
        self.key_end = self._position
        self.value_begin = self._skip_nullable_bytes()
        self.value_end = self._position
        if self._position != end - 1 or self.data[end - 1] != 0:
            raise NotPlain
        self._position = end
        return True

    def key(self) -> bytes | None:
        """A copy of the key."""
        return None if self.key_begin < 0 else self.data[self.key_begin : self.key_end]

    def value(self) -> bytes | None:
        """A copy of the value."""
        return None if self.value_begin < 0 else self.data[self.value_begin : self.value_end]

    def _varint(self) -> i64:
        """A zigzag number of 32 bits."""
        value: i64 = 0
        shift: i64 = 0
        while True:
            if self._position >= self._end:
                raise NotPlain
            byte: i64 = self.data[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= 7 * VARINT_SIZE_MAX:
                raise NotPlain
        if value > UINT32_MAX:
            raise NotPlain
        return (value >> 1) ^ -(value & 1)

    def _skip_varlong(self) -> None:
        size: i64 = 1
        while True:
            if self._position >= self._end:
                raise NotPlain
            byte: i64 = self.data[self._position]
            self._position += 1
            if byte < 0x80:
                if size == VARLONG_SIZE_MAX and byte > 1:
                    raise NotPlain
                return
            size += 1
            if size > VARLONG_SIZE_MAX:
                raise NotPlain

    def _skip_nullable_bytes(self) -> i64:
        """Where they begin, `NULL_POSITION` if they are null."""
        size = self._varint()
        if size < 0:
            return NULL_POSITION
        begin = self._position
        if size > self._end - begin:
            raise NotPlain
        self._position = begin + size
        return begin
