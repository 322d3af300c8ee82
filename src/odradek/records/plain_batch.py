"""A batch of magic 2 as a coordinator writes it: not compressed, all records of one time, without headers. Compiled by mypyc.

`builder.encode_batch` makes every other batch, and the same bytes of these (a test compares them) in five times the time.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64, u8

from odradek.records.header import ATTRIBUTES_POSITION, CURRENT_MAGIC, LENGTH_END
from odradek.wire.checksum import crc32c

NOBODY: Final[i64] = -1
# Attributes, timestamp delta and number of headers, all zero, of a byte each.
CONSTANT_SIZE: Final[i64] = 3


@final
class PlainBatch:
    """Gathers the records of one batch."""

    __slots__ = ("_body", "_count", "_timestamp_ms")

    def __init__(self, timestamp_ms: i64) -> None:
        self._timestamp_ms = timestamp_ms
        self._count: i64 = 0
        self._body = BytesWriter()

    def add(self, key: bytes, value: bytes) -> None:
        """One record more."""
        body = self._body
        delta = self._count
        size = CONSTANT_SIZE + varint_size(delta) + varint_size(len(key)) + len(key) + varint_size(len(value)) + len(value)
        write_varint(body, size)
        body.append(0)
        body.append(0)
        write_varint(body, delta)
        write_varint(body, len(key))
        body.write(key)
        write_varint(body, len(value))
        body.write(value)
        body.append(0)
        self._count = delta + 1

    def encoded(self, base_sequence: i64) -> bytes:
        """The batch of what was added, which is something; offset and leader epoch are for the log to say."""
        return batch_around(self._body.getvalue(), self._count, 0, self._timestamp_ms, NOBODY, NOBODY, base_sequence, 0, NOBODY)


def batch_around(
    body: bytes,
    record_count: i64,
    attributes: i64,
    timestamp_ms: i64,
    producer_id: i64,
    producer_epoch: i64,
    base_sequence: i64,
    base_offset: i64,
    leader_epoch: i64,
) -> bytes:
    """The batch of `record_count` records of one time, which `body` holds as they are written."""
    checked = BytesWriter()
    write_i16_be(checked, i16(attributes))
    write_i32_be(checked, i32(record_count - 1))
    write_i64_be(checked, timestamp_ms)
    write_i64_be(checked, timestamp_ms)
    write_i64_be(checked, producer_id)
    write_i16_be(checked, i16(producer_epoch))
    write_i32_be(checked, i32(base_sequence))
    write_i32_be(checked, i32(record_count))
    checked.write(body)
    covered = checked.getvalue()
    out = BytesWriter()
    write_i64_be(out, base_offset)
    write_i32_be(out, i32(ATTRIBUTES_POSITION + len(covered) - LENGTH_END))
    write_i32_be(out, i32(leader_epoch))
    out.append(u8(CURRENT_MAGIC))
    checksum: i64 = crc32c(covered)
    out.append(u8((checksum >> 24) & 0xFF))
    out.append(u8((checksum >> 16) & 0xFF))
    out.append(u8((checksum >> 8) & 0xFF))
    out.append(u8(checksum & 0xFF))
    out.write(covered)
    return out.getvalue()


def varint_size(value: i64) -> i64:
    """Bytes of `value`, which is not negative, as a signed varint."""
    size: i64 = 1
    value <<= 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size


def write_varint(out: BytesWriter, value: i64) -> None:
    """Append `value`, which is not negative, as a signed varint: doubled, seven bits a byte."""
    value <<= 1
    while value >= 0x80:
        out.append(u8((value & 0x7F) | 0x80))
        value >>= 7
    out.append(u8(value))
