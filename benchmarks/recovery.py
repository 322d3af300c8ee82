"""Back after `kill -9`, by how much log there is and of what batches: Odradek and Apache Kafka in turns, as ratios.

    python -m benchmarks.recovery [--gigabytes 5,10] [--batches 1000000,16384] [--partitions 4] [--runs 3] [--json FILE]

Each broker fills a directory of its own through its front door, is killed as a crash does, and started again on the same directory. Timed
are the first acknowledged record of a new topic, and the moment from which every partition tells its end. What was acknowledged before must
all be there. Rolled segments are on the disk by then, so what is read again is mostly the active segments: up to 1 GB for each partition.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from benchmarks import command, topics
from benchmarks.comparison import less
from benchmarks.load_generator import LoadPlan
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import batch_of_size, produce_error_positions, produce_frames
from benchmarks.row import GIGABYTE, OWN_LOAD, Row
from benchmarks.rows_node import acknowledge_one_record
from benchmarks.session import Session

TOPIC: Final = "log"
VALUE_BYTES: Final = 100
FILL_SECONDS_MAX: Final = 900
FLOOR: Final = 0.15
GOAL: Final = 0.05


def main() -> int:
    return command.run_rows("benchmarks.recovery", __doc__, _add_arguments, _rows)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gigabytes", type=_numbers, default=[5.0], metavar="N,N", help="how much log; default: 5")
    parser.add_argument("--batches", type=_numbers, default=[1_000_000.0], metavar="N,N", help="bytes of a batch; default: 1000000")
    parser.add_argument("--partitions", type=int, default=4, metavar="N", help="default: 4")


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _rows(options: argparse.Namespace) -> Sequence[Row]:
    return [row(gigabytes, int(batch_bytes), options.partitions) for gigabytes in options.gigabytes for batch_bytes in options.batches]


def row(gigabytes: float, batch_bytes: int, partitions_count: int) -> Row:
    """One size of log, in batches of one size."""
    return Row(
        name=f"killed-{gigabytes:g}gb-{batch_bytes}",
        title=f"Restart after kill -9 with {gigabytes:g} GB in batches of {batch_bytes:,} bytes, {partitions_count} partitions",
        load=f"{OWN_LOAD} fills the log with acks=all",
        metrics=(less("first acknowledged record", "s", FLOOR, GOAL), less("all served", "s"), less("CPU of the restart", "s")),
        measure=partial(_measure, log_bytes=int(gigabytes * GIGABYTE), batch_bytes=batch_bytes, partitions_count=partitions_count),
        starts=True,
    )


def _measure(session: Session, *, log_bytes: int, batch_bytes: int, partitions_count: int) -> Mapping[str, float]:
    directory = session.directory / session.fresh_name("recovery")
    session.candidate.prepare(directory)
    broker = session.candidate.start(directory)
    try:
        broker.await_answer()
        acknowledge_one_record(broker, "before")
        batch, batch_records = batch_of_size(batch_bytes, VALUE_BYTES)
        topics.create_topic(broker, TOPIC, partitions_count)
        requests_count = max(1, session.effort.amount(log_bytes) // len(batch))
        plan = LoadPlan(
            frames=produce_frames(TOPIC, partitions_count, batch),
            connections=2,
            in_flight=2,
            measured_s=FILL_SECONDS_MAX,
            warm_s=0,
            requests_max=requests_count,
            checked_positions=produce_error_positions(TOPIC),
        )
        outcome = session.run_load(broker, plan)
        if outcome.answered_total < requests_count:
            raise NotMeasurable(f"the log was not full after {FILL_SECONDS_MAX} s")
        broker.kill()
        began = time.perf_counter()
        broker = session.candidate.start(directory)
        acknowledge_one_record(broker, "after")
        acknowledged_s = time.perf_counter() - began
        topics.await_leaders(broker, TOPIC, partitions_count)
        served_s = time.perf_counter() - began
        cpu_s = broker.cpu_s()
        topics.check_record_count(broker, TOPIC, partitions_count, outcome.answered_total * batch_records)
        return {"first acknowledged record": acknowledged_s, "all served": served_s, "CPU of the restart": cpu_s}
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
