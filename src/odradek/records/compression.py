"""The codecs of record batches, behind one pair of functions; a library is loaded when its codec is first used.

gzip comes with Python, lz4 blocks with lz4, raw snappy with cramjam, zstd with zstandard. The framing is what Kafka's Java code reads and
writes: snappy in blocks as snappy-java has them (`records.snappy_framing`), lz4 in frames of independent blocks
(`records.lz4_framing`), gzip and zstd plain.

Decompression is bounded by `size_max` while it runs, whatever the data claims: a gigabyte of zeros fits a few kilobytes.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import Final

from odradek.base.errors import CorruptRecords, Misuse


class Codec(IntEnum):
    """A compression codec; the value is what stands in the batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


# What Kafka takes when no level is configured (`CompressionType.java`); snappy has no levels.
LEVEL_DEFAULT: Final = {Codec.GZIP: -1, Codec.SNAPPY: 0, Codec.LZ4: 9, Codec.ZSTD: 3}
# As zlib names a stream with gzip's header and the largest window.
_GZIP_WINDOW_BITS: Final = 31
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PIECE_SIZE: Final = 1 << 20
# zstd levels up to 22 use windows up to 128 MiB, which is also what Java's decoder accepts.
_ZSTD_WINDOW_SIZE_MAX: Final = 1 << 27


def codec_named(name: str) -> Codec:
    """The codec of a value of `compression.type`; Kafka spells none `uncompressed` on brokers and `none` in producers.

    Raises:
        ValueError: there is none of that name ("producer" is not a codec).
    """
    if name == "uncompressed":
        return Codec.NONE
    try:
        return Codec[name.upper()]
    except KeyError:
        raise ValueError(f"there is no compression codec {name!r}") from None


def compress(codec: Codec, data: bytes, level: int | None = None) -> bytes:
    """`data` compressed; `level` None is Kafka's default of the codec."""
    if codec is Codec.NONE:
        return data
    level = LEVEL_DEFAULT[codec] if level is None else level
    match codec:
        case Codec.GZIP:
            return _gzip(data, level)
        case Codec.SNAPPY:
            from odradek.records.snappy_framing import write_blocks

            return write_blocks(data)
        case Codec.LZ4:
            from odradek.records.lz4_framing import write_frame

            return write_frame(data, level)
        case Codec.ZSTD:
            return _zstd(data, level)


def decompress(codec: Codec, data: bytes, size_max: int) -> bytes:
    """What was compressed.

    Raises:
        CorruptRecords: `data` is malformed, ends early, or holds more than `size_max` bytes.
    """
    match codec:
        case Codec.NONE:
            if len(data) > size_max:
                raise _too_large(codec, size_max)
            return data
        case Codec.GZIP:
            return _gunzip(data, size_max)
        case Codec.SNAPPY:
            from odradek.records.snappy_framing import read_blocks

            return read_blocks(data, size_max)
        case Codec.LZ4:
            from odradek.records.lz4_framing import read_frame

            return read_frame(data, size_max)
        case Codec.ZSTD:
            return _unzstd(data, size_max)


def _too_large(codec: Codec, size_max: int) -> CorruptRecords:
    return CorruptRecords(f"{codec.name.lower()} data holds more than {size_max} bytes")


def _gzip(data: bytes, level: int) -> bytes:
    try:
        compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    except ValueError as error:
        raise Misuse(f"gzip has no level {level}") from error
    return compressor.compress(data) + compressor.flush()


def _gunzip(data: bytes, size_max: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    # A stream can consist of several members; what is not a member ends it, as in Java.
    while not pieces or data.startswith(_GZIP_MAGIC):
        decompressor = zlib.decompressobj(_GZIP_WINDOW_BITS)
        try:
            piece = decompressor.decompress(data, size_max - size + 1)
        except zlib.error as error:
            raise CorruptRecords(f"gzip data is malformed: {error}") from error
        size += len(piece)
        if size > size_max:
            raise _too_large(Codec.GZIP, size_max)
        if not decompressor.eof:
            raise CorruptRecords("gzip data ends early")
        pieces.append(piece)
        data = decompressor.unused_data
    return b"".join(pieces)


def _zstd(data: bytes, level: int) -> bytes:
    import zstandard

    try:
        return zstandard.ZstdCompressor(level=level).compress(data)
    except ValueError as error:
        raise Misuse(f"zstd has no level {level}") from error


def _unzstd(data: bytes, size_max: int) -> bytes:
    # A frame that ends early is not an error to the library; the records that are then missing are one to whoever counts them.
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_SIZE_MAX).stream_reader(data, read_across_frames=True)
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := reader.read(_PIECE_SIZE):
            size += len(piece)
            if size > size_max:
                raise _too_large(Codec.ZSTD, size_max)
            pieces.append(piece)
    except zstandard.ZstdError as error:
        raise CorruptRecords(f"zstd data is malformed: {error}") from error
    return b"".join(pieces)
