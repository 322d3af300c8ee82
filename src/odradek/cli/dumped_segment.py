"""A segment of a log, or a snapshot of the metadata, batch by batch: what `odradek log dump` shows of it.

The file is read one batch at a time, so that a segment of a gigabyte costs the memory of its largest batch. Every checksum is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from odradek.base.errors import CorruptRecords
from odradek.cli.dumped_records import Fields, LogKind, record_fields, time_text
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.compression import Codec
from odradek.records.header import BatchHeader

# Through the magic, which says how the rest is to be read.
_FRONT_SIZE: Final = 17
_ZEROS_PIECE_SIZE: Final = 1 << 16


def segment_batches(path: Path, kind: LogKind, *, has_records: bool) -> Iterator[tuple[Fields, list[Fields]]]:
    """Each batch of the file, with its records if `has_records`.

    Raises:
        CorruptRecords: the file ends inside a batch, or a batch is malformed; those before it have been given.
    """
    with path.open("rb") as file:
        file_size = path.stat().st_size
        position = 0
        while position < file_size:
            batch = _next_batch(file, position, file_size)
            if batch is None:
                return
            yield _batch_and_records(batch, position, kind, has_records=has_records)
            position += len(batch)


def _next_batch(file: BinaryIO, position: int, file_size: int) -> bytes | None:
    file.seek(position)
    front = file.read(_FRONT_SIZE)
    if not any(front) and _is_zero_to_the_end(file):
        # Room that was set aside (`log.preallocate`), or that a crash left.
        return None
    size = int.from_bytes(front[8:12], "big", signed=True) + 12
    if len(front) < _FRONT_SIZE or position + size > file_size:
        raise CorruptRecords(f"the file ends inside the batch at position {position}: {file_size - position} bytes are left of it")
    if size < _FRONT_SIZE:
        raise CorruptRecords(f"the batch at position {position} has an impossible size")
    return front + file.read(size - _FRONT_SIZE)


def _is_zero_to_the_end(file: BinaryIO) -> bool:
    while piece := file.read(_ZEROS_PIECE_SIZE):
        if any(piece):
            return False
    return True


def _batch_and_records(batch: bytes, position: int, kind: LogKind, *, has_records: bool) -> tuple[Fields, list[Fields]]:
    try:
        (found,) = iterate_batches(batch)
        check_crc(batch, 0, found.header)
    except (CorruptRecords, ValueError) as error:
        raise CorruptRecords(f"the batch at position {position} is corrupt: {error}") from error
    fields = _batch_fields(found.header, position)
    if not has_records:
        return fields, []
    is_control = found.header.magic >= 2 and found.header.is_control()
    try:
        return fields, [record_fields(record, kind, is_control=is_control) for record in decode_records(batch)]
    except (CorruptRecords, ValueError) as error:
        # Its checksum is right: this is what its producer sent, and the batches behind it are none the worse.
        return fields | {"unreadable": str(error)}, []


def _batch_fields(header: BatchHeader, position: int) -> Fields:
    codec = header.codec()
    return {
        "position": position,
        "first_offset": header.base_offset,
        "last_offset": header.last_offset(),
        "records": header.record_count if header.record_count >= 0 else None,
        "size_bytes": header.size,
        "codec": Codec(codec).name.lower() if codec in list(Codec) else f"unknown ({codec})",
        "timestamp": time_text(header.max_timestamp),
        "leader_epoch": header.partition_leader_epoch,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "first_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "flags": _flags(header),
        "magic": header.magic,
        "crc": header.crc,
    }


def _flags(header: BatchHeader) -> str:
    if header.magic < 2:
        return ""
    named = {
        "control": header.is_control(),
        "transactional": header.is_transactional(),
        "append-time": header.is_log_append_time(),
        "delete-horizon": header.has_delete_horizon(),
    }
    return ",".join(name for name, is_set in named.items() if is_set)
