"""Coming back: after a crash with gigabytes of log, and with ten thousand partitions.

A crash is SIGKILL: the page cache stays, what the process had not told the kernel is gone. What was acknowledged must be there afterwards,
record by record; a fast start that lost something is no start. Both rows use directories and processes of their own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less
from benchmarks.load_generator import LoadPlan
from benchmarks.request_frames import batch_of_size, produce_error_positions, produce_frames, single_record_batch
from benchmarks.row import GIGABYTE, MEBIBYTE, ONE_CONNECTION, OWN_LOAD, Row
from benchmarks.rows_node import acknowledge_one_record
from benchmarks.session import Session

LOG_BYTES: Final = 5 * GIGABYTE
LOG_TOPIC: Final = "log"
LOG_PARTITIONS: Final = 4
BATCH_BYTES: Final = 1_000_000
WIDE_TOPICS: Final = 10
WIDE_PARTITIONS: Final = 1000
FILL_SECONDS_MAX: Final = 600


def _killed_with_log(session: Session) -> Mapping[str, float]:
    directory = session.directory / session.fresh_name("killed")
    broker = _started(session, directory)
    try:
        batch, batch_records = batch_of_size(BATCH_BYTES, 100)
        topics.create_topic(broker, LOG_TOPIC, LOG_PARTITIONS)
        outcome = session.run_load(
            broker,
            LoadPlan(
                frames=produce_frames(LOG_TOPIC, LOG_PARTITIONS, batch),
                connections=2,
                in_flight=2,
                measured_s=FILL_SECONDS_MAX,
                warm_s=0,
                requests_max=session.effort.amount(LOG_BYTES) // BATCH_BYTES,
                checked_positions=produce_error_positions(LOG_TOPIC),
            ),
        )
        broker.kill()
        began = time.perf_counter()
        broker = session.candidate.start(directory)
        acknowledge_one_record(broker, "after-the-crash")
        elapsed_s = time.perf_counter() - began
        topics.await_leaders(broker, LOG_TOPIC, LOG_PARTITIONS)
        topics.check_record_count(broker, LOG_TOPIC, LOG_PARTITIONS, outcome.answered_total * batch_records)
        return {"first acknowledged record": elapsed_s, "all served": time.perf_counter() - began}
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)


def _many_partitions(session: Session) -> Mapping[str, float]:
    directory = session.directory / session.fresh_name("wide")
    names = [f"wide-{index}" for index in range(WIDE_TOPICS)]
    partition_count = session.effort.amount(WIDE_PARTITIONS)
    broker = _started(session, directory)
    try:
        produced = [_one_record_each(session, broker, name, partition_count) for name in names]
        broker.stop()
        broker, clean_s = _back(session, directory, names, partition_count)
        memory = broker.resident_bytes() / MEBIBYTE
        broker.kill()
        broker, killed_s = _back(session, directory, names, partition_count)
        for name, record_count in zip(names, produced, strict=True):
            topics.check_record_count(broker, name, partition_count, record_count)
        return {"restart": clean_s, "restart after kill -9": killed_s, "memory": memory}
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)


def _one_record_each(session: Session, broker: Broker, name: str, partition_count: int) -> int:
    """A topic with a record in each of its partitions; returns how many records it has."""
    topics.create_topic(broker, name, partition_count)
    frames = produce_frames(name, partition_count, single_record_batch(100))
    plan = LoadPlan(
        frames=frames,
        connections=1,
        in_flight=5,
        measured_s=FILL_SECONDS_MAX,
        warm_s=0,
        requests_max=partition_count,
        checked_positions=produce_error_positions(name),
    )
    return session.run_load(broker, plan).answered_total


def _back(session: Session, directory: Path, names: Sequence[str], partition_count: int) -> tuple[Broker, float]:
    """Start again; the seconds until a record was acknowledged and every partition of all topics has a leader and tells its end."""
    began = time.perf_counter()
    broker = session.candidate.start(directory)
    try:
        acknowledge_one_record(broker, session.fresh_name("back"))
        for name in names:
            topics.await_leaders(broker, name, partition_count)
    except BaseException:
        broker.kill()
        raise
    return broker, time.perf_counter() - began


def _started(session: Session, directory: Path) -> Broker:
    session.candidate.prepare(directory)
    broker = session.candidate.start(directory)
    broker.await_answer()
    # It answers before it may create topics; the first acknowledged record says that it is one of the living.
    acknowledge_one_record(broker, "before")
    return broker


ROWS: Final = (
    Row(
        name="killed-5gb",
        title="Restart after kill -9 with 5 GB of log",
        load=f"{OWN_LOAD} fills 4 partitions with 1 MB batches; {ONE_CONNECTION} until a record of a new topic is acknowledged",
        metrics=(less("first acknowledged record", "s", 0.15, 0.05), less("all served", "s")),
        measure=_killed_with_log,
        starts=True,
    ),
    Row(
        name="partitions-10000",
        title="Restart with 10,000 partitions",
        load=f"{OWN_LOAD} writes a record to each; {ONE_CONNECTION} until a record is acknowledged and every partition tells its end",
        metrics=(less("restart", "s", 0.25, 0.05), less("restart after kill -9", "s", 0.25, 0.05), less("memory", "MiB", 0.3, 0.1)),
        measure=_many_partitions,
        starts=True,
    ),
)
