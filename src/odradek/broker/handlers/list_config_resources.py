"""ListConfigResources: what can be described. Groups and metrics subscriptions only as far as something is set for them.

Version 0 is the older ListClientMetricsResources: it knows one type and has no field for it (KIP-1142).
"""

from __future__ import annotations

from collections.abc import Iterator

from odradek.base.error_codes import ErrorCode
from odradek.broker.node import Node
from odradek.broker.request import RequestContext
from odradek.config.resource_type import RESOURCE_TYPES, ResourceType
from odradek.protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)


def handle(node: Node, request: ListConfigResourcesRequest, context: RequestContext) -> ListConfigResourcesResponse:
    known = RESOURCE_TYPES if context.api_version > 0 else frozenset({ResourceType.CLIENT_METRICS})
    asked = set(request.resource_types) or known
    if not asked <= known:
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    resources = [
        ConfigResource(resource_name=name, resource_type=resource_type)
        for resource_type in sorted(asked, reverse=True)
        for name in _names(node, resource_type, context)
    ]
    return ListConfigResourcesResponse(config_resources=resources)


def _names(node: Node, resource_type: int, context: RequestContext) -> Iterator[str]:
    match resource_type:
        case ResourceType.TOPIC:
            yield from sorted(node.image.topics.by_name)
        case ResourceType.BROKER | ResourceType.BROKER_LOGGER:
            for broker in node.image.cluster.brokers.values():
                if not broker.is_fenced and node.endpoint_for(broker, context) is not None:
                    yield str(broker.node_id)
        case _:
            yield from node.image.configs.names(resource_type)
