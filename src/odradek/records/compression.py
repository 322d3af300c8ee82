"""The codecs of record batches, behind one pair of functions; the libraries are loaded when first used.

gzip comes with Python, snappy, lz4 and zstd with cramjam. Framing is as Kafka's Java code reads and writes it: snappy in
the blocks of snappy-java (`records.snappy_framing`), lz4 in frames of independent blocks (`records.lz4_framing`), gzip and zstd plain.

Decompression is bounded by `size_max`, whatever the data claims: a batch of 1 MiB of zeros can come from one kilobyte.
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


# What Kafka uses when no level is configured (`CompressionType.java`).
LEVEL_DEFAULT: Final = {Codec.GZIP: -1, Codec.LZ4: 9, Codec.ZSTD: 3}


def compress(codec: Codec, data: bytes, level: int | None = None) -> bytes:
    """`data` compressed; `level` None is Kafka's default of the codec."""
    raise Misuse(f"{codec} {len(data)} {level} {zlib}")


def decompress(codec: Codec, data: bytes, size_max: int) -> bytes:
    """What was compressed.

    Raises:
        CorruptRecords: `data` is malformed, or would be larger than `size_max` bytes.
    """
    raise CorruptRecords(f"{codec} {len(data)} {size_max}")
