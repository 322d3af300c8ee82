"""The life of this broker in the eyes of the controller: registers, is unfenced, sends heartbeats, and leaves in order (KIP-631).

In a combined node the controller is next door and the requests do not cross a wire, but they are the same requests and are decided the same
way: the log of a combined node tells the same story as that of a cluster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from odradek.base.errors import RequestRefused, StartRefused, StorageFailure
from odradek.base.identifiers import Uuid
from odradek.broker.metadata_publisher import MetadataPublisher
from odradek.metadata.cluster import Endpoint
from odradek.metadata.feature_levels import CORDONED_DIRECTORIES_SINCE, SUPPORTED_FEATURES
from odradek.protocol.message import Message
from odradek.protocol.messages import broker_registration, controller_registration
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from odradek.protocol.messages.controller_registration import ControllerRegistrationRequest

log = logging.getLogger("odradek.broker.lifecycle")

# A leaving broker is let go after two or three heartbeats; more means that its leaderships have nowhere to go.
LEAVING_HEARTBEATS_MAX = 10


class ControllerDoor(Protocol):
    """The way to the controller for the node's own requests."""

    async def decide(self, message: Message, api_version: int) -> Message: ...


class BrokerLifecycle:
    """Registration and heartbeats of one broker incarnation; `epoch` is -1 until it is registered."""

    def __init__(
        self,
        *,
        controller: ControllerDoor,
        publisher: MetadataPublisher,
        node_id: int,
        cluster_id: str,
        incarnation_id: Uuid,
        rack: str | None,
        broker_endpoints: Sequence[Endpoint],
        controller_endpoints: Sequence[Endpoint],
        directory_ids: Sequence[Uuid],
        previous_broker_epoch: int,
        heartbeat_interval_ms: int,
        directory_failure_timeout_ms: int,
        cordoned_directory_ids: Callable[[], list[Uuid]],
    ) -> None:
        self._controller = controller
        self._publisher = publisher
        self._node_id = node_id
        self._cluster_id = cluster_id
        self._incarnation_id = incarnation_id
        self._rack = rack
        self._broker_endpoints = broker_endpoints
        self._controller_endpoints = controller_endpoints
        self._directory_ids = directory_ids
        self._previous_broker_epoch = previous_broker_epoch
        self._heartbeat_interval_ms = heartbeat_interval_ms
        self._directory_failure_timeout_ms = directory_failure_timeout_ms
        # Log directories that have failed since the registration, and until when the controller has to know of those that it does not yet.
        self._failed_directories: list[Uuid] = []
        self._untold: dict[Uuid, float] = {}
        self._news = asyncio.Event()
        self._cordoned_directory_ids = cordoned_directory_ids
        self.epoch = -1

    async def start(self) -> None:
        """Register controller and broker, and be unfenced: when this returns, the node may serve.

        Raises:
            RequestRefused: the controller does not take this broker.
            StartRefused: it took the broker but leaves it fenced.
        """
        # Both are decided in this turn and share one commit.
        _, response = await asyncio.gather(
            self._controller.decide(self._controller_registration(), ControllerRegistrationRequest.VERSION_MAX),
            self._controller.decide(self._broker_registration(), BrokerRegistrationRequest.VERSION_MAX),
        )
        self.epoch = cast(BrokerRegistrationResponse, response).broker_epoch
        heartbeat = await self._heartbeat(want_fence=False, want_shut_down=False)
        if heartbeat.is_fenced:
            raise StartRefused("the controller does not let this broker serve")
        log.info("broker registered", extra={"node": self._node_id, "broker_epoch": self.epoch})

    async def run(self) -> None:
        """Send heartbeats until cancelled.

        Raises:
            StorageFailure: the failure of a directory could not be told for too long; others may wait for this node's replicas in vain.
        """
        while True:
            await self._sleep()
            self._news.clear()
            untold = list(self._untold)
            if await self._try_heartbeat(want_shut_down=False) is not None:
                for directory in untold:
                    del self._untold[directory]
            elif self._untold and min(self._untold.values()) <= asyncio.get_running_loop().time():
                raise StorageFailure("the node ends: the controller could not be told that a log directory has failed")

    def report_failed_directory(self, directory: Uuid) -> None:
        """A log directory has failed: the next heartbeat says so, and is sent now."""
        self._failed_directories.append(directory)
        self._untold[directory] = asyncio.get_running_loop().time() + self._directory_failure_timeout_ms / 1000
        self._news.set()

    def hurry(self) -> None:
        """There is something that the controller should hear now."""
        self._news.set()

    async def _sleep(self) -> None:
        """Until the next heartbeat is due, or there is news."""
        try:
            async with asyncio.timeout(self._heartbeat_interval_ms / 1000):
                await self._news.wait()
        except TimeoutError:
            return

    async def leave(self) -> bool:
        """Give leaderships away and be fenced; whether the controller agreed. Clients are served no longer after that."""
        for _ in range(LEAVING_HEARTBEATS_MAX):
            heartbeat = await self._try_heartbeat(want_shut_down=True)
            if heartbeat is not None and heartbeat.should_shut_down:
                return True
        log.warning("the controller did not let this broker leave in order", extra={"node": self._node_id})
        return False

    async def _try_heartbeat(self, *, want_shut_down: bool) -> BrokerHeartbeatResponse | None:
        """Send a heartbeat; None if the controller did not take it, whose disk may be full. The next one may fare better."""
        try:
            return await self._heartbeat(want_fence=False, want_shut_down=want_shut_down)
        except RequestRefused as refusal:
            log.warning("heartbeat was refused", extra={"node": self._node_id, "error": refusal.code.name, "reason": str(refusal)})
            return None

    async def _heartbeat(self, *, want_fence: bool, want_shut_down: bool) -> BrokerHeartbeatResponse:
        knows_cordoned = self._publisher.image.features.metadata_version_or_minimum >= CORDONED_DIRECTORIES_SINCE
        request = BrokerHeartbeatRequest(
            broker_id=self._node_id,
            broker_epoch=self.epoch,
            current_metadata_offset=self._publisher.image.offset,
            want_fence=want_fence,
            want_shut_down=want_shut_down,
            offline_log_dirs=list(self._failed_directories),
            cordoned_log_dirs=self._cordoned_directory_ids() if knows_cordoned else None,
        )
        return cast(BrokerHeartbeatResponse, await self._controller.decide(request, BrokerHeartbeatRequest.VERSION_MAX))

    def _broker_registration(self) -> BrokerRegistrationRequest:
        return BrokerRegistrationRequest(
            broker_id=self._node_id,
            cluster_id=self._cluster_id,
            incarnation_id=self._incarnation_id,
            listeners=[
                broker_registration.Listener(
                    name=endpoint.name, host=endpoint.host, port=endpoint.port, security_protocol=endpoint.security_protocol
                )
                for endpoint in self._broker_endpoints
            ],
            features=[
                broker_registration.Feature(name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum)
                for name, levels in SUPPORTED_FEATURES.items()
            ],
            rack=self._rack,
            log_dirs=list(self._directory_ids),
            previous_broker_epoch=self._previous_broker_epoch,
        )

    def _controller_registration(self) -> ControllerRegistrationRequest:
        return ControllerRegistrationRequest(
            controller_id=self._node_id,
            incarnation_id=self._incarnation_id,
            listeners=[
                controller_registration.Listener(
                    name=endpoint.name, host=endpoint.host, port=endpoint.port, security_protocol=endpoint.security_protocol
                )
                for endpoint in self._controller_endpoints
            ],
            features=[
                controller_registration.Feature(name=name, min_supported_version=levels.minimum, max_supported_version=levels.maximum)
                for name, levels in SUPPORTED_FEATURES.items()
            ],
        )
