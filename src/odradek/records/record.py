"""One record and its bytes inside a batch (magic 2): variable-length numbers, deltas to the batch's first offset and timestamp.

A block of records is read in one loop with the one-byte case of every number written out, since nearly all of them are one byte
and a call for each would cost more than all the rest. Whatever is malformed leaves as `CorruptRecords` (`DefaultRecord.java`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from odradek.base.errors import CorruptRecords, Misuse, ProtocolViolation
from odradek.wire.varint import read_varint, read_varlong, write_varint, write_varlong

# A record costs at least: length, attributes, two deltas, key and value sizes, count of headers.
RECORD_SIZE_MIN = 7
_INT64_MIN = -(1 << 63)


class Header(NamedTuple):
    """A header of a record. Bytes of a key that are not UTF-8 survive as surrogates, so that a record can be written back."""

    key: str
    value: bytes | None


@dataclass(slots=True)
class Record:
    """One record. `offset` and `timestamp` (milliseconds, -1: none) are absolute; a record of `value` None is a tombstone."""

    offset: int = 0
    timestamp: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[Header] = ()


def read_records(body: bytes, record_count: int, base_offset: int, base_timestamp: int) -> list[Record]:
    """The records in an uncompressed `body`, which must hold exactly `record_count` of them.

    Raises:
        CorruptRecords: it does not, or a record's structure is wrong.
    """
    if record_count < 0 or record_count * RECORD_SIZE_MIN > len(body):
        raise CorruptRecords(f"a batch announces {record_count} records in {len(body)} bytes")
    try:
        return _read_records(body, record_count, base_offset, base_timestamp)
    except (IndexError, ProtocolViolation) as error:
        raise CorruptRecords(f"a batch of {record_count} records ends inside one of them: {error}") from error


def _read_records(body: bytes, record_count: int, base_offset: int, base_timestamp: int) -> list[Record]:
    records: list[Record] = []
    position = 0
    for index in range(record_count):
        byte = body[position]
        if byte < 0x80:
            size = byte >> 1 ^ -(byte & 1)
            position += 1
        else:
            size, position = read_varint(body, position)
        end = position + size
        if size < RECORD_SIZE_MIN - 1 or end > len(body):
            raise CorruptRecords(f"record {index} announces {size} bytes, {len(body) - position} are left")
        # The byte of attributes at `position` means nothing so far.
        byte = body[position + 1]
        if byte < 0x80:
            timestamp = base_timestamp + (byte >> 1 ^ -(byte & 1))
            position += 2
        else:
            timestamp_delta, position = read_varlong(body, position + 1)
            timestamp = _wrapped(base_timestamp + timestamp_delta)
        byte = body[position]
        if byte < 0x80:
            offset = base_offset + (byte >> 1 ^ -(byte & 1))
            position += 1
        else:
            offset_delta, position = read_varint(body, position)
            offset = base_offset + offset_delta
        key, position = _read_bytes(body, position, end)
        value, position = _read_bytes(body, position, end)
        if position < end and body[position] == 0:
            headers: Sequence[Header] = ()
            position += 1
        else:
            headers, position = _read_headers(body, position, end)
        if position != end:
            raise CorruptRecords(f"record {index} ends {end - position} bytes off its announced size")
        records.append(Record(offset, timestamp, key, value, headers))
    if position != len(body):
        raise CorruptRecords(f"{len(body) - position} bytes follow the last of {record_count} records")
    return records


def _wrapped(timestamp: int) -> int:
    """`timestamp` as the 64-bit arithmetic of every other implementation leaves it."""
    return (timestamp - _INT64_MIN) % (1 << 64) + _INT64_MIN


def _read_bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    byte = body[position]
    if byte < 0x80:
        size = byte >> 1 ^ -(byte & 1)
        position += 1
    else:
        size, position = read_varint(body, position)
    # Any negative size is null (`Utils.readBytes`), although writers only use -1.
    if size < 0:
        return None, position
    if position + size > end:
        raise CorruptRecords(f"{size} bytes announced, {end - position} are left of the record")
    return body[position : position + size], position + size


def _read_headers(body: bytes, position: int, end: int) -> tuple[Sequence[Header], int]:
    count, position = read_varint(body, position)
    # Two bytes are the least that a header takes.
    if count < 0 or count * 2 > end - position:
        raise CorruptRecords(f"{count} headers announced, {end - position} bytes are left of the record")
    headers: list[Header] = []
    for _ in range(count):
        key, position = _read_bytes(body, position, end)
        if key is None:
            raise CorruptRecords("a header has no key")
        value, position = _read_bytes(body, position, end)
        headers.append(Header(key.decode("utf-8", "surrogateescape"), value))
    return tuple(headers), position


def write_record(out: bytearray, record: Record, offset_delta: int, timestamp_delta: int) -> None:
    """Append one record to `out`.

    Raises:
        Misuse: a delta, or the size of a part, does not fit its field.
    """
    body = bytearray(1)
    write_varlong(body, timestamp_delta)
    write_varint(body, offset_delta)
    _write_bytes(body, record.key)
    _write_bytes(body, record.value)
    write_varint(body, len(record.headers))
    for key, value in record.headers:
        try:
            _write_bytes(body, key.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError as error:
            raise Misuse(f"the header key {key!r} cannot be encoded") from error
        _write_bytes(body, value)
    write_varint(out, len(body))
    out += body


def _write_bytes(out: bytearray, data: bytes | None) -> None:
    if data is None:
        out.append(1)
        return
    write_varint(out, len(data))
    out += data
