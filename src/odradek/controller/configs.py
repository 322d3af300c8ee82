"""Changes of stored settings, as the controller decides them: IncrementalAlterConfigs and AlterConfigs.

Every resource of a request stands for itself: it gets its records and NONE, or no record and its error. A record says what a setting is
afterwards, so appending to a list writes the whole list (`ConfigurationControlManager`). What may be set is in `config_rules`.

While eligible leader replicas are in use (KIP-966), `min.insync.replicas` of the cluster cannot be removed, single brokers cannot have
their own, and a change forgets which replicas were eligible under the old number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.config.broker import BROKER_SETTINGS, MIN_INSYNC_REPLICAS
from odradek.config.resource_type import CLUSTER_DEFAULT, RESOURCE_TYPES, AlterOperation, ResourceType
from odradek.config.setting import Setting
from odradek.config.topic import TOPIC_SETTINGS
from odradek.config.value_text import SettingType
from odradek.controller.config_rules import ConfigRules
from odradek.controller.refusal import RECORDS_PER_REQUEST_MAX, Refusal, too_many_records
from odradek.metadata.configs import ConfigResource
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import ClearElrRecord, ConfigRecord
from odradek.protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse
from odradek.protocol.messages.alter_configs import AlterConfigsResourceResponse as LegacyResult
from odradek.protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

ELIGIBLE_LEADER_REPLICAS = "eligible.leader.replicas.version"
# The length of a value is written in 16 bits by old readers of the log.
VALUE_LENGTH_MAX = 32_767

# Lists of other resources cannot be appended to: Kafka's controller does not know the types of their settings.
SETTINGS_BY_TYPE: Mapping[int, Mapping[str, Setting[object]]] = {ResourceType.TOPIC: TOPIC_SETTINGS, ResourceType.BROKER: BROKER_SETTINGS}


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one setting, as IncrementalAlterConfigs asks for it."""

    name: str
    kind: int
    value: str | None


def decide_incremental_alter_configs(
    image: MetadataImage, request: IncrementalAlterConfigsRequest, rules: ConfigRules
) -> Decision[MetadataRecord, IncrementalAlterConfigsResponse]:
    """The records of every resource whose changes are all allowed, and a result for each.

    Raises:
        RequestRefused: POLICY_VIOLATION, the request would write too many records.
    """
    change = _Change(image, rules)
    counts = _counts([ConfigResource(resource.resource_type, resource.resource_name) for resource in request.resources])
    outcomes: dict[ConfigResource, Refusal | None] = {}
    for asked in request.resources:
        resource = ConfigResource(asked.resource_type, asked.resource_name)
        if resource in outcomes:
            continue
        outcomes[resource] = _request_refusal(resource, counts)
        if outcomes[resource] is None:
            operations = {config.name: Operation(config.name, config.config_operation, config.value) for config in asked.configs}
            outcomes[resource] = change.alter(resource, list(operations.values()))
    results = [
        AlterConfigsResourceResponse(
            error_code=ErrorCode.NONE if refusal is None else refusal.code,
            error_message=None if refusal is None else refusal.message,
            resource_type=resource.type,
            resource_name=resource.name,
        )
        for resource, refusal in outcomes.items()
    ]
    return Decision(records=change.records(request.validate_only), response=IncrementalAlterConfigsResponse(responses=results))


def decide_alter_configs(
    image: MetadataImage, request: AlterConfigsRequest, rules: ConfigRules
) -> Decision[MetadataRecord, AlterConfigsResponse]:
    """As `decide_incremental_alter_configs`, but what a resource does not name is removed from it.

    Raises:
        RequestRefused: POLICY_VIOLATION, the request would write too many records.
    """
    change = _Change(image, rules)
    counts = _counts([ConfigResource(resource.resource_type, resource.resource_name) for resource in request.resources])
    outcomes: dict[ConfigResource, Refusal | None] = {}
    for asked in request.resources:
        resource = ConfigResource(asked.resource_type, asked.resource_name)
        if resource in outcomes:
            continue
        outcomes[resource] = _request_refusal(resource, counts)
        if outcomes[resource] is None:
            outcomes[resource] = change.replace(resource, {config.name: config.value for config in asked.configs})
    results = [
        LegacyResult(
            error_code=ErrorCode.NONE if refusal is None else refusal.code,
            error_message=None if refusal is None else refusal.message,
            resource_type=resource.type,
            resource_name=resource.name,
        )
        for resource, refusal in outcomes.items()
    ]
    return Decision(records=change.records(request.validate_only), response=AlterConfigsResponse(responses=results))


def _counts(resources: Sequence[ConfigResource]) -> dict[ConfigResource, int]:
    counts: dict[ConfigResource, int] = {}
    for resource in resources:
        counts[resource] = counts.get(resource, 0) + 1
    return counts


def _request_refusal(resource: ConfigResource, counts: Mapping[ConfigResource, int]) -> Refusal | None:
    if resource.type not in RESOURCE_TYPES:
        return Refusal(ErrorCode.UNSUPPORTED_VERSION, f"Unknown resource type {resource.type}.")
    return Refusal(ErrorCode.INVALID_REQUEST, "Duplicate resource.") if counts[resource] > 1 else None


