"""FindCoordinator (key 10): which node coordinates a group, a transaction or a share partition: the leader of the partition that keeps it.

The internal topic is made when somebody first asks for a coordinator whose state it keeps; until it is there, clients are told to ask
again. Transactions and share groups have no coordinator in this release: whoever looks for one is told to wait, and nothing is made
for them.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.broker.auto_topic_creation import create_topics
from odradek.broker.handlers import refusals
from odradek.broker.request import RequestContext
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
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
NOBODY: Final = -1


def handle(node: Node, request: FindCoordinatorRequest, context: RequestContext) -> Message | Coroutine[None, None, Message]:
    """One answer for each key."""
    is_known = request.key_type in (GROUP, TRANSACTION) or (request.key_type == SHARE and context.api_version >= SHARE_VERSION_MIN)
    if not is_known:
        return refusals.refusal(request, context, ErrorCode.INVALID_REQUEST, None)
    if request.key_type != GROUP:
        return refusals.refusal(request, context, ErrorCode.COORDINATOR_NOT_AVAILABLE, None)
    if GROUP_METADATA_TOPIC not in node.image.topics.by_name:
        return _make_topic(node, request, context)
    return _answer(node, request, context)


async def _make_topic(node: Node, request: FindCoordinatorRequest, context: RequestContext) -> Message:
    await create_topics(node, [GROUP_METADATA_TOPIC], context)
    return _answer(node, request, context)


def _answer(node: Node, request: FindCoordinatorRequest, context: RequestContext) -> Message:
    if context.api_version >= BATCHED_VERSION_MIN:
        return FindCoordinatorResponse(coordinators=[_coordinator_of(node, key, context) for key in request.coordinator_keys])
    found = _coordinator_of(node, request.key, context)
    if found.error_code != ErrorCode.NONE:
        return refusals.refusal(request, context, ErrorCode(found.error_code), None)
    return FindCoordinatorResponse(error_message=ErrorCode.NONE.name, node_id=found.node_id, host=found.host, port=found.port)


def _coordinator_of(node: Node, key: str, context: RequestContext) -> Coordinator:
    topic = node.image.topics.by_name.get(GROUP_METADATA_TOPIC)
    registration = None if topic is None else topic.partitions.get(partition_of(key, len(topic.partitions)))
    broker = None if registration is None else node.image.cluster.brokers.get(registration.leader)
    endpoint = None if broker is None or broker.is_fenced else node.endpoint_for(broker, context)
    if broker is None or endpoint is None:
        return Coordinator(key=key, node_id=NOBODY, host="", port=NOBODY, error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, error_message="")
    host, port = endpoint
    return Coordinator(key=key, node_id=broker.node_id, host=host, port=port, error_message="")
