"""The features of Kafka 4.3 as ApiVersions announces them: their ranges, and the order they stand in.

Kafka keeps them in hash maps, so the order on the wire is neither alphabetical nor that of any table of its own. It carries no
meaning, but tools print it, and equal bytes are the simplest proof of an equal answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Clients that ask below this version choke on a range that begins at 0, so it is left out for them (KAFKA-17492).
ZERO_MINIMUM_SINCE_VERSION = 4


@dataclass(frozen=True, slots=True)
class SupportedFeature:
    """The levels of one feature that this release can run at."""

    name: str
    level_min: int
    level_max: int


SUPPORTED_FEATURES = (
    SupportedFeature("group.version", 0, 1),
    SupportedFeature("kraft.version", 0, 1),
    SupportedFeature("metadata.version", 7, 30),
    SupportedFeature("share.version", 0, 1),
    SupportedFeature("streams.version", 0, 1),
    SupportedFeature("transaction.version", 0, 2),
    SupportedFeature("eligible.leader.replicas.version", 0, 1),
)

_FINALIZED_ORDER = (
    "group.version",
    "kraft.version",
    "share.version",
    "metadata.version",
    "streams.version",
    "transaction.version",
    "eligible.leader.replicas.version",
)


def supported_features(api_version: int) -> Iterable[SupportedFeature]:
    """The supported features that an ApiVersions response of this version may mention, in order."""
    is_all = api_version >= ZERO_MINIMUM_SINCE_VERSION
    return [feature for feature in SUPPORTED_FEATURES if is_all or feature.level_min > 0]


def finalized_levels(levels: Mapping[str, int]) -> list[tuple[str, int]]:
    """The finalized features with their levels in the order of the wire; level 0 means not finalized and is left out."""
    unknown = sorted(levels.keys() - set(_FINALIZED_ORDER))
    return [(name, levels[name]) for name in [*_FINALIZED_ORDER, *unknown] if levels.get(name, 0) != 0]
