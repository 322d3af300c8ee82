"""The settings of this node as they are now: the file it was started with, and what was set for brokers while it runs.

Follows the metadata: whenever something is set for all brokers or for this one, the layers are merged again, and who subscribed hears
of the change. A stored value that this node cannot take (a name that cannot change while running, a value a newer node wrote) is logged
and left out; if what remains contradicts itself, the node keeps what it had. So the log never brings a running node down.

What acts on a change subscribes with `on_change`; what only reads a setting when it needs it asks `configuration[SETTING]` and needs
nothing else. Handlers never read the static settings of something that can change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from odradek.base.errors import SettingError
from odradek.config.broker_contradictions import refuse_contradictions
from odradek.config.broker_dynamic import DYNAMIC_SETTINGS, NOTHING, applicable, base_name, merged_settings
from odradek.config.log_configuration import LogConfiguration
from odradek.config.resource_type import CLUSTER_DEFAULT, ResourceType
from odradek.config.setting import Effect, Setting
from odradek.config.settings import Settings
from odradek.config.topic import TOPIC_SETTINGS, topic_log_configuration
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage

log = logging.getLogger("odradek.broker.dynamic_configuration")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings before and after, and the metadata they came with."""

    before: Settings
    after: Settings
    image: MetadataImage

    def has_changed(self, *settings: Setting[object]) -> bool:
        """Whether one of `settings` has another value than before."""
        return any(self.before[setting] != self.after[setting] for setting in settings)


class DynamicConfiguration:
    """What is set for this node. A subscriber of the metadata (`broker.metadata_publisher`)."""

    __slots__ = ("_cluster", "_current", "_node_id", "_own", "_static", "_subscribers")

    def __init__(self, static: Settings, node_id: int) -> None:
        self._static = static
        self._node_id = node_id
        self._current = static
        self._cluster: Mapping[str, str] = NOTHING
        self._own: Mapping[str, str] = NOTHING
        self._subscribers: list[Callable[[SettingsChange], None]] = []

    def __getitem__(self, setting: Setting[T]) -> T:
        return self._current[setting]

    @property
    def static(self) -> Settings:
        """What the node was started with."""
        return self._static

    @property
    def current(self) -> Settings:
        """What holds now; a later change makes another value of it."""
        return self._current

    @property
    def cluster(self) -> Mapping[str, str]:
        """What is set for all brokers, as far as this node takes it."""
        return self._cluster

    @property
    def own(self) -> Mapping[str, str]:
        """What is set for this broker alone, as far as it takes it."""
        return self._own

    def derived(self, read: Callable[[], T]) -> Callable[[], T]:
        """What gives the value that `read` makes of the settings, which is made anew only after they have changed."""
        made_of: Settings | None = None
        made: T

        def current() -> T:
            nonlocal made_of, made
            if made_of is not self._current:
                made, made_of = read(), self._current
            return made

        return current

    def on_change(self, subscriber: Callable[[SettingsChange], None]) -> None:
        """From now on `subscriber` is called after each change, in the order of subscription."""
        self._subscribers.append(subscriber)

    def log_configuration(self, topic: str, image: MetadataImage) -> LogConfiguration:
        """How the logs of `topic` behave here. A stored override that this node cannot take is logged and left out."""
        overrides = image.configs.of_topic(topic)
        try:
            return topic_log_configuration(overrides, self._current)
        except SettingError as error:
            log.error("settings of topic cannot be taken", extra={"topic": topic, "reason": str(error)})
        return topic_log_configuration({name: text for name, text in overrides.items() if _is_readable(name, text)}, self._current)

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        """Take in what was set since the last call, and tell subscribers when that changed anything."""
        for topic in delta.configs.changed_topics:
            _warn_of_inert(TOPIC_SETTINGS, image.configs.of_topic(topic), f"topic {topic}")
        is_cluster_changed = delta.configs.is_changed(ResourceType.BROKER, CLUSTER_DEFAULT)
        if not is_cluster_changed and not delta.configs.is_changed(ResourceType.BROKER, str(self._node_id)):
            return
        self._cluster = _taken(image.configs.of_cluster(), "all brokers", is_per_broker=False)
        self._own = _taken(image.configs.of_broker(self._node_id), f"broker {self._node_id}", is_per_broker=True)
        try:
            after = merged_settings(self._static, self._cluster, self._own)
            refuse_contradictions(after)
        except SettingError as error:
            log.error("settings were not changed", extra={"reason": str(error)})
            return
        self._replace(after, image)

    def _replace(self, after: Settings, image: MetadataImage) -> None:
        before, self._current = self._current, after
        if before == after:
            return
        names = sorted(name for name in {*before.given, *after.given} if before.given.get(name) != after.given.get(name))
        log.info("settings changed", extra={"settings": ",".join(names)})
        change = SettingsChange(before, after, image)
        for subscriber in self._subscribers:
            try:
                subscriber(change)
            except Exception:
                # The others have to hear of it all the same; the settings are as `current` says.
                log.exception("change of settings was not carried out", extra={"settings": ",".join(names)})


def _taken(stored: Mapping[str, str], of_whom: str, *, is_per_broker: bool) -> Mapping[str, str]:
    taken, complaints = applicable(stored, is_per_broker=is_per_broker)
    for complaint in complaints:
        log.error("stored setting is left out", extra={"of": of_whom, "reason": complaint})
    _warn_of_inert(DYNAMIC_SETTINGS, taken, of_whom)
    return taken


def _warn_of_inert(table: Mapping[str, Setting[object]], stored: Mapping[str, str], of_whom: str) -> None:
    for name in stored:
        setting = table.get(base_name(name))
        if setting is None or setting.effect is Effect.INERT:
            log.warning("setting has no effect in this version", extra={"setting": name, "of": of_whom})


def _is_readable(name: str, text: str) -> bool:
    setting = TOPIC_SETTINGS.get(name)
    if setting is None:
        return False
    try:
        setting.parse(text)
    except SettingError:
        return False
    return True
