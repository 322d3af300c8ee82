"""The features this release knows, the levels it supports, and what a level means for the records it writes (`Feature.java`).

One table for all: what the node registers, what ApiVersions tells clients, what a new cluster is given, and which level of
`metadata.version` a feature needs. The second half answers in which version a record is written at a level (`MetadataVersion.java`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from odradek.metadata.version_range import VersionRange

METADATA_VERSION = "metadata.version"
KRAFT_VERSION = "kraft.version"
TRANSACTION_VERSION = "transaction.version"
GROUP_VERSION = "group.version"
ELIGIBLE_LEADER_REPLICAS_VERSION = "eligible.leader.replicas.version"
SHARE_VERSION = "share.version"
STREAMS_VERSION = "streams.version"

METADATA_VERSION_MINIMUM = 7
METADATA_VERSION_LATEST = 30
# From here on records exist for: transactions of records, registered controllers, directory ids, eligible leaders, cordoned directories.
METADATA_TRANSACTIONS_SINCE = 13
CONTROLLER_REGISTRATION_SINCE = 15
DIRECTORY_IDS_SINCE = 17
ELIGIBLE_LEADERS_SINCE = 23
CORDONED_DIRECTORIES_SINCE = 30

# Names by level, as operators know them from `kafka-storage --release-version`.
METADATA_VERSION_NAMES: Mapping[int, str] = {
    7: "3.3-IV3", 8: "3.4-IV0", 9: "3.5-IV0", 10: "3.5-IV1", 11: "3.5-IV2", 12: "3.6-IV0", 13: "3.6-IV1", 14: "3.6-IV2",
    15: "3.7-IV0", 16: "3.7-IV1", 17: "3.7-IV2", 18: "3.7-IV3", 19: "3.7-IV4", 20: "3.8-IV0", 21: "3.9-IV0", 22: "4.0-IV0",
    23: "4.0-IV1", 24: "4.0-IV2", 25: "4.0-IV3", 26: "4.1-IV0", 27: "4.1-IV1", 28: "4.2-IV0", 29: "4.2-IV1", 30: "4.3-IV0",
}  # fmt: skip

# Raising metadata.version to one of these changed the format of records, so that going back below it would lose something.
METADATA_FORMAT_CHANGES = frozenset({8, 11, 13, 14, 15, 17, 23, 30})


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature: what we support, and the level a new cluster gets once its `metadata.version` is at least `default_since`."""

    name: str
    supported: VersionRange
    default_level: int
    default_since: int


FEATURES: tuple[Feature, ...] = (
    Feature(name=KRAFT_VERSION, supported=VersionRange(0, 1), default_level=1, default_since=21),
    Feature(name=TRANSACTION_VERSION, supported=VersionRange(0, 2), default_level=2, default_since=24),
    Feature(name=GROUP_VERSION, supported=VersionRange(0, 1), default_level=1, default_since=22),
    Feature(name=ELIGIBLE_LEADER_REPLICAS_VERSION, supported=VersionRange(0, 1), default_level=1, default_since=26),
    Feature(name=SHARE_VERSION, supported=VersionRange(0, 1), default_level=1, default_since=28),
    Feature(name=STREAMS_VERSION, supported=VersionRange(0, 1), default_level=1, default_since=29),
)

SUPPORTED_FEATURES: Mapping[str, VersionRange] = {
    METADATA_VERSION: VersionRange(METADATA_VERSION_MINIMUM, METADATA_VERSION_LATEST),
    **{feature.name: feature.supported for feature in FEATURES},
}


def default_levels(metadata_version: int) -> dict[str, int]:
    """The levels a new cluster at `metadata_version` starts with, in the order they are written; `metadata.version` comes first."""
    levels = {METADATA_VERSION: metadata_version}
    for feature in FEATURES:
        if feature.name != KRAFT_VERSION and metadata_version >= feature.default_since:
            levels[feature.name] = feature.default_level
    return levels


def record_version(record_name: str, metadata_version: int) -> int:
    """The version in which the record called `record_name` is written at `metadata_version`; those not listed have only version 0."""
    match record_name:
        case "RegisterBrokerRecord":
            return _highest(metadata_version, ((30, 4), (17, 3), (8, 2)), lowest=1)
        case "BrokerRegistrationChangeRecord":
            return _highest(metadata_version, ((30, 3), (17, 2)), lowest=1)
        case "PartitionRecord" | "PartitionChangeRecord":
            return _highest(metadata_version, ((23, 2), (17, 1)), lowest=0)
    return 0


def _highest(metadata_version: int, versions: tuple[tuple[int, int], ...], *, lowest: int) -> int:
    for since, version in versions:
        if metadata_version >= since:
            return version
    return lowest
