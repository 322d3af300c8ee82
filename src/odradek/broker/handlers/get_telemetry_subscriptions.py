"""GetTelemetrySubscriptions (key 71): which of its metrics a client should push, which here are none (KIP-714).

No plugin takes in client metrics, so ApiVersions does not offer this API; a client that asks all the same gets an id, an interval and an
empty subscription, as from an Apache Kafka node on which nobody has subscribed to anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.identifiers import ZERO_UUID, random_uuid
from odradek.broker.request import RequestContext
from odradek.broker.telemetry_subscription import ACCEPTED_CODECS, PUSH_INTERVAL_MS, TELEMETRY_BYTES_MAX, empty_subscription_id
from odradek.protocol.messages.get_telemetry_subscriptions import (
    GetTelemetrySubscriptionsRequest,
    GetTelemetrySubscriptionsResponse,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: GetTelemetrySubscriptionsRequest, context: RequestContext) -> GetTelemetrySubscriptionsResponse:
    """A client without an id is given one."""
    client_instance_id = request.client_instance_id
    if client_instance_id == ZERO_UUID:
        client_instance_id = random_uuid(node.dice)
    return GetTelemetrySubscriptionsResponse(
        client_instance_id=client_instance_id,
        subscription_id=empty_subscription_id(client_instance_id),
        accepted_compression_types=list(ACCEPTED_CODECS),
        push_interval_ms=PUSH_INTERVAL_MS,
        telemetry_max_bytes=TELEMETRY_BYTES_MAX,
        delta_temporality=True,
    )
