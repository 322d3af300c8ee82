"""From the names and texts of a server.properties to the settings of a node, or to the one sentence that says why not.

Kafka warns of names it does not know and starts; a typing error then acts as the default, silently. Here a name that neither the table
nor a known prefix covers stops the start, with the names that come close. The same holds for what could only pretend to act: a setting
marked REFUSED may only have its default. What is merely without effect in this version is told by `start_notices`, a line each.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from odradek.base.errors import SettingError
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.broker_contradictions import refuse_contradictions
from odradek.config.broker_node_settings import BROKER_ID, NODE_ID
from odradek.config.listener_overrides import ListenerOverride, parse_listener_override
from odradek.config.setting import Effect, Setting
from odradek.config.settings import LISTENER_PREFIX, Settings

# Names that belong to plugins or to the replacement of values, which this version has not: they are inert, whatever they say.
_FOREIGN_PREFIXES = ("rlmm.config.", "rsm.config.", "config.providers.")

# Kafka dropped these names in 4.0; whoever brings an old file should learn that, and not look for a typing error.
_REMOVED_PREFIXES = ("zookeeper.",)
_REMOVED = frozenset(
    {
        "advertised.host.name",
        "advertised.port",
        "broker.id.generation.enable",
        "control.plane.listener.name",
        "controlled.shutdown.max.retries",
        "controlled.shutdown.retry.backoff.ms",
        "delegation.token.master.key",
        "host.name",
        "inter.broker.protocol.version",
        "log.message.downconversion.enable",
        "log.message.format.version",
        "log.message.timestamp.difference.max.ms",
        "password.encoder.secret",
        "port",
        "quota.consumer.default",
        "quota.producer.default",
        "reserved.broker.max.id",
    }
)


def load_broker_settings(properties: Mapping[str, str]) -> Settings:
    """The settings of the node that `properties` describe.

    Raises:
        SettingError: a name is unknown, a value is not allowed or not supported, something is missing, or two settings contradict.
    """
    given = _with_node_id(properties)
    for name in given:
        if name not in BROKER_SETTINGS and parse_listener_override(name) is None and not name.startswith(_FOREIGN_PREFIXES):
            raise SettingError(_unknown(name, given[name]))
    settings = Settings.of(BROKER_SETTINGS, given)
    for override in _listener_overrides(given):
        override.setting.parse(given[override.name])
    for setting in BROKER_SETTINGS.values():
        if setting.is_required and not settings.is_given(setting):
            raise SettingError(f'Missing required configuration "{setting.name}", which has no default: {setting.doc}')
        if setting.effect is Effect.REFUSED and settings[setting] != setting.default:
            raise SettingError(_unsupported(setting, given))
    refuse_contradictions(settings)
    return settings


def start_notices(settings: Settings, chosen: Container[str] = ()) -> list[str]:
    """A line for each value that was given, differs from the default and changes nothing in this version.

    `chosen` are names that the program itself gave: nobody has to be told of them.
    """
    inert = [
        f"{name}={_shown(BROKER_SETTINGS[name], text)}" if name in BROKER_SETTINGS else name
        for name, text in settings.given.items()
        if name not in chosen and _is_inert(settings, name)
    ]
    return [f"{line} has no effect in this version" for line in sorted(inert)]


def _is_inert(settings: Settings, name: str) -> bool:
    setting = BROKER_SETTINGS.get(name)
    if setting is not None:
        return setting.effect is Effect.INERT and settings[setting] != setting.default
    override = parse_listener_override(name)
    return override is None or not override.setting.acts


def _with_node_id(properties: Mapping[str, str]) -> dict[str, str]:
    """`node.id` and `broker.id` are two names of one number."""
    given = dict(properties)
    for present, absent in ((NODE_ID.name, BROKER_ID.name), (BROKER_ID.name, NODE_ID.name)):
        if present in given:
            given.setdefault(absent, given[present])
    return given


def _listener_overrides(given: Iterable[str]) -> Iterator[ListenerOverride]:
    for name in given:
        override = parse_listener_override(name)
        if override is not None:
            yield override


def _unknown(name: str, value: str) -> str:
    if name in _REMOVED or name.startswith(_REMOVED_PREFIXES):
        return f"Invalid configuration {name}={value}: Kafka removed {name} in 4.0; delete it."
    # Only a mistake pays for the import.
    from difflib import get_close_matches

    base = name.rpartition(".")[0]
    close = get_close_matches(name, BROKER_SETTINGS, n=3, cutoff=0.75)
    if name.startswith(LISTENER_PREFIX):
        allowed = f"after {LISTENER_PREFIX} come the listener's name and a setting"
    elif close:
        allowed = f"did you mean {' or '.join(close)}?"
    else:
        related = [known for known in BROKER_SETTINGS if base and known.startswith(f"{base}.")][:5]
        allowed = f"there are {', '.join(related)}" if related else "no setting has a name like it"
    return f"Invalid configuration {name}={value}: unknown setting; {allowed}"


def _unsupported(setting: Setting[object], given: Mapping[str, str]) -> str:
    value = _shown(setting, given[setting.name])
    allowed = f"only its default, {setting.default_text}, is" if setting.default_text else "leave it out"
    return f"Invalid value {value} for configuration {setting.name}: not supported in this version; {allowed}"


def _shown(setting: Setting[object], text: str) -> str:
    return "[hidden]" if setting.is_sensitive else text
