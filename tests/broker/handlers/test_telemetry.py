"""Nobody has subscribed to the metrics of clients, and that is what clients are told (KIP-714)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.handlers import get_telemetry_subscriptions, push_telemetry
from odradek.protocol.messages.get_telemetry_subscriptions import GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse
from odradek.protocol.messages.push_telemetry import PushTelemetryRequest
from tests.broker.small_node import SmallNode

INSTANCE = Uuid(b"instance-of-mine")


def subscription_of(instance: Uuid) -> GetTelemetrySubscriptionsResponse:
    node = SmallNode()
    return get_telemetry_subscriptions.handle(
        node.as_node, GetTelemetrySubscriptionsRequest(client_instance_id=instance), node.context(71, 0)
    )


def test_client_is_asked_for_no_metrics() -> None:
    response = subscription_of(INSTANCE)

    assert (response.client_instance_id, response.requested_metrics, response.push_interval_ms) == (INSTANCE, [], 300_000)


def test_client_without_an_id_is_given_one() -> None:
    assert subscription_of(ZERO_UUID).client_instance_id != ZERO_UUID


@pytest.mark.parametrize(
    ("instance", "id_offset", "codec", "size", "error"),
    [
        (INSTANCE, 0, 4, 10, ErrorCode.NONE),
        (INSTANCE, 0, 0, 10, ErrorCode.NONE),
        (ZERO_UUID, 0, 4, 10, ErrorCode.INVALID_REQUEST),
        (INSTANCE, 1, 4, 10, ErrorCode.UNKNOWN_SUBSCRIPTION_ID),
        (INSTANCE, 0, 9, 10, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (INSTANCE, 0, 4, (1 << 20) + 1, ErrorCode.TELEMETRY_TOO_LARGE),
    ],
)
def test_pushed_metrics_are_judged_and_dropped(instance: Uuid, id_offset: int, codec: int, size: int, error: ErrorCode) -> None:
    node = SmallNode()
    request = PushTelemetryRequest(
        client_instance_id=instance,
        subscription_id=subscription_of(INSTANCE).subscription_id + id_offset,
        compression_type=codec,
        metrics=bytes(size),
    )

    assert push_telemetry.handle(node.as_node, request, node.context(72, 0)).error_code == error
