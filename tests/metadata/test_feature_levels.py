"""Feature ranges stand twice, for the controller and in the order of the wire; they are the same."""

from __future__ import annotations

from odradek.metadata import feature_levels
from odradek.metadata.version_range import VersionRange
from odradek.protocol import features


def test_clients_are_told_of_the_ranges_that_the_controller_holds_to() -> None:
    told = {feature.name: VersionRange(feature.level_min, feature.level_max) for feature in features.SUPPORTED_FEATURES}

    assert told == feature_levels.SUPPORTED_FEATURES
