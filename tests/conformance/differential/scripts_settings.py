"""Settings described and altered."""

from collections.abc import Mapping
from typing import Final

from odradek.protocol.messages.alter_configs import AlterableConfig as WholeConfig
from odradek.protocol.messages.alter_configs import AlterConfigsRequest
from odradek.protocol.messages.alter_configs import AlterConfigsResource as WholeResource
from odradek.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig, AlterConfigsResource, IncrementalAlterConfigsRequest
from odradek.protocol.messages.list_config_resources import ListConfigResourcesRequest
from tests.conformance.differential.scripts import make_topic, script, settle
from tests.conformance.differential.wire import Exchange

_TOPIC: Final = 2
_BROKER: Final = 4
_BROKER_LOGGER: Final = 8
_CLIENT_METRICS: Final = 16
_GROUP: Final = 32

_SET: Final = 0
_DELETE: Final = 1
_APPEND: Final = 2
_SUBTRACT: Final = 3

# Where a node lies and listens is its own affair, and so is what the two starters set apart from the defaults.
_OWN_TO_A_NODE: Final = frozenset(
    {
        "advertised.listeners",
        "controller.listener.names",
        "controller.quorum.bootstrap.servers",
        "controller.quorum.voters",
        "group.initial.rebalance.delay.ms",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "listeners",
        "log.dir",
        "log.dirs",
        "metadata.log.dir",
        "node.id",
        "broker.id",
        "offsets.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "transaction.state.log.min.isr",
        "transaction.state.log.replication.factor",
    }
)


def _describe(
    kind: int, name: str, keys: list[str] | None = None, *, synonyms: bool = True, documentation: bool = False
) -> DescribeConfigsRequest:
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
    return DescribeConfigsRequest(resources=[resource], include_synonyms=synonyms, include_documentation=documentation)


def _tell_all(exchange: Exchange, label: str, request: DescribeConfigsRequest) -> None:
    """One line for each setting, in the order of their names."""
    answer = exchange.quietly(request, 4)
    assert isinstance(answer, DescribeConfigsResponse)
    result = answer.results[0]
    exchange.transcript.append(f"{label}: error {result.error_code}, {len(result.configs)} settings")
    for setting in sorted(result.configs, key=lambda setting: setting.name):
        if setting.name in _OWN_TO_A_NODE:
            setting.value, setting.synonyms, setting.config_source = "", [], 0
        exchange.transcript.append(f"  {exchange.notation.told_part(setting)}")


@script
def settings_of_a_topic_are_described(exchange: Exchange) -> None:
    name = make_topic(exchange, retention_ms="1234567")
    _tell_all(exchange, "all", _describe(_TOPIC, name))
    _tell_all(exchange, "all with documentation", _describe(_TOPIC, name, synonyms=False, documentation=True))
    exchange.ask_each("DescribeConfigs of two", _describe(_TOPIC, name, ["retention.ms", "cleanup.policy"]), (1, 2, 3, 4))
    exchange.ask("DescribeConfigs of none", _describe(_TOPIC, name, []), 4)
    exchange.ask("DescribeConfigs of unknown setting", _describe(_TOPIC, name, ["no.such.setting"]), 4)
    exchange.ask("DescribeConfigs of unknown topic", _describe(_TOPIC, name + "-not"), 4)
    exchange.ask("DescribeConfigs of bad name", _describe(_TOPIC, "a b"), 4)
    exchange.ask("DescribeConfigs of no name", _describe(_TOPIC, ""), 4)


@script
def settings_of_a_broker_are_described(exchange: Exchange) -> None:
    _tell_all(exchange, "broker 1", _describe(_BROKER, "1"))
    _tell_all(exchange, "all brokers", _describe(_BROKER, ""))
    for name in ("7", "x", "-1"):
        exchange.ask(f"DescribeConfigs of broker {name!r}", _describe(_BROKER, name), 4)


@script
def settings_of_groups_and_others_are_described(exchange: Exchange) -> None:
    _tell_all(exchange, "group", _describe(_GROUP, "some-group"))
    exchange.ask("DescribeConfigs of a group without a name", _describe(_GROUP, ""), 4)
    exchange.ask("DescribeConfigs of client metrics", _describe(_CLIENT_METRICS, "some-metrics"), 4)
    exchange.ask("DescribeConfigs of client metrics without a name", _describe(_CLIENT_METRICS, ""), 4)
    exchange.ask("DescribeConfigs of loggers of broker 7", _describe(_BROKER_LOGGER, "7"), 4)
    for kind in (0, 1, 3, 99, -1):
        exchange.ask(f"DescribeConfigs of kind {kind}", _describe(kind, "x"), 4)


def _change(kind: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False) -> IncrementalAlterConfigsRequest:
    configs = [AlterableConfig(name=key, config_operation=operation, value=value) for key, operation, value in changes]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    return IncrementalAlterConfigsRequest(resources=[resource], validate_only=validate_only)


