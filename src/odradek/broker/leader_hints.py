"""Who leads a partition, for a client that came to the wrong node: with it in the answer the client need not ask for metadata (KIP-951)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from odradek.metadata.partition_registration import PartitionRegistration

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


class LeaderEndpoint(NamedTuple):
    """Where the client reaches the leader, on the listener it used."""

    host: str
    port: int
    rack: str | None


class LeaderHint(NamedTuple):
    """The leader and its epoch, -1 where nobody leads; no endpoint where the leader is fenced or not on the client's listener."""

    leader_id: int
    leader_epoch: int
    endpoint: LeaderEndpoint | None


NO_HINT = LeaderHint(-1, -1, None)


def leader_hint(node: Node, context: RequestContext, registration: PartitionRegistration | None) -> LeaderHint:
    """What the metadata says of the partition of `registration`; nothing for one that it does not know."""
    if registration is None:
        return NO_HINT
    broker = node.image.cluster.brokers.get(registration.leader)
    address = None if broker is None or broker.is_fenced else node.endpoint_for(broker, context)
    endpoint = None if broker is None or address is None else LeaderEndpoint(address[0], address[1], broker.rack)
    return LeaderHint(registration.leader, registration.leader_epoch, endpoint)
