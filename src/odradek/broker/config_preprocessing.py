"""What a broker does with a change of settings before the controller sees it (`ConfigAdminManager`).

It refuses what is malformed, judges what is set for itself or for all brokers, because only it knows the file it was started with, and
carries out changes of log levels, which are never stored. Whatever it has an outcome for goes no further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, SettingError
from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.broker.log_levels import change_levels
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.broker_dynamic import applicable, check_broker_change
from odradek.config.resource_type import CLUSTER_DEFAULT, AlterOperation, ResourceType
from odradek.config.value_text import SettingType
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages import alter_configs, incremental_alter_configs


class _Config(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str | None: ...


class Resource(Protocol):
    """A resource of either request."""

    @property
    def resource_type(self) -> int: ...

    @property
    def resource_name(self) -> str: ...

    @property
    def configs(self) -> Sequence[_Config]: ...


AnyResource = TypeVar("AnyResource", bound=Resource)

# What became of a resource: None when all is well, or why it is refused.
Outcome = RequestRefused | None


class Preprocessing:
    """One request's way through this broker."""

    __slots__ = ("_configuration", "_image", "_node_id")

    def __init__(self, node_id: int, configuration: DynamicConfiguration, image: MetadataImage) -> None:
        self._node_id = node_id
        self._configuration = configuration
        self._image = image

    def of_incremental(self, request: incremental_alter_configs.IncrementalAlterConfigsRequest) -> dict[int, Outcome]:
        """The outcome of every resource, by its position, that the controller need not see."""

        def judge(resource: incremental_alter_configs.AlterConfigsResource) -> bool:
            absent = [c.name for c in resource.configs if c.config_operation != AlterOperation.DELETE and c.value is None]
            _refuse_absent(absent)
            if resource.resource_type == ResourceType.BROKER_LOGGER:
                change_levels(self._node_id, resource.resource_name, resource.configs, is_validation=request.validate_only)
                return True
            if resource.resource_type == ResourceType.BROKER:
                self._check_resource_name(resource.resource_name)
                self._check_broker(resource.resource_name, self._after(resource))
            return False

        return _outcomes(request.resources, judge)

    def of_legacy(self, request: alter_configs.AlterConfigsRequest) -> dict[int, Outcome]:
        """The outcome of every resource, by its position, that the controller need not see."""

        def judge(resource: alter_configs.AlterConfigsResource) -> bool:
            _refuse_absent([config.name for config in resource.configs if config.value is None])
            if resource.resource_type == ResourceType.BROKER_LOGGER:
                raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource.resource_type}")
            if resource.resource_type == ResourceType.BROKER:
                self._check_resource_name(resource.resource_name)
                after = {config.name: config.value for config in resource.configs if config.value is not None}
                self._check_broker(resource.resource_name, after)
            return False

        return _outcomes(request.resources, judge)

    def _check_resource_name(self, name: str) -> None:
        if name == CLUSTER_DEFAULT:
            return
        try:
            node_id = int(name)
        except ValueError:
            raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}") from None
        if node_id != self._node_id:
            message = f"Unexpected broker id, expected {self._node_id}, but received {name}"
            raise RequestRefused(ErrorCode.INVALID_REQUEST, message)

    def _check_broker(self, name: str, after: dict[str, str]) -> None:
        is_per_broker = name != CLUSTER_DEFAULT
        configuration = self._configuration
        other_layer = configuration.cluster if is_per_broker else configuration.own
        try:
            check_broker_change(configuration.static, configuration.current, after, other_layer, is_per_broker=is_per_broker)
        except SettingError as error:
            raise RequestRefused(ErrorCode.INVALID_REQUEST, str(error)) from error

    def _after(self, resource: incremental_alter_configs.AlterConfigsResource) -> dict[str, str]:
        """All that would be set for the broker."""
        stored = self._image.configs.of(ResourceType.BROKER, resource.resource_name)
        after, _ = applicable(stored, is_per_broker=resource.resource_name != CLUSTER_DEFAULT)
        for config in resource.configs:
            match config.config_operation:
                case AlterOperation.SET:
                    after[config.name] = config.value or ""
                case AlterOperation.DELETE:
                    after.pop(config.name, None)
                case AlterOperation.APPEND | AlterOperation.SUBTRACT:
                    after[config.name] = _changed_list(config, after.get(config.name))
                case unknown:
                    raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unknown operations type {unknown}")
        return after


def _changed_list(config: incremental_alter_configs.AlterableConfig, before: str | None) -> str:
    setting = BROKER_SETTINGS.get(config.name)
    is_append = config.config_operation == AlterOperation.APPEND
    if setting is None:
        raise RequestRefused(ErrorCode.INVALID_CONFIG, f"Unknown config name: {config.name}")
    if setting.type is not SettingType.LIST:
        operation = "append" if is_append else "subtract"
        raise RequestRefused(ErrorCode.INVALID_CONFIG, f"Config value {operation} is not allowed for config key: {config.name}")
    elements = [element for element in (before if before is not None else setting.default_text or "").split(",") if element]
    operands = (config.value or "").split(",")
    if is_append:
        return ",".join([*elements, *(operand for operand in operands if operand not in elements)])
    return ",".join(element for element in elements if element not in operands)


def _outcomes(resources: Sequence[AnyResource], judge: Callable[[AnyResource], bool]) -> dict[int, Outcome]:
    """`judge` raises its refusal, or says whether the resource is done with."""
    names = [(resource.resource_type, resource.resource_name) for resource in resources]
    outcomes: dict[int, Outcome] = {}
    for position, resource in enumerate(resources):
        try:
            if names.count(names[position]) > 1:
                raise RequestRefused(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            if len({config.name for config in resource.configs}) < len(resource.configs):
                raise RequestRefused(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
            if resource.resource_type not in tuple(ResourceType):
                raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource.resource_type}")
            if judge(resource):
                outcomes[position] = None
        except RequestRefused as refused:
            outcomes[position] = refused
    return outcomes


def _refuse_absent(names: Sequence[str]) -> None:
    if names:
        raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {', '.join(names)}")
