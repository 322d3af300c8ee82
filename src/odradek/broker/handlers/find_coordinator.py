"""FindCoordinator (key 10): which node coordinates a group, a transaction or a share partition: the leader of the partition that keeps it.

The internal topic is made when somebody first asks for a coordinator whose state it keeps; until it is there, clients are told to ask
again. Share groups have no coordinator in this release: whoever looks for one is told to wait, and nothing is made for them.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.broker.auto_topic_creation import create_topics
from odradek.broker.handlers import refusals
from odradek.broker.request import RequestContext
from odradek.controller.topic_names import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC
from odradek.coordinator.placement import partition_of
from odradek.protocol.message import Message
from odradek.protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2
SHARE_VERSION_MIN: Final = 6
BATCHED_VERSION_MIN: Final = 4
TOPIC_BY_KEY_TYPE: Final = {GROUP: GROUP_METADATA_TOPIC, TRANSACTION: TRANSACTION_STATE_TOPIC}
NOBODY: Final = -1


def handle(node: Node, request: FindCoordinatorRequest, context: RequestContext) -> Message | Coroutine[None, None, Message]:
    """One answer for each key."""
    if request.key_type not in (GROUP, TRANSACTION, SHARE):
        return refusals.refusal(request, context, ErrorCode.INVALID_REQUEST, None)
    if request.key_type == SHARE and context.api_version < SHARE_VERSION_MIN:
        # Each of the keys is refused, and not the request: so there is nothing more to say about it.
        return refusals.refusal(request, context, ErrorCode.INVALID_REQUEST, "")
    topic = TOPIC_BY_KEY_TYPE.get(request.key_type)
    if topic is None:
        return refusals.refusal(request, context, ErrorCode.COORDINATOR_NOT_AVAILABLE, None)
    if topic not in node.image.topics.by_name:
        return _make_topic(node, topic, request, context)
    return _answer(node, topic, request, context)


async def _make_topic(node: Node, topic: str, request: FindCoordinatorRequest, context: RequestContext) -> Message:
    await create_topics(node, [topic], context)
    return _answer(node, topic, request, context)


def _answer(node: Node, topic: str, request: FindCoordinatorRequest, context: RequestContext) -> Message:
    if context.api_version >= BATCHED_VERSION_MIN:
        return FindCoordinatorResponse(coordinators=[_coordinator_of(node, topic, key, context) for key in request.coordinator_keys])
    found = _coordinator_of(node, topic, request.key, context)
    if found.error_code != ErrorCode.NONE:
        return refusals.refusal(request, context, ErrorCode(found.error_code), None)
    return FindCoordinatorResponse(error_message=ErrorCode.NONE.name, node_id=found.node_id, host=found.host, port=found.port)


def _coordinator_of(node: Node, topic_name: str, key: str, context: RequestContext) -> Coordinator:
    topic = node.image.topics.by_name.get(topic_name)
    registration = None if topic is None else topic.partitions.get(partition_of(key, len(topic.partitions)))
    broker = None if registration is None else node.image.cluster.brokers.get(registration.leader)
    endpoint = None if broker is None or broker.is_fenced else node.endpoint_for(broker, context)
    if broker is None or endpoint is None:
        return Coordinator(key=key, node_id=NOBODY, host="", port=NOBODY, error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, error_message="")
    host, port = endpoint
    return Coordinator(key=key, node_id=broker.node_id, host=host, port=port, error_message="")
