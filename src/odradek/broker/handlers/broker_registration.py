"""BrokerRegistration: a broker that introduces itself.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: BrokerRegistrationRequest, context: RequestContext) -> BrokerRegistrationResponse:
    """The controller's answer."""
    return cast(BrokerRegistrationResponse, await node.controller.request(request, context))
