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

    __slots__ = ("_context", "_image", "_node")

    def __init__(self, node: Node, image: MetadataImage, context: RequestContext) -> None:
        self._node = node
        self._image = image
        self._context = context

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
        broker = self._image.cluster.brokers.get(partition.leader)
        if broker is None or self._node.endpoint_for(broker, self._context) is None:
            return NO_LEADER
        return partition.leader

    def offline(self, partition: PartitionRegistration) -> list[int]:
        """The replicas that are down for this client."""
        return [broker_id for broker_id in partition.replicas if self._is_offline(partition, broker_id)]

    def _is_offline(self, partition: PartitionRegistration, broker_id: int) -> bool:
        broker = self._image.cluster.brokers.get(broker_id)
        if broker is None or broker.is_fenced or self._node.endpoint_for(broker, self._context) is None:
            return True
        return not broker.has_online_directory(partition.directory_of(broker_id))
