"""Going from batch to batch in a segment's file to find a position: the last steps of every search, which an index only begins.

A fetch takes two such walks, each over a few kilobytes of headers, so this is part of the compiled path and makes no objects.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.base.errors import CorruptRecords
from odradek.records.header import CURRENT_MAGIC, HEADER_SIZE, LENGTH_END, MAGIC_POSITION
from odradek.storage.filesystem import File

# Read at a time: a little more than what lies between two entries of the index.
HEADER_BLOCK_BYTES: Final[i64] = 8192
LAST_OFFSET_DELTA_POSITION: Final[i64] = 23
# What a step looks at: up to the last offset delta.
_LOOKED_AT: Final[i64] = 27


def position_of_offset(file: File, position: i64, end: i64, offset: i64) -> i64:
    """Where the first batch from `position` on begins that ends at or behind `offset`, -1 if none does before `end`.

    Raises:
        CorruptRecords: what stands there cannot be a batch.
    """
    block = b""
    block_position = position
    while position + HEADER_SIZE <= end:
        index = position - block_position
        if index + _LOOKED_AT > len(block):
            block = file.pread(HEADER_BLOCK_BYTES, position)
            block_position = position
            index = 0
        size = _batch_size(block, index)
        if position + size > end:
            return -1
        last_offset_delta = i64(read_i32_be(block, index + LAST_OFFSET_DELTA_POSITION))
        if read_i64_be(block, index) + last_offset_delta >= offset:
            return position
        position += size
    return -1


def boundary_at_most(file: File, position: i64, end: i64, limit: i64) -> i64:
    """The last beginning of a batch, or the `end`, that is not above `limit`; `position` is such a beginning.

    Raises:
        CorruptRecords: what stands there cannot be a batch.
    """
    block = b""
    block_position = position
    while position < limit and position + HEADER_SIZE <= end:
        index = position - block_position
        if index + _LOOKED_AT > len(block):
            # No batch behind the limit is looked at, and the index has nearly always led close to it.
            block = file.pread(int(min(HEADER_BLOCK_BYTES, limit - position + _LOOKED_AT)), position)
            block_position = position
            index = 0
        next_position = position + _batch_size(block, index)
        if next_position > limit:
            return position
        position = next_position
    return position


def _batch_size(block: bytes, index: i64) -> i64:
    if index + _LOOKED_AT > len(block):
        raise CorruptRecords("the file ends inside the header of a batch")
    length = i64(read_i32_be(block, index + 8))
    magic: i64 = block[index + MAGIC_POSITION]
    if magic != CURRENT_MAGIC or length + LENGTH_END < HEADER_SIZE:
        raise CorruptRecords(f"not a batch of magic 2: magic {magic}, length {length}")
    return length + LENGTH_END
