"""DescribeConfigs against the answers of a 4.3.1 node, changes through both alter APIs, and what a running node makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.dynamic_configuration import SettingsChange
from odradek.config.broker import LOG_SEGMENT_BYTES, MESSAGE_MAX_BYTES
from odradek.config.resource_type import AlterOperation, ConfigSource, ResourceType
from odradek.config.value_text import SettingType
from odradek.protocol.internal_records.metadata import ConfigRecord
from odradek.protocol.messages.describe_configs import DescribeConfigsResourceResult
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig, AlterConfigsResource
from tests.config.config_node import ConfigNode

SET, DELETE, APPEND, SUBTRACT = AlterOperation
TOPIC, BROKER, BROKER_LOGGER = ResourceType.TOPIC, ResourceType.BROKER, ResourceType.BROKER_LOGGER
GROUP, CLIENT_METRICS = ResourceType.GROUP, ResourceType.CLIENT_METRICS

# The file of the node whose answers are in described_by_kafka.tsv.
DESCRIBED_NODE = {
    "advertised.listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:10092",
    "group.initial.rebalance.delay.ms": "0",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": "DATA",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
}
SOURCES = {ConfigSource.DEFAULT: "D", ConfigSource.STATIC_BROKER: "S", ConfigSource.DYNAMIC_DEFAULT_BROKER: "C"}


def kafkas_answers(resource: str) -> list[str]:
    lines = (Path(__file__).parent.parent / "config" / "described_by_kafka.tsv").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{resource}\t")]


def in_notation(resource: str, entry: DescribeConfigsResourceResult) -> str:
    flags = ("r" if entry.read_only else "") + ("s" if entry.is_sensitive else "")
    synonyms = " ".join(f"{synonym.name}@{SOURCES[ConfigSource(synonym.source)]}" for synonym in entry.synonyms)
    value = "-" if entry.value is None else f"={entry.value}"
    source = SOURCES[ConfigSource(entry.config_source)]
    return "\t".join([resource, entry.name, SettingType(entry.config_type).name, value, source, flags or "-", synonyms or "-"])


@pytest.mark.parametrize(("kind", "resource_type", "name"), [("broker", BROKER, "1"), ("topic", TOPIC, "t"), ("group", GROUP, "g")])
def test_every_setting_is_described_as_kafka_describes_it(kind: str, resource_type: int, name: str) -> None:
    node = ConfigNode(DESCRIBED_NODE)
    node.create_topic("t")

    result = node.describe(resource_type, name)

    assert result.error_code == ErrorCode.NONE
    assert [in_notation(kind, entry) for entry in result.configs] == kafkas_answers(kind)


def test_cluster_default_lists_only_what_is_set() -> None:
    (entry,) = ConfigNode().describe(BROKER, "").configs

    assert in_notation("x", entry) == "x\tmin.insync.replicas\tINT\t=1\tC\t-\tmin.insync.replicas@C"


def test_client_metrics_subscription_is_described_whether_or_not_it_exists() -> None:
    node = ConfigNode()
    node.alter(CLIENT_METRICS, "m", ("interval.ms", SET, "5000"))

    entries = {entry.name: entry for entry in node.describe(CLIENT_METRICS, "m").configs}

    assert (entries["interval.ms"].value, entries["interval.ms"].config_source) == ("5000", ConfigSource.CLIENT_METRICS)
    assert (entries["match"].value, entries["match"].config_source, entries["match"].synonyms) == ("", ConfigSource.DEFAULT, [])
    assert len(node.describe(CLIENT_METRICS, "other").configs) == 3


def test_synonyms_begin_with_the_value_that_acts() -> None:
    node = ConfigNode({"message.max.bytes": "1000"})
    node.create_topic("t", max_message_bytes="4000")
    node.alter(BROKER, "", ("message.max.bytes", SET, "2000"))
    node.alter(BROKER, "1", ("message.max.bytes", SET, "3000"))

    entry = node.entry(TOPIC, "t", "max.message.bytes")

    assert entry.value == "4000"
    assert [(synonym.name, synonym.value, synonym.source) for synonym in entry.synonyms] == [
        ("max.message.bytes", "4000", ConfigSource.TOPIC),
        ("message.max.bytes", "3000", ConfigSource.DYNAMIC_BROKER),
        ("message.max.bytes", "2000", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ("message.max.bytes", "1000", ConfigSource.STATIC_BROKER),
        ("message.max.bytes", "1048588", ConfigSource.DEFAULT),
    ]


def test_setting_of_several_names_lists_the_names_from_its_own_on() -> None:
    node = ConfigNode({"log.retention.hours": "5", "log.retention.minutes": "6"})

    minutes = node.entry(BROKER, "1", "log.retention.minutes")
    hours = node.entry(BROKER, "1", "log.retention.hours")

    assert [synonym.name for synonym in minutes.synonyms] == ["log.retention.minutes", "log.retention.hours", "log.retention.hours"]
    assert [synonym.source for synonym in hours.synonyms] == [ConfigSource.STATIC_BROKER, ConfigSource.DEFAULT]
    node.create_topic("t")
    assert node.entry(TOPIC, "t", "retention.ms").value == "360000"


def test_secrets_and_what_has_no_type_have_no_value() -> None:
    node = ConfigNode({"ssl.key.password": "hush", "rsm.config.key": "hush"})

    for name in ("ssl.key.password", "rsm.config.key"):
        entry = node.entry(BROKER, "1", name)
        assert entry.value is None
        assert entry.is_sensitive
        assert [synonym.value for synonym in entry.synonyms] == [None]


def test_value_of_one_listener_is_described_under_its_own_name() -> None:
    entry = ConfigNode({"listener.name.plaintext.max.connections": "5", "max.connections": "9"}).entry(
        BROKER, "1", "listener.name.plaintext.max.connections"
    )

    assert (entry.value, entry.config_type, entry.read_only) == ("5", SettingType.INT, True)
    assert [(synonym.name, synonym.value) for synonym in entry.synonyms] == [
        ("listener.name.plaintext.max.connections", "5"),
        ("max.connections", "9"),
        ("max.connections", "2147483647"),
    ]


def test_answer_holds_only_the_keys_and_details_that_were_asked_for() -> None:
    node = ConfigNode()
    node.create_topic("t")

    (plain,) = node.describe(TOPIC, "t", "retention.ms", "nonsense", synonyms=False).configs
    (full,) = node.describe(TOPIC, "t", "min.insync.replicas", documentation=True).configs

    assert (plain.name, plain.synonyms, plain.documentation) == ("retention.ms", [], None)
    assert full.documentation is not None
    assert full.documentation.endswith(".")
    assert full.synonyms


def test_documentation_tells_what_this_version_does_not_act_on() -> None:
    (entry,) = ConfigNode().describe(BROKER, "1", "num.io.threads", documentation=True).configs

    assert entry.documentation is not None
    assert entry.documentation.endswith("This version does not act on it.")


def test_internal_setting_is_described_only_where_it_is_set() -> None:
    node = ConfigNode()
    node.create_topic("t", internal_segment_bytes="1000")

    assert node.entry(TOPIC, "t", "internal.segment.bytes").value == "1000"
    assert node.describe(BROKER, "1", "log.initial.task.delay.ms").configs == []


@pytest.mark.parametrize(
    ("resource_type", "name", "code", "message"),
    [
        (TOPIC, "gone", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ""),
        (TOPIC, "", ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed"),
        (BROKER, "2", ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1 or empty string, but received 2"),
        (BROKER, "x", ErrorCode.INVALID_REQUEST, "Broker id must be an integer, but it is: x"),
        (BROKER_LOGGER, "", ErrorCode.INVALID_REQUEST, "Broker id must not be empty"),
        (BROKER_LOGGER, "2", ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1 but received 2"),
        (CLIENT_METRICS, "", ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty"),
        (GROUP, "", ErrorCode.INVALID_REQUEST, "Group name must not be empty"),
    ],
)
def test_resource_that_cannot_be_described_is_answered_with_its_error(resource_type: int, name: str, code: ErrorCode, message: str) -> None:
    result = ConfigNode().describe(resource_type, name)

    assert (result.error_code, result.error_message, result.configs) == (code, message, [])


def test_type_that_does_not_exist_ends_the_request() -> None:
    with pytest.raises(RequestRefused) as refused:
        ConfigNode().describe(99, "x")

    assert refused.value.code == ErrorCode.INVALID_REQUEST


def test_change_is_seen_by_the_next_description_and_by_readers() -> None:
    node = ConfigNode()

    assert node.alter(BROKER, "", ("message.max.bytes", SET, "2000")) == (ErrorCode.NONE, None)

    assert node.configuration[MESSAGE_MAX_BYTES] == 2000
    assert node.configuration.static[MESSAGE_MAX_BYTES] == 1_048_588
    node.create_topic("t")
    assert node.configuration.log_configuration("t", node.image).max_message_bytes == 2000


def test_own_setting_of_a_broker_wins_over_the_clusters_and_gives_way_when_deleted() -> None:
    node = ConfigNode()
    node.alter(BROKER, "1", ("message.max.bytes", SET, "3000"))
    node.alter(BROKER, "", ("message.max.bytes", SET, "2000"))
    assert node.configuration[MESSAGE_MAX_BYTES] == 3000

    node.alter(BROKER, "1", ("message.max.bytes", DELETE, None))

    assert node.configuration[MESSAGE_MAX_BYTES] == 2000


def test_validation_changes_nothing() -> None:
    node = ConfigNode()

    assert node.alter(BROKER, "", ("message.max.bytes", SET, "2000"), validate_only=True) == (ErrorCode.NONE, None)
    assert node.configuration[MESSAGE_MAX_BYTES] == 1_048_588


@pytest.mark.parametrize(
    ("resource_type", "name", "changes", "code", "message"),
    [
        (BROKER, "2", [("message.max.bytes", SET, "1")], 42, "Unexpected broker id, expected 1, but received 2"),
        (BROKER, "x", [("message.max.bytes", SET, "1")], 42, "Node id must be an integer, but it is: x"),
        (BROKER, "1", [("node.id", SET, "1")], 42, "Cannot update these configs dynamically: [node.id]"),
        (BROKER, "1", [("message.max.bytes", 9, "1")], 42, "Unknown operations type 9"),
        (BROKER, "1", [("message.max.bytes", APPEND, "1")], 40, "Config value append is not allowed for config key: message.max.bytes"),
        (BROKER, "1", [("nonsense", SUBTRACT, "1")], 40, "Unknown config name: nonsense"),
        (TOPIC, "t", [("retention.ms", SET, None)], 42, "Null value not supported for : retention.ms"),
        (TOPIC, "t", [("retention.ms", SET, "1"), ("retention.ms", SET, "2")], 42, "Error due to duplicate config keys"),
        (99, "x", [("a", SET, "1")], 42, "Unknown resource type 99"),
        (BROKER_LOGGER, "2", [("root", SET, "INFO")], 42, "Unexpected node id. Expected 1, but received 2"),
        (BROKER_LOGGER, "x", [("root", SET, "INFO")], 42, "Node id must be an integer, but it is: x"),
        (BROKER_LOGGER, "1", [("nonsense", SET, "INFO")], 40, "Logger nonsense does not exist!"),
        (
            BROKER_LOGGER,
            "1",
            [("root", SET, "LOUD")],
            40,
            "Cannot set the log level of root to LOUD as it is not a supported log level. "
            "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
        ),
        (BROKER_LOGGER, "1", [("root", DELETE, None)], 42, "Removing the log level of the root logger is not allowed"),
        (BROKER_LOGGER, "1", [("root", APPEND, "INFO")], 42, "APPEND operation is not allowed for the BROKER_LOGGER resource"),
    ],
)
def test_broker_refuses_what_only_it_can_judge(
    resource_type: int, name: str, changes: list[tuple[str, int, str | None]], code: int, message: str
) -> None:
    node = ConfigNode()
    node.create_topic("t")

    assert node.alter(resource_type, name, *changes) == (code, message)


def test_resource_that_is_named_twice_is_refused_twice_and_the_others_are_answered_in_order() -> None:
    node = ConfigNode()
    node.create_topic("t")
    twice = AlterConfigsResource(TOPIC, "t", [AlterableConfig("retention.ms", SET, "1")])
    other = AlterConfigsResource(BROKER, "", [AlterableConfig("message.max.bytes", SET, "2000")])

    responses = node.alter_all(twice, other, twice)

    assert [response.error_code for response in responses] == [42, 0, 42]
    assert responses[0].error_message == "Each resource must appear at most once."
    assert node.image.configs.of_topic("t") == {}


def test_append_to_a_list_of_the_broker_is_judged_as_the_whole_list() -> None:
    node = ConfigNode()

    assert node.alter(BROKER, "", ("log.cleanup.policy", APPEND, "compact")) == (ErrorCode.NONE, None)
    assert node.image.configs.of_cluster()["log.cleanup.policy"] == "delete,compact"
    code, message = node.alter(BROKER, "", ("log.cleanup.policy", APPEND, "shred"))
    assert (code, message) == (42, "Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete")


def test_legacy_alter_replaces_everything_and_knows_no_log_levels() -> None:
    node = ConfigNode()
    node.create_topic("t", retention_ms="7", segment_ms="5")

    assert node.replace(TOPIC, "t", retention_ms="8") == (ErrorCode.NONE, None)
    assert node.image.configs.of_topic("t") == {"retention.ms": "8"}
    assert node.replace(TOPIC, "t", retention_ms=None) == (42, "Null value not supported for : retention.ms")
    assert node.replace(BROKER_LOGGER, "1", root="INFO") == (42, "Unknown resource type 8")
    assert node.replace(BROKER, "1", node_id="7") == (42, "Cannot update these configs dynamically: [node.id]")


def test_subscriber_hears_of_a_change_once_with_both_values() -> None:
    node = ConfigNode()
    heard: list[SettingsChange] = []
    node.configuration.on_change(heard.append)

    node.alter(BROKER, "", ("message.max.bytes", SET, "2000"))
    node.alter(BROKER, "", ("message.max.bytes", SET, "2000"))
    node.create_topic("t", retention_ms="1")

    (change,) = heard
    assert (change.before[MESSAGE_MAX_BYTES], change.after[MESSAGE_MAX_BYTES]) == (1_048_588, 2000)
    assert change.has_changed(MESSAGE_MAX_BYTES)
    assert not change.has_changed(LOG_SEGMENT_BYTES)
    assert change.image is not None


def test_subscriber_that_fails_does_not_keep_the_others_from_hearing() -> None:
    node = ConfigNode()
    heard: list[SettingsChange] = []

    def fail(change: SettingsChange) -> None:
        raise RuntimeError("no")

    node.configuration.on_change(fail)
    node.configuration.on_change(heard.append)

    node.alter(BROKER, "", ("message.max.bytes", SET, "2000"))

    assert len(heard) == 1


def test_stored_values_this_node_cannot_take_are_left_out() -> None:
    node = ConfigNode()

    node.replay(
        ConfigRecord(resource_type=BROKER, resource_name="", name="node.id", value="9"),
        ConfigRecord(resource_type=BROKER, resource_name="", name="message.max.bytes", value="x"),
        ConfigRecord(resource_type=BROKER, resource_name="1", name="log.segment.bytes", value="2000000"),
    )

    assert node.configuration.cluster == {"min.insync.replicas": "1"}
    assert node.configuration[LOG_SEGMENT_BYTES] == 2_000_000


def test_stored_values_that_contradict_each_other_leave_the_node_as_it_was() -> None:
    node = ConfigNode()

    node.replay(
        ConfigRecord(resource_type=BROKER, resource_name="", name="max.connections.per.ip", value="0"),
        ConfigRecord(resource_type=BROKER, resource_name="", name="message.max.bytes", value="2000"),
    )

    assert node.configuration[MESSAGE_MAX_BYTES] == 1_048_588


def test_topic_override_that_cannot_be_read_leaves_the_others_in_force() -> None:
    node = ConfigNode()
    node.create_topic("t", retention_ms="x", segment_bytes="2000000", unknown="1")

    configuration = node.configuration.log_configuration("t", node.image)

    assert (configuration.retention_ms, configuration.segment_bytes) == (604_800_000, 2_000_000)


def test_resources_that_can_be_described_are_listed_by_type() -> None:
    node = ConfigNode()
    node.create_topic("t")
    node.alter(GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))
    node.alter(CLIENT_METRICS, "m", ("interval.ms", SET, "5000"))

    listed = [(resource.resource_type, resource.resource_name) for resource in node.list_resources().config_resources]

    assert listed == [(GROUP, "g"), (CLIENT_METRICS, "m"), (BROKER_LOGGER, "1"), (BROKER, "1"), (TOPIC, "t")]
    assert [resource.resource_name for resource in node.list_resources(GROUP).config_resources] == ["g"]
    assert [resource.resource_name for resource in node.list_resources(api_version=0).config_resources] == ["m"]
    assert node.list_resources(99).error_code == ErrorCode.UNSUPPORTED_VERSION
