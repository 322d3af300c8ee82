"""The one subscription to client metrics this node has: the empty one, and the id by which a client repeats it (KIP-714).

The id is a checksum over the names of the metrics and the interval, mixed with the id of the client, so that two clients that hold the
same subscription have different numbers (`ClientMetricsManager.java`).
"""

from __future__ import annotations

from typing import Final

from odradek.base.identifiers import Uuid
from odradek.wire.checksum import crc32c

PUSH_INTERVAL_MS: Final = 300_000
TELEMETRY_BYTES_MAX: Final = 1 << 20
# zstd, lz4, gzip, snappy: in the order in which a client should prefer them.
ACCEPTED_CODECS: Final = (4, 3, 1, 2)

_NO_METRICS_TEXT: Final = "[]"


def empty_subscription_id(client_instance_id: Uuid) -> int:
    """What a client that should push nothing has subscribed to; a signed 32-bit number."""
    checksum = crc32c(f"{_NO_METRICS_TEXT}{PUSH_INTERVAL_MS}".encode())
    high = int.from_bytes(client_instance_id[:8], "big")
    low = int.from_bytes(client_instance_id[8:], "big")
    mixed = high ^ low
    unsigned = (checksum ^ (mixed >> 32) ^ mixed) & 0xFFFF_FFFF
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned
