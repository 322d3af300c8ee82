"""What a client sees of the brokers behind a partition, through the listener it came in on (`KRaftMetadataCache.java`).

A broker that does not have the listener cannot be reached from there: a leader without it is no leader for this client, a replica without
it is offline for it. A fenced broker is not shown, and its replicas are offline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.metadata.cluster import BrokerRegistration
from odradek.metadata.partition_registration import NO_LEADER, PartitionRegistration

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext
    from odradek.metadata.image import MetadataImage


class VisibleReplicas:
    """One image as one client sees it."""

    __slots__ = ("_context", "_image", "_node", "_reachable")

    def __init__(self, node: Node, image: MetadataImage, context: RequestContext) -> None:
        self._node = node
        self._image = image
        self._context = context
        # A topic has thousands of partitions on a handful of brokers: whether a broker can be reached is found out once.
        self._reachable: dict[int, BrokerRegistration | None] = {}

    def brokers(self) -> list[tuple[BrokerRegistration, str, int]]:
        """The brokers in service, fenced ones too, with the host and port for this client."""
        reachable = []
        for broker in self._image.cluster.brokers.values():
            endpoint = self._node.endpoint_for(broker, self._context)
            if endpoint is not None:
                reachable.append((broker, endpoint[0], endpoint[1]))
        return reachable

    def leader(self, partition: PartitionRegistration) -> int:
        """The leader if this client can reach it, -1 if not."""
        return NO_LEADER if self._reached(partition.leader) is None else partition.leader

    def offline(self, partition: PartitionRegistration) -> list[int]:
        """The replicas that are down for this client."""
        return [broker_id for broker_id in partition.replicas if self._is_offline(partition, broker_id)]

    def _is_offline(self, partition: PartitionRegistration, broker_id: int) -> bool:
        broker = self._reached(broker_id)
        return broker is None or broker.is_fenced or not broker.has_online_directory(partition.directory_of(broker_id))

    def _reached(self, broker_id: int) -> BrokerRegistration | None:
        """The broker, fenced or not, if this client has a way to it."""
        if broker_id in self._reachable:
            return self._reachable[broker_id]
        broker = self._image.cluster.brokers.get(broker_id)
        if broker is not None and self._node.endpoint_for(broker, self._context) is None:
            broker = None
        self._reachable[broker_id] = broker
        return broker