@script
def settings_of_a_topic_are_changed_one_by_one(exchange: Exchange) -> None:
    name = make_topic(exchange)
    cases: Mapping[str, list[tuple[str, int, str | None]]] = {
        "set": [("retention.ms", _SET, "1000")],
        "set bad value": [("retention.ms", _SET, "x")],
        "set out of range": [("segment.bytes", _SET, "1")],
        "set unknown": [("no.such", _SET, "1")],
        "set null": [("retention.ms", _SET, None)],
        "set empty": [("retention.ms", _SET, "")],
        "delete": [("retention.ms", _DELETE, None)],
        "delete what is not set": [("retention.bytes", _DELETE, None)],
        "delete unknown": [("no.such", _DELETE, None)],
        "append": [("cleanup.policy", _APPEND, "compact")],
        "append again": [("cleanup.policy", _APPEND, "compact")],
        "append null": [("cleanup.policy", _APPEND, None)],
        "append to no list": [("retention.ms", _APPEND, "1")],
        "append bad": [("cleanup.policy", _APPEND, "archive")],
        "subtract": [("cleanup.policy", _SUBTRACT, "delete")],
        "subtract what is not there": [("cleanup.policy", _SUBTRACT, "archive")],
        "subtract the last": [("cleanup.policy", _SUBTRACT, "compact")],
        "one setting twice": [("retention.ms", _SET, "1"), ("retention.ms", _SET, "2")],
        "good and bad": [("retention.bytes", _SET, "77"), ("segment.ms", _SET, "x")],
        "nothing": [],
    }
    for label, changes in cases.items():
        exchange.ask(f"IncrementalAlterConfigs {label}", _change(_TOPIC, name, *changes), 1)
        settle(exchange)
        exchange.ask("DescribeConfigs", _describe(_TOPIC, name, ["retention.ms", "cleanup.policy", "retention.bytes"], synonyms=False), 4)
    exchange.ask("IncrementalAlterConfigs validated", _change(_TOPIC, name, ("retention.ms", _SET, "5"), validate_only=True), 1)
    settle(exchange)
    exchange.ask("DescribeConfigs", _describe(_TOPIC, name, ["retention.ms"], synonyms=False), 4)


@script
def changes_of_what_is_not_there_are_refused(exchange: Exchange) -> None:
    name = make_topic(exchange)
    retention = ("retention.ms", _SET, "1000")
    for label, kind, resource in (
        ("unknown topic", _TOPIC, name + "-not"),
        ("bad name", _TOPIC, "a b"),
        ("no name", _TOPIC, ""),
        ("broker 7", _BROKER, "7"),
        ("broker x", _BROKER, "x"),
        ("kind 0", 0, "x"),
        ("kind 99", 99, "x"),
        ("a group", _GROUP, "some"),
        ("a group without a name", _GROUP, ""),
    ):
        exchange.ask(f"IncrementalAlterConfigs of {label}", _change(kind, resource, retention), 1)
    again = AlterConfigsResource(resource_type=_TOPIC, resource_name=name, configs=[])
    exchange.ask("IncrementalAlterConfigs of one topic twice", IncrementalAlterConfigsRequest(resources=[again, again]), 1)


@script
def settings_of_a_broker_are_changed_while_it_runs(exchange: Exchange) -> None:
    described = _describe(_BROKER, "1", ["log.retention.ms", "max.connections"])
    for broker, key, value, seen in (
        ("1", "log.retention.ms", "99000000", "name=log.retention.ms value=99000000 config_source=2"),
        ("", "log.retention.ms", "88000000", "(name=log.retention.ms value=88000000 source=3)"),
        ("", "max.connections", "900", "name=max.connections value=900 config_source=3"),
    ):
        exchange.ask(f"IncrementalAlterConfigs of {key} on {broker!r}", _change(_BROKER, broker, (key, _SET, value)), 1)
        exchange.ask_until("DescribeConfigs", described, 4, seen)
    for label, key, value in (
        ("what cannot change", "log.dirs", "/elsewhere"),
        ("what cannot change either", "num.partitions", "7"),
        ("a bad value", "log.retention.ms", "x"),
        ("an unknown name", "no.such.setting", "1"),
    ):
        for broker in ("1", ""):
            exchange.ask(f"IncrementalAlterConfigs of {label} on {broker!r}", _change(_BROKER, broker, (key, _SET, value)), 1)
    for broker, key in (("1", "log.retention.ms"), ("", "log.retention.ms"), ("", "max.connections"), ("", "no.such.setting")):
        exchange.ask(f"IncrementalAlterConfigs deleting {key} on {broker!r}", _change(_BROKER, broker, (key, _DELETE, None)), 1)
    exchange.ask_until("DescribeConfigs", described, 4, "name=max.connections value=2147483647 config_source")


@script
def settings_of_a_topic_are_replaced_as_a_whole(exchange: Exchange) -> None:
    name = make_topic(exchange, retention_bytes="5000")

    def whole(*configs: tuple[str, str | None], resource: str = name) -> AlterConfigsRequest:
        told = [WholeConfig(name=key, value=value) for key, value in configs]
        return AlterConfigsRequest(resources=[WholeResource(resource_type=_TOPIC, resource_name=resource, configs=told)])

    for version in (0, 1, 2):
        exchange.ask("AlterConfigs", whole(("retention.ms", str(1000 + version))), version)
        settle(exchange)
        exchange.ask("DescribeConfigs", _describe(_TOPIC, name, ["retention.ms", "retention.bytes"], synonyms=False), 4)
    exchange.ask("AlterConfigs bad", whole(("retention.ms", "x")), 2)
    exchange.ask("AlterConfigs null", whole(("retention.ms", None)), 2)
    exchange.ask("AlterConfigs unknown", whole(("no.such", "1")), 2)
    exchange.ask("AlterConfigs of unknown topic", whole(("retention.ms", "1"), resource=name + "-not"), 2)
    exchange.ask("AlterConfigs nothing", whole(), 2)
    settle(exchange)
    exchange.ask("DescribeConfigs", _describe(_TOPIC, name, ["retention.ms", "retention.bytes"], synonyms=False), 4)


@script
def resources_with_settings_are_listed(exchange: Exchange) -> None:
    exchange.ask("ListConfigResources of client metrics", ListConfigResourcesRequest(), 0)
    for kinds in ([_BROKER], [_BROKER_LOGGER], [_CLIENT_METRICS], [99]):
        exchange.ask(f"ListConfigResources of {kinds}", ListConfigResourcesRequest(resource_types=kinds), 1)
