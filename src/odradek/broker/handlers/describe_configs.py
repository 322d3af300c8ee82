"""DescribeConfigs: the settings of topics, of this broker, of all brokers, of groups, of metrics subscriptions, and the log levels.

Each resource is answered by itself, an error of its own included; only a type that does not exist ends the whole request, as in Kafka.
"""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker import config_description as description
from odradek.broker.log_levels import levels
from odradek.broker.node import Node
from odradek.broker.request import RequestContext
from odradek.config.resource_type import RESOURCE_TYPES, ResourceType
from odradek.controller.topic_names import topic_name_complaint
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)


def handle(node: Node, request: DescribeConfigsRequest, context: RequestContext) -> DescribeConfigsResponse:
    """Raises:
    RequestRefused: INVALID_REQUEST, a resource has a type that does not exist.
    """
    for resource in request.resources:
        if resource.resource_type not in RESOURCE_TYPES:
            message = f"Unexpected resource type UNKNOWN for resource {resource.resource_name}"
            raise RequestRefused(ErrorCode.INVALID_REQUEST, message)
    return DescribeConfigsResponse(results=[_result(node, request, resource) for resource in request.resources])


def _result(node: Node, request: DescribeConfigsRequest, resource: DescribeConfigsResource) -> DescribeConfigsResult:
    result = DescribeConfigsResult(resource_type=resource.resource_type, resource_name=resource.resource_name)
    wanted = description.Wanted(
        keys=frozenset(resource.configuration_keys or ()),
        synonyms=request.include_synonyms,
        documentation=request.include_documentation,
    )
    try:
        entries = _entries(node, resource, wanted)
    except RequestRefused as refused:
        result.error_code = refused.code
        result.error_message = refused.message
        return result
    if entries is None:
        result.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return result
    result.configs = entries
    return result


def _entries(node: Node, resource: DescribeConfigsResource, wanted: description.Wanted) -> list[DescribeConfigsResourceResult] | None:
    """The settings of `resource`; None when it is a topic that does not exist."""
    name = resource.resource_name
    configs = node.image.configs
    match resource.resource_type:
        case ResourceType.TOPIC:
            complaint = topic_name_complaint(name)
            if complaint is not None:
                raise RequestRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, complaint)
            if name not in node.image.topics.by_name:
                return None
            return description.describe_topic(node.configuration, configs.of_topic(name), wanted)
        case ResourceType.BROKER:
            if not name:
                return description.describe_cluster(node.configuration, wanted)
            if _broker_id(name) != node.node_id:
                raise _invalid(f"Unexpected broker id, expected {node.node_id} or empty string, but received {name}")
            return description.describe_broker(node.configuration, wanted)
        case ResourceType.BROKER_LOGGER:
            if not name:
                raise _invalid("Broker id must not be empty")
            if _broker_id(name) != node.node_id:
                raise _invalid(f"Unexpected broker id, expected {node.node_id} but received {name}")
            return description.describe_loggers(levels(), wanted)
        case ResourceType.CLIENT_METRICS:
            if not name:
                raise _invalid("Client metrics subscription name must not be empty")
            return description.describe_client_metrics(configs.of(ResourceType.CLIENT_METRICS, name), wanted)
        case _:
            if not name:
                raise _invalid("Group name must not be empty")
            return description.describe_group(node.configuration, configs.of(ResourceType.GROUP, name), wanted)


def _broker_id(name: str) -> int:
    try:
        return int(name)
    except ValueError:
        raise _invalid(f"Broker id must be an integer, but it is: {name}") from None


def _invalid(message: str) -> RequestRefused:
    return RequestRefused(ErrorCode.INVALID_REQUEST, message)
