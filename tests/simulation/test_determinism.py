"""The same seed gives the same trace, bit for bit, in any process; virtual time costs next to nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

from odradek.testing.simulation import simulate
from odradek.testing.tube import Tube

PROGRAM = """
from odradek.testing.simulation import simulate
for seed in ({first}, {second}):
    print(simulate(seed).digest)
"""


def digests_of_another_process(first: int, second: int, *, hash_seed: str) -> list[str]:
    """The traces' fingerprints of two seeds, run in this order where sets and dictionaries of texts have another order."""
    environment = dict(os.environ, PYTHONHASHSEED=hash_seed, PYTHONPATH=os.pathsep.join(sys.path))
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first, second=second)], capture_output=True, text=True, check=True, env=environment
    )
    return ran.stdout.split()


@pytest.mark.parametrize("seeds", [(11, 12), (13, 14)])
def test_same_seed_gives_the_same_trace_in_processes_that_hash_differently(seeds: tuple[int, int]) -> None:
    first, second = seeds
    here = [simulate(first).digest, simulate(second).digest]

    assert digests_of_another_process(first, second, hash_seed="1") == here
    assert digests_of_another_process(second, first, hash_seed="4242") == here[::-1]


def test_another_seed_gives_another_trace() -> None:
    assert simulate(11).digest != simulate(12).digest


def test_trace_is_the_same_however_much_of_it_is_kept() -> None:
    whole, part = simulate(15, lines_max=None), simulate(15, lines_max=3)

    assert whole.digest == part.digest
    assert whole.lines[-3:] == part.lines
    assert len(whole.lines) == whole.lines_count


def test_a_thousand_quiet_seconds_take_a_few_real_ones() -> None:
    """CPU seconds of one core, with room for slow machines: it takes less than one as a rule."""
    tube = Tube(seed=1)
    node = tube.node("node-1")

    async def story() -> None:
        await node.start()
        await asyncio.sleep(1000)
        await node.stop()

    begin_s = time.process_time()
    tube.run(story())

    assert time.process_time() - begin_s < 10
