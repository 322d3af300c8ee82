"""Through a piece of log at the pace that a million batches ask for, as far as they are plain: of magic 2, and of no transaction.

Compiled by mypyc. Whoever gathers gets each batch as positions in the piece, or as its uncompressed records; every other batch is left
to `records.batch`.
"""

from __future__ import annotations

from typing import Protocol, final

from mypy_extensions import i64

from odradek.records.batch import batch_body, check_crc
from odradek.records.header import (
    CONTROL_FLAG,
    CURRENT_MAGIC,
    HEADER_SIZE,
    MAGIC_POSITION,
    TRANSACTIONAL_FLAG,
    batch_size_at,
    is_crc_right,
    parse_header,
)
from odradek.records.key_values import KeyValue, NotPlain


class Gatherer(Protocol):
    """Takes plain records in the order of their offsets."""

    def take_batch(self, data: bytes, begin: int, end: int, record_count: int, base_offset: int, first_offset: int) -> None:
        """The uncompressed records of a batch between `begin` and `end` of `data`; those below `first_offset` do not count.

        Raises:
            NotPlain: the batch has to be read otherwise. What was taken of it counts, and comes again.
        """
        ...

    def take(self, record: KeyValue) -> None:
        """One record that was read otherwise."""
        ...


@final
class PlainBatches:
    """A walk through `data`, whole batches. `records_count` are the records that were taken, whether they counted or not."""

    __slots__ = ("_data", "position", "records_count")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position: i64 = 0
        self.records_count: i64 = 0

    def give_to(self, gatherer: Gatherer, first_offset: i64, records_max: i64) -> bool:
        """Go on until some `records_max` more records are taken; False where a batch is not plain, or none, or the end.

        Raises:
            CorruptRecords: a batch fails its checksum, or cannot be decompressed.
        """
        data = self._data
        end: i64 = len(data)
        until = self.records_count + records_max
        while self.records_count < until:
            position = self.position
            size = batch_size_at(data, position, end)
            if size <= 0 or data[position + MAGIC_POSITION] != CURRENT_MAGIC:
                return False
            header = parse_header(data, position)
            if header.attributes & (CONTROL_FLAG | TRANSACTIONAL_FLAG) != 0:
                return False
            if not is_crc_right(data, position, size):
                check_crc(data, position, header)
            try:
                if header.codec() == 0:
                    begin = position + HEADER_SIZE
                    gatherer.take_batch(data, begin, position + size, header.record_count, header.base_offset, first_offset)
                else:
                    body = batch_body(data, position, header)
                    gatherer.take_batch(body, 0, len(body), header.record_count, header.base_offset, first_offset)
            except NotPlain:
                return False
            self.records_count += header.record_count
            self.position = position + size
        return True
