"""What stands in the metadata log and its snapshots, batch by batch: values of the state machine, or control records of the quorum.

A batch is what the log holds whole or not at all, so the values of one decision are never spread over two. The values are bytes here: what
they mean is known to `metadata`, a room beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from odradek.base.errors import CorruptRecords
from odradek.raft.events import ProposedBatch
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.control import ControlRecord, control_type_of
from odradek.records.record import Record

# Kafka's limit for one batch of the metadata log: followers fetch that much at once (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`).
BATCH_SIZE_MAX = 8 << 20


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """One batch as it was found. Either `values` or `control_records` is empty."""

    base_offset: int
    next_offset: int
    epoch: int
    max_timestamp_ms: int
    size: int
    values: Sequence[bytes]
    control_records: Sequence[ControlRecord]


def pack(groups: Iterable[Sequence[bytes]], *, timestamp_ms: int) -> list[ProposedBatch]:
    """As few batches as hold all `groups`, each group whole in one batch; an empty group is no group."""
    batches: list[ProposedBatch] = []
    gathered: list[bytes] = []
    size = 0
    for group in groups:
        group_size = sum(map(len, group))
        if gathered and size + group_size > BATCH_SIZE_MAX:
            batches.append(_batch(gathered, timestamp_ms))
            gathered, size = [], 0
        gathered.extend(group)
        size += group_size
    if gathered:
        batches.append(_batch(gathered, timestamp_ms))
    return batches


def read_batches(data: bytes, *, is_control_only: bool = False) -> Iterator[ReadBatch]:
    """The batches of a run of them, decoded; with `is_control_only` those of the state machine are left out.

    Raises:
        CorruptRecords: a batch fails its checksum or its structure.
    """
    for position, header in iterate_batches(data):
        if is_control_only and not header.is_control():
            continue
        check_crc(data, position, header)
        records = decode_records(data, position)
        is_control = header.is_control()
        yield ReadBatch(
            base_offset=header.base_offset,
            next_offset=header.next_offset(),
            epoch=header.partition_leader_epoch,
            max_timestamp_ms=header.max_timestamp,
            size=header.size,
            values=() if is_control else [_value_of(record) for record in records],
            control_records=[ControlRecord(control_type_of(record.key), _value_of(record)) for record in records] if is_control else (),
        )


def _batch(values: Sequence[bytes], timestamp_ms: int) -> ProposedBatch:
    return ProposedBatch(encode_batch([Record(0, timestamp_ms, None, value) for value in values]), len(values))


def _value_of(record: Record) -> bytes:
    if record.value is None:
        raise CorruptRecords("a record of the metadata log has no value")
    return record.value
