"""CreateTopics: new topics, their configs and assignments.

The controller decides; the answer leaves when its records are committed and applied on this node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


async def handle(node: Node, request: CreateTopicsRequest, context: RequestContext) -> CreateTopicsResponse:
    """The controller's answer."""
    return cast(CreateTopicsResponse, await node.controller.request(request, context))
