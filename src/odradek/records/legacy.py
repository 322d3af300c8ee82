"""Messages of magic 0 and 1, which Kafka wrote before 0.11 and old segments can still hold. They are read, never written.

A message stands alone, or it is the wrapper of a compressed set of messages, whose offset is that of the last message inside. Inside
a wrapper of magic 1 offsets count from 0; inside one of magic 0 they are absolute (`AbstractLegacyRecordBatch.java`).
"""

from __future__ import annotations

import zlib
from struct import Struct
from struct import error as struct_error
from typing import Final

from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import NO_TIMESTAMP
from odradek.records.compression import Codec, decompress
from odradek.records.header import CODEC_MASK, LOG_APPEND_TIME_FLAG, BatchHeader
from odradek.records.record import Record

# Base offset, size of what follows it, checksum, magic, attributes; then for magic 1 a timestamp.
_FRONT = Struct(">qiIbb")
_TIMESTAMP = Struct(">q")
_SIZE = Struct(">i")
_OVERHEAD: Final = 12
_CHECKED_POSITION: Final = 16


def legacy_header(data: bytes, position: int) -> BatchHeader:
    """What can be said of a message without decompressing it, as a header of magic 0 or 1.

    `base_offset` is the offset of the last record, and `record_count` is -1 if the message wraps others.

    Raises:
        CorruptRecords: the message is shorter than its magic allows.
    """
    offset, length, checksum, magic, attributes = _FRONT.unpack_from(data, position)
    timestamp = NO_TIMESTAMP
    if magic == 1:
        if length < 22:
            raise CorruptRecords(f"a message of magic 1 at offset {offset} has {length} bytes")
        (timestamp,) = _TIMESTAMP.unpack_from(data, position + _FRONT.size)
    record_count = 1 if attributes & CODEC_MASK == 0 else -1
    return BatchHeader(offset, length + _OVERHEAD, -1, magic, checksum, attributes, 0, timestamp, timestamp, -1, -1, -1, record_count)


def check_legacy_crc(data: bytes, position: int, header: BatchHeader) -> None:
    """Compare the checksum of a message, an ordinary CRC-32, with its bytes.

    Raises:
        CorruptRecords: they differ.
    """
    with memoryview(data) as view:
        computed = zlib.crc32(view[position + _CHECKED_POSITION : position + header.size])
    if computed != header.crc:
        raise CorruptRecords(f"the message at offset {header.base_offset} fails its checksum")


def read_legacy_records(data: bytes, position: int, size_max: int) -> list[Record]:
    """The records of the whole message at `position`, one or those it wraps.

    Raises:
        CorruptRecords: it is malformed, or larger than `size_max` when decompressed.
    """
    header = legacy_header(data, position)
    try:
        record = _read_message(data, position, header)
    except struct_error as error:
        raise CorruptRecords(f"the message at offset {header.base_offset} is malformed: {error}") from error
    if header.codec() == Codec.NONE:
        return [record]
    inner = _read_set(_unwrapped(record, header, size_max))
    if header.magic == 1:
        # The last of the set has the wrapper's offset; some producers left the wrapper at 0, which no set of several can end with.
        shift = header.base_offset - inner[-1].offset if header.base_offset else 0
        for entry in inner:
            entry.offset += shift
            if header.attributes & LOG_APPEND_TIME_FLAG:
                entry.timestamp = header.max_timestamp
    return inner


def _unwrapped(record: Record, header: BatchHeader, size_max: int) -> bytes:
    if record.value is None or header.codec() not in (Codec.GZIP, Codec.SNAPPY, Codec.LZ4):
        raise CorruptRecords(f"the message at offset {header.base_offset} wraps nothing that can be decompressed")
    codec = Codec(header.codec())
    if codec is Codec.LZ4 and header.magic == 0:
        from odradek.records.lz4_framing import read_frame

        # Writers of magic 0 computed the checksum of the descriptor over too many bytes (KAFKA-3160).
        return read_frame(record.value, size_max, is_descriptor_checked=False)
    return decompress(codec, record.value, size_max)


def _read_set(data: bytes) -> list[Record]:
    records: list[Record] = []
    position = 0
    try:
        while position < len(data):
            header = legacy_header(data, position)
            if header.size < _FRONT.size or header.codec() != Codec.NONE:
                raise CorruptRecords(f"a message inside another at offset {header.base_offset} is malformed")
            records.append(_read_message(data, position, header))
            position += header.size
    except struct_error as error:
        raise CorruptRecords(f"a wrapped set of messages ends early: {error}") from error
    if not records:
        raise CorruptRecords("a message wraps an empty set of messages")
    return records


def _read_message(data: bytes, position: int, header: BatchHeader) -> Record:
    end = position + header.size
    position += _FRONT.size + (_TIMESTAMP.size if header.magic == 1 else 0)
    key, position = _read_part(data, position, end)
    value, position = _read_part(data, position, end)
    if position != end:
        raise CorruptRecords(f"the message at offset {header.base_offset} ends {end - position} bytes off its announced size")
    return Record(header.base_offset, header.max_timestamp, key, value)


def _read_part(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    (size,) = _SIZE.unpack_from(data, position)
    position += _SIZE.size
    if size < 0:
        return None, position
    if position + size > min(end, len(data)):
        raise CorruptRecords(f"{size} bytes announced, {end - position} are left of the message")
    return data[position : position + size], position + size
