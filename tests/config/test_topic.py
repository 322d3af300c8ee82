"""What a topic's settings come to, and which a topic cannot have; the sentences are those of a 4.3.1 controller."""

from __future__ import annotations

import pytest

from odradek.base.errors import SettingError
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.config.settings import Settings
from odradek.config.topic import TOPIC_SETTINGS, topic_log_configuration, topic_values, validate_topic_overrides
from odradek.config.topic_synonyms import TOPIC_SYNONYMS


def broker(**given: str) -> Settings:
    return Settings.of(BROKER_SETTINGS, {name.replace("_", "."): text for name, text in given.items()})


def refusal(existing: dict[str, str] | None = None, **overrides: str | None) -> str:
    with pytest.raises(SettingError) as refused:
        validate_topic_overrides({name.replace("_", "."): text for name, text in overrides.items()}, broker(), existing)
    return str(refused.value)


def test_topic_without_overrides_on_a_broker_without_settings_has_kafkas_defaults() -> None:
    assert topic_log_configuration({}, broker()) == LogConfiguration()


def test_defaults_of_topic_and_broker_are_the_same() -> None:
    values = topic_values({}, broker())

    assert {name: values[setting] for name, setting in TOPIC_SETTINGS.items()} == {
        name: setting.default for name, setting in TOPIC_SETTINGS.items()
    }


def test_topic_takes_from_the_broker_what_it_does_not_set_itself() -> None:
    settings = broker(log_retention_hours="2", log_segment_bytes="2000000", log_flush_scheduler_interval_ms="9", message_max_bytes="77")

    configuration = topic_log_configuration({"segment.bytes": "3000000", "message.timestamp.type": "LogAppendTime"}, settings)

    assert configuration.retention_ms == 7_200_000
    assert configuration.segment_bytes == 3_000_000
    assert configuration.flush_ms == 9
    assert configuration.max_message_bytes == 77
    assert configuration.message_timestamp_type is TimestampType.LOG_APPEND_TIME


@pytest.mark.parametrize("name", sorted(TOPIC_SYNONYMS))
def test_every_broker_setting_behind_a_topic_setting_reaches_the_topic(name: str) -> None:
    synonym = TOPIC_SYNONYMS[name][0]
    other = {"cleanup.policy": "compact", "compression.type": "zstd", "message.timestamp.type": "LogAppendTime"}.get(name)
    if other is None:
        default = synonym.setting.default
        other = {"False": "true", "True": "false"}.get(str(default)) or ("0.75" if isinstance(default, float) else "1234567")
    other = {"compression.gzip.level": "5", "compression.lz4.level": "5", "compression.zstd.level": "5"}.get(name, other)

    values = topic_values({}, Settings.of(BROKER_SETTINGS, {synonym.setting.name: other}))

    assert values[TOPIC_SETTINGS[name]] == TOPIC_SETTINGS[name].parse(other)


@pytest.mark.parametrize(
    ("policy", "is_compacted", "is_deleted"),
    [("delete", False, True), ("compact", True, False), ("compact,delete", True, True), ("", False, False)],
)
def test_cleanup_policy_is_two_switches(policy: str, is_compacted: bool, is_deleted: bool) -> None:
    configuration = topic_log_configuration({"cleanup.policy": policy}, broker())

    assert (configuration.is_compacted, configuration.is_deleted_by_retention) == (is_compacted, is_deleted)


def test_uncompressed_is_the_codec_none() -> None:
    assert topic_log_configuration({"compression.type": "uncompressed"}, broker()).compression_type == "none"


def test_small_segments_for_tests_are_smaller_than_is_allowed() -> None:
    assert topic_log_configuration({"internal.segment.bytes": "1000"}, broker()).segment_bytes == 1000


def test_override_of_a_newer_node_is_left_out() -> None:
    assert topic_log_configuration({"from.the.future": "1"}, broker()) == LogConfiguration()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("foo", "1", "Unknown topic config name: foo"),
        ("retention.ms", None, "Null value not supported for topic configs: retention.ms"),
        ("retention.ms", "x", "Invalid value x for configuration retention.ms: Not a number of type LONG"),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        ("segment.bytes", "5", "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576"),
        ("min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"),
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        ("preallocate", "maybe", "Invalid value maybe for configuration preallocate: Expected value to be either true or false"),
        (
            "remote.storage.enable",
            "true",
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
        (
            "leader.replication.throttled.replicas",
            "a, b",
            "Invalid value [a, b] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be "
            "the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
    ],
)
def test_override_a_topic_cannot_have_is_refused_with_kafkas_sentence(name: str, text: str | None, sentence: str) -> None:
    with pytest.raises(SettingError) as refused:
        validate_topic_overrides({name: text}, broker())

    assert str(refused.value) == sentence


def test_bounds_of_compaction_lag_may_not_cross_whoever_set_them() -> None:
    sentence = "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)"

    assert refusal(min_compaction_lag_ms="9", max_compaction_lag_ms="8") == sentence
    with pytest.raises(SettingError, match="conflict topic config"):
        validate_topic_overrides({"max.compaction.lag.ms": "8"}, broker(log_cleaner_min_compaction_lag_ms="9"))


def test_remote_storage_is_not_turned_off_without_saying_what_becomes_of_the_data() -> None:
    existing = {"remote.storage.enable": "true"}

    assert refusal(existing, remote_storage_enable="false").startswith("It is invalid to disable remote storage without deleting")
    validate_topic_overrides({"remote.storage.enable": "false", "remote.log.delete.on.disable": "true"}, broker(), existing)


def test_duplicates_in_a_list_are_dropped() -> None:
    validate_topic_overrides({"cleanup.policy": "delete,delete"}, broker())
