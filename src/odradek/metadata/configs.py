"""Settings that are stored in the metadata log: of topics, of brokers and their default, of groups, of client metrics subscriptions.

The image maps each resource to the texts that were set for it; what a text means and what holds where nothing was set is not known here.
A resource without settings is not in the image, so that two images with the same content are equal (`ConfigurationsImage.java`).

Names of settings that no table knows are kept: a record that a newer node wrote must survive a snapshot of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from odradek.config.resource_type import CLUSTER_DEFAULT, ResourceType
from odradek.protocol.internal_records.metadata import ConfigRecord

_NOTHING: Mapping[str, str] = MappingProxyType({})


class ConfigResource(NamedTuple):
    """One thing that can be configured. `type` is Kafka's number, also where it is none of `ResourceType`."""

    type: int
    name: str


@dataclass(frozen=True, slots=True)
class ConfigsImage:
    """What is set for each resource, by the name of the setting."""

    by_resource: Mapping[ConfigResource, Mapping[str, str]] = field(default_factory=dict)

    def of(self, resource_type: int, name: str) -> Mapping[str, str]:
        """What is set for one resource; empty where nothing is."""
        return self.by_resource.get(ConfigResource(resource_type, name), _NOTHING)

    def of_topic(self, name: str) -> Mapping[str, str]:
        """What is set for a topic."""
        return self.of(ResourceType.TOPIC, name)

    def of_broker(self, node_id: int) -> Mapping[str, str]:
        """What is set for one broker alone."""
        return self.of(ResourceType.BROKER, str(node_id))

    def of_cluster(self) -> Mapping[str, str]:
        """What is set for every broker that has no value of its own."""
        return self.of(ResourceType.BROKER, CLUSTER_DEFAULT)

    def names(self, resource_type: int) -> list[str]:
        """The resources of one type for which something is set."""
        return sorted(resource.name for resource in self.by_resource if resource.type == resource_type)

    def records(self) -> Iterator[ConfigRecord]:
        """The records that make this image out of nothing."""
        for resource in sorted(self.by_resource):
            for name, value in self.by_resource[resource].items():
                yield ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value)


NO_CONFIGS = ConfigsImage()


class ConfigsDelta:
    """Changes on top of an image. Each resource that a record touched is copied once and holds its new settings."""

    __slots__ = ("_before", "_changed")

    def __init__(self, before: ConfigsImage) -> None:
        self._before = before
        self._changed: dict[ConfigResource, dict[str, str]] = {}

    @property
    def changed(self) -> Mapping[ConfigResource, Mapping[str, str]]:
        """Every resource that a record touched, with all that is set for it now; KAFKA-14136: also where the value stayed the same."""
        return self._changed

    def is_changed(self, resource_type: int, name: str) -> bool:
        """Whether a record touched this resource."""
        return ConfigResource(resource_type, name) in self._changed

    @property
    def changed_topics(self) -> list[str]:
        """The topics that a record touched."""
        return [resource.name for resource in self._changed if resource.type == ResourceType.TOPIC]

    def replay_config(self, record: ConfigRecord) -> None:
        """Set or, with a null value, remove one setting."""
        resource = ConfigResource(record.resource_type, record.resource_name)
        settings = self._changed.get(resource)
        if settings is None:
            settings = self._changed[resource] = dict(self._before.by_resource.get(resource, _NOTHING))
        if record.value is None:
            settings.pop(record.name, None)
        else:
            settings[record.name] = record.value

    def remove_topic(self, name: str) -> None:
        """Forget what is set for a topic, because the topic is gone."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        if resource in self._changed or resource in self._before.by_resource:
            self._changed[resource] = {}

    def apply(self) -> ConfigsImage:
        """The image with the changes; the very same one when there were none."""
        if not self._changed:
            return self._before
        after = dict(self._before.by_resource)
        for resource, settings in self._changed.items():
            if settings:
                after[resource] = settings
            else:
                after.pop(resource, None)
        return ConfigsImage(after)
