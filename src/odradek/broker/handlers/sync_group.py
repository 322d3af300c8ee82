"""SyncGroup (key 14): the leader of a classic group brings the assignment, everybody fetches his own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

PROTOCOL_REQUIRED_VERSION_MIN: Final = 5


async def handle(node: Node, request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse:
    """The coordinator's answer, when the leader has been heard."""
    is_incomplete = request.protocol_type is None or request.protocol_name is None
    if context.api_version >= PROTOCOL_REQUIRED_VERSION_MIN and is_incomplete:
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    return cast(SyncGroupResponse, await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.sync(ticket, request, now)))
