"""What the controller decides about changes of stored settings; codes and sentences are those of a 4.3.1 controller."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.controller.config_rules import ConfigRules
from odradek.controller.configs import decide_alter_configs, decide_incremental_alter_configs
from odradek.controller.refusal import RECORDS_PER_REQUEST_MAX
from odradek.protocol.internal_records.metadata import ClearElrRecord, ConfigRecord
from odradek.protocol.messages import alter_configs as legacy
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.config.config_node import NODE_ID, ConfigNode

SET, DELETE, APPEND, SUBTRACT = AlterOperation
TOPIC, BROKER, GROUP, CLIENT_METRICS = ResourceType.TOPIC, ResourceType.BROKER, ResourceType.GROUP, ResourceType.CLIENT_METRICS


def decide(
    node: ConfigNode, resource_type: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False
) -> tuple[list[object], int, str | None]:
    """Records, code and message of a change of one resource."""
    resource = AlterConfigsResource(resource_type, name, [AlterableConfig(*change) for change in changes])
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=validate_only)
    decision = decide_incremental_alter_configs(node.image, request, ConfigRules(node.configuration.static, NODE_ID))
    (response,) = decision.response.responses
    return list(decision.records), response.error_code, response.error_message


def node_with_topic(**overrides: str) -> ConfigNode:
    node = ConfigNode()
    node.create_topic("t", **overrides)
    return node


def topic_record(name: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=TOPIC, resource_name="t", name=name, value=value)


def test_set_and_delete_become_a_record_each() -> None:
    node = node_with_topic(segment_ms="5")

    records, code, message = decide(node, TOPIC, "t", ("retention.ms", SET, "7"), ("segment.ms", DELETE, None))

    assert records == [topic_record("retention.ms", "7"), topic_record("segment.ms", None)]
    assert (code, message) == (ErrorCode.NONE, None)


def test_value_that_is_there_already_needs_no_record_unless_it_is_a_brokers() -> None:
    node = node_with_topic(retention_ms="7")

    assert decide(node, TOPIC, "t", ("retention.ms", SET, "7"))[0] == []
    record = ConfigRecord(resource_type=BROKER, resource_name="", name="message.max.bytes", value="7")
    assert decide(node, BROKER, "", ("message.max.bytes", SET, "7"))[0] == [record]
    node.replay(record)
    assert decide(node, BROKER, "", ("message.max.bytes", SET, "7"))[0] == [record]


def test_append_and_subtract_write_the_whole_list_and_begin_with_the_default() -> None:
    node = node_with_topic()

    assert decide(node, TOPIC, "t", ("cleanup.policy", APPEND, "compact"))[0] == [topic_record("cleanup.policy", "delete,compact")]
    assert decide(node, TOPIC, "t", ("cleanup.policy", APPEND, "delete"))[0] == [topic_record("cleanup.policy", "delete")]
    node.replay(topic_record("cleanup.policy", "delete,compact"))
    assert decide(node, TOPIC, "t", ("cleanup.policy", SUBTRACT, "delete,other"))[0] == [topic_record("cleanup.policy", "compact")]


def test_only_lists_can_be_appended_to() -> None:
    node = node_with_topic()

    for name, operation in (("retention.ms", APPEND), ("unknown", SUBTRACT)):
        message = f"Can't {operation.name} to key {name} because its type is not LIST."
        assert decide(node, TOPIC, "t", (name, operation, "1")) == ([], ErrorCode.INVALID_CONFIG, message)


def test_one_wrong_change_refuses_all_changes_of_its_resource() -> None:
    records, code, message = decide(node_with_topic(), TOPIC, "t", ("retention.ms", SET, "7"), ("foo", SET, "1"))

    assert (records, code, message) == ([], ErrorCode.INVALID_CONFIG, "Unknown topic config name: foo")


def test_resources_of_one_request_stand_each_for_itself() -> None:
    node = node_with_topic()
    resources = [
        AlterConfigsResource(TOPIC, "t", [AlterableConfig("retention.ms", SET, "7")]),
        AlterConfigsResource(TOPIC, "gone", [AlterableConfig("retention.ms", SET, "7")]),
    ]

    decision = decide_incremental_alter_configs(
        node.image, IncrementalAlterConfigsRequest(resources=resources), ConfigRules(node.configuration.static, NODE_ID)
    )

    assert list(decision.records) == [topic_record("retention.ms", "7")]
    assert [response.error_code for response in decision.response.responses] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


def test_resource_that_is_named_twice_is_refused() -> None:
    node = node_with_topic()
    resource = AlterConfigsResource(TOPIC, "t", [AlterableConfig("retention.ms", SET, "7")])

    decision = decide_incremental_alter_configs(
        node.image, IncrementalAlterConfigsRequest(resources=[resource, resource]), ConfigRules(node.configuration.static, NODE_ID)
    )

    assert list(decision.records) == []
    (response,) = decision.response.responses
    assert (response.error_code, response.error_message) == (ErrorCode.INVALID_REQUEST, "Duplicate resource.")


def test_validation_decides_the_same_and_writes_nothing() -> None:
    node = node_with_topic()

    assert decide(node, TOPIC, "t", ("retention.ms", SET, "7"), validate_only=True) == ([], ErrorCode.NONE, None)
    assert decide(node, TOPIC, "t", ("retention.ms", SET, "x"), validate_only=True)[1] == ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("resource_type", "name", "change", "code", "message"),
    [
        (TOPIC, "", ("retention.ms", SET, "1"), ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed."),
        (TOPIC, "gone", ("retention.ms", SET, "1"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'gone' does not exist."),
        (
            TOPIC,
            "a b",
            ("retention.ms", SET, "1"),
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (BROKER, "x", ("message.max.bytes", SET, "1"), ErrorCode.INVALID_REQUEST, "Unable to parse broker name as a base 10 number."),
        (BROKER, "-1", ("message.max.bytes", SET, "1"), ErrorCode.INVALID_REQUEST, "Invalid negative broker ID."),
        (BROKER, "7", ("message.max.bytes", SET, "1"), ErrorCode.BROKER_ID_NOT_REGISTERED, "No node with id 7 found."),
        (GROUP, "", ("consumer.session.timeout.ms", SET, "50000"), ErrorCode.INVALID_REQUEST, "Default group resources are not allowed."),
        (CLIENT_METRICS, "", ("interval.ms", SET, "5000"), ErrorCode.INVALID_REQUEST, "Subscription name can't be empty"),
        (ResourceType.BROKER_LOGGER, "1", ("root", SET, "INFO"), ErrorCode.INVALID_REQUEST, "Unknown resource type BROKER_LOGGER"),
        (99, "x", ("a", SET, "1"), ErrorCode.UNSUPPORTED_VERSION, "Unknown resource type 99."),
        (TOPIC, "t", ("retention.ms", 9, "1"), ErrorCode.INVALID_REQUEST, "Unknown operations type 9"),
        (
            TOPIC,
            "t",
            ("leader.replication.throttled.replicas", SET, "0:1," * 9000),
            ErrorCode.INVALID_CONFIG,
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        ),
    ],
)
def test_change_that_cannot_be_made_is_refused(
    resource_type: int, name: str, change: tuple[str, int, str], code: ErrorCode, message: str
) -> None:
    assert decide(node_with_topic(), resource_type, name, change) == ([], code, message)


def test_group_and_subscription_need_not_exist() -> None:
    node = ConfigNode()

    assert decide(node, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))[1] == ErrorCode.NONE
    assert decide(node, CLIENT_METRICS, "m", ("interval.ms", SET, "5000"))[1] == ErrorCode.NONE


def test_min_insync_replicas_is_guarded_while_eligible_leader_replicas_are_in_use() -> None:
    """KIP-966: a change forgets who was eligible under the old number."""
    node = node_with_topic()
    own = "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
    removed = "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."

    assert decide(node, BROKER, "1", ("min.insync.replicas", SET, "2")) == ([], ErrorCode.INVALID_CONFIG, own)
    assert decide(node, BROKER, "", ("min.insync.replicas", DELETE, None)) == ([], ErrorCode.INVALID_CONFIG, removed)
    assert decide(node, BROKER, "", ("min.insync.replicas", SET, "2"))[0][-1] == ClearElrRecord()
    assert decide(node, TOPIC, "t", ("min.insync.replicas", SET, "2"))[0][-1] == ClearElrRecord(topic_name="t")


def test_replacing_removes_what_is_not_named() -> None:
    node = node_with_topic(retention_ms="7", segment_ms="5")
    resource = legacy.AlterConfigsResource(TOPIC, "t", [legacy.AlterableConfig("retention.ms", "8")])

    decision = decide_alter_configs(
        node.image, legacy.AlterConfigsRequest(resources=[resource]), ConfigRules(node.configuration.static, NODE_ID)
    )

    assert list(decision.records) == [topic_record("retention.ms", "8"), topic_record("segment.ms", None)]


def test_request_that_would_write_too_many_records_is_refused_as_a_whole() -> None:
    configs = [AlterableConfig(f"plugin.{number}", SET, "1") for number in range(RECORDS_PER_REQUEST_MAX + 1)]
    node = ConfigNode()

    with pytest.raises(RequestRefused) as refused:
        decide_incremental_alter_configs(
            node.image,
            IncrementalAlterConfigsRequest(resources=[AlterConfigsResource(BROKER, "", configs)]),
            ConfigRules(node.configuration.static, NODE_ID),
        )

    assert refused.value.code == ErrorCode.POLICY_VIOLATION


def test_settings_of_a_new_topic_come_from_topic_broker_cluster_file_and_default() -> None:
    node = ConfigNode({"log.retention.hours": "1", "log.segment.bytes": "2000000"})
    node.replay(
        ConfigRecord(resource_type=BROKER, resource_name="", name="message.max.bytes", value="7"),
        ConfigRecord(resource_type=BROKER, resource_name="1", name="compression.type", value="gzip"),
    )

    effective = ConfigRules(node.configuration.static, NODE_ID).effective(node.image, {"segment.ms": "5"})

    found = {config.name: (config.value, int(config.config_source)) for config in effective}
    assert list(found) == sorted(found)
    assert found["segment.ms"] == ("5", 1)
    assert found["compression.type"] == ("gzip", 2)
    assert found["max.message.bytes"] == ("7", 3)
    assert found["segment.bytes"] == ("2000000", 4)
    assert found["retention.ms"] == ("3600000", 4)
    assert found["flush.ms"] == ("9223372036854775807", 5)
    assert "internal.segment.bytes" not in found


def test_bounds_of_a_topic_are_those_of_the_broker_as_it_runs() -> None:
    """KAFKA-18928: the controller knows what was set for brokers."""
    node = node_with_topic()
    node.replay(ConfigRecord(resource_type=BROKER, resource_name="", name="log.cleaner.min.compaction.lag.ms", value="9"))

    assert decide(node, TOPIC, "t", ("max.compaction.lag.ms", SET, "8"))[1] == ErrorCode.INVALID_CONFIG
