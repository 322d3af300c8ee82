"""DescribeQuorum: the state of the metadata quorum.

The controller's driver answers from the replica that leads the quorum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: DescribeQuorumRequest, context: RequestContext) -> DescribeQuorumResponse:
    """The controller's answer."""
    return cast(DescribeQuorumResponse, await node.controller.request(request, context))
