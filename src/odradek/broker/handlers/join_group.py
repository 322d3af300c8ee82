"""JoinGroup (key 11): a member of a classic group asks to be in the next generation, and waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.broker.handlers.group_asking import caller_of
from odradek.broker.request import RequestContext
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

NULLABLE_PROTOCOL_VERSION_MIN: Final = 7


async def handle(node: Node, request: JoinGroupRequest, context: RequestContext) -> JoinGroupResponse:
    """The coordinator's answer, when the generation is complete."""
    caller = caller_of(context)
    answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.join(ticket, request, caller, now))
    response = cast(JoinGroupResponse, answer)
    # No protocol is told as null where that can be told, else as an empty name.
    name = response.protocol_name or ""
    response.protocol_name = name if name or context.api_version < NULLABLE_PROTOCOL_VERSION_MIN else None
    return response
