"""Settings of one listener: `listener.name.<listener in lower case>.<setting>`, for SASL with the mechanism before the setting."""

from __future__ import annotations

from typing import NamedTuple

from odradek.config.broker import BROKER_SETTINGS
from odradek.config.setting import Setting
from odradek.config.settings import LISTENER_PREFIX

# These come once for each SASL mechanism (`listener.name.<listener>.<mechanism>.sasl.jaas.config`).
MECHANISM_SETTINGS = (
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
)


class ListenerOverride(NamedTuple):
    """The name that was given, the listener it is for, and the setting it overrides there."""

    name: str
    listener_name: str
    setting: Setting[object]


def parse_listener_override(name: str) -> ListenerOverride | None:
    """What `name` overrides, or None when it is no such name."""
    if not name.startswith(LISTENER_PREFIX):
        return None
    listener_name, _, base = name[len(LISTENER_PREFIX) :].partition(".")
    mechanism = next((setting for setting in MECHANISM_SETTINGS if base.endswith(f".{setting}")), None)
    setting = BROKER_SETTINGS.get(mechanism or base)
    return ListenerOverride(name, listener_name, setting) if listener_name and setting is not None else None
