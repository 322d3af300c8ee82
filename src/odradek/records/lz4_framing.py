"""LZ4 frames as Kafka's Java code writes and reads them (`Lz4BlockOutputStream.java`, `Lz4BlockInputStream.java`).

A frame is a descriptor, blocks that know nothing of each other, and an end mark. Written: blocks of 64 KiB, no checksum but the
descriptor's. Read: any block size, checksums of blocks, content size and content checksum (neither of which is compared, as in
Java). Blocks that depend on their predecessor are refused, since no Java consumer could read them. What follows the end mark is
ignored.

The framing is ours and not a library's for two reasons: writers of magic 0 computed a wrong descriptor checksum that must be
overlooked, and the size of what comes out has to be bounded while it comes out.
"""

from __future__ import annotations

from typing import Final

import lz4.block  # type: ignore[import-untyped]

from odradek.base.errors import CorruptRecords

_MAGIC: Final = b"\x04\x22\x4d\x18"
# Version 1, independent blocks, no checksums; blocks of 64 KiB; and the checksum of these two bytes.
_DESCRIPTOR: Final = b"\x60\x40\x82"
_BLOCK_SIZE: Final = 1 << 16
_END_MARK: Final = bytes(4)
_STORED_FLAG: Final = 0x8000_0000
# Kafka's levels reach 17 because lz4-java's do; the library itself has twelve and treats everything above as the twelfth.
_LIBRARY_LEVEL_MAX: Final = 12
_FAST_LEVEL: Final = 9

_RESERVED_FLAGS: Final = 0x03
_CONTENT_SIZE_FLAG: Final = 0x08
_BLOCK_CHECKSUM_FLAG: Final = 0x10
_INDEPENDENT_FLAG: Final = 0x20
_VERSION_FLAGS: Final = 0xC0
_VERSION: Final = 0x40


def write_frame(data: bytes, level: int) -> bytes:
    """`data` in one frame. Level 9 is the fast compressor, not the ninth of the thorough ones: that is Kafka's default."""
    frame = bytearray(_MAGIC + _DESCRIPTOR)
    view = memoryview(data)
    for start in range(0, len(data), _BLOCK_SIZE):
        block = view[start : start + _BLOCK_SIZE]
        compressed = _compressed_block(block, level)
        if len(compressed) < len(block):
            frame += len(compressed).to_bytes(4, "little")
            frame += compressed
        else:
            frame += (len(block) | _STORED_FLAG).to_bytes(4, "little")
            frame += block
    frame += _END_MARK
    return bytes(frame)


def _compressed_block(block: memoryview, level: int) -> bytes:
    if level == _FAST_LEVEL:
        fast: bytes = lz4.block.compress(block, store_size=False)
        return fast
    library_level = min(level, _LIBRARY_LEVEL_MAX)
    thorough: bytes = lz4.block.compress(block, mode="high_compression", compression=library_level, store_size=False)
    return thorough


def read_frame(data: bytes, size_max: int, *, is_descriptor_checked: bool = True) -> bytes:
    """What the frame holds.

    Raises:
        CorruptRecords: it is malformed, ends early, or holds more than `size_max` bytes.
    """
    flags, block_size_max, position = _read_descriptor(data, is_descriptor_checked)
    pieces: list[bytes] = []
    size = 0
    while True:
        block_size = int.from_bytes(_piece(data, position, 4), "little")
        position += 4
        if block_size == 0:
            return b"".join(pieces)
        is_stored = block_size & _STORED_FLAG != 0
        block_size &= ~_STORED_FLAG
        if block_size > block_size_max:
            raise CorruptRecords(f"an lz4 block of {block_size} bytes in a frame whose blocks have at most {block_size_max}")
        block = _piece(data, position, block_size)
        position += block_size
        if flags & _BLOCK_CHECKSUM_FLAG:
            if xxh32(block) != int.from_bytes(_piece(data, position, 4), "little"):
                raise CorruptRecords("an lz4 block fails its checksum")
            position += 4
        piece = block if is_stored else _decompressed_block(block, block_size_max)
        size += len(piece)
        if size > size_max:
            raise CorruptRecords(f"an lz4 frame holds more than {size_max} bytes")
        pieces.append(piece)


def _read_descriptor(data: bytes, is_checked: bool) -> tuple[int, int, int]:
    if data[:4] != _MAGIC:
        raise CorruptRecords("lz4 data does not begin with the magic of a frame")
    flags, block_flags = _piece(data, 4, 2)
    if flags & _RESERVED_FLAGS or flags & _VERSION_FLAGS != _VERSION:
        raise CorruptRecords(f"the flags {flags:#04x} of an lz4 frame mean nothing")
    if not flags & _INDEPENDENT_FLAG:
        raise CorruptRecords("an lz4 frame has blocks that depend on each other, which Kafka does not read")
    if block_flags & 0x8F or block_flags >> 4 < 4:
        raise CorruptRecords(f"the block size {block_flags:#04x} of an lz4 frame means nothing")
    end = 14 if flags & _CONTENT_SIZE_FLAG else 6
    checksum = _piece(data, end, 1)[0]
    if is_checked and checksum != xxh32(data[4:end]) >> 8 & 0xFF:
        raise CorruptRecords("the descriptor of an lz4 frame fails its checksum")
    return flags, 1 << (2 * (block_flags >> 4) + 8), end + 1


def _piece(data: bytes, position: int, size: int) -> bytes:
    piece = data[position : position + size]
    if len(piece) < size:
        raise CorruptRecords("lz4 data ends early")
    return piece


def _decompressed_block(block: bytes, size_max: int) -> bytes:
    try:
        piece: bytes = lz4.block.decompress(block, uncompressed_size=size_max)
    except lz4.block.LZ4BlockError as error:
        raise CorruptRecords(f"an lz4 block is malformed: {error}") from error
    return piece


_PRIME_1: Final = 0x9E3779B1
_PRIME_2: Final = 0x85EBCA77
_PRIME_3: Final = 0xC2B2AE3D
_PRIME_4: Final = 0x27D4EB2F
_PRIME_5: Final = 0x165667B1
_MASK: Final = 0xFFFF_FFFF


def xxh32(data: bytes) -> int:
    """xxHash of 32 bits with seed 0. Descriptors are two or ten bytes; blocks with checksums are rare enough for Python."""
    position = 0
    if len(data) >= 16:
        lanes = [(_PRIME_1 + _PRIME_2) & _MASK, _PRIME_2, 0, -_PRIME_1 & _MASK]
        while position + 16 <= len(data):
            for lane in range(4):
                word = int.from_bytes(data[position : position + 4], "little")
                lanes[lane] = _rotated(lanes[lane] + word * _PRIME_2 & _MASK, 13) * _PRIME_1 & _MASK
                position += 4
        digest = sum(_rotated(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18), strict=True))
    else:
        digest = _PRIME_5
    digest = digest + len(data) & _MASK
    while position + 4 <= len(data):
        word = int.from_bytes(data[position : position + 4], "little")
        digest = _rotated(digest + word * _PRIME_3 & _MASK, 17) * _PRIME_4 & _MASK
        position += 4
    for byte in data[position:]:
        digest = _rotated(digest + byte * _PRIME_5 & _MASK, 11) * _PRIME_1 & _MASK
    digest = (digest ^ digest >> 15) * _PRIME_2 & _MASK
    digest = (digest ^ digest >> 13) * _PRIME_3 & _MASK
    return digest ^ digest >> 16


def _rotated(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & _MASK
