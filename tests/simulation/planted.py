"""Looks for a planted bug, in a process of its own that runs from the sources.

ODRADEK_PURE=1 python -m tests.simulation.planted NAME SEEDS
"""

from __future__ import annotations

import sys
from typing import Final

from odradek.base.interpreted import is_compiled
from odradek.testing.coordinated_simulation import simulate_coordinators
from odradek.testing.simulation import simulate
from tests.simulation.planted_bugs import PLANTED_BUGS
from tests.simulation.planted_coordinator_bugs import PLANTED_COORDINATOR_BUGS
from tests.support.from_sources import told_from_sources

SECONDS_MAX: Final = 240


def assert_found(name: str, seeds: int) -> None:
    """The bug of that name shows in one of the first `seeds` stories."""
    told = told_from_sources("tests.simulation.planted", name, seeds, seconds_max=SECONDS_MAX)

    assert told.startswith("found with seed "), told


def main(name: str, seeds: int) -> int:
    assert not is_compiled("odradek.broker.coordinator_runner"), "a bug cannot be planted in machine code; set ODRADEK_PURE=1"
    plants = [(plant, simulate) for plant in PLANTED_BUGS] + [(plant, simulate_coordinators) for plant in PLANTED_COORDINATOR_BUGS]
    ((plant, simulated),) = (pair for pair in plants if pair[0].__name__ == name)
    with plant():
        for seed in range(seeds):
            outcome = simulated(seed)
            if outcome.failure is not None:
                print(f"found with seed {seed}: {outcome.failure}")
                return 0
    print(f"{seeds} seeds went by without noticing")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
