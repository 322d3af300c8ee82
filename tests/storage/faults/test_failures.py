"""Every single operation of the script fails in turn; the node goes on as far as it can, and is killed or loses its power.

Whatever the operation was and whatever the error: nothing that is acknowledged afterwards is wrong, and the next start on a healthy disk
finds what was promised. `ODRADEK_FAULTS=full` goes through all; otherwise each run draws a sample whose seed stands in the failure.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
from collections.abc import Callable, Iterator

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import OdradekError
from odradek.testing.disk_faults import CountedFaults, FailFrom, FailOnce
from odradek.testing.disk_operations import CHANGES, Operation
from odradek.testing.simulated_disk import CrashKind
from tests.storage.building import START_MS
from tests.storage.faults.judging import recover_and_judge
from tests.storage.faults.life import DISK_FAILURES, Life, formatted_disk
from tests.storage.faults.script import run

IS_FULL = os.environ.get("ODRADEK_FAULTS") == "full"
# All of it is minutes of work.
pytestmark = pytest.mark.timeout(3600 if IS_FULL else 120)
FAULTS_SAMPLED = 120
# What needs room: the others cannot find that there is none.
NEED_ROOM = CHANGES - {Operation.UNLINK, Operation.REMOVE_DIRECTORY, Operation.TRUNCATE}
FAULT_KINDS: dict[str, Callable[[int], CountedFaults]] = {
    "one operation fails": lambda at: FailOnce(at, written_ratio=0.5),
    "the disk is broken from then on": lambda at: FailFrom(at, written_ratio=0.5),
    "there is no room once": lambda at: FailOnce(at, error_number=errno.ENOSPC, written_ratio=0.5, only=NEED_ROOM),
    "there is no room any more": lambda at: FailFrom(at, error_number=errno.ENOSPC, written_ratio=0.3, only=NEED_ROOM),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of directories go offline here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def operations_counts() -> dict[str, int]:
    """How many operations of each kind of fault the script has when nothing fails."""
    found = {}
    for name, make in FAULT_KINDS.items():
        clock = ManualClock(START_MS)
        faults = make(1 << 40)
        run(Life(formatted_disk(clock).mount(faults), clock))
        found[name] = faults.count
    return found


def live_and_judge(name: str, at: int, seed: int) -> bool:
    """Run the script with one fault; start again after each way of stopping. Whether the fault was met."""
    clock = ManualClock(START_MS)
    disk = formatted_disk(clock)
    faults = FAULT_KINDS[name](at)
    life = Life(disk.mount(faults), clock)
    with contextlib.suppress(*DISK_FAILURES, OdradekError):
        # A start may be given up when the disk fails.
        run(life, tolerate=True)
    for kind in CrashKind:
        if kind is CrashKind.POWER and faults.struck is not None and faults.struck[0] is Operation.SYNC and life.was_restarted:
            # The second life has read from the page cache what the disk has refused, and the disk says yes to the next wait without having
            # it (Linux marks such pages clean). Nobody can promise anything of such a disk but the first life, which stopped using it.
            continue
        recover_and_judge(disk.copy(), kind, random.Random(seed), life.known, ManualClock(clock.now_ms()))
    return faults.struck is not None


@pytest.mark.parametrize("name", FAULT_KINDS)
def test_failing_operation_makes_nothing_wrong(name: str) -> None:
    seed = random.randrange(1 << 32)
    count = operations_counts()[name]
    chosen = range(count) if IS_FULL else random.Random(seed).sample(range(count), min(count, FAULTS_SAMPLED))
    for at in chosen:
        try:
            live_and_judge(name, at, seed)
        except Exception as error:
            raise AssertionError(f"{name} at {at}, seed {seed}: {type(error).__name__} {error}") from error
