"""Two hundred stories of produce, fetch, delete, restart and crash; and again every seed that has ever failed.

More of them: `make simulate`. What a failing one tells is read as ARCHITECTURE.md says, "The test tube".
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from odradek.testing.simulate import KeptSeed, read_kept_seeds
from odradek.testing.simulation import SimulationPlan, simulate

SEEDS_COUNT = 200
SEEDS_PER_TEST = 10
KEPT_SEEDS = Path(__file__).parent / "kept_seeds_of_records.txt"


@pytest.mark.parametrize("first", range(0, SEEDS_COUNT, SEEDS_PER_TEST))
def test_node_keeps_its_promises_whatever_the_dice_say(first: int) -> None:
    crashes_count = 0
    for seed in range(first, first + SEEDS_PER_TEST):
        outcome = simulate(seed)
        assert outcome.failure is None, outcome.story()
        crashes_count += sum(outcome.counts.get(kind, 0) for kind in ("process crash", "power cut", "crash in an operation"))
    gc.collect()
    assert crashes_count > SEEDS_PER_TEST, "the dice were too kind to show anything"


@pytest.mark.parametrize("kept", read_kept_seeds(KEPT_SEEDS), ids=lambda kept: f"{kept.seed}-{kept.seconds}")
def test_seed_that_has_failed_once_fails_no_more(kept: KeptSeed) -> None:
    outcome = simulate(kept.seed, SimulationPlan(seconds=kept.seconds))

    assert outcome.failure is None, outcome.story()
