"""ListGroups (key 16): the groups that this node coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.broker.request import RequestContext
from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    """All of them, or those in some states and of some types."""
    groups = [group for shard in node.groups.shards() for group in shard.list_groups(request.states_filter, request.types_filter)]
    return ListGroupsResponse(groups=groups)
