"""DescribeGroups (key 15): the members of classic groups, and what they were assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.authorized_operations import GROUP_OPERATIONS
from odradek.broker.handlers.group_asking import caller_of
from odradek.broker.request import RequestContext
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

OPERATIONS_VERSION_MIN: Final = 3


async def handle(node: Node, request: DescribeGroupsRequest, context: RequestContext) -> DescribeGroupsResponse:
    """One answer for each group."""
    groups = [await _describe(node, group_id, context) for group_id in request.groups]
    if request.include_authorized_operations and context.api_version >= OPERATIONS_VERSION_MIN:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return DescribeGroupsResponse(groups=groups)


async def _describe(node: Node, group_id: str, context: RequestContext) -> DescribedGroup:
    try:
        answer = await node.groups.ask(group_id, lambda shard, ticket, now: shard.describe_classic(ticket, group_id, caller_of(context)))
    except RequestRefused as refused:
        return DescribedGroup(group_id=group_id, error_code=refused.code)
    return cast(DescribeGroupsResponse, answer).groups[0]
