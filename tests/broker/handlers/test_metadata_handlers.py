"""ApiVersions, Metadata, DescribeTopicPartitions, DescribeCluster and their neighbours: what a client is told of a cluster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import cast

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.broker.authorized_operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS
from odradek.broker.encoded_topics import EncodedTopics
from odradek.broker.handlers import (
    api_versions,
    describe_cluster,
    describe_topic_partitions,
    init_producer_id,
    list_partition_reassignments,
    metadata,
)
from odradek.broker.producer_id_source import ProducerIdSource
from odradek.broker.request import RequestContext
from odradek.config.broker_settings_file import load_broker_settings
from odradek.metadata.image import MetadataImage
from odradek.protocol import apis
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    FeatureLevelRecord,
    PartitionChangeRecord,
    RegisterBrokerRecord,
    TopicRecord,
)
from odradek.protocol.message import Message, decode_message, encode_message
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsResponse
from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.create_topics import CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.describe_cluster import DescribeClusterRequest
from odradek.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestCursor,
    TopicRequest,
)
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic
from tests.broker.small_node import NODE_ID, PLAINTEXT, SmallNode, partition_record

CONTROLLER = "CONTROLLER"
UNKNOWN_ID = Uuid(b"\x77" * 16)


class ClusterNode(SmallNode):
    """A small node with the name of its cluster, and a controller that makes every topic it is asked for."""

    def __init__(self, *, is_address_advertised: bool = True, **properties: str) -> None:
        super().__init__(
            load_broker_settings(
                {
                    "process.roles": "broker,controller",
                    "node.id": str(NODE_ID),
                    "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
                    "controller.listener.names": CONTROLLER,
                    "controller.quorum.bootstrap.servers": "127.0.0.1:9093",
                    **{name.replace("_", "."): value for name, value in properties.items()},
                }
            )
        )
        self.cluster_id = "5L6g3nShT-eMCtK--X86sw"
        self.encoded_topics = EncodedTopics()
        self.controller = self
        self.asked: list[CreateTopicsRequest] = []
        self._is_address_advertised = is_address_advertised
        self.next_block = 0
        self.producer_ids = ProducerIdSource(self, NODE_ID, lambda: 0)

    @property
    def advertised(self) -> Mapping[str, object]:
        return {PLAINTEXT: None} if self._is_address_advertised else {}

    async def request(self, message: Message, context: RequestContext) -> Message:
        assert isinstance(message, CreateTopicsRequest)
        self.asked.append(message)
        for topic in message.topics:
            self.create_topic(topic.name)
        return CreateTopicsResponse(topics=[CreatableTopicResult(name=topic.name) for topic in message.topics])

    async def decide(self, message: Message, api_version: int) -> Message:
        self.next_block += 1000
        return AllocateProducerIdsResponse(producer_id_start=self.next_block, producer_id_len=1000)

    def metadata(self, request: MetadataRequest, api_version: int = 13, listener: str = PLAINTEXT) -> MetadataResponse:
        outcome = metadata.handle(self.as_node, request, self.context(3, api_version, listener))
        response = outcome if isinstance(outcome, MetadataResponse) else asyncio.run(_awaited(outcome))
        # As the client reads it. What cannot be written in the version asked for would fail here.
        return decode_message(MetadataResponse, encode_message(response, api_version), api_version)

    def with_second_broker(self, *, is_fenced: bool) -> ClusterNode:
        endpoints = [BrokerEndpoint(name=PLAINTEXT, host="broker-2", port=9092)]
        self.replay(RegisterBrokerRecord(broker_id=2, end_points=endpoints, fenced=is_fenced))
        return self


async def _awaited(outcome: object) -> MetadataResponse:
    return cast(MetadataResponse, await outcome)  # type: ignore[misc]


def asking(*names: str, create: bool = False) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], allow_auto_topic_creation=create)


def names_and_codes(topics: list[MetadataResponseTopic]) -> list[tuple[str | None, ErrorCode]]:
    return [(topic.name, ErrorCode(topic.error_code)) for topic in topics]


# ApiVersions


def test_broker_listener_announces_the_apis_of_brokers_with_produce_from_zero() -> None:
    """KAFKA-18659: librdkafka takes a Produce that does not begin at 0 for a broker without compression."""
    versions = {entry.api_key: (entry.min_version, entry.max_version) for entry in api_versions.announced_versions(for_controller=False)}

    assert versions[0] == (0, 13)
    assert versions[18] == (0, 4)
    assert {52, 71, 72} & versions.keys() == set()


def test_controller_listener_announces_the_apis_of_controllers() -> None:
    keys = {entry.api_key for entry in api_versions.announced_versions(for_controller=True)}

    assert {1, 18, 52, 55, 62, 63} <= keys
    assert 0 not in keys


def test_every_version_of_api_versions_is_answered_with_the_features() -> None:
    node = ClusterNode()
    node.replay(FeatureLevelRecord(name="metadata.version", feature_level=30), FeatureLevelRecord(name="group.version", feature_level=1))

    for version in range(5):
        request = ApiVersionsRequest(client_software_name="kcat", client_software_version="1.7.1")
        response = api_versions.handle(node.as_node, request, node.context(18, version))
        encode_message(response, version)
        assert response.error_code == ErrorCode.NONE
        assert {(f.name, f.max_version_level) for f in response.finalized_features} == {("metadata.version", 30), ("group.version", 1)}
        # Clients before version 4 do not know levels that begin at 0.
        assert (len(response.supported_features) > 1) == (version >= 4)


@pytest.mark.parametrize(("name", "version"), [("", "1"), ("a b", "1"), ("-a", "1"), ("a", ""), ("a", "1."), ("ä", "1")])
def test_client_that_names_itself_wrongly_is_refused(name: str, version: str) -> None:
    node = ClusterNode()
    request = ApiVersionsRequest(client_software_name=name, client_software_version=version)

    assert api_versions.handle(node.as_node, request, node.context(18, 3)).error_code == ErrorCode.INVALID_REQUEST
    assert api_versions.handle(node.as_node, request, node.context(18, 2)).error_code == ErrorCode.NONE


def test_unknown_version_is_answered_with_the_versions_there_are() -> None:
    """KIP-511."""
    response = api_versions.unsupported_version_response()

    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [(entry.api_key, entry.min_version, entry.max_version) for entry in response.api_keys] == [(18, 0, 4)]


# Metadata


@pytest.mark.parametrize("api_version", range(14))
def test_every_version_of_metadata_shows_topic_leader_and_broker(api_version: int) -> None:
    node = ClusterNode()
    node.create_topic("orders", partitions=2)

    response = node.metadata(asking("orders"), api_version)

    (topic,) = response.topics
    assert (topic.name, topic.error_code, len(topic.partitions)) == ("orders", ErrorCode.NONE, 2)
    assert {(partition.leader_id, partition.error_code) for partition in topic.partitions} == {(NODE_ID, ErrorCode.NONE)}
    assert [(broker.node_id, broker.host, broker.port) for broker in response.brokers] == [(NODE_ID, "broker-1", 9092)]
    # Version 0 names no controller, 1 no cluster yet.
    assert response.cluster_id == (node.cluster_id if api_version >= 2 else None)
    assert response.controller_id == (NODE_ID if api_version >= 1 else -1)


def test_null_asks_for_all_topics_and_none_for_none_but_in_version_zero() -> None:
    node = ClusterNode()
    node.create_topic("orders")

    assert len(node.metadata(MetadataRequest(topics=None)).topics) == 1
    assert node.metadata(MetadataRequest(topics=[])).topics == []
    assert len(node.metadata(MetadataRequest(topics=[]), api_version=0).topics) == 1


def test_topics_are_found_by_id_and_unknown_ids_said() -> None:
    node = ClusterNode()
    topic_id = node.create_topic("orders")
    asked = [MetadataRequestTopic(name=None, topic_id=topic_id), MetadataRequestTopic(name=None, topic_id=UNKNOWN_ID)]

    response = node.metadata(MetadataRequest(topics=asked))

    assert names_and_codes(response.topics) == [("orders", ErrorCode.NONE), (None, ErrorCode.UNKNOWN_TOPIC_ID)]


@pytest.mark.parametrize("topic", [MetadataRequestTopic(name=None), MetadataRequestTopic(name="a", topic_id=UNKNOWN_ID)])
def test_versions_ten_and_eleven_refuse_ids(topic: MetadataRequestTopic) -> None:
    with pytest.raises(RequestRefused) as refused:
        ClusterNode().metadata(MetadataRequest(topics=[topic]), api_version=11)

    assert refused.value.code is ErrorCode.INVALID_REQUEST


def test_topic_is_made_when_the_client_and_the_setting_allow_it() -> None:
    node = ClusterNode()

    assert names_and_codes(node.metadata(asking("orders", create=True)).topics) == [("orders", ErrorCode.NONE)]
    assert [(topic.name, topic.num_partitions, topic.replication_factor) for topic in node.asked[0].topics] == [("orders", -1, -1)]


def test_consumer_offsets_are_made_with_the_numbers_of_their_settings() -> None:
    node = ClusterNode(offsets_topic_num_partitions="7", offsets_topic_replication_factor="1")

    node.metadata(asking("__consumer_offsets", create=True))

    (topic,) = node.asked[0].topics
    assert (topic.num_partitions, topic.replication_factor) == (7, 1)
    assert {config.name: config.value for config in topic.configs}["cleanup.policy"] == "compact"


@pytest.mark.parametrize(("create", "setting"), [(False, "true"), (True, "false")])
def test_topic_is_unknown_when_either_does_not_allow_it(create: bool, setting: str) -> None:
    node = ClusterNode(auto_create_topics_enable=setting)

    assert names_and_codes(node.metadata(asking("orders", create=create)).topics) == [("orders", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert node.asked == []


def test_illegal_name_is_said_and_not_made() -> None:
    node = ClusterNode()

    assert names_and_codes(node.metadata(asking("a b", create=True)).topics) == [("a b", ErrorCode.INVALID_TOPIC_EXCEPTION)]
    assert node.asked == []


def test_client_is_told_the_address_it_dialled_when_none_is_advertised() -> None:
    response = ClusterNode(is_address_advertised=False).metadata(asking())

    assert [(broker.host, broker.port) for broker in response.brokers] == [("127.0.0.1", 9092)]


def test_fenced_broker_is_not_shown_and_its_replicas_are_offline() -> None:
    node = ClusterNode().with_second_broker(is_fenced=True)
    node.create_topic("orders", replicas=(NODE_ID, 2))

    response = node.metadata(asking("orders"))
    oldest = node.metadata(asking("orders"), api_version=0)

    assert [broker.node_id for broker in response.brokers] == [NODE_ID]
    assert response.topics[0].partitions[0].offline_replicas == [2]
    assert oldest.topics[0].partitions[0].error_code == ErrorCode.REPLICA_NOT_AVAILABLE
    assert oldest.topics[0].partitions[0].replica_nodes == [NODE_ID]


@pytest.mark.parametrize(("api_version", "code"), [(13, ErrorCode.LISTENER_NOT_FOUND), (5, ErrorCode.LEADER_NOT_AVAILABLE)])
def test_leader_that_this_client_cannot_reach_is_no_leader(api_version: int, code: ErrorCode) -> None:
    node = ClusterNode().with_second_broker(is_fenced=False)
    node.create_topic("orders", leader=2, replicas=(2,))

    (partition,) = node.metadata(asking("orders"), api_version, listener="INTERNAL").topics[0].partitions

    assert (partition.leader_id, partition.error_code) == (-1, code)


def test_partition_without_leader_says_so() -> None:
    node = ClusterNode()
    topic_id = node.create_topic("orders")
    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=-1))

    (partition,) = node.metadata(asking("orders")).topics[0].partitions

    assert (partition.leader_id, partition.error_code) == (-1, ErrorCode.LEADER_NOT_AVAILABLE)


def test_operations_are_told_to_those_who_ask() -> None:
    node = ClusterNode()
    node.create_topic("orders")
    request = asking("orders")
    request.include_topic_authorized_operations = request.include_cluster_authorized_operations = True

    response = node.metadata(request, api_version=10)

    assert (response.cluster_authorized_operations, response.topics[0].topic_authorized_operations) == (8096, 3576)
    assert (CLUSTER_OPERATIONS, TOPIC_OPERATIONS) == (8096, 3576)


# DescribeTopicPartitions


def pages_of(node: ClusterNode, limit: int, *names: str) -> list[list[tuple[str | None, int]]]:
    """Every page, as (topic, partition) pairs."""
    pages: list[list[tuple[str | None, int]]] = []
    request = DescribeTopicPartitionsRequest(topics=[TopicRequest(name=name) for name in names], response_partition_limit=limit)
    while True:
        response = describe_topic_partitions.handle(node.as_node, request, node.context(75, 0))
        pages.append([(topic.name, partition.partition_index) for topic in response.topics for partition in topic.partitions])
        if response.next_cursor is None:
            return pages
        cursor = response.next_cursor
        request.cursor = DescribeTopicPartitionsRequestCursor(topic_name=cursor.topic_name, partition_index=cursor.partition_index)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_pages_hold_every_partition_once_in_the_order_of_names(limit: int) -> None:
    node = ClusterNode()
    for name, count in (("b", 3), ("a", 2), ("c", 1)):
        node.create_topic(name, partitions=count)

    pages = pages_of(node, limit)

    assert [pair for page in pages for pair in page] == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)]
    assert all(len(page) <= limit for page in pages)


def test_limit_of_the_node_is_above_that_of_the_client() -> None:
    node = ClusterNode(max_request_partition_size_limit="2")
    node.create_topic("a", partitions=5)

    assert [len(page) for page in pages_of(node, 100)] == [2, 2, 1]


def test_unknown_and_illegal_names_are_said() -> None:
    node = ClusterNode()
    request = DescribeTopicPartitionsRequest(topics=[TopicRequest(name="never"), TopicRequest(name="a b")])

    response = describe_topic_partitions.handle(node.as_node, request, node.context(75, 0))

    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("never", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize(
    ("names", "cursor"), [(["a"], ("b", 0)), (["a"], ("a", -1))], ids=["of a topic not asked for", "before the first partition"]
)
def test_impossible_cursor_is_refused(names: list[str], cursor: tuple[str, int]) -> None:
    node = ClusterNode()
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        cursor=DescribeTopicPartitionsRequestCursor(topic_name=cursor[0], partition_index=cursor[1]),
    )

    with pytest.raises(RequestRefused):
        describe_topic_partitions.handle(node.as_node, request, node.context(75, 0))


# DescribeCluster, ListPartitionReassignments, InitProducerId


@pytest.mark.parametrize(("include", "ids"), [(False, [NODE_ID]), (True, [NODE_ID, 2])])
def test_cluster_shows_fenced_brokers_to_those_who_ask(include: bool, ids: list[int]) -> None:
    node = ClusterNode().with_second_broker(is_fenced=True)

    response = describe_cluster.handle(node.as_node, DescribeClusterRequest(include_fenced_brokers=include), node.context(60, 2))

    assert [broker.broker_id for broker in response.brokers] == ids
    assert (response.cluster_id, response.controller_id) == (node.cluster_id, NODE_ID)


@pytest.mark.parametrize(
    ("listener", "endpoint_type", "api_version", "code"),
    [
        (PLAINTEXT, 2, 1, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
        (CONTROLLER, 1, 1, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
        (PLAINTEXT, 9, 1, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        (CONTROLLER, 1, 0, ErrorCode.INVALID_REQUEST),
        (CONTROLLER, 2, 1, ErrorCode.NONE),
    ],
)
def test_endpoint_type_has_to_fit_the_listener(listener: str, endpoint_type: int, api_version: int, code: ErrorCode) -> None:
    node = ClusterNode()
    request = DescribeClusterRequest(endpoint_type=endpoint_type)

    assert describe_cluster.handle(node.as_node, request, node.context(60, api_version, listener)).error_code == code


def test_only_partitions_on_the_move_are_listed() -> None:
    node = ClusterNode()
    node.create_topic("still")
    moving = Uuid(random.Random(3).randbytes(16))
    node.replay(TopicRecord(name="moving", topic_id=moving), partition_record(moving))
    node.replay(PartitionChangeRecord(topic_id=moving, partition_id=0, replicas=[NODE_ID, 2], adding_replicas=[2]))

    response = list_partition_reassignments.handle(node.as_node, ListPartitionReassignmentsRequest(), node.context(46, 0))

    assert [(topic.name, topic.partitions[0].adding_replicas) for topic in response.topics] == [("moving", [2])]


def test_idempotent_producers_get_ids_of_their_own() -> None:
    node = ClusterNode()

    async def two() -> list[int]:
        request = InitProducerIdRequest(transactional_id=None)
        responses = [await init_producer_id.handle(node.as_node, request, node.context(22, 5)) for _ in range(2)]
        return [response.producer_id for response in responses]

    assert asyncio.run(two()) == [1000, 1001]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (InitProducerIdRequest(transactional_id=""), ErrorCode.INVALID_REQUEST),
        (InitProducerIdRequest(transactional_id=None, producer_id=5), ErrorCode.INVALID_REQUEST),
    ],
)
def test_producer_id_is_refused(request_: InitProducerIdRequest, code: ErrorCode) -> None:
    node = ClusterNode()

    response = asyncio.run(init_producer_id.handle(node.as_node, request_, node.context(22, 5)))

    assert (response.error_code, response.producer_id) == (code, -1)


def test_image_of_an_empty_cluster_has_no_levels() -> None:
    assert MetadataImage().finalized_levels() == {}
    assert apis.API_BY_KEY[3].name == "Metadata"
