"""Looking at the batches in a segment's file one by one, by their headers alone or with every checksum.

The second serves recovery, which reads whole segments and stops at the first batch that is not what its producer made
(`FileLogInputStream.java`). Readers who only want a position use `batch_walk`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from odradek.base.errors import CorruptRecords
from odradek.records.header import HEADER_SIZE, BatchHeader, batch_size_at, is_crc_right, parse_header
from odradek.storage.batch_walk import HEADER_BLOCK_BYTES
from odradek.storage.filesystem import File

RECOVERY_BLOCK_BYTES = 1 << 20


class BatchInFile(NamedTuple):
    """A batch's header and where in the file it begins."""

    position: int
    header: BatchHeader

    @property
    def end(self) -> int:
        return self.position + int(self.header.size)


def scan_headers(file: File, position: int, end: int) -> Iterator[BatchInFile]:
    """The batches from `position`, which has to be the beginning of one, up to `end`; a batch that is not whole is left out.

    Raises:
        CorruptRecords: what stands there cannot be a batch.
    """
    block, block_position = b"", position
    while position + HEADER_SIZE <= end:
        index = position - block_position
        if index + HEADER_SIZE > len(block):
            block, block_position, index = file.pread(HEADER_BLOCK_BYTES, position), position, 0
            if len(block) < HEADER_SIZE:
                return
        header = parse_header(block, index)
        if header.magic != 2 or header.size < HEADER_SIZE:
            raise CorruptRecords(f"no batch of magic 2 at position {position}: magic {header.magic}, size {header.size}")
        found = BatchInFile(position, header)
        if found.end > end:
            return
        yield found
        position = found.end


def scan_whole(file: File, end: int) -> Iterator[tuple[BatchInFile, bytes, int]]:
    """Every batch from the file's beginning whose checksum is right, with the block it lies in and its index there.

    Ends without a word where the first bad or torn batch begins; the caller knows from the last `BatchInFile.end`.
    """
    position = 0
    block, index = b"", 0
    while position < end:
        size = batch_size_at(block, index, len(block))
        if size == 0:
            wanted = max(RECOVERY_BLOCK_BYTES, _size_wanted(block, index))
            block, index = file.pread(min(wanted, end - position), position), 0
            size = batch_size_at(block, index, len(block))
        if size < HEADER_SIZE or block[index + 16] != 2 or not is_crc_right(block, index, size):
            return
        found = BatchInFile(position, parse_header(block, index))
        yield found, block, index
        position += size
        index += size


def _size_wanted(block: bytes, index: int) -> int:
    """The whole size that the batch at `index` says it has, 0 when too little of it is there to know."""
    if len(block) - index < 12:
        return 0
    return int.from_bytes(block[index + 8 : index + 12], "big") + 12
