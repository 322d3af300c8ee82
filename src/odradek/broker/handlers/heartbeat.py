"""Heartbeat (key 12): a member of a classic group says that it lives, and hears whether it has to rejoin."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.request import RequestContext
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse:
    """The coordinator's answer; one that is still loading takes every heartbeat for good, since nobody's session has begun."""
    try:
        answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.heartbeat(ticket, request, now))
    except RequestRefused as refused:
        if refused.code is not ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            raise
        return HeartbeatResponse()
    return cast(HeartbeatResponse, answer)
