"""DeleteGroups (key 42): forget groups that have no members, with all they have committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from odradek.base.errors import RequestRefused
from odradek.broker.request import RequestContext
from odradek.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: DeleteGroupsRequest, context: RequestContext) -> DeleteGroupsResponse:
    """One answer for each group, named once."""
    return DeleteGroupsResponse(results=[await _delete(node, group_id) for group_id in dict.fromkeys(request.groups_names)])


async def _delete(node: Node, group_id: str) -> DeletableGroupResult:
    try:
        answer = await node.groups.ask(group_id, lambda shard, ticket, now: shard.delete_group(ticket, group_id))
    except RequestRefused as refused:
        return DeletableGroupResult(group_id=group_id, error_code=refused.code)
    return cast(DeleteGroupsResponse, answer).results[0]
