"""Producers' identities, the quorum, log directories and telemetry."""

from odradek.protocol.messages.describe_cluster import DescribeClusterRequest
from odradek.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from odradek.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from odradek.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
)
from odradek.protocol.messages.get_telemetry_subscriptions import GetTelemetrySubscriptionsRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS, OTHER_ID, batch, fill, make_topic, new_producer, script
from tests.conformance.differential.wire import Exchange


def _init(*, transactional_id: str | None = None, producer_id: int = -1, epoch: int = -1, timeout_ms: int = -1) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=timeout_ms, producer_id=producer_id, producer_epoch=epoch
    )


@script
def producers_without_transactions_get_an_identity(exchange: Exchange) -> None:
    producer_id = new_producer(exchange)
    for version in range(7):
        exchange.ask("InitProducerId", _init(), version)
    exchange.ask("InitProducerId with its own", _init(producer_id=producer_id, epoch=0), 4)
    exchange.ask("InitProducerId with a producer alone", _init(producer_id=5), 4)
    exchange.ask("InitProducerId with an epoch alone", _init(epoch=5), 4)
    exchange.ask("InitProducerId with the last epoch", _init(producer_id=producer_id, epoch=32767), 4)
    exchange.ask("InitProducerId with an empty transactional id", _init(transactional_id="", timeout_ms=1000), 4)


@script
def producers_of_a_partition_are_described(exchange: Exchange) -> None:
    name = make_topic(exchange)
    producer_id = new_producer(exchange)
    records = [Record(timestamp=MOMENT_MS, value=b"v")] * 3
    fill(exchange, name, [encode_batch(records, producer_id=producer_id, producer_epoch=0, base_sequence=0), batch("a")])
    exchange.ask("DescribeProducers", DescribeProducersRequest(topics=[TopicRequest(name=name, partition_indexes=[0, 4])]), 0)
    exchange.ask(
        "DescribeProducers of unknown", DescribeProducersRequest(topics=[TopicRequest(name=name + "-not", partition_indexes=[0])]), 0
    )
    exchange.ask("DescribeProducers of bad name", DescribeProducersRequest(topics=[TopicRequest(name="a b", partition_indexes=[0])]), 0)


@script
def log_directories_are_described(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=2)
    fill(exchange, name, [batch("a"), batch("b")])
    exchange.notation.leave_out("log_dir", "total_bytes", "usable_bytes")
    request = DescribeLogDirsRequest(topics=[DescribableLogDirTopic(topic=name, partitions=[0])])
    exchange.ask_each("DescribeLogDirs of one partition", request, range(1, 6))
    exchange.ask("DescribeLogDirs of no topics", DescribeLogDirsRequest(topics=[]), 4)
    unknown = DescribeLogDirsRequest(topics=[DescribableLogDirTopic(topic=name + "-not", partitions=[0])])
    exchange.ask("DescribeLogDirs of unknown", unknown, 4)


@script
def cluster_is_described(exchange: Exchange) -> None:
    exchange.ask_each("DescribeCluster", DescribeClusterRequest(), (0, 1, 2))
    exchange.ask_each("DescribeCluster with operations", DescribeClusterRequest(include_cluster_authorized_operations=True), (0, 1, 2))
    exchange.ask("DescribeCluster of controllers", DescribeClusterRequest(endpoint_type=2), 1)
    exchange.ask("DescribeCluster of kind 9", DescribeClusterRequest(endpoint_type=9), 1)


@script
def quorum_is_described(exchange: Exchange) -> None:
    exchange.notation.leave_out("log_end_offset", "high_watermark", "leader_epoch", "listeners")

    def asked(topic: str, partition: int) -> DescribeQuorumRequest:
        data = DescribeQuorumRequestTopicData(topic_name=topic, partitions=[DescribeQuorumRequestPartitionData(partition_index=partition)])
        return DescribeQuorumRequest(topics=[data])

    exchange.ask_each("DescribeQuorum", asked("__cluster_metadata", 0), (0, 1, 2))
    exchange.ask("DescribeQuorum of another topic", asked("x", 0), 2)
    exchange.ask("DescribeQuorum of another partition", asked("__cluster_metadata", 1), 2)
    exchange.ask("DescribeQuorum of nothing", DescribeQuorumRequest(topics=[]), 2)


@script
def telemetry_has_no_subscription(exchange: Exchange) -> None:
    exchange.ask("GetTelemetrySubscriptions", GetTelemetrySubscriptionsRequest(), 0)
    exchange.ask("PushTelemetry", PushTelemetryRequest(client_instance_id=OTHER_ID, subscription_id=1), 0)
    exchange.ask("PushTelemetry without an identity", PushTelemetryRequest(), 0)
