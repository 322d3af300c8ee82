"""`<offset>.snapshot`: the producers of a partition as they were at one offset (`ProducerSnapshot.json` version 1, KAFKA-FACTS §2.4).

`i16 version, u32 crc, i32 count`, then 46 bytes a producer. The checksum is CRC-32C of everything behind it. Only a producer's last
batch is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct, error

from odradek.storage.errors import CorruptSnapshot
from odradek.storage.producer_entry import ProducerEntry
from odradek.wire.checksum import crc32c

SNAPSHOT_VERSION = 1
ENTRIES_POSITION = 6
_HEADER = Struct(">hI")
_COUNT = Struct(">i")
_ENTRY = Struct(">qhiqiqiq")


def encode_snapshot(producers: Iterable[ProducerEntry]) -> bytes:
    """The file's content."""
    entries = [
        _ENTRY.pack(
            producer.producer_id,
            producer.epoch,
            producer.last_sequence(),
            producer.last_data_offset(),
            producer.last_offset_delta(),
            producer.last_timestamp,
            producer.coordinator_epoch,
            producer.transaction_first_offset,
        )
        for producer in producers
    ]
    body = _COUNT.pack(len(entries)) + b"".join(entries)
    return _HEADER.pack(SNAPSHOT_VERSION, crc32c(body)) + body


def decode_snapshot(data: bytes) -> list[ProducerEntry]:
    """The producers in the order of the file.

    Raises:
        CorruptSnapshot: unknown version, wrong checksum, or not as long as it says.
    """
    try:
        version, crc = _HEADER.unpack_from(data)
        (count,) = _COUNT.unpack_from(data, ENTRIES_POSITION)
    except error:
        raise CorruptSnapshot(f"a producer snapshot of {len(data)} bytes has no header") from None
    if version != SNAPSHOT_VERSION:
        raise CorruptSnapshot(f"the producer snapshot has version {version}")
    if crc32c(memoryview(data)[ENTRIES_POSITION:]) != crc:
        raise CorruptSnapshot("the checksum of the producer snapshot is wrong")
    entries = data[ENTRIES_POSITION + _COUNT.size :]
    if count < 0 or len(entries) != count * _ENTRY.size:
        raise CorruptSnapshot(f"the producer snapshot announces {count} producers and has {len(entries)} bytes of them")
    return [_producer(*fields) for fields in _ENTRY.iter_unpack(entries)]


def _producer(
    producer_id: int,
    epoch: int,
    last_sequence: int,
    last_offset: int,
    offset_delta: int,
    timestamp: int,
    coordinator_epoch: int,
    transaction_first_offset: int,
) -> ProducerEntry:
    producer = ProducerEntry(producer_id, epoch, coordinator_epoch, timestamp, max(-1, transaction_first_offset))
    if last_offset >= 0:
        producer.add_batch(epoch, last_sequence, last_offset, offset_delta, timestamp)
    return producer
