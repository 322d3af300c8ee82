"""The simulator finds what it is there to find in coordinators. That it is silent without the bugs is what `test_coordinators` shows."""

from __future__ import annotations

import pytest

from tests.simulation.planted import SECONDS_MAX, assert_found
from tests.simulation.planted_coordinator_bugs import PLANTED_COORDINATOR_BUGS
from tests.simulation.test_coordinators import SEEDS_COUNT

# Nearly all show in the first.
SEEDS_MAX = 16


@pytest.mark.timeout(SECONDS_MAX + 30)
@pytest.mark.parametrize("name", [plant.__name__ for plant in PLANTED_COORDINATOR_BUGS])
def test_simulator_finds_the_bug(name: str) -> None:
    assert SEEDS_MAX <= SEEDS_COUNT
    assert_found(name, SEEDS_MAX)
