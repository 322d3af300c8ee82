"""What may be set for a topic, a group, a broker or a metrics subscription, as the controller judges it.

What is set for a broker was checked by that broker before it came here, because only the broker knows its file. The bounds and defaults of
topics and groups are those of the node the controller runs on, as they are while it runs (KAFKA-18928).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, SettingError
from odradek.config.broker_dynamic import applicable, merged_settings
from odradek.config.broker_log_settings import CORDONED_LOG_DIRS
from odradek.config.client_metrics import validate_client_metrics_overrides
from odradek.config.group import validate_group_overrides
from odradek.config.resource_type import RESOURCE_TYPES, ConfigSource, ResourceType
from odradek.config.setting import Setting
from odradek.config.settings import Settings
from odradek.config.topic import TOPIC_SETTINGS, validate_topic_overrides
from odradek.config.topic_synonyms import TOPIC_SYNONYMS
from odradek.controller.refusal import Refusal
from odradek.controller.topic_names import topic_name_complaint
from odradek.metadata.configs import ConfigResource
from odradek.metadata.feature_levels import CORDONED_DIRECTORIES_SINCE
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.create_topics import CreatableTopicConfigs


class ConfigRules:
    """What may be set, on a controller with the static settings `static`. Asked when topics are made and when settings are changed."""

    __slots__ = ("_node_id", "_static")

    def __init__(self, static: Settings, node_id: int) -> None:
        self._static = static
        self._node_id = node_id

    def complaint(self, image: MetadataImage, topic: str, overrides: Mapping[str, str]) -> Refusal | None:
        """Why a new topic cannot have these settings; None when it can."""
        return self.refusal(image, ConfigResource(ResourceType.TOPIC, topic), overrides)

    def effective(self, image: MetadataImage, overrides: Mapping[str, str]) -> list[CreatableTopicConfigs]:
        """Every setting a topic with `overrides` has, by name, as CreateTopics answers it."""
        layers = (
            (image.configs.of_broker(self._node_id), ConfigSource.DYNAMIC_BROKER),
            (image.configs.of_cluster(), ConfigSource.DYNAMIC_DEFAULT_BROKER),
            (self._static.given, ConfigSource.STATIC_BROKER),
        )
        return [
            _effective(setting, overrides, layers)
            for name, setting in TOPIC_SETTINGS.items()
            if not setting.is_internal or name in overrides
        ]

    def refusal(self, image: MetadataImage, resource: ConfigResource, after: Mapping[str, str]) -> Refusal | None:
        """Why `resource` cannot have the settings `after`; None when it can."""
        try:
            return self._refusal(image, resource, after)
        except SettingError as error:
            return Refusal(ErrorCode.INVALID_CONFIG, str(error))
        except RequestRefused as refused:
            return Refusal(refused.code, refused.message)

    def _refusal(self, image: MetadataImage, resource: ConfigResource, after: Mapping[str, str]) -> Refusal | None:
        match resource.type:
            case ResourceType.TOPIC:
                if not resource.name:
                    return Refusal(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
                complaint = topic_name_complaint(resource.name)
                if complaint is not None:
                    return Refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, complaint)
                validate_topic_overrides(after, self._broker_settings(image), image.configs.of_topic(resource.name))
            case ResourceType.BROKER:
                is_too_old = image.features.metadata_version_or_minimum < CORDONED_DIRECTORIES_SINCE
                if is_too_old and CORDONED_LOG_DIRS.name in after:
                    return Refusal(
                        ErrorCode.INVALID_CONFIG,
                        f"The {CORDONED_LOG_DIRS.name} configuration value cannot be set because it requires metadata.version >= 4.3-IV0",
                    )
                return _broker_name_refusal(resource.name)
            case ResourceType.CLIENT_METRICS:
                validate_client_metrics_overrides(resource.name, after)
            case ResourceType.GROUP:
                if not resource.name:
                    return Refusal(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
                validate_group_overrides(after, self._broker_settings(image))
            case _:
                name = ResourceType(resource.type).name if resource.type in RESOURCE_TYPES else "UNKNOWN"
                return Refusal(ErrorCode.INVALID_REQUEST, f"Unknown resource type {name}")
        return None

    def _broker_settings(self, image: MetadataImage) -> Settings:
        """The settings of this node as they are while it runs."""
        cluster, _ = applicable(image.configs.of_cluster(), is_per_broker=False)
        own, _ = applicable(image.configs.of_broker(self._node_id), is_per_broker=True)
        return merged_settings(self._static, cluster, own)


def _effective(
    setting: Setting[object], overrides: Mapping[str, str], layers: Sequence[tuple[Mapping[str, str], ConfigSource]]
) -> CreatableTopicConfigs:
    value, source = setting.default_text, ConfigSource.DEFAULT
    if setting.name in overrides:
        value, source = overrides[setting.name], ConfigSource.TOPIC
    else:
        synonyms = TOPIC_SYNONYMS.get(setting.name, ())
        found = next(
            ((s.convert(layer[s.setting.name]), number) for layer, number in layers for s in synonyms if s.setting.name in layer), None
        )
        if found is not None:
            value, source = found
    return CreatableTopicConfigs(name=setting.name, value=value, config_source=source)


def _broker_name_refusal(name: str) -> Refusal | None:
    if not name:
        return None
    try:
        node_id = int(name)
    except ValueError:
        return Refusal(ErrorCode.INVALID_REQUEST, "Unable to parse broker name as a base 10 number.")
    return Refusal(ErrorCode.INVALID_REQUEST, "Invalid negative broker ID.") if node_id < 0 else None
