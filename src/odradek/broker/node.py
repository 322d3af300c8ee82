"""What a request handler sees of the node it runs in: the parts, already assembled, and nothing about how they were made.

Handlers translate a request, call one of these parts, and translate the answer. They keep nothing.
"""

from __future__ import annotations

import random
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from odradek.base.clock import Clock
from odradek.base.identifiers import NodeId
from odradek.broker.encoded_topics import EncodedTopics
from odradek.broker.request import RequestContext
from odradek.config.settings import Settings

if TYPE_CHECKING:
    from odradek.broker.cold_reads import ColdReads
    from odradek.broker.dynamic_configuration import DynamicConfiguration
    from odradek.broker.fetch_sessions import FetchSessionCache
    from odradek.broker.group_coordinator import GroupCoordinator
    from odradek.broker.partitions import PartitionRegistry
    from odradek.broker.producer_id_source import ProducerIdSource
    from odradek.broker.purgatory import Purgatory
    from odradek.broker.transaction_coordinator import TransactionCoordinator
    from odradek.config.listeners import Endpoint
    from odradek.metadata.cluster import BrokerRegistration
    from odradek.metadata.image import MetadataImage
    from odradek.net.turn import Turn
    from odradek.storage.log_directories import LogDirectories


class ControllerChannel(Protocol):
    """The way to the active controller: in this process, or (a later issue) in an envelope over the wire."""

    async def request(self, message: object, context: RequestContext) -> object:
        """The controller's response message to `message`, once its records are committed."""
        ...


class ImageHolder(Protocol):
    """Holds the newest published metadata image."""

    @property
    def image(self) -> MetadataImage: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """One node's parts. `settings` are the static ones; `configuration` has what changes while running."""

    node_id: NodeId
    cluster_id: str
    settings: Settings
    clock: Clock
    dice: random.Random
    metadata: ImageHolder
    configuration: DynamicConfiguration
    partitions: PartitionRegistry
    logs: LogDirectories
    controller: ControllerChannel
    producer_ids: ProducerIdSource
    fetch_sessions: FetchSessionCache
    # Set as soon as the node serves.
    groups: GroupCoordinator = field(init=False)
    transactions: TransactionCoordinator = field(init=False)
    purgatory: Purgatory
    pool: Executor
    cold_reads: ColdReads
    turn: Turn
    # Ports the system chose for listeners that asked for port 0.
    bound_ports: dict[str, int]
    # Listeners whose advertised host was given; clients of the others are told the address they dialled.
    advertised: dict[str, Endpoint]
    encoded_topics: EncodedTopics = field(default_factory=EncodedTopics)

    @property
    def image(self) -> MetadataImage:
        """The newest committed metadata that this node has applied."""
        return self.metadata.image

    def endpoint_for(self, broker: BrokerRegistration, context: RequestContext) -> tuple[str, int] | None:
        """Where the client of `context` reaches `broker`, on the listener it came in on; None where that broker has no such listener.

        If no address was advertised, the node itself is where the client dialled: the one address that is known to work from there.
        """
        if broker.node_id == self.node_id and context.listener_name not in self.advertised:
            return (context.dialled_host, context.dialled_port)
        endpoint = broker.listeners.get(context.listener_name)
        return None if endpoint is None else (endpoint.host, endpoint.port)
