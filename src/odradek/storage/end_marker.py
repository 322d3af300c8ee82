"""The control record that ends a transaction in a partition: COMMIT or ABORT, and the coordinator's epoch (`EndTransactionMarker.java`).

The storage room reads it from the batch itself, because the last stable offset and the transaction index depend on it, also while a
log is being recovered.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import error, unpack_from

from odradek.base.errors import CorruptRecords, ProtocolViolation
from odradek.records.header import HEADER_SIZE
from odradek.wire.varint import read_varint, read_varlong

ABORT = 0
COMMIT = 1


@dataclass(frozen=True, slots=True)
class EndMarker:
    """How a transaction ended, and in which epoch of its coordinator."""

    is_abort: bool
    coordinator_epoch: int


def read_end_marker(frame: bytes, start: int) -> EndMarker | None:
    """The marker in the control batch at `start`; None for a control batch that ends no transaction.

    Raises:
        CorruptRecords: the batch does not hold a control record.
    """
    try:
        _, position = read_varint(frame, start + HEADER_SIZE)
        _, position = read_varlong(frame, position + 1)
        _, position = read_varint(frame, position)
        key_size, position = read_varint(frame, position)
        version, kind = unpack_from(">hh", frame, position)
        _, position = read_varint(frame, position + key_size)
        if kind not in (ABORT, COMMIT):
            return None
        _, coordinator_epoch = unpack_from(">hi", frame, position)
    except (ProtocolViolation, IndexError, error):
        raise CorruptRecords("a control batch without a readable control record") from None
    if version < 0:
        raise CorruptRecords(f"a control record of version {version}")
    return EndMarker(kind == ABORT, coordinator_epoch)
