"""ConsumerGroupDescribe (key 69): the members of groups that speak the consumer protocol. In this release every group is a classic one.

Clients ask this way first and fall back to DescribeGroups for whatever is answered GROUP_ID_NOT_FOUND.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: ConsumerGroupDescribeRequest, context: RequestContext) -> ConsumerGroupDescribeResponse:
    """One refusal for each group."""
    groups = [
        DescribedGroup(
            group_id=group_id,
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=f"Group {group_id} is not a consumer group.",
        )
        for group_id in request.group_ids
    ]
    return ConsumerGroupDescribeResponse(groups=groups)
