"""The nodes of the cluster: which brokers and controllers have registered, where they listen, and whether they may serve.

A broker's epoch is the offset of its `RegisterBrokerRecord`, so that every incarnation has another one. A fenced broker is known but gets
no leadership and is not shown to clients; one in controlled shutdown keeps its connections and gives its leadership away (KIP-631).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from odradek.base.errors import Misuse
from odradek.base.identifiers import Uuid
from odradek.metadata.version_range import VersionRange
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    BrokerFeature,
    BrokerRegistrationChangeRecord,
    ControllerEndpoint,
    ControllerFeature,
    FenceBrokerRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
)

# The two switches of a BrokerRegistrationChangeRecord: -1 turns off, 0 leaves alone, 1 turns on.
SWITCH_OFF = -1
SWITCH_UNCHANGED = 0
SWITCH_ON = 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one listener of a node is reached. `security_protocol` is Kafka's number: 0 PLAINTEXT, 1 SSL, 2 and 3 with SASL."""

    name: str
    host: str
    port: int
    security_protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRegistration:
    """One broker as it registered last. `cordoned_directories` is None when the broker has never spoken of them."""

    node_id: int
    epoch: int
    incarnation_id: Uuid
    listeners: Mapping[str, Endpoint]
    supported_features: Mapping[str, VersionRange]
    rack: str | None
    is_fenced: bool
    in_controlled_shutdown: bool
    directories: tuple[Uuid, ...]
    cordoned_directories: tuple[Uuid, ...] | None = None

    @classmethod
    def from_record(cls, record: RegisterBrokerRecord) -> BrokerRegistration:
        return cls(
            node_id=record.broker_id,
            epoch=record.broker_epoch,
            incarnation_id=record.incarnation_id,
            listeners=_listeners_of(record.end_points),
            supported_features=_features_of(record.features),
            rack=record.rack,
            is_fenced=record.fenced,
            in_controlled_shutdown=record.in_controlled_shutdown,
            directories=tuple(sorted(record.log_dirs)),
            cordoned_directories=None if record.cordoned_log_dirs is None else tuple(record.cordoned_log_dirs),
        )

    def changed_by(self, record: BrokerRegistrationChangeRecord) -> BrokerRegistration:
        return replace(
            self,
            is_fenced=_switched(self.is_fenced, record.fenced),
            in_controlled_shutdown=_switched(self.in_controlled_shutdown, record.in_controlled_shutdown),
            directories=tuple(sorted(record.log_dirs)) or self.directories,
            cordoned_directories=(self.cordoned_directories if record.cordoned_log_dirs is None else tuple(record.cordoned_log_dirs)),
        )

    def to_record(self) -> RegisterBrokerRecord:
        return RegisterBrokerRecord(
            broker_id=self.node_id,
            incarnation_id=self.incarnation_id,
            broker_epoch=self.epoch,
            end_points=[
                BrokerEndpoint(name=endpoint.name, host=endpoint.host, port=endpoint.port, security_protocol=endpoint.security_protocol)
                for endpoint in self.listeners.values()
            ],
            features=[
                BrokerFeature(name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum)
                for name, levels in self.supported_features.items()
            ],
            rack=self.rack,
            fenced=self.is_fenced,
            in_controlled_shutdown=self.in_controlled_shutdown,
            log_dirs=list(self.directories),
            cordoned_log_dirs=None if self.cordoned_directories is None else list(self.cordoned_directories),
        )

    @property
    def is_active(self) -> bool:
        """Whether it may hold leadership and be in sync: neither fenced nor leaving."""
        return not self.is_fenced and not self.in_controlled_shutdown

    def has_online_directory(self, directory: Uuid) -> bool:
        """Whether `directory` can be one of its working ones; an id that is still open counts as working."""
        return not self.directories or directory in self.directories or int.from_bytes(directory, "big") <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRegistration:
    """One controller as it registered last (KIP-919)."""

    node_id: int
    incarnation_id: Uuid
    is_migration_ready: bool
    listeners: Mapping[str, Endpoint]
    supported_features: Mapping[str, VersionRange]

    @classmethod
    def from_record(cls, record: RegisterControllerRecord) -> ControllerRegistration:
        return cls(
            node_id=record.controller_id,
            incarnation_id=record.incarnation_id,
            is_migration_ready=record.zk_migration_ready,
            listeners=_listeners_of(record.end_points),
            supported_features=_features_of(record.features),
        )

    def to_record(self) -> RegisterControllerRecord:
        return RegisterControllerRecord(
            controller_id=self.node_id,
            incarnation_id=self.incarnation_id,
            zk_migration_ready=self.is_migration_ready,
            end_points=[
                ControllerEndpoint(name=endpoint.name, host=endpoint.host, port=endpoint.port, security_protocol=endpoint.security_protocol)
                for endpoint in self.listeners.values()
            ],
            features=[
                ControllerFeature(name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum)
                for name, levels in self.supported_features.items()
            ],
        )


