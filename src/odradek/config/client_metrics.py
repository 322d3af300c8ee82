"""The settings of one client metrics subscription: the table and its rules (KIP-714).

Two kinds of refusal, as in Kafka: a name or an interval that is not allowed is an INVALID_REQUEST, a pattern or a value that cannot be
read is an INVALID_CONFIG (`ClientMetricsConfigs`).
"""

# ruff: noqa: F403, F405
from __future__ import annotations

import re
from collections.abc import Mapping

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, SettingError
from odradek.config import client_metrics_settings
from odradek.config.client_metrics_settings import *
from odradek.config.setting import Setting
from odradek.config.settings import Settings

CLIENT_METRICS_SETTINGS: Mapping[str, Setting[object]] = {
    row.name: row
    for row in sorted(vars(client_metrics_settings).values(), key=lambda row: getattr(row, "name", ""))
    if isinstance(row, Setting)
}

INTERVAL_MS_MIN = 100
INTERVAL_MS_MAX = 3_600_000
_MATCHED = {
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
}


def validate_client_metrics_overrides(subscription_name: str, overrides: Mapping[str, str | None]) -> None:
    """Refuse what a subscription cannot have.

    Raises:
        RequestRefused: INVALID_REQUEST, a name or an interval is not allowed.
        SettingError: the sentence that goes to the client with INVALID_CONFIG.
    """
    absent = [name for name, text in overrides.items() if text is None]
    if absent:
        raise SettingError(f"Null value not supported for client metrics configs: {','.join(absent)}")
    if not subscription_name:
        raise RequestRefused(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
    for name in overrides:
        if name not in CLIENT_METRICS_SETTINGS:
            raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unknown client metrics configuration: {name}")
    values = Settings.of(CLIENT_METRICS_SETTINGS, {name: text for name, text in overrides.items() if text is not None})
    interval_ms = values[INTERVAL_MS]
    if not INTERVAL_MS_MIN <= interval_ms <= INTERVAL_MS_MAX:
        message = f"Invalid value {interval_ms} for {INTERVAL_MS.name}, interval must be between 100 and 3600000 (1 hour)"
        raise RequestRefused(ErrorCode.INVALID_REQUEST, message)
    for pattern in values[MATCH]:
        _check_pattern(pattern)


def _check_pattern(pattern: str) -> None:
    parts = pattern.split("=")
    is_read = len(parts) == 2 and parts[0].strip() in _MATCHED and parts[1] != ""
    if is_read:
        try:
            # Java's expressions and Python's differ in corners only; what is compiled here is what will be matched with.
            re.compile(parts[1].strip())
        except re.error:
            is_read = False
    if not is_read:
        raise SettingError(f"Illegal client matching pattern: {pattern}")
