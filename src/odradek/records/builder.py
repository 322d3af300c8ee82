"""Writing record batches of magic 2: all at once (`encode_batch`) or record by record up to a size (`BatchBuilder`)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from odradek.base.errors import Misuse
from odradek.base.identifiers import NO_LEADER_EPOCH, NO_PRODUCER_ID, NO_TIMESTAMP
from odradek.config.log_configuration import TimestampType
from odradek.records.compression import Codec, compress
from odradek.records.header import ATTRIBUTES_POSITION, CONTROL_FLAG, CURRENT_MAGIC, LENGTH_END, LOG_APPEND_TIME_FLAG, TRANSACTIONAL_FLAG
from odradek.records.record import Header, Record, write_record
from odradek.wire.checksum import crc32c

NO_PRODUCER_EPOCH: Final = -1
NO_SEQUENCE: Final = -1

# From the attributes on, which is what the checksum covers.
_CHECKED = Struct(">hiqqqhii")
_FRONT = Struct(">qiibI")


def encode_batch(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    compression: Codec = Codec.NONE,
    level: int | None = None,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    append_time_ms: int = NO_TIMESTAMP,
    leader_epoch: int = NO_LEADER_EPOCH,
) -> bytes:
    """One batch of `records`, numbered from `base_offset` on whatever their own `offset` says.

    With LogAppendTime the batch bears `append_time_ms`, and readers see that instead of the records' timestamps.

    Raises:
        Misuse: there are no records, or a value does not fit its field.
    """
    if not records:
        raise Misuse("a batch without records cannot be encoded")
    base_timestamp = records[0].timestamp
    body = bytearray()
    max_timestamp = NO_TIMESTAMP
    for index, record in enumerate(records):
        write_record(body, record, index, record.timestamp - base_timestamp)
        max_timestamp = max(max_timestamp, record.timestamp)
    attributes = int(compression)
    if timestamp_type is TimestampType.LOG_APPEND_TIME:
        attributes |= LOG_APPEND_TIME_FLAG
        max_timestamp = append_time_ms
    if is_transactional:
        attributes |= TRANSACTIONAL_FLAG
    if is_control:
        attributes |= CONTROL_FLAG
    packed = bytes(body) if compression is Codec.NONE else compress(compression, bytes(body), level)
    return assemble_batch(
        packed,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        attributes=attributes,
        last_offset_delta=len(records) - 1,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=len(records),
    )


def assemble_batch(
    body: bytes,
    *,
    base_offset: int,
    leader_epoch: int,
    attributes: int,
    last_offset_delta: int,
    base_timestamp: int,
    max_timestamp: int,
    producer_id: int,
    producer_epoch: int,
    base_sequence: int,
    record_count: int,
) -> bytes:
    """A batch around a body that is encoded and compressed already, with its checksum."""
    checked = _CHECKED.pack(
        attributes, last_offset_delta, base_timestamp, max_timestamp, producer_id, producer_epoch, base_sequence, record_count
    )
    size = ATTRIBUTES_POSITION + len(checked) + len(body)
    front = _FRONT.pack(base_offset, size - LENGTH_END, leader_epoch, CURRENT_MAGIC, crc32c(body, crc32c(checked)))
    return b"".join((front, checked, body))


class BatchBuilder:
    """Gathers records until a batch is full. The estimate is of the uncompressed size, as a producer with no history takes it."""

    __slots__ = ("_records", "_size")

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._size = 61

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size(self) -> int:
        """Bytes of the batch without compression; no less than it will have."""
        return self._size

    def append(self, key: bytes | None, value: bytes | None, *, timestamp: int = NO_TIMESTAMP, headers: Sequence[Header] = ()) -> None:
        """Add one record."""
        record = Record(len(self._records), timestamp, key, value, headers)
        self._records.append(record)
        self._size += record_size_bound(record)

    def records(self) -> Sequence[Record]:
        """What was added so far."""
        return self._records


def record_size_bound(record: Record) -> int:
    """A size that `record` does not exceed in a batch, whatever its deltas are."""
    # Length 5, attributes 1, timestamp 10, offset 5, key 5, value 5, headers 5.
    size = 36 + len(record.key or b"") + len(record.value or b"")
    return size + sum(10 + 4 * len(header.key) + len(header.value or b"") for header in record.headers)
