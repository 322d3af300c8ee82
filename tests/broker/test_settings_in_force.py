"""Changes of settings in a whole node: they act without a restart, and hold after one."""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode
from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient


def create_topic(client: WireClient) -> None:
    request = CreateTopicsRequest(topics=[CreatableTopic(name="orders", num_partitions=1, replication_factor=1)])
    assert client.request(request, CreateTopicsResponse, 7).topics[0].error_code == ErrorCode.NONE


def change(client: WireClient, resource_type: int, name: str, setting: str, value: str | None) -> None:
    operation = AlterOperation.DELETE if value is None else AlterOperation.SET
    resource = AlterConfigsResource(resource_type, name, [AlterableConfig(setting, operation, value)])
    response = client.request(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1)
    assert response.responses[0].error_code == ErrorCode.NONE


def produced(client: WireClient, size: int) -> int:
    """The error code of one record of `size` bytes."""
    batch = encode_batch([Record(0, 1_700_000_000_000, None, bytes(size), ())])
    data = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch)])
    response = client.request(ProduceRequest(acks=1, timeout_ms=5000, topic_data=[data]), ProduceResponse, 9)
    return response.responses[0].partition_responses[0].error_code


def test_largest_message_follows_topic_broker_and_cluster_while_the_node_runs_and_after_a_restart() -> None:
    with NodeInProcess() as node:
        client = node.client()
        create_topic(client)
        assert produced(client, 9000) == ErrorCode.NONE

        change(client, ResourceType.BROKER, "", "message.max.bytes", "5000")
        assert produced(client, 9000) == ErrorCode.MESSAGE_TOO_LARGE
        change(client, ResourceType.BROKER, "1", "message.max.bytes", "20000")
        assert produced(client, 9000) == ErrorCode.NONE
        change(client, ResourceType.TOPIC, "orders", "max.message.bytes", "100")
        assert produced(client, 9000) == ErrorCode.MESSAGE_TOO_LARGE
        change(client, ResourceType.TOPIC, "orders", "max.message.bytes", None)
        assert produced(client, 9000) == ErrorCode.NONE
        client.close()

    with NodeInProcess(filesystem=node.filesystem) as restarted:
        client = restarted.client()
        assert produced(client, 9000) == ErrorCode.NONE
        assert produced(client, 30_000) == ErrorCode.MESSAGE_TOO_LARGE
        client.close()


def test_limit_of_connections_holds_for_the_next_connection() -> None:
    with NodeInProcess() as node:
        first = node.client()
        create_topic(first)

        change(first, ResourceType.BROKER, "", "max.connections.per.ip", "1")

        second = node.client()
        assert second.is_closed_by_peer()
        assert produced(first, 10) == ErrorCode.NONE
        second.close()
        first.close()
