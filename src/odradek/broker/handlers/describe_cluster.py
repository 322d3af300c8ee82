"""DescribeCluster: the brokers, or on a controller's listener the controllers (KIP-700, KIP-919)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED
from odradek.broker.controller_listeners import is_for_controller
from odradek.broker.visible_replicas import VisibleReplicas
from odradek.protocol.messages.describe_cluster import DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

BROKERS = 1
CONTROLLERS = 2
NAME_BY_ENDPOINT_TYPE = {BROKERS: "BROKER", CONTROLLERS: "CONTROLLER"}
NO_CONTROLLER = -1


def handle(node: Node, request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
    """The nodes of the kind the client is speaking to; another kind is refused."""
    served = CONTROLLERS if is_for_controller(node, context) else BROKERS
    if request.endpoint_type != served:
        return _refused(request, served, context.api_version)
    if served == CONTROLLERS:
        nodes, controller_id = _controllers(node, context), int(node.node_id)
    else:
        nodes, controller_id = _brokers(node, request, context)
    return DescribeClusterResponse(
        endpoint_type=served,
        cluster_id=node.cluster_id,
        controller_id=controller_id if any(listed.broker_id == controller_id for listed in nodes) else NO_CONTROLLER,
        brokers=nodes,
        cluster_authorized_operations=CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED,
    )


def _brokers(node: Node, request: DescribeClusterRequest, context: RequestContext) -> tuple[list[DescribeClusterBroker], int]:
    listed = [
        DescribeClusterBroker(broker_id=broker.node_id, host=host, port=port, rack=broker.rack, is_fenced=broker.is_fenced)
        for broker, host, port in VisibleReplicas(node, node.image, context).brokers()
        if request.include_fenced_brokers or not broker.is_fenced
    ]
    in_service = [broker.broker_id for broker in listed if not broker.is_fenced]
    # As in Metadata: any broker takes what is meant for the controller.
    return listed, node.dice.choice(in_service) if in_service else NO_CONTROLLER


def _controllers(node: Node, context: RequestContext) -> list[DescribeClusterBroker]:
    listed = []
    for controller in node.image.cluster.controllers.values():
        endpoint = controller.listeners.get(context.listener_name)
        if endpoint is not None:
            listed.append(DescribeClusterBroker(broker_id=controller.node_id, host=endpoint.host, port=endpoint.port))
    return listed


def _refused(request: DescribeClusterRequest, served: int, api_version: int) -> DescribeClusterResponse:
    name = NAME_BY_ENDPOINT_TYPE.get(request.endpoint_type)
    if name is None:
        code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        message = f"Unsupported endpoint type {request.endpoint_type}"
    else:
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        message = f"The request was sent to an endpoint of type {NAME_BY_ENDPOINT_TYPE[served]}, but we wanted an endpoint of type {name}"
    if api_version == 0:
        code = ErrorCode.INVALID_REQUEST
    return DescribeClusterResponse(error_code=code, error_message=message)
