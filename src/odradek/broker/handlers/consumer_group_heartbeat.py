"""ConsumerGroupHeartbeat (key 68): a member of a group joins, goes on and leaves, and is told what it has (KIP-848)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.broker.handlers.group_asking import caller_of
from odradek.broker.request import RequestContext
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: ConsumerGroupHeartbeatRequest, context: RequestContext) -> ConsumerGroupHeartbeatResponse:
    """The coordinator's answer."""
    caller = caller_of(context)
    answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.consumer_heartbeat(ticket, request, caller, now))
    return cast(ConsumerGroupHeartbeatResponse, answer)
