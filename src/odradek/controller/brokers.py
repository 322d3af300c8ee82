"""The lives of brokers and controllers: registration, heartbeats, fencing, leaving (KIP-631).

A broker is one incarnation after another, each with the epoch that is the offset of its registration. Until it has caught up with that
record it stays fenced. While it lives it sends heartbeats; who is silent for a session is fenced. Sessions are not in the log: a new
controller gives every broker a full session from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid, is_reserved_uuid, uuid_to_text
from odradek.controller.leadership import Leadership
from odradek.metadata.cluster import BrokerRegistration
from odradek.metadata.feature_levels import (
    CONTROLLER_REGISTRATION_SINCE,
    CORDONED_DIRECTORIES_SINCE,
    DIRECTORY_IDS_SINCE,
    KRAFT_VERSION,
    METADATA_VERSION,
)
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.version_range import VersionRange
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    BrokerFeature,
    BrokerRegistrationChangeRecord,
    ControllerEndpoint,
    ControllerFeature,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnregisterBrokerRecord,
)
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek.protocol.messages.controller_registration import ControllerRegistrationRequest, ControllerRegistrationResponse
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse


@dataclass(slots=True)
class BrokerSession:
    """What the controller remembers of a live broker. `controlled_shutdown_offset` is -1 unless it is leaving."""

    epoch: int
    last_contact_ms: int
    metadata_offset: int = -1
    controlled_shutdown_offset: int = -1


class BrokerSessions:
    """The sessions of all brokers that spoke to this controller, by id."""

    __slots__ = ("_sessions", "timeout_ms")

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self._sessions: dict[int, BrokerSession] = {}

    def start(self, image: MetadataImage, own_node_id: int, now_ms: int) -> None:
        """A controller takes over: every broker in service gets a full session to be heard in.

        All but the broker in this very process. It is only now being started, so whoever was registered under its id is gone, and waiting
        for that one's session to run out would keep a node that crashed from serving for as long.
        """
        self._sessions = {
            broker.node_id: BrokerSession(broker.epoch, now_ms)
            for broker in image.cluster.brokers.values()
            if not broker.is_fenced and broker.node_id != own_node_id
        }

    def is_live(self, broker: BrokerRegistration, now_ms: int) -> bool:
        """Whether this incarnation was heard of within a session."""
        session = self._sessions.get(broker.node_id)
        return session is not None and session.epoch == broker.epoch and now_ms - session.last_contact_ms < self.timeout_ms

    def touch(self, broker_id: int, epoch: int, now_ms: int) -> BrokerSession:
        """The broker was heard of now."""
        session = self._sessions.get(broker_id)
        if session is None or session.epoch != epoch:
            session = self._sessions[broker_id] = BrokerSession(epoch, now_ms)
        session.last_contact_ms = now_ms
        return session

    def forget(self, broker_id: int) -> None:
        self._sessions.pop(broker_id, None)

    def stale_broker(self, image: MetadataImage, now_ms: int) -> BrokerRegistration | None:
        """An unfenced broker that was silent for a whole session; one at a time, so that a batch stays small."""
        for broker in image.cluster.brokers.values():
            if not broker.is_fenced and not self.is_live(broker, now_ms):
                return broker
        return None

    def lowest_active_offset(self, image: MetadataImage) -> int | None:
        """How far the slowest active broker has applied the metadata; None when none is active."""
        offsets = [
            session.metadata_offset
            for broker_id, session in self._sessions.items()
            if (broker := image.cluster.brokers.get(broker_id)) is not None and broker.is_active
        ]
        return min(offsets, default=None)


def checked_broker(image: MetadataImage, broker_id: int, broker_epoch: int) -> BrokerRegistration:
    """The registration that a broker claims to be.

    Raises:
        RequestRefused: BROKER_ID_NOT_REGISTERED or STALE_BROKER_EPOCH.
    """
    broker = image.cluster.brokers.get(broker_id)
    if broker is None:
        raise RequestRefused(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No broker registration found for broker id {broker_id}")
    if broker.epoch != broker_epoch:
        raise RequestRefused(ErrorCode.STALE_BROKER_EPOCH, f"Expected broker epoch {broker_epoch}, but found broker epoch {broker.epoch}")
    return broker


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDecisions:
    """Decisions about brokers on top of one image. `next_offset` is where the next record will stand in the log."""

    image: MetadataImage
    leadership: Leadership
    sessions: BrokerSessions
    cluster_id: str
    kraft_version: int
    next_offset: int
    now_ms: int

    def register(self, request: BrokerRegistrationRequest) -> Decision[MetadataRecord, BrokerRegistrationResponse]:
        """A broker introduces itself, anew or again.

        Raises:
            RequestRefused: it belongs to another cluster, its id is taken, or it cannot do what the cluster has agreed on.
        """
        if request.cluster_id != self.cluster_id:
            raise RequestRefused(
                ErrorCode.INCONSISTENT_CLUSTER_ID, f"Expected cluster ID {self.cluster_id}, but got cluster ID {request.cluster_id}"
            )
        existing = self.image.cluster.brokers.get(request.broker_id)
        is_new_incarnation = existing is None or existing.incarnation_id != request.incarnation_id
        if existing is not None and is_new_incarnation and self.sessions.is_live(existing, self.now_ms):
            raise RequestRefused(
                ErrorCode.DUPLICATE_BROKER_REGISTRATION,
                "Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once "
                "the heartbeat manager expires the broker's session.",
            )
        if request.is_migrating_zk_broker:
            raise RequestRefused(ErrorCode.BROKER_ID_NOT_REGISTERED, "Controller does not support registering ZK brokers.")
        self._check_directories(request)
        self._check_features(request)
        record = self._registration_record(request)
        records: list[MetadataRecord] = []
        if existing is not None and not is_new_incarnation:
            record.fenced = existing.is_fenced
            record.in_controlled_shutdown = existing.in_controlled_shutdown
            record.broker_epoch = existing.epoch
        else:
            was_clean = existing is not None and existing.epoch == request.previous_broker_epoch
            records += self.leadership.on_new_incarnation(request.broker_id, was_clean_shutdown=was_clean)
            record.broker_epoch = self.next_offset
        records.append(record)
        self.sessions.touch(request.broker_id, record.broker_epoch, self.now_ms)
        # The clean-up may be long; as long as the registration comes last, a controller that dies midway only makes the broker try again.
        return Decision(records=records, response=BrokerRegistrationResponse(broker_epoch=record.broker_epoch), is_atomic=False)

    def heartbeat(self, request: BrokerHeartbeatRequest, *, registration_offset: int) -> Decision[MetadataRecord, BrokerHeartbeatResponse]:
        """A broker says that it lives, how far it has read, and what it wants to be.

        Raises:
            RequestRefused: it is unknown or speaks from an earlier life.
        """
        broker = checked_broker(self.image, request.broker_id, request.broker_epoch)
        session = self.sessions.touch(broker.node_id, broker.epoch, self.now_ms)
        session.metadata_offset = request.current_metadata_offset
        is_caught_up = request.current_metadata_offset >= registration_offset
        records, is_fenced, should_shut_down = self._next_state(broker, session, request, is_caught_up=is_caught_up)
        records += self._directory_records(broker, request)
        if should_shut_down:
            # It said goodbye: its next incarnation need not wait until the silence has lasted a session.
            self.sessions.forget(broker.node_id)
        response = BrokerHeartbeatResponse(is_caught_up=is_caught_up, is_fenced=is_fenced, should_shut_down=should_shut_down)
        return Decision(records=records, response=response)

    def fence_stale(self) -> list[MetadataRecord]:
        """The records that fence one broker whose session has run out."""
        stale = self.sessions.stale_broker(self.image, self.now_ms)
        return [] if stale is None else self.leadership.on_fenced(stale)

    def unregister(self, request: UnregisterBrokerRequest) -> Decision[MetadataRecord, UnregisterBrokerResponse]:
        """An operator says that a broker will not come back.

        Raises:
            RequestRefused: BROKER_ID_NOT_REGISTERED.
        """
        broker = self.image.cluster.brokers.get(request.broker_id)
        if broker is None:
            raise RequestRefused(ErrorCode.BROKER_ID_NOT_REGISTERED, f"Broker ID {request.broker_id} is not currently registered")
        records = self.leadership.on_unregistered(broker.node_id)
        records.append(UnregisterBrokerRecord(broker_id=broker.node_id, broker_epoch=broker.epoch))
        self.sessions.forget(broker.node_id)
        return Decision(records=records, response=UnregisterBrokerResponse())

    def _next_state(
        self, broker: BrokerRegistration, session: BrokerSession, request: BrokerHeartbeatRequest, *, is_caught_up: bool
    ) -> tuple[list[MetadataRecord], bool, bool]:
        """The records of the step the broker takes, whether it is fenced then, and whether it may stop."""
        if broker.is_fenced:
            if request.want_shut_down:
                return [], True, True
            if request.want_fence or not is_caught_up:
                return [], True, False
            return self.leadership.on_unfenced(broker), False, False
        if broker.in_controlled_shutdown:
            if self.leadership.has_leaderships(broker.node_id):
                return self.leadership.on_controlled_shutdown(broker), False, False
            lowest = self.sessions.lowest_active_offset(self.image)
            if lowest is not None and session.controlled_shutdown_offset > lowest:
                return [], False, False
            return self.leadership.on_fenced(broker), True, True
        if request.want_fence:
            return self.leadership.on_fenced(broker), True, request.want_shut_down
        if not request.want_shut_down:
            return [], False, False
        if not self.leadership.has_leaderships(broker.node_id):
            return self.leadership.on_fenced(broker), True, True
        session.controlled_shutdown_offset = self.next_offset
        return self.leadership.on_controlled_shutdown(broker), False, False

    def _directory_records(self, broker: BrokerRegistration, request: BrokerHeartbeatRequest) -> list[MetadataRecord]:
        records: list[MetadataRecord] = []
        if self.image.features.metadata_version_or_minimum >= DIRECTORY_IDS_SINCE:
            records += self.leadership.on_directories_offline(broker, request.offline_log_dirs)
        return records + self._cordoned_records(broker, request)

    def _cordoned_records(self, broker: BrokerRegistration, request: BrokerHeartbeatRequest) -> list[MetadataRecord]:
        if self.image.features.metadata_version_or_minimum < CORDONED_DIRECTORIES_SINCE or request.cordoned_log_dirs is None:
            return []
        if broker.cordoned_directories is not None and set(request.cordoned_log_dirs) == set(broker.cordoned_directories):
            return []
        return [
            BrokerRegistrationChangeRecord(
                broker_id=broker.node_id, broker_epoch=broker.epoch, cordoned_log_dirs=list(request.cordoned_log_dirs)
            )
        ]

    def _check_directories(self, request: BrokerRegistrationRequest) -> None:
        if self.image.features.metadata_version_or_minimum < DIRECTORY_IDS_SINCE:
            return
        if not request.log_dirs:
            raise RequestRefused(ErrorCode.INVALID_REGISTRATION, "No directories specified in request")
        if any(is_reserved_uuid(directory) for directory in request.log_dirs):
            raise RequestRefused(ErrorCode.INVALID_REGISTRATION, "Reserved directory ID in request")
        if len(set(request.log_dirs)) != len(request.log_dirs):
            raise RequestRefused(ErrorCode.INVALID_REGISTRATION, "Duplicate directory ID in request")
        for other in self.image.cluster.brokers.values():
            taken = set(request.log_dirs) & set(other.directories)
            if other.node_id != request.broker_id and taken:
                raise RequestRefused(
                    ErrorCode.INVALID_REGISTRATION,
                    f"Broker {other.node_id} is already registered with directory {uuid_to_text(min(taken))}",
                )

    def _check_features(self, request: BrokerRegistrationRequest) -> None:
        supported = {
            feature.name: VersionRange(feature.min_supported_version, feature.max_supported_version) for feature in request.features
        }
        finalized = {**self.image.features.levels(), KRAFT_VERSION: self.kraft_version}
        for name, levels in supported.items():
            _check_level(name, levels, finalized.get(name, 0))
        if METADATA_VERSION not in supported:
            raise RequestRefused(ErrorCode.INVALID_REGISTRATION, f"Request features do not contain '{METADATA_VERSION}'")
        for name, level in finalized.items():
            if level != 0 and name not in supported:
                _check_level(name, VersionRange(0, 0), level)

    def _registration_record(self, request: BrokerRegistrationRequest) -> RegisterBrokerRecord:
        has_directories = self.image.features.metadata_version_or_minimum >= DIRECTORY_IDS_SINCE
        return RegisterBrokerRecord(
            broker_id=request.broker_id,
            incarnation_id=request.incarnation_id,
            end_points=[
                BrokerEndpoint(name=end.name, host=end.host, port=end.port, security_protocol=end.security_protocol)
                for end in request.listeners
            ],
            features=[
                BrokerFeature(
                    name=feature.name,
                    min_supported_version=feature.min_supported_version,
                    max_supported_version=feature.max_supported_version,
                )
                for feature in request.features
            ],
            rack=request.rack,
            fenced=True,
            log_dirs=list(request.log_dirs) if has_directories else _NO_DIRECTORIES,
        )


_NO_DIRECTORIES: list[Uuid] = []


def decide_register_controller(
    image: MetadataImage, request: ControllerRegistrationRequest
) -> Decision[MetadataRecord, ControllerRegistrationResponse]:
    """A controller introduces itself, so that clients can be told where controllers are (KIP-919).

    Raises:
        RequestRefused: the cluster's metadata.version does not know such registrations yet.
    """
    if image.features.metadata_version_or_minimum < CONTROLLER_REGISTRATION_SINCE:
        raise RequestRefused(ErrorCode.UNSUPPORTED_VERSION, "The current MetadataVersion is too old to support controller registrations.")
    record = RegisterControllerRecord(
        controller_id=request.controller_id,
        incarnation_id=request.incarnation_id,
        end_points=[
            ControllerEndpoint(name=end.name, host=end.host, port=end.port, security_protocol=end.security_protocol)
            for end in request.listeners
        ],
        features=[
            ControllerFeature(
                name=feature.name,
                min_supported_version=feature.min_supported_version,
                max_supported_version=feature.max_supported_version,
            )
            for feature in request.features
        ],
    )
    return Decision(records=[record], response=ControllerRegistrationResponse())


def _check_level(name: str, supported: VersionRange, finalized: int) -> None:
    if not supported.allows(finalized):
        raise RequestRefused(
            ErrorCode.UNSUPPORTED_VERSION,
            f"Unable to register because the broker does not support finalized version {finalized} of {name}. The broker wants a "
            f"version between {supported.minimum} and {supported.maximum}, inclusive.",
        )
