"""A group keeps its promises while members join, leave, die and fall silent: half a minute here, as long as one likes with `make churn`."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.integration.churn import Churn
from tests.integration.members import CLASSIC, CONSUMER

SECONDS = 22
STORY_SECONDS_MAX = 240


@pytest.mark.timeout(STORY_SECONDS_MAX)
@pytest.mark.parametrize("protocol", [CLASSIC, CONSUMER])
def test_nothing_is_lost_and_nobody_shares_a_partition_while_members_come_go_die_and_fall_silent(tmp_path: Path, protocol: str) -> None:
    """KIP-429 and KIP-848: whoever is given a partition begins at its commit, and whoever lost it can commit no more."""
    seed = int(os.environ.get("CHURN_SEED", random.randrange(1_000_000)))

    outcome = Churn(tmp_path, protocol, seed, SECONDS).tell()

    assert outcome.verdict.faults == [], f"CHURN_SEED={seed}: {outcome}"
    assert outcome.processes_killed > 0
    assert outcome.processes_stopped > 0
    assert outcome.verdict.lost > 0, f"CHURN_SEED={seed}: nobody that stood still was thought dead: {outcome}"
    assert outcome.verdict.records > SECONDS * 100
