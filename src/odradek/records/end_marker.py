"""The control batch that ends a transaction of a producer in one partition: written, and read where it has the form that we write.

One is written, and read again by the log, for every transaction and partition. `control` reads those of any form.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, write_i16_be, write_i32_be
from mypy_extensions import i16, i32, i64

from odradek.records.control import END_MARKER_VERSION, KEY_VERSION, ControlType, EndMarker
from odradek.records.header import CODEC_MASK, CONTROL_FLAG, HEADER_SIZE, TRANSACTIONAL_FLAG, BatchHeader
from odradek.records.plain_batch import batch_around

NO_SEQUENCE: Final[i64] = -1
KEY_SIZE: Final[i64] = 4
VALUE_SIZE: Final[i64] = 6
# Size, attributes, timestamp delta, offset delta and number of headers are a byte each, as are the sizes of key and value.
RECORD_SIZE: Final[i64] = 7 + KEY_SIZE + VALUE_SIZE
# Size, attributes, both deltas, and the size of the key; small numbers that are signed are doubled.
FRONT: Final = bytes([(RECORD_SIZE - 1) << 1, 0, 0, 0, KEY_SIZE << 1])
TYPE_AT: Final[i64] = 7
EPOCH_AT: Final[i64] = 12


def encode_end_marker(
    control_type: ControlType,
    *,
    coordinator_epoch: i64,
    producer_id: i64,
    producer_epoch: i64,
    timestamp: i64,
    base_offset: i64 = 0,
    leader_epoch: i64 = -1,
) -> bytes:
    """The batch that commits or aborts; `coordinator_epoch` is the reign of the coordinator that decided so."""
    assert control_type is ControlType.ABORT or control_type is ControlType.COMMIT
    body = BytesWriter()
    body.write(FRONT)
    write_i16_be(body, i16(KEY_VERSION))
    write_i16_be(body, i16(int(control_type)))
    body.append(VALUE_SIZE << 1)
    write_i16_be(body, i16(END_MARKER_VERSION))
    write_i32_be(body, i32(coordinator_epoch))
    body.append(0)
    attributes = TRANSACTIONAL_FLAG | CONTROL_FLAG
    return batch_around(body.getvalue(), 1, attributes, timestamp, producer_id, producer_epoch, NO_SEQUENCE, base_offset, leader_epoch)


def read_end_marker(data: bytes, start: i64, header: BatchHeader) -> EndMarker | None:
    """The marker in the control batch at `start`; None where it has another form than ours, or ends no transaction."""
    record = start + HEADER_SIZE
    if header.attributes & CODEC_MASK != 0 or header.size != HEADER_SIZE + RECORD_SIZE or data[record : record + len(FRONT)] != FRONT:
        return None
    if i64(read_i16_be(data, record + len(FRONT))) != KEY_VERSION or data[record + EPOCH_AT - 3] != VALUE_SIZE << 1:
        return None
    if i64(read_i16_be(data, record + EPOCH_AT - 2)) != END_MARKER_VERSION:
        return None
    number = i64(read_i16_be(data, record + TYPE_AT))
    if number == 0:
        control_type = ControlType.ABORT
    elif number == 1:
        control_type = ControlType.COMMIT
    else:
        return None
    return EndMarker(control_type, int(read_i32_be(data, record + EPOCH_AT)))
