"""ControllerRegistration: a controller that introduces itself.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.controller_registration import ControllerRegistrationRequest, ControllerRegistrationResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: ControllerRegistrationRequest, context: RequestContext) -> ControllerRegistrationResponse:
    """The controller's answer."""
    return cast(ControllerRegistrationResponse, await node.controller.request(request, context))
