"""Broker settings that can be said in several ways: which way wins, and what it comes to.

`log.retention.ms` wins over minutes, minutes over hours; `log.dirs` wins over `log.dir`; a flush interval that is absent is that of the
scheduler. Topics take their defaults from the outcome (`KafkaConfig.logRetentionTimeMillis` and its neighbours).
"""

from __future__ import annotations

from odradek.config.broker_log_settings import (
    ALL_LOG_DIRS,
    CORDONED_LOG_DIRS,
    LOG_DIR,
    LOG_DIRS,
    LOG_FLUSH_INTERVAL_MS,
    LOG_FLUSH_SCHEDULER_INTERVAL_MS,
    LOG_RETENTION_HOURS,
    LOG_RETENTION_MINUTES,
    LOG_RETENTION_MS,
    LOG_ROLL_HOURS,
    LOG_ROLL_JITTER_HOURS,
    LOG_ROLL_JITTER_MS,
    LOG_ROLL_MS,
)
from odradek.config.broker_node_settings import METADATA_LOG_DIR
from odradek.config.settings import Settings

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS

# Names of one thing, the one that wins first. DescribeConfigs lists them as synonyms of each other.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    (LOG_ROLL_MS.name, LOG_ROLL_HOURS.name),
    (LOG_ROLL_JITTER_MS.name, LOG_ROLL_JITTER_HOURS.name),
    (LOG_RETENTION_MS.name, LOG_RETENTION_MINUTES.name, LOG_RETENTION_HOURS.name),
)


def log_directories(settings: Settings) -> list[str]:
    """The directories of the partition logs."""
    directories = settings[LOG_DIRS]
    return list(settings[LOG_DIR] if directories is None else directories)


def cordoned_log_directories(settings: Settings) -> list[str]:
    """The log directories that get no new partitions (KIP-1066)."""
    cordoned = settings[CORDONED_LOG_DIRS] or ()
    return log_directories(settings) if ALL_LOG_DIRS in cordoned else list(cordoned)


def metadata_log_directory(settings: Settings) -> str:
    """The directory in which the metadata log lives."""
    directory = settings[METADATA_LOG_DIR]
    return log_directories(settings)[0] if directory is None else directory


def retention_ms(settings: Settings) -> int:
    """How long records are kept; -1 for ever."""
    milliseconds = settings[LOG_RETENTION_MS]
    if milliseconds is None:
        minutes = settings[LOG_RETENTION_MINUTES]
        milliseconds = settings[LOG_RETENTION_HOURS] * _HOUR_MS if minutes is None else minutes * _MINUTE_MS
    return max(milliseconds, -1)


def segment_ms(settings: Settings) -> int:
    """The age at which a segment is closed."""
    milliseconds = settings[LOG_ROLL_MS]
    return settings[LOG_ROLL_HOURS] * _HOUR_MS if milliseconds is None else milliseconds


def segment_jitter_ms(settings: Settings) -> int:
    """The most that is taken off that age."""
    milliseconds = settings[LOG_ROLL_JITTER_MS]
    return settings[LOG_ROLL_JITTER_HOURS] * _HOUR_MS if milliseconds is None else milliseconds


def flush_ms(settings: Settings) -> int:
    """How long a record may stay unflushed."""
    milliseconds = settings[LOG_FLUSH_INTERVAL_MS]
    return settings[LOG_FLUSH_SCHEDULER_INTERVAL_MS] if milliseconds is None else milliseconds
