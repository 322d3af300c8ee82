"""The controller: decides about the cluster, and is changed by nothing but the records it decided on.

`decide` reads the image as of the last record that was written, committed or not, and answers with records and a response. The driver
writes the records, gives them to `replay`, and sends the response when they are committed; so the next decision already sees the last
one, and nobody outside sees it before it is safe. A driver that cannot write must not go on from there, for what was replayed is ahead of
the log: it goes back to the last image that is in it (`go_back_to`), or ends.

The one thing that is no record is who was heard of lately (`BrokerSessions`); it starts afresh with every controller.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from odradek.base.decision import Decision
from odradek.base.errors import Misuse
from odradek.base.identifiers import random_uuid
from odradek.controller.activation import activation_records
from odradek.controller.brokers import BrokerDecisions, BrokerSessions, decide_register_controller
from odradek.controller.config_rules import ConfigRules
from odradek.controller.configs import decide_alter_configs, decide_incremental_alter_configs
from odradek.controller.directory_assignment import decide_assign_replicas_to_dirs
from odradek.controller.elections import decide_elect_leaders
from odradek.controller.features import FeatureUpdates
from odradek.controller.leadership import Leadership
from odradek.controller.partition_creation import decide_create_partitions
from odradek.controller.producer_ids import decide_allocate_producer_ids
from odradek.controller.topic_creation import CreateTopics
from odradek.controller.topic_defaults import TopicDefaults
from odradek.controller.topic_deletion import decide_delete_topics
from odradek.controller.topic_names import TopicNameCollisions
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.transactions import MetadataTransactions
from odradek.protocol.message import AnyMessage, Message
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from odradek.protocol.messages.alter_configs import AlterConfigsRequest
from odradek.protocol.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
from odradek.protocol.messages.controller_registration import ControllerRegistrationRequest
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest
from odradek.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek.protocol.messages.update_features import UpdateFeaturesRequest

ControllerDecision = Decision[MetadataRecord, Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """The static settings of a controller."""

    node_id: int
    cluster_id: str
    topic_defaults: TopicDefaults
    is_topic_deletion_enabled: bool = True
    broker_session_timeout_ms: int = 9_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision may know beside its request: the time, where its first record will stand, and in which version it was asked."""

    now_ms: int
    next_offset: int
    kraft_version: int
    api_version: int


@dataclass(frozen=True, slots=True)
class MetadataUpdate:
    """One step of the metadata: the image after it, and what changed. `delta` is None when only offsets moved."""

    image: MetadataImage
    delta: MetadataDelta | None


