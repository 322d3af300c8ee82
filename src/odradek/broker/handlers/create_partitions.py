"""CreatePartitions: more partitions for topics.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: CreatePartitionsRequest, context: RequestContext) -> CreatePartitionsResponse:
    """The controller's answer."""
    return cast(CreatePartitionsResponse, await node.controller.request(request, context))
