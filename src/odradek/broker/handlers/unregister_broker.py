"""UnregisterBroker: a broker that will not come back.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: UnregisterBrokerRequest, context: RequestContext) -> UnregisterBrokerResponse:
    """The controller's answer."""
    return cast(UnregisterBrokerResponse, await node.controller.request(request, context))
