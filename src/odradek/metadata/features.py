"""Finalized features: the levels at which the whole cluster has agreed to work (KIP-584).

`metadata.version` is a feature like the others but for two things: it has no level 0, and it is written first, because it decides in which
versions all other records are written. `kraft.version` is never among these records; it lives in the raft log's control records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from odradek.metadata.feature_levels import METADATA_VERSION, METADATA_VERSION_MINIMUM
from odradek.protocol.internal_records.metadata import FeatureLevelRecord


@dataclass(frozen=True, slots=True)
class FeaturesImage:
    """`finalized` holds every feature above level 0 but `metadata.version`, whose level is None until the log names it."""

    metadata_version: int | None = None
    finalized: Mapping[str, int] = field(default_factory=dict)

    def level(self, name: str) -> int:
        """The level of one feature; 0 when it was never raised."""
        if name == METADATA_VERSION:
            return self.metadata_version_or_minimum
        return self.finalized.get(name, 0)

    @property
    def metadata_version_or_minimum(self) -> int:
        """The level by which records are written; the oldest one until the log says more."""
        return METADATA_VERSION_MINIMUM if self.metadata_version is None else self.metadata_version

    def levels(self) -> dict[str, int]:
        """All finalized levels, `metadata.version` among them."""
        levels = dict(self.finalized)
        if self.metadata_version is not None:
            levels[METADATA_VERSION] = self.metadata_version
        return levels

    def records(self) -> Iterator[FeatureLevelRecord]:
        """The records that make this image out of nothing, `metadata.version` first."""
        if self.metadata_version is not None:
            yield FeatureLevelRecord(name=METADATA_VERSION, feature_level=self.metadata_version)
        for name, level in self.finalized.items():
            yield FeatureLevelRecord(name=name, feature_level=level)


NO_FEATURES = FeaturesImage()


class FeaturesDelta:
    """Records on top of one `FeaturesImage`."""

    __slots__ = ("_finalized", "_metadata_version", "before")

    def __init__(self, before: FeaturesImage) -> None:
        self.before = before
        self._metadata_version = before.metadata_version
        self._finalized: dict[str, int] | None = None

    def replay_feature_level(self, record: FeatureLevelRecord) -> None:
        if record.name == METADATA_VERSION:
            self._metadata_version = record.feature_level
            return
        if self._finalized is None:
            self._finalized = dict(self.before.finalized)
        if record.feature_level == 0:
            self._finalized.pop(record.name, None)
        else:
            self._finalized[record.name] = record.feature_level

    def apply(self) -> FeaturesImage:
        """The image after this delta; the very same object when nothing changed."""
        if self._finalized is None and self._metadata_version == self.before.metadata_version:
            return self.before
        finalized = self.before.finalized if self._finalized is None else dict(self._finalized)
        return FeaturesImage(self._metadata_version, finalized)
