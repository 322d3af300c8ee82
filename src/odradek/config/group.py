"""The settings of one group: the table, the broker settings behind it, and the bounds the broker sets.

A value that is not set for a group comes from the broker (`consumer.session.timeout.ms` from `group.consumer.session.timeout.ms`). What is
set has to lie between the broker's minimum and maximum, and a session has to last longer than the pause between two heartbeats. The
sentences are Kafka's (`GroupConfig.validate`); a client gets them with INVALID_CONFIG.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from odradek.base.errors import SettingError
from odradek.config import broker_group_settings as broker_group
from odradek.config import group_settings
from odradek.config.group_settings import *
from odradek.config.setting import Setting
from odradek.config.settings import Settings

GROUP_SETTINGS: Mapping[str, Setting[object]] = {
    row.name: row for row in sorted(vars(group_settings).values(), key=lambda row: getattr(row, "name", "")) if isinstance(row, Setting)
}


class _Bounds(NamedTuple):
    """The broker settings around one setting of a group. `only_if_set`: a broker's own value is not held against them."""

    setting: Setting[int]
    minimum: Setting[int] | None
    maximum: Setting[int]
    only_if_set: bool = False


_BOUNDS = (
    _Bounds(
        CONSUMER_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    _Bounds(
        CONSUMER_SESSION_TIMEOUT_MS,
        broker_group.GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
        broker_group.GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS,
    ),
    _Bounds(
        CONSUMER_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS,
        only_if_set=True,
    ),
    _Bounds(
        SHARE_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    _Bounds(SHARE_SESSION_TIMEOUT_MS, broker_group.GROUP_SHARE_MIN_SESSION_TIMEOUT_MS, broker_group.GROUP_SHARE_MAX_SESSION_TIMEOUT_MS),
    _Bounds(
        SHARE_RECORD_LOCK_DURATION_MS,
        broker_group.GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS,
        broker_group.GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS,
    ),
    _Bounds(
        SHARE_DELIVERY_COUNT_LIMIT,
        broker_group.GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT,
        broker_group.GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT,
    ),
    _Bounds(
        SHARE_PARTITION_MAX_RECORD_LOCKS,
        broker_group.GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS,
        broker_group.GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS,
    ),
    _Bounds(
        SHARE_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS,
        only_if_set=True,
    ),
    _Bounds(
        STREAMS_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS,
        broker_group.GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS,
    ),
    _Bounds(
        STREAMS_SESSION_TIMEOUT_MS,
        broker_group.GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS,
        broker_group.GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS,
    ),
    _Bounds(STREAMS_NUM_STANDBY_REPLICAS, None, broker_group.GROUP_STREAMS_MAX_STANDBY_REPLICAS),
    _Bounds(
        STREAMS_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS,
        broker_group.GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS,
        only_if_set=True,
    ),
)

_LONGER_THAN = (
    (CONSUMER_SESSION_TIMEOUT_MS, CONSUMER_HEARTBEAT_INTERVAL_MS),
    (SHARE_SESSION_TIMEOUT_MS, SHARE_HEARTBEAT_INTERVAL_MS),
    (STREAMS_SESSION_TIMEOUT_MS, STREAMS_HEARTBEAT_INTERVAL_MS),
)

_OWN_DEFAULTS = {SHARE_AUTO_OFFSET_RESET.name, SHARE_ISOLATION_LEVEL.name, SHARE_RENEW_ACKNOWLEDGE_ENABLE.name}

# The broker settings behind the group's. Three have none and keep the table's default.
GROUP_SYNONYMS: Mapping[str, Setting[object]] = {
    name: getattr(broker_group, f"GROUP_{constant}")
    for constant, name in ((name.upper().replace(".", "_"), name) for name in GROUP_SETTINGS)
    if name not in _OWN_DEFAULTS
}


def group_values(overrides: Mapping[str, str], broker: Settings) -> Settings:
    """What a group with `overrides` has: its own values, and the broker's where it has none.

    Raises:
        SettingError: an override is not allowed.
    """
    values = {name: broker[synonym] for name, synonym in GROUP_SYNONYMS.items()}
    known = {name: text for name, text in overrides.items() if name in GROUP_SETTINGS}
    values |= {name: GROUP_SETTINGS[name].parse(text) for name, text in known.items()}
    return Settings(values, known)


def validate_group_overrides(overrides: Mapping[str, str | None], broker: Settings) -> None:
    """Refuse overrides that a group cannot have.

    Raises:
        SettingError: the sentence that goes to the client with INVALID_CONFIG.
    """
    absent = [name for name, text in overrides.items() if text is None]
    if absent:
        raise SettingError(f"Null value not supported for group configs: {','.join(absent)}")
    for name in overrides:
        if name not in GROUP_SETTINGS:
            raise SettingError(f"Unknown group config name: {name}")
    values = group_values({name: text for name, text in overrides.items() if text is not None}, broker)
    for bounds in _BOUNDS:
        _check_bounds(bounds, values, broker)
    for longer, shorter in _LONGER_THAN:
        if values[longer] <= values[shorter]:
            raise SettingError(f"{longer.name} must be greater than {shorter.name}")


def _check_bounds(bounds: _Bounds, values: Settings, broker: Settings) -> None:
    if bounds.only_if_set and not values.is_given(bounds.setting):
        return
    value = values[bounds.setting]
    if bounds.minimum is not None and value < broker[bounds.minimum]:
        raise SettingError(f"{bounds.setting.name} must be greater than or equal to {bounds.minimum.name}")
    if value > broker[bounds.maximum]:
        raise SettingError(f"{bounds.setting.name} must be less than or equal to {bounds.maximum.name}")
