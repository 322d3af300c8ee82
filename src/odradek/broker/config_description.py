"""What DescribeConfigs says of one resource: every setting with its value, where that comes from, and what it would be otherwise.

The synonyms of a setting are the values it could have, the one that acts first: set for this broker, set for all brokers, from the file,
the default; before them what is set for the topic or the group itself. A setting under several names lists only those from its own name
on. What has no type is taken for a secret and has no value in the answer (`ConfigHelper`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.broker_dynamic import DYNAMIC_ONLY_SETTINGS, DYNAMIC_SETTINGS
from odradek.config.broker_log_settings import LOG_FLUSH_INTERVAL_MS, LOG_FLUSH_SCHEDULER_INTERVAL_MS
from odradek.config.client_metrics import CLIENT_METRICS_SETTINGS
from odradek.config.group import GROUP_SETTINGS, GROUP_SYNONYMS, group_values
from odradek.config.listener_overrides import parse_listener_override
from odradek.config.precedence import SYNONYMS
from odradek.config.resource_type import ConfigSource
from odradek.config.setting import Setting
from odradek.config.settings import Settings
from odradek.config.topic import TOPIC_SETTINGS, topic_values
from odradek.config.topic_synonyms import TOPIC_SYNONYMS
from odradek.protocol.messages.describe_configs import DescribeConfigsResourceResult, DescribeConfigsSynonym


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the client asked for; no keys means all."""

    keys: frozenset[str] = frozenset()
    synonyms: bool = False
    documentation: bool = False

    def names(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that were asked for, in alphabetical order."""
        return sorted(name for name in set(names) if not self.keys or name in self.keys)


def describe_broker(configuration: DynamicConfiguration, wanted: Wanted) -> list[DescribeConfigsResourceResult]:
    """Every setting of this broker, and whatever else was given to it."""
    visible = [name for name, setting in BROKER_SETTINGS.items() if not setting.is_internal]
    return [
        _broker_entry(configuration, name, wanted, lambda synonyms: synonyms)
        for name in wanted.names([*visible, *configuration.current.given])
    ]


def describe_cluster(configuration: DynamicConfiguration, wanted: Wanted) -> list[DescribeConfigsResourceResult]:
    """What is set for all brokers."""

    def only_own(synonyms: list[DescribeConfigsSynonym]) -> list[DescribeConfigsSynonym]:
        return [synonym for synonym in synonyms if synonym.source == ConfigSource.DYNAMIC_DEFAULT_BROKER]

    entries = []
    for name in wanted.names(configuration.cluster):
        entry = _broker_entry(configuration, name, wanted, only_own)
        if not entry.is_sensitive:
            entry.value = configuration.cluster[name]
        entries.append(entry)
    return entries


def describe_topic(
    configuration: DynamicConfiguration, overrides: Mapping[str, str], wanted: Wanted
) -> list[DescribeConfigsResourceResult]:
    """Every setting of a topic for which `overrides` are set."""

    def inherited(name: str) -> list[DescribeConfigsSynonym]:
        synonyms = TOPIC_SYNONYMS.get(name)
        return [] if synonyms is None else _broker_synonyms(configuration, synonyms[0].setting.name, is_sensitive=False)

    values = topic_values(overrides, configuration.current)
    return _entries(TOPIC_SETTINGS, values, overrides, ConfigSource.TOPIC, inherited, wanted)


def describe_group(
    configuration: DynamicConfiguration, overrides: Mapping[str, str], wanted: Wanted
) -> list[DescribeConfigsResourceResult]:
    """Every setting of a group for which `overrides` are set."""

    def inherited(name: str) -> list[DescribeConfigsSynonym]:
        synonym = GROUP_SYNONYMS.get(name)
        if synonym is not None:
            return _broker_synonyms(configuration, synonym.name, is_sensitive=False)
        if name not in GROUP_SETTINGS:
            return []
        return [DescribeConfigsSynonym(name=name, value=GROUP_SETTINGS[name].default_text, source=ConfigSource.DEFAULT)]

    values = group_values(overrides, configuration.current)
    return _entries(GROUP_SETTINGS, values, overrides, ConfigSource.GROUP, inherited, wanted)


def describe_client_metrics(overrides: Mapping[str, str], wanted: Wanted) -> list[DescribeConfigsResourceResult]:
    """Every setting of a client metrics subscription for which `overrides` are set."""
    values = Settings.of(CLIENT_METRICS_SETTINGS, overrides)
    return _entries(CLIENT_METRICS_SETTINGS, values, overrides, ConfigSource.CLIENT_METRICS, lambda _: [], wanted)


def describe_loggers(level_by_logger: Mapping[str, str], wanted: Wanted) -> list[DescribeConfigsResourceResult]:
    """The level of every logger of this node."""
    return [
        DescribeConfigsResourceResult(name=name, value=level_by_logger[name], config_source=ConfigSource.DYNAMIC_BROKER_LOGGER)
        for name in wanted.names(level_by_logger)
    ]


def _entries(
    table: Mapping[str, Setting[object]],
    values: Settings,
    overrides: Mapping[str, str],
    own_source: ConfigSource,
    inherited: Callable[[str], list[DescribeConfigsSynonym]],
    wanted: Wanted,
) -> list[DescribeConfigsResourceResult]:
    """The entries of a resource that has settings of its own over those of its broker."""
    visible = [name for name, setting in table.items() if not setting.is_internal]
    entries = []
    for name in wanted.names([*visible, *overrides]):
        setting = table.get(name)
        value = None if setting is None or setting.is_sensitive else setting.format(values[setting])
        synonyms = inherited(name)
        if name in overrides:
            synonyms.insert(0, DescribeConfigsSynonym(name=name, value=value, source=own_source))
        entries.append(_entry(name, setting, value, synonyms, wanted, is_read_only=False))
    return entries


def _broker_entry(
    configuration: DynamicConfiguration,
    name: str,
    wanted: Wanted,
    select: Callable[[list[DescribeConfigsSynonym]], list[DescribeConfigsSynonym]],
) -> DescribeConfigsResourceResult:
    declared = BROKER_SETTINGS.get(name)
    setting = declared or _setting_behind(name)
    is_sensitive = setting is None or setting.is_sensitive
    if is_sensitive:
        value = None
    elif declared is None:
        value = configuration.current.given.get(name)
    else:
        value = declared.format(configuration.current[declared])
    synonyms = select(_broker_synonyms(configuration, name, is_sensitive=is_sensitive))
    entry = _entry(name, setting, value, synonyms, wanted, is_read_only=name not in DYNAMIC_SETTINGS)
    if declared is None and wanted.documentation:
        entry.documentation = None
    return entry


def _setting_behind(name: str) -> Setting[object] | None:
    override = parse_listener_override(name)
    return DYNAMIC_ONLY_SETTINGS.get(name) if override is None else override.setting


def _entry(
    name: str,
    setting: Setting[object] | None,
    value: str | None,
    synonyms: list[DescribeConfigsSynonym],
    wanted: Wanted,
    *,
    is_read_only: bool,
) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=name,
        value=value,
        read_only=is_read_only,
        config_source=synonyms[0].source if synonyms else ConfigSource.DEFAULT,
        is_sensitive=setting is None or setting.is_sensitive,
        synonyms=synonyms if wanted.synonyms else [],
        config_type=0 if setting is None else setting.type,
        documentation=_documentation(setting) if wanted.documentation else None,
    )


def _documentation(setting: Setting[object] | None) -> str | None:
    if setting is None:
        return None
    return setting.doc if setting.acts else f"{setting.doc} This version does not act on it."


def _broker_synonyms(configuration: DynamicConfiguration, name: str, *, is_sensitive: bool) -> list[DescribeConfigsSynonym]:
    """What `name` is or could be on this broker, the value that acts first."""
    names = _names_of_one_thing(name)
    layers = (
        (configuration.own, ConfigSource.DYNAMIC_BROKER),
        (configuration.cluster, ConfigSource.DYNAMIC_DEFAULT_BROKER),
        (configuration.static.given, ConfigSource.STATIC_BROKER),
        (_DEFAULTS, ConfigSource.DEFAULT),
    )
    synonyms = [
        DescribeConfigsSynonym(name=synonym, value=None if is_sensitive else layer[synonym], source=source)
        for layer, source in layers
        for synonym in names
        if synonym in layer
    ]
    # Other names in front of the first occurrence of its own do not speak for it.
    first = next((position for position, synonym in enumerate(synonyms) if synonym.name == name), len(synonyms))
    return synonyms[first:]


def _names_of_one_thing(name: str) -> Sequence[str]:
    if name == LOG_FLUSH_INTERVAL_MS.name:
        return (name, LOG_FLUSH_SCHEDULER_INTERVAL_MS.name)
    override = parse_listener_override(name)
    if override is not None:
        return (name, override.setting.name)
    return next((names for names in SYNONYMS if name in names), (name,))


_DEFAULTS: Mapping[str, str] = {
    name: text for name, text in ((name, setting.default_text) for name, setting in BROKER_SETTINGS.items()) if text is not None
}
