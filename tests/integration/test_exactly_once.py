"""A copy between topics is exact though its copiers and its node are killed: once here, as often as one likes with `make exactly-once`."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.integration.exactly_once import COPIER_KILLS, NODE_KILLS, RECORDS, Copy, Plan
from tests.support.reference_kafka import missing_reason

STORY_SECONDS_MAX = 400


# A killed copier of Java's is missed after ten seconds only, so that its partitions wait.
JAVA_COPIER_KILLS = 2
JAVA_NODE_KILLS = 1


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("EXACTLY_ONCE_SEED", random.randrange(1_000_000)))


@pytest.mark.timeout(STORY_SECONDS_MAX)
def test_every_record_is_copied_once_and_in_order_though_copiers_and_node_are_killed(tmp_path: Path, seed: int) -> None:
    """Consume, transform, produce and commit the offsets in the transaction; every operation is held to what transactions promise."""
    plan = Plan.of(seed)

    outcome = Copy(tmp_path, plan).tell()

    assert outcome.faults == [], f"{plan}: {outcome}"
    assert (outcome.copied, outcome.copier_kills, outcome.node_kills) == (RECORDS, COPIER_KILLS, NODE_KILLS), f"{plan}: {outcome}"
    assert outcome.aborted_records > 0, "there was nothing that readers of committed records must not see"


@pytest.mark.timeout(STORY_SECONDS_MAX)
def test_java_copies_every_record_once_and_in_order_though_copiers_and_node_are_killed(tmp_path: Path, seed: int) -> None:
    """Producers of transactions version 2 (KIP-890): their epoch grows with each transaction."""
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    plan = Plan.of(seed, copier_kills=JAVA_COPIER_KILLS, node_kills=JAVA_NODE_KILLS)

    outcome = Copy(tmp_path, plan, is_java=True).tell()

    assert outcome.faults == [], f"{plan}: {outcome}"
    assert (outcome.copied, outcome.copier_kills, outcome.node_kills) == (RECORDS, JAVA_COPIER_KILLS, JAVA_NODE_KILLS), f"{plan}: {outcome}"
    assert outcome.aborted_records > 0, "there was nothing that readers of committed records must not see"
