"""A server.properties becomes settings, or one sentence that names the setting, the value and what is allowed."""

from __future__ import annotations

import pytest

from odradek.base.errors import SettingError
from odradek.config.broker import BROKER_ID, LOG_RETENTION_MS, LOG_SEGMENT_BYTES, MAX_CONNECTIONS, NODE_ID, NUM_PARTITIONS
from odradek.config.broker_contradictions import connections_per_address
from odradek.config.broker_network_settings import MAX_CONNECTIONS_PER_IP_OVERRIDES
from odradek.config.broker_settings_file import load_broker_settings, start_notices
from odradek.config.precedence import (
    flush_ms,
    log_directories,
    metadata_log_directory,
    retention_ms,
    segment_jitter_ms,
    segment_ms,
)
from odradek.config.settings import Settings
from tests.config.config_node import MINIMAL_PROPERTIES


def load(**properties: str) -> Settings:
    """The minimal file with some settings changed; `_` in names stands for `.`, an empty text takes the setting away."""
    named = {name.replace("_", "."): text for name, text in properties.items()}
    return load_broker_settings({name: text for name, text in {**MINIMAL_PROPERTIES, **named}.items() if text})


def refusal(**properties: str) -> str:
    with pytest.raises(SettingError) as refused:
        load(**properties)
    return str(refused.value)


def test_given_values_are_parsed_and_the_rest_has_defaults() -> None:
    settings = load(log_segment_bytes="2000000")

    assert settings[LOG_SEGMENT_BYTES] == 2_000_000
    assert settings[NUM_PARTITIONS] == 1
    assert settings[LOG_RETENTION_MS] is None


def test_node_id_and_broker_id_are_two_names_of_one_number() -> None:
    settings = load_broker_settings({**{k: v for k, v in MINIMAL_PROPERTIES.items() if k != "node.id"}, "broker.id": "1"})

    assert settings[NODE_ID] == settings[BROKER_ID] == 1
    assert load()[BROKER_ID] == 1
    assert "two names of one number" in refusal(broker_id="2")


@pytest.mark.parametrize("name", ["node.id", "process.roles", "controller.listener.names"])
def test_missing_required_setting_stops_the_start(name: str) -> None:
    properties = {key: text for key, text in MINIMAL_PROPERTIES.items() if key != name}

    with pytest.raises(SettingError, match=f'Missing required configuration "{name}"'):
        load_broker_settings(properties)


def test_unknown_name_stops_the_start_and_offers_what_comes_close() -> None:
    assert refusal(num_partition="3") == "Invalid configuration num.partition=3: unknown setting; did you mean num.partitions?"
    assert "there are log.cleaner.backoff.ms" in refusal(log_cleaner_zzzzzzzzzzzzzzzzz="1")
    assert "no setting has a name like it" in refusal(foo="1")
    assert "Kafka removed zookeeper.connect in 4.0" in refusal(zookeeper_connect="a:2181")
    assert "come the listener's name and a setting" in refusal(**{"listener.name.plaintext.nonsense": "1"})


def test_value_of_another_type_or_range_stops_the_start() -> None:
    assert refusal(num_partitions="0") == "Invalid value 0 for configuration num.partitions: Value must be at least 1"
    assert refusal(num_partitions="x") == "Invalid value x for configuration num.partitions: Not a number of type INT"
    assert "String must be one of: uncompressed" in refusal(compression_type="zip")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("authorizer.class.name", "org.example.Authorizer"),
        ("config.providers", "vault"),
        ("client.quota.callback.class", "a.B"),
        ("create.topic.policy.class.name", "a.B"),
        ("alter.config.policy.class.name", "a.B"),
        ("replica.selector.class", "a.B"),
        ("remote.log.storage.system.enable", "true"),
        ("delegation.token.secret.key", "secret"),
        ("principal.builder.class", "a.B"),
    ],
)
def test_setting_that_could_only_pretend_to_act_stops_the_start(name: str, text: str) -> None:
    sentence = refusal(**{name: text})

    assert f"configuration {name}: not supported in this version" in sentence
    assert "secret" not in sentence.replace(name, "")


def test_refused_setting_may_be_given_its_default() -> None:
    load(remote_log_storage_system_enable="false", authorizer_class_name="")


def test_listener_that_is_not_plaintext_stops_the_start() -> None:
    sentence = refusal(listeners="SSL://:9093,CONTROLLER://:9094")

    assert "the security protocol of this listener is SSL, which is not supported in this version; only PLAINTEXT is" in sentence


def test_setting_without_effect_is_told_in_a_line_each_unless_it_is_the_default() -> None:
    settings = load(num_io_threads="16", num_network_threads="3", ssl_keystore_location="/k", **{"rsm.config.bucket": "b"})

    assert start_notices(settings) == [
        "num.io.threads=16 has no effect in this version",
        "rsm.config.bucket has no effect in this version",
        "ssl.keystore.location=/k has no effect in this version",
    ]
    assert start_notices(settings, {"num.io.threads", "rsm.config.bucket", "ssl.keystore.location"}) == []


def test_secret_is_not_shown_in_a_notice() -> None:
    assert start_notices(load(ssl_key_password="hush")) == ["ssl.key.password=[hidden] has no effect in this version"]


