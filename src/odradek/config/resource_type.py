"""The numbers of the config APIs: what can be configured, what is done to a setting, where a value comes from."""

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


RESOURCE_TYPES = frozenset(ResourceType)


class AlterOperation(IntEnum):
    """What IncrementalAlterConfigs does with one setting, under Kafka's numbers."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class ConfigSource(IntEnum):
    """Where a value comes from, under the numbers of DescribeConfigs."""

    UNKNOWN = 0
    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8