class _Change:
    """Gathers the records of one request."""

    __slots__ = ("_image", "_records", "_rules")

    def __init__(self, image: MetadataImage, rules: ConfigRules) -> None:
        self._image = image
        self._rules = rules
        self._records: list[ConfigRecord] = []

    def alter(self, resource: ConfigResource, operations: Sequence[Operation]) -> Refusal | None:
        """Carry out `operations`, all of them or none."""
        before = self._image.configs.of(resource.type, resource.name)
        records = []
        for operation in operations:
            value = _value_after(resource, operation, before.get(operation.name))
            if isinstance(value, Refusal):
                return value
            records += _records_of(resource, operation.name, before.get(operation.name), value)
        return self._take(resource, before, records)

    def replace(self, resource: ConfigResource, after: Mapping[str, str | None]) -> Refusal | None:
        """Make `after` all that is set for `resource`, or change nothing."""
        before = self._image.configs.of(resource.type, resource.name)
        records = []
        for name, value in after.items():
            records += _records_of(resource, name, before.get(name), value)
        records += [_record(resource, name, None) for name in before if name not in after]
        return self._take(resource, before, records)

    def _take(self, resource: ConfigResource, before: Mapping[str, str], records: Sequence[ConfigRecord]) -> Refusal | None:
        after = dict(before)
        for record in records:
            refusal = _record_refusal(record, is_elr_enabled=self._is_elr_enabled)
            if refusal is not None:
                return refusal
            if record.value is None:
                after.pop(record.name, None)
            else:
                after[record.name] = record.value
        refusal = self._rules.refusal(self._image, resource, after) or self._absence(resource)
        if refusal is None:
            self._records.extend(records)
        return refusal

    def _absence(self, resource: ConfigResource) -> Refusal | None:
        if resource.type == ResourceType.TOPIC and resource.name not in self._image.topics.by_name:
            return Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{resource.name}' does not exist.")
        if resource.type == ResourceType.BROKER and resource.name != CLUSTER_DEFAULT:
            node_id = int(resource.name)
            cluster = self._image.cluster
            if node_id not in cluster.brokers and node_id not in cluster.controllers:
                return Refusal(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No node with id {node_id} found.")
        return None

    @property
    def _is_elr_enabled(self) -> bool:
        return self._image.features.level(ELIGIBLE_LEADER_REPLICAS) > 0

    def records(self, is_validation: bool) -> list[MetadataRecord]:
        """Everything to write; nothing when the request only asked whether it could be."""
        if len(self._records) > RECORDS_PER_REQUEST_MAX:
            raise too_many_records()
        if is_validation:
            return []
        cleared: list[MetadataRecord] = []
        if self._is_elr_enabled:
            for record in self._records:
                if record.name == MIN_INSYNC_REPLICAS.name:
                    is_topic = record.resource_type == ResourceType.TOPIC
                    cleared.append(ClearElrRecord(topic_name=record.resource_name) if is_topic else ClearElrRecord())
        return [*self._records, *cleared]


def _value_after(resource: ConfigResource, operation: Operation, before: str | None) -> str | Refusal | None:
    match operation.kind:
        case AlterOperation.SET:
            return operation.value
        case AlterOperation.DELETE:
            return None
        case AlterOperation.APPEND | AlterOperation.SUBTRACT:
            kind = AlterOperation(operation.kind).name
            setting = SETTINGS_BY_TYPE.get(resource.type, {}).get(operation.name)
            if setting is None or setting.type is not SettingType.LIST:
                return Refusal(ErrorCode.INVALID_CONFIG, f"Can't {kind} to key {operation.name} because its type is not LIST.")
            elements = [element for element in (before if before is not None else setting.default_text or "").split(",") if element]
            return _changed_list(elements, (operation.value or "").split(","), is_append=operation.kind == AlterOperation.APPEND)
        case _:
            return Refusal(ErrorCode.INVALID_REQUEST, f"Unknown operations type {operation.kind}")


def _changed_list(elements: list[str], operands: Sequence[str], *, is_append: bool) -> str:
    for operand in operands:
        if is_append and operand not in elements:
            elements.append(operand)
        elif not is_append and operand in elements:
            elements.remove(operand)
    return ",".join(elements)


def _records_of(resource: ConfigResource, name: str, before: str | None, after: str | None) -> list[ConfigRecord]:
    # KAFKA-14136: a broker has to hear of a value that stayed the same, because what it points to (a key store) may have changed.
    return [_record(resource, name, after)] if before != after or resource.type == ResourceType.BROKER else []


def _record(resource: ConfigResource, name: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value)


def _record_refusal(record: ConfigRecord, *, is_elr_enabled: bool) -> Refusal | None:
    if is_elr_enabled and record.name == MIN_INSYNC_REPLICAS.name and record.resource_type == ResourceType.BROKER:
        if record.resource_name != CLUSTER_DEFAULT:
            message = f"Broker-level {MIN_INSYNC_REPLICAS.name} cannot be altered while ELR is enabled."
            return Refusal(ErrorCode.INVALID_CONFIG, message)
        if record.value is None:
            message = f"Cluster-level {MIN_INSYNC_REPLICAS.name} cannot be removed while ELR is enabled."
            return Refusal(ErrorCode.INVALID_CONFIG, message)
    if record.value is not None and len(record.value.encode("utf-16-le", "surrogatepass")) // 2 > VALUE_LENGTH_MAX:
        message = f"The configuration value cannot be added because it exceeds the maximum value size of {VALUE_LENGTH_MAX} bytes."
        return Refusal(ErrorCode.INVALID_CONFIG, message)
    return None
