"""The simulator finds what it is there to find in coordinators. That it is silent without the bugs is what `test_coordinators` shows."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.planted_coordinator_bugs import PLANTED_COORDINATOR_BUGS
from tests.simulation.test_coordinators import SEEDS_COUNT

# Nearly all show in the first.
SEEDS_MAX = 16
SECONDS_MAX = 240


@pytest.mark.timeout(SECONDS_MAX + 30)
@pytest.mark.parametrize("name", [plant.__name__ for plant in PLANTED_COORDINATOR_BUGS])
def test_simulator_finds_the_bug(name: str) -> None:
    assert SEEDS_MAX <= SEEDS_COUNT
    command = [sys.executable, "-m", "tests.simulation.planted_coordinator_bugs", name, str(SEEDS_MAX)]
    environment = {**os.environ, "ODRADEK_PURE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("found with seed "), done.stdout
