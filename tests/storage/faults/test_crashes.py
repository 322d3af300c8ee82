"""A crash between any two operations of the script, by kill and by power cut: what was promised is there, and nothing else is.

The script runs once; before each of its operations a copy of the disk is kept together with what was known at that moment. Each copy is
then crashed in several ways and started twice. `ODRADEK_FAULTS=full` goes through all of it; otherwise each run draws a sample
whose seed stands in the failure.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import pytest

from odradek.base.clock import ManualClock
from odradek.testing.disk_faults import Watch
from odradek.testing.disk_operations import CHANGES, SYNCS, WRITES, Operation
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.building import START_MS
from tests.storage.faults.judging import recover_and_judge
from tests.storage.faults.life import Life, formatted_disk
from tests.storage.faults.model import Known
from tests.storage.faults.script import run

IS_FULL = os.environ.get("ODRADEK_FAULTS") == "full"
# All of it is minutes of work.
pytestmark = pytest.mark.timeout(3600 if IS_FULL else 120)
MOMENTS_SAMPLED = 150
RECOVERIES_SAMPLED = 15
POWER_CUTS = 8 if IS_FULL else 2


@dataclass(frozen=True, slots=True)
class Moment:
    """The disk before one operation, and what was known then."""

    number: int
    operation: Operation
    path: str
    disk: SimulatedDisk
    known: Known
    now_ms: int

    def __str__(self) -> str:
        return f"before operation {self.number}, {self.operation.value} of {self.path}"


def recorded() -> list[Moment]:
    """The moments before all operations that change the disk or wait for it; between two of them nothing happens that a crash can show.

    Behind each write there are two more, in which only a part of it has reached the page cache.
    """
    clock = ManualClock(START_MS)
    disk = formatted_disk(clock)
    moments: list[Moment] = []
    half_written: tuple[str, int, int, Known] | None = None

    def keep(operation: Operation, path: str, kept: SimulatedDisk, known: Known) -> None:
        moments.append(Moment(disk.operations_count, operation, path, kept, known, clock.now_ms()))

    def look(operation: Operation, path: str, size: int) -> None:
        nonlocal half_written
        if half_written is not None:
            written_path, start, written_size, known = half_written
            half_written = None
            for part in {1, written_size // 2, written_size - 1} - {0, written_size}:
                torn = disk.copy()
                torn.mount().open(written_path).truncate(start + part)
                keep(Operation.WRITE, written_path, torn, known)
        if operation in CHANGES | SYNCS:
            keep(operation, path, disk.copy(), life.known)
        if operation in WRITES:
            half_written = (path, disk.copy().mount().size(path), size, life.known)

    life = Life(disk.mount(Watch(look)), clock)
    run(life)
    keep(Operation.SYNC, "the end", disk.copy(), life.known)
    return moments


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    return recorded()


def judge_moment(moment: Moment, kind: CrashKind, seed: int) -> None:
    try:
        recover_and_judge(moment.disk.copy(), kind, random.Random(seed), moment.known, ManualClock(moment.now_ms))
    except Exception as error:
        raise AssertionError(f"{kind.value} crash {moment}, seed {seed}: {error}") from error


def test_script_goes_through_hundreds_of_moments(moments: list[Moment]) -> None:
    assert len(moments) > 500
    assert {moment.operation for moment in moments} >= (CHANGES | SYNCS) - {Operation.TRUNCATE, Operation.WRITE_GATHERED}


@pytest.mark.parametrize("kind", list(CrashKind))
def test_nothing_promised_is_lost_whenever_the_machine_stops(moments: list[Moment], kind: CrashKind) -> None:
    base_seed = random.randrange(1 << 32)
    dice = random.Random(base_seed)
    chosen = moments if IS_FULL else dice.sample(moments, MOMENTS_SAMPLED)
    for moment in chosen:
        for round_number in range(POWER_CUTS if kind is CrashKind.POWER else 1):
            judge_moment(moment, kind, base_seed + moment.number * 100 + round_number)


@pytest.mark.parametrize("kind", list(CrashKind))
def test_recovery_that_is_interrupted_is_done_again(moments: list[Moment], kind: CrashKind) -> None:
    """The machine stops once more before each operation with which the start after the crash changes the disk."""
    base_seed = random.randrange(1 << 32)
    dice = random.Random(base_seed)
    for moment in moments[::7] if IS_FULL else dice.sample(moments, RECOVERIES_SAMPLED):
        disk = moment.disk.copy()
        disk.crash(kind, random.Random(base_seed + moment.number))
        interruptions = _interruptions(disk, moment)
        for number, interrupted in enumerate(interruptions):
            judge_moment(interrupted, kind, base_seed + number)


def _interruptions(disk: SimulatedDisk, crashed: Moment) -> list[Moment]:
    """Start on a disk that has just crashed; the moments before all that the start changes or waits for."""
    found: list[Moment] = []

    def look(operation: Operation, path: str, size: int) -> None:
        if operation in CHANGES | SYNCS:
            found.append(Moment(crashed.number, operation, path, disk.copy(), crashed.known, crashed.now_ms))

    Life(disk.mount(Watch(look)), ManualClock(crashed.now_ms), crashed.known).start()
    return found
