"""Control batches: markers that end transactions, and what the metadata quorum writes about itself.

The key of a control record is a version and a type; its value is a message of `protocol.internal_records` that this room takes as
bytes, but for the end marker of a transaction, which brokers read on their hot path and write (`end_marker`) (`ControlRecordType.java`).
mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final, final

from odradek.base.errors import CorruptRecords
from odradek.records.builder import encode_batch
from odradek.records.record import Record

_KEY = Struct(">hh")
_END_MARKER = Struct(">hi")
KEY_VERSION: Final = 0
END_MARKER_VERSION: Final = 0


class ControlType(IntEnum):
    """What a control record says."""

    UNKNOWN = -1
    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """One control record: its type and its value, encoded."""

    control_type: ControlType
    value: bytes


@final
class EndMarker:
    """The value of a transaction's marker: which reign of the coordinator wrote it."""

    __slots__ = ("control_type", "coordinator_epoch")

    def __init__(self, control_type: ControlType, coordinator_epoch: int) -> None:
        self.control_type = control_type
        self.coordinator_epoch = coordinator_epoch


def control_key(control_type: ControlType) -> bytes:
    """The key of a control record."""
    return _KEY.pack(KEY_VERSION, control_type)


def control_type_of(key: bytes | None) -> ControlType:
    """What a control record says; UNKNOWN for a type from the future, which readers skip.

    Raises:
        CorruptRecords: the key is too short, or has a negative version.
    """
    if key is None or len(key) < _KEY.size:
        raise CorruptRecords("a control record has no key that says its type")
    version, number = _KEY.unpack_from(key)
    if version < 0:
        raise CorruptRecords(f"the key of a control record has version {version}")
    try:
        return ControlType(number)
    except ValueError:
        return ControlType.UNKNOWN


def end_marker_of(record: Record) -> EndMarker:
    """The marker in the record of a control batch of a transaction.

    Raises:
        CorruptRecords: it is not a commit or an abort, or its value is malformed.
    """
    control_type = control_type_of(record.key)
    if control_type not in (ControlType.ABORT, ControlType.COMMIT):
        raise CorruptRecords(f"{control_type.name} does not end a transaction")
    if record.value is None or len(record.value) < _END_MARKER.size:
        raise CorruptRecords("the marker that ends a transaction has no whole value")
    version, coordinator_epoch = _END_MARKER.unpack_from(record.value)
    if version < 0:
        raise CorruptRecords(f"the marker that ends a transaction has version {version}")
    return EndMarker(control_type, coordinator_epoch)


def encode_control_batch(records: Sequence[ControlRecord], *, timestamp: int, base_offset: int = 0, leader_epoch: int = -1) -> bytes:
    """A control batch of the metadata quorum, of one or several records."""
    return encode_batch(
        [Record(0, timestamp, control_key(record.control_type), record.value) for record in records],
        base_offset=base_offset,
        is_control=True,
        leader_epoch=leader_epoch,
    )
