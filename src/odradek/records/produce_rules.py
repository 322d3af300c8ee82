"""What a topic asks of the batches that producers send, worked out of its settings once: the hot path asks for it with every batch.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from odradek.config.log_configuration import LONG_MAX, LogConfiguration, TimestampType
from odradek.records.compression import Codec, codec_named

PRODUCER_CODEC: Final = "producer"
KEEPS_CODEC: Final = -1


@final
class ProduceRules:
    """The rules of one topic. A value: settings that change make new ones."""

    __slots__ = (
        "is_compacted",
        "is_every_record_judged",
        "is_log_append_time",
        "message_bytes_max",
        "target_codec",
        "target_level",
        "timestamp_after_max_ms",
        "timestamp_before_max_ms",
    )

    def __init__(self, configuration: LogConfiguration) -> None:
        """The rules of a topic with this configuration."""
        is_log_append_time = configuration.message_timestamp_type is TimestampType.LOG_APPEND_TIME
        has_earliest = configuration.message_timestamp_before_max_ms < LONG_MAX and not is_log_append_time
        self.message_bytes_max: i64 = configuration.max_message_bytes
        self.is_compacted: bool = configuration.is_compacted
        self.is_log_append_time: bool = is_log_append_time
        self.timestamp_before_max_ms: i64 = configuration.message_timestamp_before_max_ms
        self.timestamp_after_max_ms: i64 = configuration.message_timestamp_after_max_ms
        # -1: what the producer chose.
        self.target_codec: i64 = KEEPS_CODEC
        self.target_level: int | None = None
        # Whether no header can say that a batch is good: keys and minimum timestamps are in no header.
        self.is_every_record_judged: bool = configuration.is_compacted or has_earliest
        if configuration.compression_type != PRODUCER_CODEC:
            self._aim_at(codec_named(configuration.compression_type), configuration)

    def _aim_at(self, codec: Codec, configuration: LogConfiguration) -> None:
        self.target_codec = int(codec)
        if codec == Codec.GZIP:
            self.target_level = configuration.compression_gzip_level
        elif codec == Codec.LZ4:
            self.target_level = configuration.compression_lz4_level
        elif codec == Codec.ZSTD:
            self.target_level = configuration.compression_zstd_level

    def timestamp_latest_ms(self, now_ms: i64) -> i64:
        """The latest timestamp a record may have; always a number of 64 bits."""
        if self.timestamp_after_max_ms > LONG_MAX - now_ms:
            return LONG_MAX
        return now_ms + self.timestamp_after_max_ms
