"""The config APIs, asked the same of Apache Kafka and of a node of ours: the same codes, the same sentences, the same descriptions.

Left out is what differs on purpose: changes this version refuses because it could not carry them out, and sentences about settings that
contradict each other, which are our own.
"""

from __future__ import annotations

import pytest

from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from tests.support.node_in_process import NodeInProcess
from tests.support.reference_kafka import ReferenceNode, missing_reason
from tests.support.wire_client import WireClient

TOPIC, BROKER, GROUP, CLIENT_METRICS = ResourceType.TOPIC, ResourceType.BROKER, ResourceType.GROUP, ResourceType.CLIENT_METRICS
SET, DELETE, APPEND, SUBTRACT = AlterOperation

CHANGES: tuple[tuple[int, str, str, int, str | None], ...] = (
    *(
        (TOPIC, "t", name, SET, value)
        for name, value in (
            ("retention.ms", "1000"),
            ("retention.ms", "-2"),
            ("retention.ms", "x"),
            ("retention.ms", ""),
            ("retention.ms", None),
            ("retention.ms", "+500"),
            ("foo", "1"),
            ("segment.bytes", "5"),
            ("segment.bytes", " 2000000 "),
            ("segment.bytes", "99999999999"),
            ("cleanup.policy", "compact,delete"),
            ("cleanup.policy", "foo"),
            ("cleanup.policy", "delete,,compact"),
            ("cleanup.policy", "delete,delete"),
            ("min.insync.replicas", "0"),
            ("min.insync.replicas", "2"),
            ("compression.type", "zip"),
            ("compression.gzip.level", "0"),
            ("compression.zstd.level", "23"),
            ("message.timestamp.type", "LogAppendTime"),
            ("preallocate", "maybe"),
            ("preallocate", " TRUE "),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("min.cleanable.dirty.ratio", "0.25"),
            ("remote.storage.enable", "true"),
            ("leader.replication.throttled.replicas", "x"),
            ("leader.replication.throttled.replicas", "0:1,1:2"),
            ("max.compaction.lag.ms", "5"),
            ("min.compaction.lag.ms", "10"),
            ("internal.segment.bytes", "1000"),
        )
    ),
    (TOPIC, "t", "cleanup.policy", APPEND, "compact"),
    (TOPIC, "t", "cleanup.policy", SUBTRACT, "delete"),
    (TOPIC, "t", "retention.ms", APPEND, "1"),
    (TOPIC, "t", "flush.ms", DELETE, None),
    (TOPIC, "gone", "retention.ms", SET, "1"),
    (TOPIC, "", "retention.ms", SET, "1"),
    (TOPIC, "a b", "retention.ms", SET, "1"),
    (99, "t", "retention.ms", SET, "1"),
    *(
        (BROKER, broker, name, SET, value)
        for broker in ("", "1")
        for name, value in (
            ("log.retention.ms", "700000000"),
            ("log.retention.hours", "5"),
            ("node.id", "3"),
            ("message.max.bytes", "x"),
            ("message.max.bytes", "2000000"),
            ("custom", "1"),
            ("ssl.keystore.location", "/x"),
            ("min.insync.replicas", "2"),
            ("log.flush.interval.ms", "777"),
            ("listener.name.plaintext.max.connections", "55"),
            ("leader.replication.throttled.rate", "-7"),
            ("leader.replication.throttled.rate", "7"),
            ("log.segment.bytes", "3"),
            ("compression.type", "foo"),
        )
    ),
    (BROKER, "", "listeners", SET, "PLAINTEXT://:1"),
    (BROKER, "", "log.cleanup.policy", APPEND, "compact"),
    (BROKER, "", "min.insync.replicas", DELETE, None),
    (BROKER, "2", "message.max.bytes", SET, "1"),
    (BROKER, "x", "message.max.bytes", SET, "1"),
    *(
        (GROUP, "g", name, SET, value)
        for name, value in (
            ("consumer.session.timeout.ms", "50000"),
            ("consumer.session.timeout.ms", "5"),
            ("consumer.heartbeat.interval.ms", "x"),
            ("foo", "1"),
            ("share.auto.offset.reset", "by_duration:PT1H"),
            ("share.auto.offset.reset", "by_duration:-PT1H"),
            ("streams.num.standby.replicas", "3"),
        )
    ),
    (GROUP, "", "consumer.session.timeout.ms", SET, "50000"),
    *(
        (CLIENT_METRICS, "m", name, SET, value)
        for name, value in (("interval.ms", "5"), ("interval.ms", "5000"), ("foo", "1"), ("match", "a=b"), ("match", "client_id=a.*"))
    ),
    (CLIENT_METRICS, "", "interval.ms", SET, "5000"),
)

DESCRIBED = ((TOPIC, "t"), (TOPIC, "gone"), (TOPIC, ""), (BROKER, ""), (BROKER, "2"), (BROKER, "x"), (GROUP, "g"), (CLIENT_METRICS, "m"))


def outcomes(client: WireClient) -> list[str]:
    """Everything the script brings to light, a line each."""
    client.request(CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=1, replication_factor=1)]), CreateTopicsResponse, 7)
    lines = []
    for resource_type, resource_name, name, operation, value in CHANGES:
        resource = AlterConfigsResource(resource_type, resource_name, [AlterableConfig(name, operation, value)])
        answer = client.request(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1).responses[0]
        what = f"{resource_type} {resource_name!r} {name} {operation} {value!r}"
        lines.append(f"{what}: {answer.error_code} {answer.error_message}")
    for resource_type, resource_name in DESCRIBED:
        lines += description(client, resource_type, resource_name)
    return lines


def description(client: WireClient, resource_type: int, name: str) -> list[str]:
    request = DescribeConfigsRequest(
        resources=[DescribeConfigsResource(resource_type, name, None)], include_synonyms=True, include_documentation=False
    )
    result = client.request(request, DescribeConfigsResponse, 4).results[0]
    lines = [f"{resource_type} {name!r}: {result.error_code} {result.error_message}"]
    for config in sorted(result.configs, key=lambda config: config.name):
        synonyms = [(synonym.name, synonym.value, int(synonym.source)) for synonym in config.synonyms]
        details = (config.value, config.read_only, int(config.config_source), config.is_sensitive, int(config.config_type), synonyms)
        lines.append(f"{resource_type} {name!r} {config.name}: {details}")
    return lines


@pytest.mark.skipif(missing_reason() is not None, reason=missing_reason() or "")
def test_changes_and_descriptions_are_answered_as_apache_kafka_answers_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    reference = ReferenceNode(tmp_path_factory.mktemp("reference"))
    reference.start()
    try:
        host, _, port = reference.bootstrap.rpartition(":")
        client = WireClient(host, int(port))
        kafkas = outcomes(client)
        client.close()
    finally:
        reference.stop()

    with NodeInProcess() as node:
        client = node.client()
        ours = outcomes(client)
        client.close()

    assert ours == kafkas
