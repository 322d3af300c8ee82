"""The topic's settings: the table, the rules between them, and what they come to for one partition's log.

What is not set for a topic comes from the broker under another name (`topic_synonyms`). `validate_topic_overrides` speaks for the
controller: its sentences go to clients with INVALID_CONFIG, so they are Kafka's (`LogConfig.validate`).
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from collections.abc import Mapping

from odradek.base.errors import SettingError
from odradek.config import precedence, topic_settings
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.config.setting import Setting
from odradek.config.settings import Settings
from odradek.config.topic_settings import *
from odradek.config.topic_synonyms import TOPIC_SYNONYMS

TOPIC_SETTINGS: Mapping[str, Setting[object]] = {
    row.name: row for row in sorted(vars(topic_settings).values(), key=lambda row: getattr(row, "name", "")) if isinstance(row, Setting)
}

# What a broker says in several ways; all other synonyms are one setting with one unit.
_RESOLVED = {
    RETENTION_MS.name: precedence.retention_ms,
    SEGMENT_MS.name: precedence.segment_ms,
    SEGMENT_JITTER_MS.name: precedence.segment_jitter_ms,
    FLUSH_MS.name: precedence.flush_ms,
}


def topic_values(overrides: Mapping[str, str], broker: Settings) -> Settings:
    """What a topic with `overrides` has: its own values, and the broker's where it has none.

    Overrides that no table knows are left out: a newer node may have written them.

    Raises:
        SettingError: an override is not allowed.
    """
    values: dict[str, object] = {}
    for name, synonyms in TOPIC_SYNONYMS.items():
        resolve = _RESOLVED.get(name)
        values[name] = broker[synonyms[0].setting] if resolve is None else resolve(broker)
    known = {name: text for name, text in overrides.items() if name in TOPIC_SETTINGS}
    values |= {name: TOPIC_SETTINGS[name].parse(text) for name, text in known.items()}
    return Settings(values, known)


def topic_log_configuration(overrides: Mapping[str, str], broker: Settings) -> LogConfiguration:
    """How the logs of a topic with `overrides` behave on a broker with settings `broker`.

    Raises:
        SettingError: an override is not allowed.
    """
    values = topic_values(overrides, broker)
    policies = values[CLEANUP_POLICY]
    small_segment_bytes = values[INTERNAL_SEGMENT_BYTES]
    return LogConfiguration(
        segment_bytes=values[SEGMENT_BYTES] if small_segment_bytes is None else small_segment_bytes,
        segment_ms=values[SEGMENT_MS],
        segment_jitter_ms=values[SEGMENT_JITTER_MS],
        segment_index_bytes=values[SEGMENT_INDEX_BYTES],
        index_interval_bytes=values[INDEX_INTERVAL_BYTES],
        retention_ms=values[RETENTION_MS],
        retention_bytes=values[RETENTION_BYTES],
        file_delete_delay_ms=values[FILE_DELETE_DELAY_MS],
        max_message_bytes=values[MAX_MESSAGE_BYTES],
        message_timestamp_type=_timestamp_type(values[MESSAGE_TIMESTAMP_TYPE]),
        message_timestamp_before_max_ms=values[MESSAGE_TIMESTAMP_BEFORE_MAX_MS],
        message_timestamp_after_max_ms=values[MESSAGE_TIMESTAMP_AFTER_MAX_MS],
        compression_type=_compression(values[COMPRESSION_TYPE]),
        compression_gzip_level=values[COMPRESSION_GZIP_LEVEL],
        compression_lz4_level=values[COMPRESSION_LZ4_LEVEL],
        compression_zstd_level=values[COMPRESSION_ZSTD_LEVEL],
        is_compacted="compact" in policies,
        is_deleted_by_retention="delete" in policies,
        flush_messages=values[FLUSH_MESSAGES],
        flush_ms=values[FLUSH_MS],
        min_insync_replicas=values[MIN_INSYNC_REPLICAS],
        unclean_leader_election_enable=values[UNCLEAN_LEADER_ELECTION_ENABLE],
        preallocate=values[PREALLOCATE],
        delete_retention_ms=values[DELETE_RETENTION_MS],
        min_compaction_lag_ms=values[MIN_COMPACTION_LAG_MS],
        max_compaction_lag_ms=values[MAX_COMPACTION_LAG_MS],
        min_cleanable_dirty_ratio=values[MIN_CLEANABLE_DIRTY_RATIO],
    )


def _timestamp_type(name: str) -> TimestampType:
    return TimestampType.LOG_APPEND_TIME if name == "LogAppendTime" else TimestampType.CREATE_TIME


def _compression(name: str) -> str:
    return "none" if name == "uncompressed" else name


def validate_topic_overrides(overrides: Mapping[str, str | None], broker: Settings, existing: Mapping[str, str] | None = None) -> None:
    """Refuse overrides that a topic cannot have. `existing` is what the topic has before the change.

    Raises:
        SettingError: the sentence that goes to the client with INVALID_CONFIG.
    """
    absent = [name for name, text in overrides.items() if text is None]
    if absent:
        raise SettingError(f"Null value not supported for topic configs: {','.join(absent)}")
    for name in overrides:
        if name not in TOPIC_SETTINGS:
            raise SettingError(f"Unknown topic config name: {name}")
    values = topic_values({name: text for name, text in overrides.items() if text is not None}, broker)
    if values[MIN_COMPACTION_LAG_MS] > values[MAX_COMPACTION_LAG_MS]:
        raise SettingError(
            f"conflict topic config setting {MIN_COMPACTION_LAG_MS.name} ({values[MIN_COMPACTION_LAG_MS]}) > "
            f"{MAX_COMPACTION_LAG_MS.name} ({values[MAX_COMPACTION_LAG_MS]})"
        )
    # `remote.log.storage.system.enable` is refused at the start, so that no topic of this version can have remote storage.
    if values[REMOTE_STORAGE_ENABLE]:
        raise SettingError("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
    was_remote = (existing or {}).get(REMOTE_STORAGE_ENABLE.name, "false").lower() == "true"
    if was_remote and not values[REMOTE_LOG_DELETE_ON_DISABLE]:
        raise SettingError(
            "It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data and turn to read "
            "only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote storage and delete "
            "all remote data, please set `remote.storage.enable=false,remote.log.delete.on.disable=true`."
        )
