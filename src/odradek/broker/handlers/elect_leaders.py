"""ElectLeaders: new leaders for partitions.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: ElectLeadersRequest, context: RequestContext) -> ElectLeadersResponse:
    """The controller's answer."""
    return cast(ElectLeadersResponse, await node.controller.request(request, context))
