"""A controller in a test: brokers that are simply there, and requests that are decided, written and replayed in one call."""

from __future__ import annotations

import random
from collections.abc import Sequence

from odradek.base.identifiers import Uuid
from odradek.config.settings import Settings
from odradek.controller.activation import bootstrap_records
from odradek.controller.config_rules import ConfigRules
from odradek.controller.controller import Controller, ControllerSettings, Situation
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata.feature_levels import METADATA_VERSION_LATEST, SUPPORTED_FEATURES
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.message import Message
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse, Feature, Listener

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
CONTROLLER_ID = 100


def directory_of(broker_id: int) -> Uuid:
    return Uuid(broker_id.to_bytes(2, "big") * 8)


class Cluster:
    """The active controller of a cluster at the newest levels. `now_ms` is moved by hand."""

    def __init__(
        self,
        *broker_ids: int,
        defaults: TopicDefaults | None = None,
        is_topic_deletion_enabled: bool = True,
        metadata_version: int = METADATA_VERSION_LATEST,
    ) -> None:
        self.controller = Controller(
            ControllerSettings(
                node_id=CONTROLLER_ID,
                cluster_id=CLUSTER_ID,
                topic_defaults=defaults or TopicDefaults(),
                is_topic_deletion_enabled=is_topic_deletion_enabled,
            ),
            ConfigRules(Settings(), CONTROLLER_ID),
            random.Random(1),
        )
        self.now_ms = 1_000
        self.next_offset = 0
        self.controller.begin(1)
        self.write(self.controller.activate(bootstrap_records(metadata_version), self.now_ms))
        for broker_id in broker_ids:
            self.serve(broker_id)

    @property
    def image(self) -> MetadataImage:
        return self.controller.image

    def decide(self, request: Message, api_version: int | None = None) -> tuple[Message, list[MetadataRecord]]:
        """Decide, write, replay; the response and the records."""
        version = request.VERSION_MAX if api_version is None else api_version
        decision = self.controller.decide(request, self._situation(version))
        self.write(decision.records)
        return decision.response, list(decision.records)

    def write(self, records: Sequence[MetadataRecord]) -> None:
        if records:
            self.controller.replay(records, base_offset=self.next_offset, epoch=1, append_time_ms=self.now_ms)
            self.next_offset += len(records)

    def let_time_pass(self, elapsed_ms: int) -> list[MetadataRecord]:
        self.now_ms += elapsed_ms
        records = self.controller.on_time_passed(self._situation(0))
        self.write(records)
        return records

    def register(self, broker_id: int, *, incarnation: int = 1, previous_broker_epoch: int = -1, rack: str | None = None) -> int:
        """The epoch that the broker gets."""
        response, _ = self.decide(registration(broker_id, incarnation=incarnation, previous_broker_epoch=previous_broker_epoch, rack=rack))
        assert isinstance(response, BrokerRegistrationResponse)
        return response.broker_epoch

    def serve(self, broker_id: int, *, incarnation: int = 1, previous_broker_epoch: int = -1) -> int:
        """Register and unfence the broker; its epoch."""
        epoch = self.register(broker_id, incarnation=incarnation, previous_broker_epoch=previous_broker_epoch)
        assert not self.heartbeat(broker_id).is_fenced
        return epoch

    def heartbeat(self, broker_id: int, *, want_fence: bool = False, want_shut_down: bool = False) -> BrokerHeartbeatResponse:
        response, _ = self.decide(
            BrokerHeartbeatRequest(
                broker_id=broker_id,
                broker_epoch=self.image.cluster.brokers[broker_id].epoch,
                current_metadata_offset=self.next_offset,
                want_fence=want_fence,
                want_shut_down=want_shut_down,
            )
        )
        assert isinstance(response, BrokerHeartbeatResponse)
        return response

    def _situation(self, api_version: int) -> Situation:
        return Situation(now_ms=self.now_ms, next_offset=self.next_offset, kraft_version=1, api_version=api_version)


def registration(
    broker_id: int, *, incarnation: int = 1, previous_broker_epoch: int = -1, rack: str | None = None
) -> BrokerRegistrationRequest:
    """How a healthy broker introduces itself."""
    return BrokerRegistrationRequest(
        broker_id=broker_id,
        cluster_id=CLUSTER_ID,
        incarnation_id=Uuid(bytes([incarnation]) * 16),
        listeners=[Listener(name="PLAINTEXT", host="127.0.0.1", port=9000 + broker_id)],
        features=[
            Feature(name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum)
            for name, levels in SUPPORTED_FEATURES.items()
        ],
        rack=rack,
        log_dirs=[directory_of(broker_id)],
        previous_broker_epoch=previous_broker_epoch,
    )
