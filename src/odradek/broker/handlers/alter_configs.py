"""AlterConfigs: replace all settings of resources. The older form of IncrementalAlterConfigs, without log levels."""

from __future__ import annotations

from typing import cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.config_preprocessing import Preprocessing
from odradek.broker.node import Node
from odradek.broker.request import RequestContext
from odradek.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


async def handle(node: Node, request: AlterConfigsRequest, context: RequestContext) -> AlterConfigsResponse:
    outcomes = Preprocessing(node.node_id, node.configuration, node.image).of_legacy(request)
    remaining = [resource for position, resource in enumerate(request.resources) if position not in outcomes]
    decided: dict[tuple[int, str], AlterConfigsResourceResponse] = {}
    if remaining:
        forwarded = AlterConfigsRequest(resources=remaining, validate_only=request.validate_only)
        answer = cast(AlterConfigsResponse, await node.controller.request(forwarded, context))
        decided = {(result.resource_type, result.resource_name): result for result in answer.responses}
    responses = []
    for position, resource in enumerate(request.resources):
        refused = outcomes.get(position)
        if refused is None:
            responses.append(_decided(decided, resource))
        else:
            responses.append(
                AlterConfigsResourceResponse(
                    error_code=refused.code,
                    error_message=refused.message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
            )
    return AlterConfigsResponse(responses=responses)


def _decided(decided: dict[tuple[int, str], AlterConfigsResourceResponse], resource: AlterConfigsResource) -> AlterConfigsResourceResponse:
    # A controller that answers for fewer resources than it was asked about has a bug, of which the client has to hear.
    return decided.get((resource.resource_type, resource.resource_name)) or AlterConfigsResourceResponse(
        error_code=ErrorCode.UNKNOWN_SERVER_ERROR,
        error_message=None,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
