"""Stories of transactions and groups, with crashes and power cuts; and again every seed that has ever failed.

More of them: `make simulate STORY=coordinators`. What a failing one tells is read as ARCHITECTURE.md says, "The test tube".
"""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest

from odradek.testing.coordinated_simulation import CoordinatedPlan, simulate_coordinators
from odradek.testing.simulate import KeptSeed, read_kept_seeds

SEEDS_COUNT = 24
SEEDS_PER_TEST = 4
KEPT_SEEDS = Path(__file__).parent / "kept_seeds_of_coordinators.txt"
# What the stories of one test have to have told, or they show nothing.
TOLD = {
    "transactions committed": 25,
    "transactions aborted": 5,
    "producers fenced": 5,
    "copies": 15,
    "offsets committed": 15,
    "members lost": 2,
    "partitions added": 2,
}


@pytest.mark.parametrize("first", range(0, SEEDS_COUNT, SEEDS_PER_TEST))
def test_coordinators_keep_their_promises_whatever_the_dice_say(first: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(first, first + SEEDS_PER_TEST):
        outcome = simulate_coordinators(seed)
        assert outcome.failure is None, outcome.story()
        told.update(outcome.counts)
    gc.collect()
    assert {what: number for what, number in TOLD.items() if told[what] < number} == {}, "the dice were too kind to show anything"
    assert sum(told[kind] for kind in ("process crash", "power cut", "crash in an operation")) > SEEDS_PER_TEST


@pytest.mark.parametrize("kept", read_kept_seeds(KEPT_SEEDS), ids=lambda kept: f"{kept.seed}-{kept.seconds}")
def test_seed_that_has_failed_once_fails_no_more(kept: KeptSeed) -> None:
    outcome = simulate_coordinators(kept.seed, CoordinatedPlan(seconds=kept.seconds))

    assert outcome.failure is None, outcome.story()


def test_same_seed_gives_the_same_trace() -> None:
    assert simulate_coordinators(3).digest == simulate_coordinators(3).digest
