"""Messages of magic 0 and 1, which Kafka wrote before 0.11 and which old segments can still hold. They are read, never written."""

from __future__ import annotations

from odradek.records.header import BatchHeader
from odradek.records.record import Record


def legacy_header(data: bytes, position: int) -> BatchHeader:
    """A header that says of a message what can be said without decompressing it: `base_offset` is the offset of its last record."""
    raise NotImplementedError


def read_legacy_records(data: bytes, position: int, size: int, size_max: int) -> list[Record]:
    """The records of the message at `position`."""
    raise NotImplementedError
