"""Which broker settings can change while a node runs, and how the three layers of them are merged (KIP-226).

What is set for one broker wins over what is set for all, and that over the file the node was started with. A setting that has several names
(`log.retention.ms`, minutes, hours) is replaced as a whole: hours that are set while running win over milliseconds in the file.

`check_broker_change` speaks for the broker that a change is sent to: its sentences go to clients with INVALID_REQUEST and are Kafka's, but
for changes that this version cannot carry out, which it refuses in its own words instead of pretending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from odradek.base.errors import SettingError
from odradek.config import broker_log_settings as log
from odradek.config import broker_network_settings as network
from odradek.config import broker_node_settings as node
from odradek.config.bounds import LONG_MAX
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.broker_contradictions import refuse_contradictions
from odradek.config.broker_replication_settings import NUM_REPLICA_FETCHERS
from odradek.config.declaration import INERT, long
from odradek.config.precedence import SYNONYMS, retention_ms
from odradek.config.setting import DynamicScope, Effect, Setting
from odradek.config.settings import Settings

# Quotas of replication exist only while running: a server.properties cannot have them.
LEADER_REPLICATION_THROTTLED_RATE = long(
    "leader.replication.throttled.rate",
    LONG_MAX,
    "How many bytes a second this broker sends to followers of throttled replicas.",
    scope=DynamicScope.CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)
FOLLOWER_REPLICATION_THROTTLED_RATE = long(
    "follower.replication.throttled.rate",
    LONG_MAX,
    "How many bytes a second this broker fetches for throttled replicas.",
    scope=DynamicScope.CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)
REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND = long(
    "replica.alter.log.dirs.io.max.bytes.per.second",
    LONG_MAX,
    "How many bytes a second this broker moves between its log directories.",
    scope=DynamicScope.CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

DYNAMIC_ONLY_SETTINGS: Mapping[str, Setting[object]] = {
    row.name: row
    for row in (
        FOLLOWER_REPLICATION_THROTTLED_RATE,
        LEADER_REPLICATION_THROTTLED_RATE,
        REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND,
    )
}
DYNAMIC_SETTINGS: Mapping[str, Setting[object]] = {
    **{name: row for name, row in BROKER_SETTINGS.items() if row.is_dynamic},
    **DYNAMIC_ONLY_SETTINGS,
}

_LISTENER_SETTING = re.compile(r"listener\.name\.[^.]*\.(.*)")
# Keys and certificates belong to one listener and have no meaning without its prefix.
_KEY_MATERIAL = frozenset(
    f"ssl.{name}"
    for name in (
        "key.password",
        "keystore.certificate.chain",
        "keystore.key",
        "keystore.location",
        "keystore.password",
        "keystore.type",
        "truststore.certificates",
        "truststore.location",
        "truststore.password",
        "truststore.type",
    )
)
_CLUSTER_WIDE_OF_LISTENERS = frozenset(
    {network.MAX_CONNECTIONS.name, network.MAX_CONNECTION_CREATION_RATE.name, network.NUM_NETWORK_THREADS.name}
)
# To accept these and not to act would be worse than to refuse: they are about who can reach the node.
_REFUSED_WHILE_RUNNING = frozenset({network.LISTENERS.name, network.LISTENER_SECURITY_PROTOCOL_MAP.name})
# A Java broker resizes its pools by half or double at most; a tool that sees other limits here would be misled elsewhere.
_POOL_SIZES: tuple[Setting[int], ...] = (
    node.NUM_IO_THREADS,
    node.BACKGROUND_THREADS,
    network.NUM_NETWORK_THREADS,
    log.LOG_CLEANER_THREADS,
    log.NUM_RECOVERY_THREADS_PER_DATA_DIR,
    NUM_REPLICA_FETCHERS,
)
NOTHING: Mapping[str, str] = MappingProxyType({})


def base_name(name: str) -> str:
    """The setting behind `name`, which may be that of one listener."""
    match = _LISTENER_SETTING.fullmatch(name)
    return name if match is None else match[1]


def merged_settings(static: Settings, *layers: Mapping[str, str]) -> Settings:
    """What holds when each of `layers` is put over those before it and over `static`.

    Raises:
        SettingError: a value is not allowed.
    """
    given = dict(static.given)
    for layer in layers:
        for name, text in layer.items():
            for synonym in _replaced_by(name):
                given.pop(synonym, None)
            given[name] = text
    return Settings.of(BROKER_SETTINGS, given)


def _replaced_by(name: str) -> Iterable[str]:
    if name == log.LOG_FLUSH_INTERVAL_MS.name:
        return (name, log.LOG_FLUSH_SCHEDULER_INTERVAL_MS.name)
    return next((synonyms for synonyms in SYNONYMS if name in synonyms), (name,))


def applicable(stored: Mapping[str, str], *, is_per_broker: bool) -> tuple[dict[str, str], list[str]]:
    """Of what is stored for a broker or for all, what a running node can take; and a sentence for each thing it cannot."""
    taken, complaints = {}, []
    for name, text in stored.items():
        complaint = _complaint(name, text, is_per_broker=is_per_broker)
        if complaint is None:
            taken[name] = text
        else:
            complaints.append(complaint)
    return taken, complaints


def _complaint(name: str, text: str, *, is_per_broker: bool) -> str | None:
    if _is_read_only(name):
        return f"{name} cannot change while the node runs"
    if name in _KEY_MATERIAL:
        return f"{name} can change only for one listener, with its prefix"
    if not is_per_broker and _is_per_broker(name):
        return f"{name} can be set for one broker only"
    try:
        _parse(name, text)
    except SettingError as error:
        return str(error)
    return None


def _is_read_only(name: str) -> bool:
    return name in BROKER_SETTINGS and name not in DYNAMIC_SETTINGS


def _is_per_broker(name: str) -> bool:
    base = base_name(name)
    if base != name:
        return base not in _CLUSTER_WIDE_OF_LISTENERS
    setting = DYNAMIC_SETTINGS.get(name)
    return setting is not None and setting.scope is DynamicScope.PER_BROKER


def _parse(name: str, text: str) -> None:
    setting = DYNAMIC_SETTINGS.get(base_name(name))
    if setting is not None:
        setting.parse(text)


def check_broker_change(
    static: Settings, current: Settings, after: Mapping[str, str], other_layer: Mapping[str, str], *, is_per_broker: bool
) -> None:
    """Refuse what cannot be set for a broker or for all of them while this node runs.

    `after` is all that would be set for the resource, `other_layer` what is set for the other of the two.

    Raises:
        SettingError: the sentence that goes to the client with INVALID_REQUEST.
    """
    _refuse_names((name for name in after if _is_read_only(name)), "Cannot update these configs dynamically")
    _refuse_names(
        (name for name in after if name in _KEY_MATERIAL),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )
    for name, text in after.items():
        _parse(name, text)
    if not is_per_broker:
        _refuse_names(
            (name for name in after if _is_per_broker(name)),
            "Cannot update these configs at default cluster level, broker id must be specified",
        )
    _refuse_unsupported(after)
    merged = merged_settings(static, other_layer, after) if is_per_broker else merged_settings(static, after, other_layer)
    refuse_contradictions(merged)
    for setting in _POOL_SIZES:
        _check_pool_size(setting, current[setting], merged[setting])
    _check_local_share(log.LOG_LOCAL_RETENTION_BYTES, merged, merged[log.LOG_RETENTION_BYTES], log.LOG_RETENTION_BYTES.name)
    _check_local_share(log.LOG_LOCAL_RETENTION_MS, merged, retention_ms(merged), log.LOG_RETENTION_MS.name)


def _check_pool_size(setting: Setting[int], before: int, after: int) -> None:
    failed = f"Dynamic thread count update validation failed for {setting.name}={after}"
    if after < before // 2:
        raise SettingError(f"{failed}, value should be at least half the current value {before}")
    if after > before * 2:
        raise SettingError(f"{failed}, value should not be greater than double the current value {before}")


def _check_local_share(setting: Setting[int], merged: Settings, whole: int, whole_name: str) -> None:
    """What stays on the local disk is no more than what is kept at all; -1 is no limit, -2 the same as the whole."""
    share = merged[setting]
    if whole == -1 or share == -2:
        return
    if share == -1:
        raise SettingError(
            f"Invalid value -1 for configuration {setting.name}: Value must not be -1 as {whole_name} value is set as {whole}."
        )
    if share > whole:
        raise SettingError(
            f"Invalid value {share} for configuration {setting.name}: Value must not be more than {whole_name} property value: {whole}"
        )


def _refuse_names(names: Iterable[str], sentence: str) -> None:
    refused = sorted(names)
    if refused:
        raise SettingError(f"{sentence}: [{', '.join(refused)}]")


def _refuse_unsupported(after: Mapping[str, str]) -> None:
    for name, text in after.items():
        base = base_name(name)
        setting = DYNAMIC_SETTINGS.get(base)
        if setting is None:
            continue
        is_refused = setting.effect is Effect.REFUSED and setting.parse(text) != setting.default
        if is_refused or base in _REFUSED_WHILE_RUNNING or base.startswith(("ssl.", "sasl.")):
            raise SettingError(f"Changing {name} while the node runs is not supported in this version of Odradek")
