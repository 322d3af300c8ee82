"""IncrementalAlterConfigs: change single settings of resources. This broker judges its own; the controller decides and stores the rest."""

from __future__ import annotations

from typing import cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.config_preprocessing import Preprocessing
from odradek.broker.node import Node
from odradek.broker.request import RequestContext
from odradek.protocol.messages.incremental_alter_configs import (
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


async def handle(node: Node, request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    outcomes = Preprocessing(node.node_id, node.configuration, node.image).of_incremental(request)
    remaining = [resource for position, resource in enumerate(request.resources) if position not in outcomes]
    decided: dict[tuple[int, str], AlterConfigsResourceResponse] = {}
    if remaining:
        forwarded = IncrementalAlterConfigsRequest(resources=remaining, validate_only=request.validate_only)
        answer = cast(IncrementalAlterConfigsResponse, await node.controller.request(forwarded, context))
        decided = {(result.resource_type, result.resource_name): result for result in answer.responses}
    responses = []
    for position, resource in enumerate(request.resources):
        response = AlterConfigsResourceResponse(
            error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        refused = outcomes.get(position)
        if position not in outcomes:
            response = _decided(decided, resource)
        elif refused is not None:
            response.error_code, response.error_message = refused.code, refused.message
        responses.append(response)
    return IncrementalAlterConfigsResponse(responses=responses)


def _decided(decided: dict[tuple[int, str], AlterConfigsResourceResponse], resource: AlterConfigsResource) -> AlterConfigsResourceResponse:
    # A controller that answers for fewer resources than it was asked about has a bug, of which the client has to hear.
    return decided.get((resource.resource_type, resource.resource_name)) or AlterConfigsResourceResponse(
        error_code=ErrorCode.UNKNOWN_SERVER_ERROR,
        error_message=None,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
