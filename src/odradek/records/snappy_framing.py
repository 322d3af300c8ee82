"""Snappy in the blocks of snappy-java, which every Kafka client writes and reads; also called xerial framing.

A header of 16 bytes, then blocks, each behind its size as a big-endian integer and compressed by itself. As snappy-java does,
reading also takes data without the header for one raw block, and a header again between two blocks (streams that were joined).
"""

from __future__ import annotations

from typing import Final

import cramjam

from odradek.base.errors import CorruptRecords

_MAGIC: Final = b"\x82SNAPPY\x00"
# Both the version of the format and the oldest that can read it are 1.
_HEADER: Final = _MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_BLOCK_SIZE: Final = 1 << 15
# Three bytes can stand for 64, so a block that claims to grow more than this is lying, and nothing is allocated for it.
_GROWTH_MAX: Final = 32


def write_blocks(data: bytes) -> bytes:
    """`data` in framed blocks of 32 KiB."""
    framed = bytearray(_HEADER)
    view = memoryview(data)
    for start in range(0, len(data), _BLOCK_SIZE):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + _BLOCK_SIZE]))
        framed += len(block).to_bytes(4, "big")
        framed += block
    return bytes(framed)


def read_blocks(data: bytes, size_max: int) -> bytes:
    """What framed blocks, or one raw block, hold.

    Raises:
        CorruptRecords: they are malformed, end early, or hold more than `size_max` bytes.
    """
    if not data.startswith(_MAGIC):
        return _decompressed_block(data, size_max)
    pieces: list[bytes] = []
    size = 0
    position = 0
    while position < len(data):
        if data.startswith(_MAGIC, position):
            position += len(_HEADER)
            continue
        block_size = int.from_bytes(data[position : position + 4], "big")
        position += 4
        if position + block_size > len(data):
            raise CorruptRecords("snappy data ends inside a block")
        piece = _decompressed_block(data[position : position + block_size], size_max - size)
        position += block_size
        size += len(piece)
        pieces.append(piece)
    return b"".join(pieces)


def _decompressed_block(block: bytes, size_max: int) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > size_max:
            raise CorruptRecords(f"a snappy block holds {size} bytes, {size_max} are allowed")
        if size > len(block) * _GROWTH_MAX:
            raise CorruptRecords(f"a snappy block of {len(block)} bytes cannot hold {size}")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise CorruptRecords(f"a snappy block is malformed: {error}") from error
