"""`python -m odradek.testing.simulate`: seeds, one after the other, for as long as one likes; every failing one is said, and kept.

    python -m odradek.testing.simulate --seeds 1000 --seconds 30 --keep tests/simulation/kept_seeds_of_records.txt
    python -m odradek.testing.simulate --story coordinators --first 4711 --seeds 1 --trace

A seed means a story only together with the seconds and the code: `--trace` tells it, to read from the end backwards. What is kept is one
line a seed (`seed seconds  # what was broken`), which the tests replay for ever.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from odradek.testing.coordinated_simulation import CoordinatedPlan, simulate_coordinators
from odradek.testing.simulation import SECONDS_DEFAULT, Outcome, SimulationPlan, simulate

SEEDS_DEFAULT = 200
# The collector rests while a simulation runs, so what a run leaves is taken away behind every few.
SEEDS_PER_COLLECTION = 20
FAILURE_TOLD_MAX = 120

# What a seed may tell: the outcome of a seed, with so many seconds and so many lines kept.
STORIES: Mapping[str, Callable[[int, int, int | None], Outcome]] = {
    "records": lambda seed, seconds, lines_max: simulate(seed, SimulationPlan(seconds=seconds), lines_max=lines_max),
    "coordinators": lambda seed, seconds, lines_max: simulate_coordinators(seed, CoordinatedPlan(seconds=seconds), lines_max=lines_max),
}


class KeptSeed(NamedTuple):
    """A seed that has failed once."""

    seed: int
    seconds: int
    reason: str


def read_kept_seeds(path: Path) -> list[KeptSeed]:
    """The seeds of a file of kept ones; empty where there is none."""
    if not path.exists():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        numbers, _, reason = line.partition("#")
        if numbers.strip():
            seed, seconds = numbers.split()
            kept.append(KeptSeed(int(seed), int(seconds), reason.strip()))
    return kept


def keep_seed(path: Path, outcome: Outcome, seconds: int) -> None:
    """Add a failing seed to the file, unless it is there."""
    if any(kept[:2] == (outcome.seed, seconds) for kept in read_kept_seeds(path)):
        return
    told = " ".join((outcome.failure or "").split())[:FAILURE_TOLD_MAX]
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{outcome.seed} {seconds}  # {told}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that are asked for; 0 if every one kept its promises."""
    parser = argparse.ArgumentParser(prog="python -m odradek.testing.simulate", description="A node in a test tube, by seeds.")
    parser.add_argument("--story", choices=list(STORIES), default="records", help="what it is about (default: %(default)s)")
    parser.add_argument("--first", type=int, default=None, help="the first seed; by default one that nobody has used")
    parser.add_argument("--seeds", type=int, default=SEEDS_DEFAULT, help="how many seeds, 0 for no end (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS_DEFAULT, help="simulated seconds of each (default: %(default)s)")
    parser.add_argument("--keep", type=Path, default=None, help="a file that failing seeds are added to")
    parser.add_argument("--trace", action="store_true", help="print every event of every seed")
    options = parser.parse_args(arguments)
    first = options.first if options.first is not None else time.time_ns() // 1_000_000 % 1_000_000_000
    failed: list[int] = []
    counts: dict[str, int] = {}
    ran = 0
    try:
        while not options.seeds or ran < options.seeds:
            outcome = STORIES[options.story](first + ran, options.seconds, None if options.trace else 40)
            ran += 1
            for what, number in outcome.counts.items():
                counts[what] = counts.get(what, 0) + number
            if options.trace:
                print("\n".join(outcome.lines))
            if outcome.failure is not None:
                failed.append(outcome.seed)
                _tell_failure(outcome, options.story, options.seconds)
                if options.keep is not None:
                    keep_seed(options.keep, outcome, options.seconds)
            if ran % SEEDS_PER_COLLECTION == 0:
                gc.collect()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    print(f"{ran} seeds from {first} of {options.seconds} s each, {len(failed)} failed: {told}")
    return 1 if failed else 0


def _tell_failure(outcome: Outcome, story: str, seconds: int) -> None:
    print(f"seed {outcome.seed} failed: {outcome.failure}")
    options = f"--story {story} --first {outcome.seed} --seeds 1 --seconds {seconds} --trace"
    print(f"  replay: python -m odradek.testing.simulate {options}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
