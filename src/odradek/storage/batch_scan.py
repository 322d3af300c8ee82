"""Looking at the batches in a segment's file one by one, by their headers alone (`FileLogInputStream.java`).

Readers who only want a position use `batch_walk`, recovery, which checks every checksum, `segment_scan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from odradek.base.errors import CorruptRecords
from odradek.records.header import HEADER_SIZE, BatchHeader, parse_header
from odradek.storage.batch_walk import HEADER_BLOCK_BYTES
from odradek.storage.filesystem import File


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
