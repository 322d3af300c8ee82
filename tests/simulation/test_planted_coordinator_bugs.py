"""The simulator finds what it is there to find in coordinators. That it is silent without the bugs is what `test_coordinators` shows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from odradek.testing.coordinated_simulation import simulate_coordinators
from tests.simulation.planted_coordinator_bugs import PLANTED_COORDINATOR_BUGS
from tests.simulation.test_coordinators import SEEDS_COUNT

# Nearly all show in the first.
SEEDS_MAX = 16


@pytest.mark.parametrize("plant", PLANTED_COORDINATOR_BUGS, ids=lambda plant: plant.__name__)
def test_simulator_finds_the_bug(plant: Callable[[], AbstractContextManager[None]]) -> None:
    assert SEEDS_MAX <= SEEDS_COUNT
    with plant():
        for seed in range(SEEDS_MAX):
            outcome = simulate_coordinators(seed)
            if outcome.failure is not None:
                print(f"found with seed {seed}: {outcome.failure}")
                return
    pytest.fail(f"{SEEDS_MAX} seeds went by without noticing")
