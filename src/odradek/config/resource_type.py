"""What can be configured: the kinds of resources in the config APIs and in ConfigRecord, under Kafka's numbers (`ConfigResource.Type`)."""

from __future__ import annotations

from enum import IntEnum

# The name of the BROKER resource that holds for every broker of the cluster.
CLUSTER_DEFAULT = ""


class ResourceType(IntEnum):
    """A kind of resource. BROKER_LOGGER is a node's own and never written to the metadata log."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32
