"""CRC-32C (Castagnoli), the checksum of Kafka's record batches, snapshots of producers and checkpoints of the quorum."""

from __future__ import annotations

from crc32c import crc32c as _crc32c


def crc32c(data: bytes | bytearray | memoryview, initial: int = 0) -> int:
    """The checksum of `data`; `initial` is the checksum of what came before it."""
    return _crc32c(data, initial)
