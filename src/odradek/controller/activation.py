"""What a controller writes when it becomes the active one (`ActivationRecordsGenerator.java`).

Into an empty log go the records the cluster was formatted with, wrapped in a transaction so that a crash midway leaves nothing half done.
In a log that ends inside a transaction of a former controller, that transaction is aborted: its author is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.errors import StartRefused
from odradek.controller.features import min_insync_replicas_record
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata.feature_levels import (
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    METADATA_TRANSACTIONS_SINCE,
    METADATA_VERSION,
    METADATA_VERSION_LATEST,
    METADATA_VERSION_MINIMUM,
    default_levels,
)
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    FeatureLevelRecord,
)

ABORT_REASON = "Controller failover"
BOOTSTRAP_NAME = "Bootstrap records"


def bootstrap_records(metadata_version: int = METADATA_VERSION_LATEST) -> list[MetadataRecord]:
    """What a new cluster at `metadata_version` is formatted with: its own level first, then the features in the order of their names."""
    levels = default_levels(metadata_version)
    names = [METADATA_VERSION, *sorted(name for name in levels if name != METADATA_VERSION)]
    return [FeatureLevelRecord(name=name, feature_level=levels[name]) for name in names]


def activation_records(
    image: MetadataImage, bootstrap: Sequence[MetadataRecord], *, is_transaction_open: bool, defaults: TopicDefaults
) -> list[MetadataRecord]:
    """The first records of a new active controller; none when there is nothing to put right.

    Raises:
        StartRefused: the bootstrap records name no metadata.version, or one this release does not know.
    """
    if image.features.metadata_version is not None:
        return [AbortTransactionRecord(reason=ABORT_REASON)] if is_transaction_open else []
    levels = {record.name: record.feature_level for record in bootstrap if isinstance(record, FeatureLevelRecord)}
    metadata_version = levels.get(METADATA_VERSION, 0)
    if not METADATA_VERSION_MINIMUM <= metadata_version <= METADATA_VERSION_LATEST:
        raise StartRefused(
            f"the cluster was formatted with metadata.version {metadata_version}; this release works with "
            f"{METADATA_VERSION_MINIMUM} to {METADATA_VERSION_LATEST}"
        )
    records: list[MetadataRecord] = list(bootstrap)
    if levels.get(ELIGIBLE_LEADER_REPLICAS_VERSION, 0) > 0:
        records.append(min_insync_replicas_record(defaults))
    if metadata_version < METADATA_TRANSACTIONS_SINCE:
        return records
    opening: list[MetadataRecord] = [BeginTransactionRecord(name=BOOTSTRAP_NAME)]
    if is_transaction_open:
        opening.insert(0, AbortTransactionRecord(reason=ABORT_REASON))
    return [*opening, *records, EndTransactionRecord()]
