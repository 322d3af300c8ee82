"""LeaveGroup (key 13): members of a classic group go, or are sent away by a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

if TYPE_CHECKING:
    from odradek.broker.node import Node

SEVERAL_MEMBERS_VERSION_MIN: Final = 3


async def handle(node: Node, request: LeaveGroupRequest, context: RequestContext) -> LeaveGroupResponse:
    """The coordinator's answer; older versions name one member and have one error."""
    is_single = context.api_version < SEVERAL_MEMBERS_VERSION_MIN
    if is_single:
        request.members = [MemberIdentity(member_id=request.member_id)]
    answer = await node.groups.ask(request.group_id, lambda shard, ticket, now: shard.leave(ticket, request, now))
    response = cast(LeaveGroupResponse, answer)
    if not is_single:
        return response
    codes = [response.error_code, *(member.error_code for member in response.members)]
    return LeaveGroupResponse(error_code=next((code for code in codes if code != ErrorCode.NONE), ErrorCode.NONE))
