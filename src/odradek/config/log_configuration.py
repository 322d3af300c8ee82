"""The settings of one partition's log, resolved: what is left when topic, broker and default have been merged.

Storage takes this and nothing else of the configuration, so that a log can be opened in a test with one line. Changing a topic's
settings while it runs replaces the whole value (`LogConfig.java`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MESSAGE_SIZE_MAX_DEFAULT = 1_048_588
NO_LIMIT = -1
LONG_MAX = 2**63 - 1


class TimestampType(IntEnum):
    """Whose clock stamps the records; the value is the batch attribute bit 3."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfiguration:
    """Names are Kafka's topic settings with `.` as `_`. Sizes in bytes, times in milliseconds."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 604_800_000
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10 << 20
    index_interval_bytes: int = 4096
    retention_ms: int = 604_800_000
    retention_bytes: int = NO_LIMIT
    file_delete_delay_ms: int = 60_000
    max_message_bytes: int = MESSAGE_SIZE_MAX_DEFAULT
    message_timestamp_type: TimestampType = TimestampType.CREATE_TIME
    message_timestamp_before_max_ms: int = LONG_MAX
    message_timestamp_after_max_ms: int = 3_600_000
    # "producer" keeps what the producer chose; else none, gzip, snappy, lz4, zstd.
    compression_type: str = "producer"
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3
    is_compacted: bool = False
    is_deleted_by_retention: bool = True
    flush_messages: int = LONG_MAX
    flush_ms: int = LONG_MAX
    min_insync_replicas: int = 1
    unclean_leader_election_enable: bool = False
    preallocate: bool = False
    delete_retention_ms: int = 86_400_000
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = LONG_MAX
    min_cleanable_dirty_ratio: float = 0.5
