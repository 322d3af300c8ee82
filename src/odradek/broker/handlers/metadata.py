"""Metadata: which topics there are, who leads their partitions, and where the brokers are.

Topics that do not exist are made where both the client and `auto.create.topics.enable` say so. Kafka answers such a request before the
topic exists and lets the client ask again; here the answer waits for the topic, which saves that round and is what the second answer
would be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from odradek.broker.auto_topic_creation import create_topics
from odradek.broker.encoded_topics import View
from odradek.broker.visible_replicas import VisibleReplicas
from odradek.config.broker_node_settings import AUTO_CREATE_TOPICS_ENABLE
from odradek.controller.topic_names import is_internal_topic, topic_name_complaint
from odradek.metadata.partition_registration import NO_LEADER, PartitionRegistration
from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

ASKS_BY_ID_SINCE = 12
KNOWS_LISTENER_NOT_FOUND_SINCE = 6
NO_CONTROLLER = -1


def handle(node: Node, request: MetadataRequest, context: RequestContext) -> MetadataResponse | Awaitable[MetadataResponse]:
    """What the client asked for, at once unless a topic has to be made first."""
    asked = _asked(request, context.api_version)
    if asked is not None:
        _check(asked, context.api_version)
        missing = _names_to_create(node, request, asked)
        if missing:
            return _create_and_answer(node, request, context, asked, missing)
    return _answer(node, request, context, asked, {})


async def _create_and_answer(
    node: Node, request: MetadataRequest, context: RequestContext, asked: list[MetadataRequestTopic], missing: list[str]
) -> MetadataResponse:
    return _answer(node, request, context, asked, await create_topics(node, missing, context))


def _asked(request: MetadataRequest, api_version: int) -> list[MetadataRequestTopic] | None:
    """The topics asked for; None for all. Version 0 has no null and means all by none."""
    if request.topics is None or (api_version == 0 and not request.topics):
        return None
    return request.topics


def _check(asked: Sequence[MetadataRequestTopic], api_version: int) -> None:
    if api_version >= ASKS_BY_ID_SINCE:
        return
    for topic in asked:
        if topic.name is None:
            # The refusal names the topics again, and these versions have no null to name one with.
            for nameless in asked:
                nameless.name = nameless.name or ""
            raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Topic name can not be null for version {api_version}")
        if topic.topic_id != ZERO_UUID:
            raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Topic IDs are not supported in requests for version {api_version}")


def _names_to_create(node: Node, request: MetadataRequest, asked: Iterable[MetadataRequestTopic]) -> list[str]:
    if not request.allow_auto_topic_creation or not node.settings[AUTO_CREATE_TOPICS_ENABLE]:
        return []
    if any(topic.topic_id != ZERO_UUID for topic in asked):
        return []
    topics = node.image.topics.by_name
    return [
        topic.name for topic in asked if topic.name is not None and topic.name not in topics and topic_name_complaint(topic.name) is None
    ]


def _answer(
    node: Node,
    request: MetadataRequest,
    context: RequestContext,
    asked: list[MetadataRequestTopic] | None,
    creation_errors: dict[str, ErrorCode],
) -> MetadataResponse:
    image = node.image
    replicas = VisibleReplicas(node, image, context)
    builder = _TopicsBuilder(node, request, context, replicas, creation_errors)
    topics = [builder.known(topic) for topic in image.topics.by_name.values()] if asked is None else builder.asked(asked)
    brokers = [
        MetadataResponseBroker(node_id=broker.node_id, host=host, port=port, rack=broker.rack)
        for broker, host, port in replicas.brokers()
        if not broker.is_fenced
    ]
    return MetadataResponse(
        brokers=brokers,
        cluster_id=node.cluster_id,
        # Clients send to the broker named here what the controller decides; any broker forwards it, so Kafka names one by dice.
        controller_id=node.dice.choice(brokers).node_id if brokers else NO_CONTROLLER,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED,
    )


class _TopicsBuilder:
    """Topics as one client sees them."""

    __slots__ = ("_creation_errors", "_encoded", "_image", "_operations", "_replicas", "_view")

    def __init__(
        self,
        node: Node,
        request: MetadataRequest,
        context: RequestContext,
        replicas: VisibleReplicas,
        creation_errors: dict[str, ErrorCode],
    ) -> None:
        self._image = node.image
        self._encoded = node.encoded_topics
        self._replicas = replicas
        self._view = View(context.listener_name, context.api_version, request.include_topic_authorized_operations)
        self._operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED
        self._creation_errors = creation_errors

    def asked(self, asked: Iterable[MetadataRequestTopic]) -> list[MetadataResponseTopic]:
        """Each topic once, however often it was asked for. Ids, where there are any, make names be passed over."""
        ids = {topic.topic_id: None for topic in asked if topic.topic_id != ZERO_UUID}
        if ids:
            return [self._by_id(topic_id) for topic_id in ids]
        names = {topic.name: None for topic in asked if topic.name is not None}
        return [self._by_name(name) for name in names]

    def known(self, topic: TopicImage) -> MetadataResponseTopic:
        return self._encoded.topic(self._view, topic, self._image.cluster, self._described)

    def _described(self, topic: TopicImage) -> MetadataResponseTopic:
        return MetadataResponseTopic(
            name=topic.name,
            topic_id=topic.id,
            is_internal=is_internal_topic(topic.name),
            partitions=[self._partition(index, registration) for index, registration in topic.partitions.items()],
            topic_authorized_operations=self._operations,
        )

    def _by_id(self, topic_id: Uuid) -> MetadataResponseTopic:
        topic = self._image.topics.by_id.get(topic_id)
        if topic is None:
            return MetadataResponseTopic(
                error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id, topic_authorized_operations=self._operations
            )
        return self.known(topic)

    def _by_name(self, name: str) -> MetadataResponseTopic:
        topic = self._image.topics.by_name.get(name)
        if topic is not None:
            return self.known(topic)
        code = self._creation_errors.get(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if topic_name_complaint(name) is not None:
            code = ErrorCode.INVALID_TOPIC_EXCEPTION
        return MetadataResponseTopic(
            error_code=code, name=name, is_internal=is_internal_topic(name), topic_authorized_operations=self._operations
        )

    def _partition(self, index: int, registration: PartitionRegistration) -> MetadataResponsePartition:
        leader = self._replicas.leader(registration)
        code = ErrorCode.NONE
        if leader == NO_LEADER:
            is_unreachable = registration.leader in self._image.cluster.brokers
            code = ErrorCode.LEADER_NOT_AVAILABLE
            if is_unreachable and self._view.version >= KNOWS_LISTENER_NOT_FOUND_SINCE:
                code = ErrorCode.LISTENER_NOT_FOUND
        replicas, isr = list(registration.replicas), list(registration.isr)
        if self._view.version == 0:
            # The first version names only replicas that are up, and says so by an error when that leaves any out.
            offline = self._replicas.offline(registration)
            replicas = [broker_id for broker_id in replicas if broker_id not in offline]
            isr = [broker_id for broker_id in isr if broker_id not in offline]
            if code is ErrorCode.NONE and (len(replicas), len(isr)) != (len(registration.replicas), len(registration.isr)):
                code = ErrorCode.REPLICA_NOT_AVAILABLE
        return MetadataResponsePartition(
            error_code=code,
            partition_index=index,
            leader_id=leader,
            leader_epoch=registration.leader_epoch,
            replica_nodes=replicas,
            isr_nodes=isr,
            offline_replicas=self._replicas.offline(registration),
        )