@dataclass(frozen=True, slots=True)
class ClusterImage:
    """Brokers and controllers by node id."""

    brokers: Mapping[int, BrokerRegistration] = field(default_factory=dict)
    controllers: Mapping[int, ControllerRegistration] = field(default_factory=dict)

    def records(self) -> Iterator[RegisterBrokerRecord | RegisterControllerRecord]:
        """The records that make this image out of nothing."""
        for broker in self.brokers.values():
            yield broker.to_record()
        for controller in self.controllers.values():
            yield controller.to_record()


NO_NODES = ClusterImage()


class ClusterDelta:
    """Records on top of one `ClusterImage`."""

    __slots__ = ("_brokers", "_changed_brokers", "_controllers", "before")

    def __init__(self, before: ClusterImage) -> None:
        self.before = before
        self._brokers: dict[int, BrokerRegistration] | None = None
        self._controllers: dict[int, ControllerRegistration] | None = None
        self._changed_brokers: set[int] = set()

    @property
    def changed_brokers(self) -> frozenset[int]:
        """Ids of brokers that registered, changed or went."""
        return frozenset(self._changed_brokers)

    def replay_register_broker(self, record: RegisterBrokerRecord) -> None:
        self._put(BrokerRegistration.from_record(record))

    def replay_unregister_broker(self, record: UnregisterBrokerRecord) -> None:
        self._broker(record.broker_id, record.broker_epoch)
        del self._writable()[record.broker_id]
        self._changed_brokers.add(record.broker_id)

    def replay_fence_broker(self, record: FenceBrokerRecord) -> None:
        self._put(replace(self._broker(record.id, record.epoch), is_fenced=True))

    def replay_unfence_broker(self, record: UnfenceBrokerRecord) -> None:
        self._put(replace(self._broker(record.id, record.epoch), is_fenced=False))

    def replay_broker_registration_change(self, record: BrokerRegistrationChangeRecord) -> None:
        self._put(self._broker(record.broker_id, record.broker_epoch).changed_by(record))

    def replay_register_controller(self, record: RegisterControllerRecord) -> None:
        if self._controllers is None:
            self._controllers = dict(self.before.controllers)
        self._controllers[record.controller_id] = ControllerRegistration.from_record(record)

    def apply(self) -> ClusterImage:
        """The image after this delta; the very same object when nothing changed."""
        if self._brokers is None and self._controllers is None:
            return self.before
        return ClusterImage(
            self.before.brokers if self._brokers is None else dict(self._brokers),
            self.before.controllers if self._controllers is None else dict(self._controllers),
        )

    def _writable(self) -> dict[int, BrokerRegistration]:
        if self._brokers is None:
            self._brokers = dict(self.before.brokers)
        return self._brokers

    def _put(self, registration: BrokerRegistration) -> None:
        self._writable()[registration.node_id] = registration
        self._changed_brokers.add(registration.node_id)

    def _broker(self, broker_id: int, broker_epoch: int) -> BrokerRegistration:
        registration = self._writable().get(broker_id)
        if registration is None or registration.epoch != broker_epoch:
            raise Misuse(f"the metadata log speaks of broker {broker_id} in epoch {broker_epoch}, which never registered")
        return registration


class _EndpointRecord(Protocol):
    name: str
    host: str
    port: int
    security_protocol: int


class _FeatureRecord(Protocol):
    name: str
    min_supported_version: int
    max_supported_version: int


def _listeners_of(endpoints: Iterable[_EndpointRecord]) -> dict[str, Endpoint]:
    return {endpoint.name: Endpoint(endpoint.name, endpoint.host, endpoint.port, endpoint.security_protocol) for endpoint in endpoints}


def _features_of(features: Iterable[_FeatureRecord]) -> dict[str, VersionRange]:
    return {feature.name: VersionRange(feature.min_supported_version, feature.max_supported_version) for feature in features}


def _switched(current: bool, switch: int) -> bool:
    if switch == SWITCH_UNCHANGED:
        return current
    return switch == SWITCH_ON