class Controller:
    """The controller of the cluster on this node."""

    def __init__(self, settings: ControllerSettings, configs: ConfigRules, dice: random.Random) -> None:
        self._settings = settings
        self._configs = configs
        self._dice = dice
        self._image = EMPTY_IMAGE
        self._collisions = TopicNameCollisions()
        self._transactions = MetadataTransactions()
        self._registration_offset_by_broker: dict[int, int] = {}
        self._sessions = BrokerSessions(settings.broker_session_timeout_ms)
        self._decide_by_name: dict[str, Callable[[Message, Situation], ControllerDecision]] = {
            CreateTopicsRequest.NAME: self._create_topics,
            DeleteTopicsRequest.NAME: self._delete_topics,
            CreatePartitionsRequest.NAME: self._create_partitions,
            AllocateProducerIdsRequest.NAME: self._allocate_producer_ids,
            UpdateFeaturesRequest.NAME: self._update_features,
            BrokerRegistrationRequest.NAME: self._register_broker,
            BrokerHeartbeatRequest.NAME: self._heartbeat,
            UnregisterBrokerRequest.NAME: self._unregister_broker,
            ControllerRegistrationRequest.NAME: self._register_controller,
            ElectLeadersRequest.NAME: self._elect_leaders,
            IncrementalAlterConfigsRequest.NAME: self._incremental_alter_configs,
            AlterConfigsRequest.NAME: self._alter_configs,
            AssignReplicasToDirsRequest.NAME: self._assign_replicas_to_dirs,
        }

    @property
    def image(self) -> MetadataImage:
        """The metadata as of the last record given to `replay`."""
        return self._image

    def begin(self, kraft_version: int) -> None:
        """Start from nothing, in a quorum that works at `kraft_version`."""
        self._image = replace(EMPTY_IMAGE, kraft_version=kraft_version)

    @property
    def has_open_transaction(self) -> bool:
        """Whether records were read that are not in force yet; the image is then no place to begin a log at."""
        return self._transactions.is_open

    def decide(self, request: Message, situation: Situation) -> ControllerDecision:
        """What `request` comes to.

        Raises:
            RequestRefused: the whole request ends with one error.
            Misuse: controllers do not decide such requests.
        """
        decide = self._decide_by_name.get(request.NAME)
        if decide is None:
            raise Misuse(f"the controller does not decide {request.NAME}")
        return decide(request, situation)

    def activate(self, bootstrap: Sequence[MetadataRecord], now_ms: int) -> list[MetadataRecord]:
        """This controller becomes the active one; the records with which it begins.

        Raises:
            StartRefused: the cluster was formatted for another release.
        """
        self._sessions.start(self._image, self._settings.node_id, now_ms)
        return activation_records(
            self._image,
            bootstrap,
            is_transaction_open=self._transactions.is_open,
            defaults=self._settings.topic_defaults,
        )

    def on_time_passed(self, situation: Situation) -> list[MetadataRecord]:
        """The records that the passing of time alone calls for: a silent broker is fenced."""
        return self._brokers(situation).fence_stale()

    def replay(self, records: Sequence[MetadataRecord], *, base_offset: int, epoch: int, append_time_ms: int) -> MetadataUpdate:
        """Take records in that now stand in the log from `base_offset` on.

        Raises:
            Misuse: the records contradict the metadata they are about.
        """
        delta: MetadataDelta | None = None
        for index, written in enumerate(records):
            for record in self._transactions.feed(written):
                if record.NAME == "NoOpRecord":
                    continue
                if record.NAME == "RegisterBrokerRecord":
                    self._registration_offset_by_broker[record.broker_id] = base_offset + index  # type: ignore[attr-defined]
                if delta is None:
                    delta = MetadataDelta(self._image)
                delta.replay(record)
        last_offset = base_offset + len(records) - 1
        if delta is None:
            self._image = MetadataDelta(self._image).apply(last_offset, epoch, append_time_ms)
            return MetadataUpdate(self._image, None)
        self._image = delta.apply(last_offset, epoch, append_time_ms)
        self._collisions.follow(delta.topics)
        return MetadataUpdate(self._image, delta)

    def go_back_to(self, image: MetadataImage) -> None:
        """Forget everything that was replayed behind `image`: it did not get into the log. Who was heard of lately stays known."""
        self._image = image
        self._collisions = TopicNameCollisions(image.topics.by_name)
        self._registration_offset_by_broker = {
            broker_id: offset for broker_id, offset in self._registration_offset_by_broker.items() if offset <= image.offset
        }

    def load_snapshot(self, records: Sequence[MetadataRecord], *, end_offset: int, epoch: int, append_time_ms: int) -> MetadataUpdate:
        """Start from a snapshot instead of from nothing."""
        delta = MetadataDelta(replace(EMPTY_IMAGE, kraft_version=self._image.kraft_version))
        for record in records:
            delta.replay(record)
        self._image = delta.apply(end_offset - 1, epoch, append_time_ms)
        self._collisions = TopicNameCollisions(self._image.topics.by_name)
        return MetadataUpdate(self._image, delta)

    def _create_topics(self, request: Message, situation: Situation) -> ControllerDecision:
        creation = CreateTopics(
            image=self._image,
            defaults=self._settings.topic_defaults,
            configs=self._configs,
            collisions=self._collisions,
            new_topic_id=lambda: random_uuid(self._dice),
            dice=self._dice,
        )
        return _widened(creation.decide(cast(CreateTopicsRequest, request)))

    def _delete_topics(self, request: Message, situation: Situation) -> ControllerDecision:
        is_enabled = self._settings.is_topic_deletion_enabled
        return _widened(
            decide_delete_topics(self._image, cast(DeleteTopicsRequest, request), is_enabled=is_enabled, api_version=situation.api_version)
        )

    def _create_partitions(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(decide_create_partitions(self._image, cast(CreatePartitionsRequest, request), self._dice))

    def _allocate_producer_ids(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(decide_allocate_producer_ids(self._image, cast(AllocateProducerIdsRequest, request)))

    def _update_features(self, request: Message, situation: Situation) -> ControllerDecision:
        updates = FeatureUpdates(
            image=self._image,
            node_id=self._settings.node_id,
            kraft_version=situation.kraft_version,
            defaults=self._settings.topic_defaults,
        )
        return _widened(updates.decide(cast(UpdateFeaturesRequest, request), situation.api_version))

    def _register_broker(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(self._brokers(situation).register(cast(BrokerRegistrationRequest, request)))

    def _heartbeat(self, request: Message, situation: Situation) -> ControllerDecision:
        heartbeat = cast(BrokerHeartbeatRequest, request)
        # After a snapshot the offset of the registration is not known; the broker epoch is close to it, and never above.
        offset = self._registration_offset_by_broker.get(heartbeat.broker_id, heartbeat.broker_epoch)
        return _widened(self._brokers(situation).heartbeat(heartbeat, registration_offset=offset))

    def _unregister_broker(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(self._brokers(situation).unregister(cast(UnregisterBrokerRequest, request)))

    def _register_controller(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(decide_register_controller(self._image, cast(ControllerRegistrationRequest, request)))

    def _elect_leaders(self, request: Message, situation: Situation) -> ControllerDecision:
        leadership = Leadership(self._image, self._settings.topic_defaults)
        return _widened(decide_elect_leaders(self._image, leadership, cast(ElectLeadersRequest, request)))

    def _incremental_alter_configs(self, request: Message, situation: Situation) -> ControllerDecision:
        asked = cast(IncrementalAlterConfigsRequest, request)
        return _widened(decide_incremental_alter_configs(self._image, asked, self._configs))

    def _alter_configs(self, request: Message, situation: Situation) -> ControllerDecision:
        return _widened(decide_alter_configs(self._image, cast(AlterConfigsRequest, request), self._configs))

    def _assign_replicas_to_dirs(self, request: Message, situation: Situation) -> ControllerDecision:
        leadership = Leadership(self._image, self._settings.topic_defaults)
        return _widened(decide_assign_replicas_to_dirs(self._image, leadership, cast(AssignReplicasToDirsRequest, request)))

    def _brokers(self, situation: Situation) -> BrokerDecisions:
        return BrokerDecisions(
            image=self._image,
            leadership=Leadership(self._image, self._settings.topic_defaults),
            sessions=self._sessions,
            cluster_id=self._settings.cluster_id,
            kraft_version=situation.kraft_version,
            next_offset=situation.next_offset,
            now_ms=situation.now_ms,
        )


def _widened(decision: Decision[MetadataRecord, AnyMessage]) -> ControllerDecision:
    # A frozen decision about one message is one about a message; `Decision` cannot say so, being generic over both ends of a method.
    return cast(ControllerDecision, decision)
