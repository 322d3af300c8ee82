"""Reading record batches: where they lie in a piece of a log, and the records in them.

A piece of a log is any run of batches; the last may be cut off, as in a fetch response or a file after a crash. Batches of magic
2 are decoded here, messages of magic 0 and 1 by `records.legacy`, which old segments can still hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from odradek.base.errors import CorruptRecords
from odradek.records.compression import Codec, decompress
from odradek.records.header import CURRENT_MAGIC, HEADER_SIZE, BatchHeader, batch_size_at, is_crc_right, parse_header
from odradek.records.legacy import check_legacy_crc, legacy_header, read_legacy_records
from odradek.records.record import Header, Record, read_records

__all__ = ["BatchAt", "BatchHeader", "Codec", "Header", "Record", "check_crc", "decode_records", "iterate_batches", "parse_header"]

# What one batch may become when decompressed. Kafka streams and has no limit; ours is far above any `max.message.bytes` in use
# and keeps one hostile batch from taking the memory of the node.
DECOMPRESSED_SIZE_MAX: Final = 256 << 20


class BatchAt(NamedTuple):
    """A batch of any magic and where it begins in the data; it ends at `position + header.size`."""

    position: int
    header: BatchHeader


def iterate_batches(data: bytes, position: int = 0, end: int | None = None) -> Iterator[BatchAt]:
    """The whole batches of `data`, in order; a batch that is cut off at the end is not one of them.

    Checksums are not looked at (`check_crc`).

    Raises:
        CorruptRecords: a size or a magic that no batch can have.
    """
    end = len(data) if end is None else end
    while True:
        size = batch_size_at(data, position, end)
        if size == 0:
            return
        if size < 0:
            raise CorruptRecords(f"there is no record batch at {position}: its size or magic is impossible")
        header = parse_header(data, position) if data[position + 16] == CURRENT_MAGIC else legacy_header(data, position)
        yield BatchAt(position, header)
        position += size


def check_crc(data: bytes, position: int, header: BatchHeader) -> None:
    """Compare the checksum of a batch of any magic with its bytes.

    Raises:
        CorruptRecords: they differ.
    """
    if header.magic != CURRENT_MAGIC:
        check_legacy_crc(data, position, header)
        return
    if not is_crc_right(data, position, header.size):
        raise CorruptRecords(f"the record batch at offset {header.base_offset} fails its checksum")


def decode_records(data: bytes, position: int = 0, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> list[Record]:
    """The records of the batch of any magic at `position`; a control batch's too. The checksum is not looked at.

    Raises:
        CorruptRecords: the batch is cut off, malformed, or larger than `size_max` when decompressed.
    """
    size = batch_size_at(data, position, len(data))
    if size <= 0:
        raise CorruptRecords(f"there is no whole record batch at {position}")
    if data[position + 16] != CURRENT_MAGIC:
        return read_legacy_records(data, position, size_max)
    header = parse_header(data, position)
    body = batch_body(data, position, header, size_max=size_max)
    records = read_records(body, header.record_count, header.base_offset, header.base_timestamp)
    if header.is_log_append_time():
        for record in records:
            record.timestamp = header.max_timestamp
    return records


def batch_body(data: bytes, position: int, header: BatchHeader, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> bytes:
    """The records of a batch of magic 2 as uncompressed bytes.

    Raises:
        CorruptRecords: the codec is unknown, the data malformed, or larger than `size_max`.
    """
    body = data[position + HEADER_SIZE : position + header.size]
    if header.codec() == Codec.NONE or (header.record_count == 0 and not body):
        return body
    return decompress(known_codec(header), body, size_max)


def known_codec(header: BatchHeader) -> Codec:
    """The codec of a batch.

    Raises:
        CorruptRecords: there is none of that number.
    """
    try:
        return Codec(header.codec())
    except ValueError:
        raise CorruptRecords(
            f"the record batch at offset {header.base_offset} names codec {header.codec()}, which does not exist"
        ) from None
