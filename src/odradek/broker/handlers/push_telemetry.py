"""PushTelemetry (key 72): metrics of a client, which nobody here has asked for (KIP-714). Valid ones are accepted and dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.request import RequestContext
from odradek.broker.telemetry_subscription import ACCEPTED_CODECS, TELEMETRY_BYTES_MAX, empty_subscription_id
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest, PushTelemetryResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

UNCOMPRESSED: Final = 0


def handle(node: Node, request: PushTelemetryRequest, context: RequestContext) -> PushTelemetryResponse:
    """Check what a client can do wrong."""
    return PushTelemetryResponse(error_code=_judge(request))


def _judge(request: PushTelemetryRequest) -> ErrorCode:
    if request.client_instance_id == ZERO_UUID:
        return ErrorCode.INVALID_REQUEST
    if request.subscription_id != empty_subscription_id(request.client_instance_id):
        return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    if request.compression_type != UNCOMPRESSED and request.compression_type not in ACCEPTED_CODECS:
        return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    if len(request.metrics) > TELEMETRY_BYTES_MAX:
        return ErrorCode.TELEMETRY_TOO_LARGE
    return ErrorCode.NONE
