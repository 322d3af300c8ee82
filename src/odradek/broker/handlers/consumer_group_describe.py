"""ConsumerGroupDescribe (key 69): the members of groups that speak the consumer protocol, what they have and are meant to have.

Clients ask this way first and fall back to DescribeGroups for whatever is answered GROUP_ID_NOT_FOUND.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.authorized_operations import GROUP_OPERATIONS
from odradek.broker.request import RequestContext
from odradek.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: ConsumerGroupDescribeRequest, context: RequestContext) -> ConsumerGroupDescribeResponse:
    """One answer for each group."""
    groups = [await _describe(node, group_id) for group_id in request.group_ids]
    if request.include_authorized_operations:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return ConsumerGroupDescribeResponse(groups=groups)


async def _describe(node: Node, group_id: str) -> DescribedGroup:
    if not group_id:
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.INVALID_GROUP_ID)
    try:
        answer = await node.groups.ask(group_id, lambda shard, ticket, now: shard.describe_consumer(ticket, group_id))
    except RequestRefused as refused:
        return DescribedGroup(group_id=group_id, error_code=refused.code)
    return cast(ConsumerGroupDescribeResponse, answer).groups[0]
