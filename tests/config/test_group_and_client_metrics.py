"""Settings of groups and of client metrics subscriptions, and which they cannot have."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, SettingError
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.client_metrics import validate_client_metrics_overrides
from odradek.config.group import CONSUMER_SESSION_TIMEOUT_MS, group_values, validate_group_overrides
from odradek.config.offset_reset import duration_ms
from odradek.config.settings import Settings


def test_group_takes_from_the_broker_what_it_does_not_set_itself() -> None:
    broker = Settings.of(BROKER_SETTINGS, {"group.consumer.session.timeout.ms": "50000"})

    assert group_values({}, broker)[CONSUMER_SESSION_TIMEOUT_MS] == 50_000
    assert group_values({"consumer.session.timeout.ms": "60000"}, broker)[CONSUMER_SESSION_TIMEOUT_MS] == 60_000


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"foo": "1"}, "Unknown group config name: foo"),
        ({"foo": None}, "Null value not supported for group configs: foo"),
        (
            {"consumer.session.timeout.ms": "5"},
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            {"consumer.session.timeout.ms": "500000"},
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
        ),
        (
            {"consumer.assignment.interval.ms": "20000"},
            "consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms",
        ),
        (
            {"streams.num.standby.replicas": "3"},
            "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        ),
        (
            {"share.auto.offset.reset": "by_duration:-PT1H"},
            "Invalid value by_duration:-PT1H for configuration share.auto.offset.reset: Invalid value `by_duration:-PT1H` for "
            "configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format "
            "'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ],
)
def test_override_a_group_cannot_have_is_refused_with_kafkas_sentence(overrides: dict[str, str | None], sentence: str) -> None:
    with pytest.raises(SettingError) as refused:
        validate_group_overrides(overrides, Settings())

    assert str(refused.value) == sentence


def test_session_has_to_last_longer_than_the_pause_between_heartbeats() -> None:
    broker = Settings.of(BROKER_SETTINGS, {"group.consumer.max.heartbeat.interval.ms": "60000"})

    with pytest.raises(SettingError, match=r"consumer\.session\.timeout\.ms must be greater than consumer\.heartbeat\.interval\.ms"):
        validate_group_overrides({"consumer.heartbeat.interval.ms": "45000"}, broker)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("PT1H", 3_600_000),
        ("P1DT2H3M4.5S", 93_784_500),
        ("-PT1S", -1000),
        ("PT-1.5S", -1500),
        ("PT0S", 0),
        ("P", None),
        ("PT", None),
        ("1H", None),
        ("P1DT", None),
    ],
)
def test_span_of_time_is_read_as_java_reads_it(text: str, expected_ms: int | None) -> None:
    assert duration_ms(text) == expected_ms


def test_subscription_is_refused_as_invalid_request_for_names_and_intervals_and_as_invalid_config_for_patterns() -> None:
    with pytest.raises(RequestRefused) as unknown:
        validate_client_metrics_overrides("m", {"foo": "1"})
    with pytest.raises(RequestRefused) as often:
        validate_client_metrics_overrides("m", {"interval.ms": "5"})
    with pytest.raises(SettingError, match="Illegal client matching pattern: a=b"):
        validate_client_metrics_overrides("m", {"match": "a=b"})
    with pytest.raises(SettingError, match="Null value not supported for client metrics configs: match"):
        validate_client_metrics_overrides("m", {"match": None})

    assert (unknown.value.code, unknown.value.message) == (ErrorCode.INVALID_REQUEST, "Unknown client metrics configuration: foo")
    assert often.value.message == "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)"
    validate_client_metrics_overrides("m", {"match": "client_id=a.*,client_software_name=Java", "metrics": "*"})
