"""BrokerHeartbeat: a broker that lives.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: BrokerHeartbeatRequest, context: RequestContext) -> BrokerHeartbeatResponse:
    """The controller's answer."""
    return cast(BrokerHeartbeatResponse, await node.controller.request(request, context))
