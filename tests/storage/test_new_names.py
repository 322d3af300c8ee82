"""Files that a log gets beside its segments are durable with the flush that covers them, their names too."""

from __future__ import annotations

import random

import pytest

from odradek.config.log_configuration import LogConfiguration
from odradek.records.control import ControlType
from odradek.storage.log import Log
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.building import START_MS, Shelf, idempotent
from tests.storage.test_transactions import marker, transactional

POWER_CUTS = 40


def durable_shelf() -> tuple[Shelf, SimulatedDisk]:
    """A log that has one durable batch, on a disk whose power can be cut."""
    disk = SimulatedDisk(lambda: START_MS)
    shelf = Shelf(LogConfiguration(), disk.mount())
    shelf.append("before")
    shelf.log.flush()
    disk.settle()
    return shelf, disk


def after_power_cut(shelf: Shelf, disk: SimulatedDisk, seed: int, *, was_clean: bool = False) -> Log:
    """The log as a start finds it whose checkpoint says what was durable."""
    copy = disk.copy()
    copy.crash(CrashKind.POWER, random.Random(seed))
    found = Shelf(shelf.configuration, copy.mount())
    return found.open(was_clean=was_clean, recovery_point=shelf.log.recovery_point)


@pytest.mark.parametrize("seed", range(POWER_CUTS))
def test_power_cut_takes_no_aborted_transaction_out_of_what_was_flushed(seed: int) -> None:
    """The index of aborted transactions is a file that comes long after the log's others; without it readers see what was aborted."""
    shelf, disk = durable_shelf()
    shelf.append_batch(transactional(0, 7))
    shelf.append_batch(marker(ControlType.ABORT, 7))
    shelf.log.flush()

    found = after_power_cut(shelf, disk, seed)

    assert [aborted.producer_id for aborted in found.aborted_transactions(0, 3)] == [7]


@pytest.mark.parametrize("seed", range(POWER_CUTS))
def test_power_cut_after_a_clean_stop_takes_no_producer(seed: int) -> None:
    """Everything was durable before the stop, which only adds a snapshot; where none is found after it, nobody looks for producers."""
    shelf, disk = durable_shelf()
    shelf.append_batch(idempotent(0))
    shelf.append_batch(transactional(0, 8))
    shelf.log.flush()
    shelf.log.close()

    found = after_power_cut(shelf, disk, seed, was_clean=True)

    assert sorted(found.producers.entries) == [7, 8]
    found.high_watermark = found.log_end_offset
    assert found.last_stable_offset == 2
