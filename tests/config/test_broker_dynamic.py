"""Layers of broker settings, and which can be laid while a node runs."""

from __future__ import annotations

import pytest

from odradek.base.errors import SettingError
from odradek.config.broker import LOG_FLUSH_SCHEDULER_INTERVAL_MS, MESSAGE_MAX_BYTES
from odradek.config.broker_dynamic import NOTHING, applicable, check_broker_change, merged_settings
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.precedence import flush_ms, retention_ms
from odradek.config.settings import Settings
from tests.config.config_node import MINIMAL_PROPERTIES


def static(**properties: str) -> Settings:
    return load_broker_settings({**MINIMAL_PROPERTIES, **{name.replace("_", "."): text for name, text in properties.items()}})


def refusal(name: str, text: str, *, is_per_broker: bool = True) -> str:
    with pytest.raises(SettingError) as refused:
        check_broker_change(static(), static(), {name: text}, NOTHING, is_per_broker=is_per_broker)
    return str(refused.value)


def test_later_layer_wins() -> None:
    merged = merged_settings(static(message_max_bytes="1"), {"message.max.bytes": "2"}, {"message.max.bytes": "3"})

    assert merged[MESSAGE_MAX_BYTES] == 3


def test_name_in_a_later_layer_replaces_the_other_names_of_the_same_thing() -> None:
    assert retention_ms(merged_settings(static(log_retention_ms="5"), {"log.retention.hours": "1"})) == 3_600_000
    merged = merged_settings(static(log_flush_scheduler_interval_ms="5"), {"log.flush.interval.ms": "7"})
    assert flush_ms(merged) == 7
    assert not merged.is_given(LOG_FLUSH_SCHEDULER_INTERVAL_MS)


def test_running_node_takes_only_what_can_change_and_can_be_read() -> None:
    refused = {"node.id": "3", "log.retention.ms": "x", "listeners": "A://:1", "ssl.key.password": "p"}
    stored = {"message.max.bytes": "7", **refused, "plugin": "1"}

    taken, complaints = applicable(stored, is_per_broker=False)

    assert taken == {"message.max.bytes": "7", "plugin": "1"}
    assert len(complaints) == len(refused)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("node.id", "3", "Cannot update these configs dynamically: [node.id]"),
        ("log.retention.hours", "3", "Cannot update these configs dynamically: [log.retention.hours]"),
        (
            "ssl.keystore.location",
            "/k",
            "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]",
        ),
        ("message.max.bytes", "x", "Invalid value x for configuration message.max.bytes: Not a number of type INT"),
        (
            "listener.name.plaintext.max.connections",
            "-1",
            "Invalid value -1 for configuration max.connections: Value must be at least 0",
        ),
        (
            "num.io.threads",
            "100",
            "Dynamic thread count update validation failed for num.io.threads=100, "
            "value should not be greater than double the current value 8",
        ),
        (
            "background.threads",
            "3",
            "Dynamic thread count update validation failed for background.threads=3, value should be at least half the current value 10",
        ),
        (
            "log.local.retention.ms",
            "999999999999",
            "Invalid value 999999999999 for configuration log.local.retention.ms: "
            "Value must not be more than log.retention.ms property value: 604800000",
        ),
    ],
)
def test_change_that_cannot_be_made_is_refused_with_a_sentence(name: str, text: str, sentence: str) -> None:
    assert refusal(name, text) == sentence


@pytest.mark.parametrize("name", ["listeners", "sasl.enabled.mechanisms", "listener.name.plaintext.ssl.client.auth"])
def test_setting_of_one_broker_is_not_set_for_all(name: str) -> None:
    sentence = f"Cannot update these configs at default cluster level, broker id must be specified: [{name}]"

    assert refusal(name, "none" if name.endswith("auth") else "PLAINTEXT://:1", is_per_broker=False) == sentence


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("listeners", "PLAINTEXT://:1,CONTROLLER://:2"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT"),
        ("config.providers", "vault"),
        ("listener.name.plaintext.ssl.keystore.location", "/k"),
        ("sasl.enabled.mechanisms", "PLAIN"),
    ],
)
def test_change_this_version_cannot_carry_out_is_refused_rather_than_ignored(name: str, text: str) -> None:
    assert refusal(name, text) == f"Changing {name} while the node runs is not supported in this version of Odradek"


def test_change_that_contradicts_the_file_is_refused() -> None:
    assert "nobody could connect" in refusal("max.connections.per.ip", "0")
    assert "log.dirs has" in refusal("cordoned.log.dirs", "/nowhere")


def test_listener_may_get_limits_for_all_brokers() -> None:
    check_broker_change(static(), static(), {"listener.name.plaintext.max.connections": "9"}, NOTHING, is_per_broker=False)
