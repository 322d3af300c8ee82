"""What ten thousand partitions cost one node: made, written to, stopped, started, killed and started again. With Apache Kafka in turns.

    python -m benchmarks.partitions [--partitions 10000] [--topics 10] [--runs 1] [--json FILE]

Each broker has a directory of its own. One record goes to each partition, so that nothing is empty. A start is timed until a record of a
new topic is acknowledged and every partition has a leader and tells its end; every record has to be there. Apache Kafka takes several
minutes for one run of ten thousand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import command, topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less
from benchmarks.load_generator import LoadPlan
from benchmarks.request_frames import produce_error_positions, produce_frames, single_record_batch
from benchmarks.row import MEBIBYTE, OWN_LOAD, Row
from benchmarks.rows_node import acknowledge_one_record
from benchmarks.session import Session

VALUE_BYTES: Final = 100
FILL_SECONDS_MAX: Final = 600
IDLE_S: Final = 5.0
FLOOR: Final = 0.25
GOAL: Final = 0.05
MEMORY_FLOOR: Final = 0.3
MEMORY_GOAL: Final = 0.1
RUNS_DEFAULT: Final = 1


def main() -> int:
    return command.run_rows("benchmarks.partitions", __doc__, _add_arguments, _rows)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--partitions", type=int, default=10_000, metavar="N", help="of all topics together; default: 10000")
    parser.add_argument("--topics", type=int, default=10, metavar="N", help="default: 10")
    parser.set_defaults(runs=RUNS_DEFAULT)


def _rows(options: argparse.Namespace) -> Sequence[Row]:
    return [row(options.partitions, options.topics)]


def row(partitions_count: int, topics_count: int) -> Row:
    """So many partitions, shared evenly by the topics."""
    return Row(
        name=f"partitions-{partitions_count}",
        title=f"{partitions_count:,} partitions of {topics_count} topics, one record in each",
        load=f"{OWN_LOAD} writes the records",
        metrics=(
            less("create", "s"),
            less("memory after writing", "MiB"),
            less("stop after writing", "s"),
            less("restart", "s", FLOOR, GOAL),
            less("memory after the restart", "MiB", MEMORY_FLOOR, MEMORY_GOAL),
            less("open files after the restart", "files"),
            less("idle CPU", "cores"),
            less("restart after kill -9", "s", FLOOR, GOAL),
            less("idle stop", "s"),
        ),
        measure=partial(_measure, topics_count=topics_count, partitions_count=partitions_count // topics_count),
        starts=True,
    )


def _measure(session: Session, *, topics_count: int, partitions_count: int) -> Mapping[str, float]:
    directory = session.directory / session.fresh_name("partitions")
    names = [f"wide-{index}" for index in range(topics_count)]
    count = session.effort.amount(partitions_count)
    session.candidate.prepare(directory)
    broker = session.candidate.start(directory)
    figures: dict[str, float] = {}
    try:
        broker.await_answer()
        acknowledge_one_record(broker, "before")
        began = time.perf_counter()
        for name in names:
            topics.create_topic(broker, name, count)
        figures["create"] = time.perf_counter() - began
        written = [_one_record_each(session, broker, name, count) for name in names]
        figures["memory after writing"] = broker.resident_bytes() / MEBIBYTE
        figures["stop after writing"] = _stopped(broker)
        broker, figures["restart"] = _back(session, directory, names, count)
        figures |= _at_rest(broker)
        broker.kill()
        broker, figures["restart after kill -9"] = _back(session, directory, names, count)
        for name, record_count in zip(names, written, strict=True):
            topics.check_record_count(broker, name, count, record_count)
        figures["idle stop"] = _stopped(broker)
        return figures
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)


def _one_record_each(session: Session, broker: Broker, name: str, count: int) -> int:
    """At least one record for each partition; returns how many, with those that were in flight when the last was answered."""
    plan = LoadPlan(
        frames=produce_frames(name, count, single_record_batch(VALUE_BYTES)),
        connections=1,
        in_flight=5,
        measured_s=FILL_SECONDS_MAX,
        warm_s=0,
        requests_max=count,
        checked_positions=produce_error_positions(name),
    )
    return session.run_load(broker, plan).answered_total


def _at_rest(broker: Broker) -> Mapping[str, float]:
    """What the node holds and costs when it has come back and nobody asks anything."""
    time.sleep(IDLE_S)
    before_s = broker.cpu_s()
    began = time.perf_counter()
    time.sleep(IDLE_S)
    idle_cores = (broker.cpu_s() - before_s) / (time.perf_counter() - began)
    return {
        "memory after the restart": broker.resident_bytes() / MEBIBYTE,
        "open files after the restart": float(_open_files(broker)),
        "idle CPU": idle_cores,
    }


def _open_files(broker: Broker) -> int:
    return len(list(Path(f"/proc/{broker.process_id}/fd").iterdir()))


def _stopped(broker: Broker) -> float:
    began = time.perf_counter()
    broker.stop()
    return time.perf_counter() - began


def _back(session: Session, directory: Path, names: Sequence[str], count: int) -> tuple[Broker, float]:
    """Start again; the seconds until a record was acknowledged and every partition tells its end."""
    began = time.perf_counter()
    broker = session.candidate.start(directory)
    try:
        acknowledge_one_record(broker, session.fresh_name("back"))
        for name in names:
            topics.await_leaders(broker, name, count)
    except BaseException:
        broker.kill()
        raise
    return broker, time.perf_counter() - began


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
