"""UpdateFeatures: raise or lower the levels at which the cluster works (KIP-584; `FeatureControlManager`).

A level is possible when every registered node supports it. Going back is possible where no record would lose its meaning. Nothing is
changed unless every update of the request can be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.controller.refusal import Refusal
from odradek.controller.topic_defaults import BROKER_RESOURCE, CLUSTER_WIDE, TopicDefaults
from odradek.metadata.feature_levels import (
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    ELIGIBLE_LEADERS_SINCE,
    KRAFT_VERSION,
    METADATA_FORMAT_CHANGES,
    METADATA_VERSION,
    SUPPORTED_FEATURES,
)
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.version_range import VersionRange
from odradek.protocol.internal_records.metadata import ConfigRecord, FeatureLevelRecord
from odradek.protocol.messages.update_features import UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse

UPGRADE = 1
SAFE_DOWNGRADE = 2
UNSAFE_DOWNGRADE = 3
UNSUPPORTED = VersionRange(0, 0)
# The last version that answers for each feature; from the next on one error stands for all.
RESULT_PER_FEATURE_UNTIL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureUpdates:
    """Decisions about levels on top of one image."""

    image: MetadataImage
    node_id: int
    kraft_version: int
    defaults: TopicDefaults

    def decide(self, request: UpdateFeaturesRequest, api_version: int) -> Decision[MetadataRecord, UpdateFeaturesResponse]:
        """All updates, or none with the reason of the first that cannot be made."""
        proposed = {update.feature: update.max_version_level for update in request.feature_updates}
        records: list[MetadataRecord] = []
        for update in request.feature_updates:
            upgrade_type = update.upgrade_type
            if api_version == 0:
                upgrade_type = SAFE_DOWNGRADE if update.allow_downgrade else UPGRADE
            outcome = self._update(update.feature, update.max_version_level, upgrade_type, proposed)
            if isinstance(outcome, Refusal):
                message = f"The update failed for all features since the following feature had an error: {outcome.message}"
                return Decision.refused(UpdateFeaturesResponse(error_code=outcome.code, error_message=message))
            records += outcome
        if proposed.get(ELIGIBLE_LEADER_REPLICAS_VERSION, 0) > 0:
            records = self._cluster_wide_min_insync_replicas() + records
        response = UpdateFeaturesResponse(error_message=None)
        if api_version <= RESULT_PER_FEATURE_UNTIL:
            response.results = [UpdatableFeatureResult(feature=name, error_message=None) for name in proposed]
        return Decision(records=[] if request.validate_only else records, response=response)

    def _update(self, name: str, level: int, upgrade_type: int, proposed: Mapping[str, int]) -> list[MetadataRecord] | Refusal:
        current = self.kraft_version if name == KRAFT_VERSION else self.image.features.level(name)
        complaint = self._complaint(name, level, current, upgrade_type)
        if complaint is not None:
            return _invalid(f"Invalid update version {level} for feature {name}. {complaint}")
        if name == METADATA_VERSION:
            return self._update_metadata_version(level, current, upgrade_type)
        if name == KRAFT_VERSION:
            if level == current:
                return []
            return _invalid(f"Invalid update version {level} for feature {name}. Can't downgrade the version of this feature.")
        metadata_version = proposed.get(METADATA_VERSION, self.image.features.metadata_version_or_minimum)
        if name == ELIGIBLE_LEADER_REPLICAS_VERSION and level > 0 and metadata_version < ELIGIBLE_LEADERS_SINCE:
            return _invalid(
                f"Invalid update version {level} for feature {name}. {name} could not be set to {level} because it depends on "
                f"{METADATA_VERSION} level {ELIGIBLE_LEADERS_SINCE}"
            )
        return [FeatureLevelRecord(name=name, feature_level=level)]

    def _complaint(self, name: str, level: int, current: int, upgrade_type: int) -> str | None:
        if upgrade_type not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
            return "The controller does not support the given upgrade type."
        if level < 0:
            return "A feature version cannot be less than 0."
        unsupported = self._unsupported(name, level)
        if unsupported is not None:
            return unsupported
        if level < current and upgrade_type == UPGRADE:
            return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
        if level > current and upgrade_type != UPGRADE:
            return "Can't downgrade to a newer version."
        return None

    def _unsupported(self, name: str, level: int) -> str | None:
        complaint = _outside(f"Local controller {self.node_id}", level, SUPPORTED_FEATURES.get(name, UNSUPPORTED))
        if complaint is not None:
            return complaint
        for broker in self.image.cluster.brokers.values():
            complaint = _outside(f"Broker {broker.node_id}", level, broker.supported_features.get(name, UNSUPPORTED))
            if complaint is not None:
                return complaint
        for controller in self.image.cluster.controllers.values():
            if controller.node_id == self.node_id:
                continue
            complaint = _outside(f"Controller {controller.node_id}", level, controller.supported_features.get(name, UNSUPPORTED))
            if complaint is not None:
                return complaint
        return None

    def _update_metadata_version(self, level: int, current: int, upgrade_type: int) -> list[MetadataRecord] | Refusal:
        if any(level < change <= current for change in METADATA_FORMAT_CHANGES):
            reason = (
                "Unsafe metadata downgrade is not supported in this version."
                if upgrade_type == UNSAFE_DOWNGRADE
                else "Refusing to perform the requested downgrade because it might delete metadata information."
            )
            return _invalid(f"Unsupported metadata.version downgrade from {current} to {level}. {reason}")
        return [FeatureLevelRecord(name=METADATA_VERSION, feature_level=level)]

    def _cluster_wide_min_insync_replicas(self) -> list[MetadataRecord]:
        # Eligible leaders are counted against one number for the cluster: it has to stand in the log, not in each node's file.
        if "min.insync.replicas" in self.image.configs.of(BROKER_RESOURCE, CLUSTER_WIDE):
            return []
        return [min_insync_replicas_record(self.defaults)]


def min_insync_replicas_record(defaults: TopicDefaults) -> ConfigRecord:
    """The cluster-wide min.insync.replicas that eligible leader replicas need."""
    return ConfigRecord(
        resource_type=BROKER_RESOURCE,
        resource_name=CLUSTER_WIDE,
        name="min.insync.replicas",
        value=str(defaults.static_min_insync_replicas),
    )


def _outside(who: str, level: int, supported: VersionRange) -> str | None:
    if supported.allows(level):
        return None
    if supported.maximum == 0:
        return f"{who} does not support this feature."
    return f"{who} only supports versions {supported.minimum}-{supported.maximum}"


def _invalid(message: str) -> Refusal:
    return Refusal(ErrorCode.INVALID_UPDATE_VERSION, message)
