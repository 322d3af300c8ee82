"""AllocateProducerIds: a block of producer ids.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: AllocateProducerIdsRequest, context: RequestContext) -> AllocateProducerIdsResponse:
    """The controller's answer."""
    return cast(AllocateProducerIdsResponse, await node.controller.request(request, context))