@pytest.mark.parametrize(
    ("properties", "part"),
    [
        ({"process.roles": "broker"}, "set broker,controller"),
        ({"process.roles": "zookeeper"}, "String must be one of: broker, controller"),
        ({"controller.quorum.voters": ""}, "Neither controller.quorum.bootstrap.servers nor controller.quorum.voters"),
        ({"controller.quorum.voters": "2@h:1"}, "does not contain node.id=1"),
        ({"controller.quorum.voters": "1@h:1,2@h:2"}, "a quorum of several voters is not supported"),
        ({"controller.quorum.voters": "1@h"}, "each entry has the form id@host:port"),
        ({"controller.quorum.bootstrap.servers": "h"}, "each entry has the form host:port"),
        ({"controller.listener.names": "CONTROLLER,OTHER"}, "listeners has PLAINTEXT, CONTROLLER"),
        ({"controller.listener.names": "PLAINTEXT,CONTROLLER"}, "no listener is left for clients"),
        ({"listeners": "PLAINTEXT:9092"}, "a listener has the form NAME://host:port"),
        ({"listeners": "PLAINTEXT://:99999,CONTROLLER://:1"}, "a port is at most 65535"),
        ({"listeners": "PLAINTEXT://:9092,CONTROLLER://:9092"}, "different port"),
        ({"listeners": "PLAINTEXT://:9092,PLAINTEXT://:9093,CONTROLLER://:1"}, "different name"),
        ({"listeners": "OUTSIDE://:9092,CONTROLLER://:1"}, "no security protocol is defined for OUTSIDE"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}, "nobody can dial 0.0.0.0"),
        ({"advertised.listeners": "CONTROLLER://h:1"}, "no listener for clients is among them"),
        ({"advertised.listeners": "SSL://h:1"}, "this node has no listener SSL"),
        ({"listener.security.protocol.map": "PLAINTEXT:CLEAR"}, "'CLEAR' is no security protocol"),
        ({"listener.security.protocol.map": "PLAINTEXT"}, "each entry has the form NAME:PROTOCOL"),
        ({"inter.broker.listener.name": "CONTROLLER"}, "it has to be one of the listeners PLAINTEXT"),
        ({"inter.broker.listener.name": "PLAINTEXT", "security.inter.broker.protocol": "PLAINTEXT"}, "Only one of"),
        ({"early.start.listeners": "X"}, "no such listener"),
        ({"log.retention.ms": "0"}, "-1 for ever, or at least 1"),
        ({"log.roll.ms": "0"}, "Value must be at least 1"),
        ({"log.dirs": "a,,b"}, "values must not be empty"),
        ({"log.cleaner.min.compaction.lag.ms": "9", "log.cleaner.max.compaction.lag.ms": "8"}, "is above"),
        ({"log.cleaner.dedupe.buffer.size": "9"}, "is too small for log.cleaner.threads=1"),
        ({"cordoned.log.dirs": "/other"}, "log.dirs has /data"),
        ({"cordoned.log.dirs": "*,/data"}, "* stands alone"),
        ({"replica.fetch.wait.max.ms": "40000"}, "has to be at most replica.socket.timeout.ms=30000"),
        ({"queued.max.request.bytes": "5"}, "has to be at most queued.max.request.bytes=5"),
        ({"max.connections.per.ip": "0"}, "nobody could connect"),
        ({"max.connections.per.ip.overrides": "10.0.0.1"}, "not of the form address:count"),
        ({"connections.max.idle.ms": "50"}, "has to be below connections.max.idle.ms=50"),
        ({"group.coordinator.rebalance.protocols": "consumer"}, "classic cannot be left out"),
    ],
)
def test_contradiction_stops_the_start_with_one_sentence(properties: dict[str, str], part: str) -> None:
    assert part in refusal(**properties)


def test_first_of_several_names_of_one_thing_wins() -> None:
    assert retention_ms(load()) == 7 * 86_400_000
    assert retention_ms(load(log_retention_hours="1", log_retention_minutes="2")) == 120_000
    assert retention_ms(load(log_retention_minutes="2", log_retention_ms="3")) == 3
    assert retention_ms(load(log_retention_hours="-5")) == -1
    assert segment_ms(load(log_roll_hours="2")) == 7_200_000
    assert segment_jitter_ms(load(log_roll_jitter_hours="1", log_roll_jitter_ms="5")) == 5
    assert flush_ms(load(log_flush_scheduler_interval_ms="9")) == 9
    assert flush_ms(load(log_flush_scheduler_interval_ms="9", log_flush_interval_ms="8")) == 8
    assert log_directories(load(log_dir="/a")) == ["/data"]
    assert log_directories(load(log_dir="/a", log_dirs="")) == ["/a"]
    assert metadata_log_directory(load(log_dirs="/a,/b")) == "/a"
    assert metadata_log_directory(load(metadata_log_dir="/m")) == "/m"


def test_listener_has_its_own_value_where_one_is_given() -> None:
    settings = load(max_connections="10", **{"listener.name.plaintext.max.connections": "5"})

    assert settings.of_listener("PLAINTEXT", MAX_CONNECTIONS) == 5
    assert settings.of_listener("CONTROLLER", MAX_CONNECTIONS) == 10
    assert "Value must be at least 0" in refusal(**{"listener.name.plaintext.max.connections": "-1"})


def test_limits_of_single_addresses_are_read_with_ipv6_among_them() -> None:
    settings = load(max_connections_per_ip_overrides="10.0.0.1:5, [::1]:6")

    assert connections_per_address(settings[MAX_CONNECTIONS_PER_IP_OVERRIDES]) == {"10.0.0.1": 5, "::1": 6}
