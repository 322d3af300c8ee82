"""What keeps a request from becoming dearer unnoticed: processor time per request of four cheap rows, in units of this machine.

Wall time says nothing on a machine that others use, and the counters of instructions are missing in most virtual ones. Processor time is
counted by the kernel for one process; what is left is how fast the processor is, and how slow the kernel's system calls are. So the unit is
what a fixed loop costs, of interpreted Python, checksums and small messages through a pair of sockets, measured before and after each row.
The least of several short measurements counts: whatever disturbs only ever adds.

    python -m benchmarks.guard            measures this checkout, which must be compiled (make compile), beside what is stored
    python -m benchmarks.guard --store    stores what it measured

`tests/benchmarks/test_guard.py` compares with the stored figures and a bound that is generous on purpose: it finds the copy, the second
decoding or the lost compilation that makes a request half as dear again, not a few percent.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.brokers import Broker, OdradekCandidate
from benchmarks.group_frames import (
    OF_GROUP,
    await_coordinator,
    check_committed,
    commit_error_positions,
    commit_frames,
    commit_until_coordinated,
)
from benchmarks.load_generator import LoadOutcome, LoadPlan, run_load
from benchmarks.odradek_install import CHECKOUT
from benchmarks.request_frames import batch_of_size, produce_error_positions, produce_frames, single_record_batch
from benchmarks.rows_fetch import check_fetched, fetch_plan, filled_log
from benchmarks.session import Effort, Session
from benchmarks.topics import check_record_count, create_topic, end_offsets
from odradek.base.interpreted import hot_modules, is_compiled, stale_modules

STORED: Final = CHECKOUT / "tests" / "benchmarks" / "cpu_per_request.json"
# Of the stored figure. Runs on a busy machine differ by a fifth; what is to be found doubles it.
BOUND_RATIO: Final = 1.5
ATTEMPTS: Final = 4
STORED_RUNS: Final = 3
MEASURED_S: Final = 0.6
WARM_S: Final = 0.3
PARTITIONS: Final = 4
BATCH_BYTES: Final = 16 * 1024
FETCH_BYTES: Final = 64 * 1024
LOG_BYTES: Final = 32 * 1024 * 1024
WRITTEN_BYTES_MAX: Final = 200_000_000
LOOP_ROUNDS: Final = 4_000
PRODUCED_TOPIC: Final = "produced"
GROUPS: Final = [f"committing-{number}" for number in range(100)]
FETCHED_TOPIC: Final = "fetched"


def missing_reason() -> str | None:
    """Why nothing can be measured here, or None."""
    if sys.platform != "linux":
        return "processor time of another process is read as Linux tells it"
    if shutil.which(os.environ.get("CC") or "cc") is None:
        return "there is no C compiler for the load generator"
    interpreted = [name for name in hot_modules() if not is_compiled(name)]
    if interpreted:
        return f"{len(interpreted)} hot modules are not compiled (make compile)"
    if stale := stale_modules():
        return f"{', '.join(stale)} were changed after they were compiled (make compile)"
    return None


def loop_cpu_us() -> float:
    """Processor time of one round of the fixed loop, in microseconds."""
    near, far = socket.socketpair()
    payload, counts = bytes(range(256)) * 4, dict.fromkeys(range(64), 0)
    with near, far:
        began = time.process_time()
        for index in range(LOOP_ROUNDS):
            near.send(payload)
            received = far.recv(4096)
            checksum = zlib.crc32(received)
            for key in (index & 63, checksum & 63, (index ^ checksum) & 63):
                counts[key] = counts[key] + len(received) - key
        return (time.process_time() - began) / LOOP_ROUNDS * 1e6


def measured() -> dict[str, float]:
    """Rounds of the loop that one request of each row costs a fresh node of this checkout.

    Raises:
        NotMeasurable: the node did not start, or answered with an error.
    """
    directory = Path(tempfile.mkdtemp(prefix="odradek-guard-"))
    candidate = OdradekCandidate([sys.executable, "-m", "odradek.cli.main"], variables={"PYTHONPATH": str(CHECKOUT / "src")})
    session = Session(candidate, directory, Effort())
    try:
        broker = session.cold_broker()
        create_topic(broker, PRODUCED_TOPIC, PARTITIONS)
        records_per_batch = filled_log(session, broker, FETCHED_TOPIC, PARTITIONS, LOG_BYTES)
        batch, records_of_batch = batch_of_size(BATCH_BYTES, 100)
        fetches = fetch_plan(broker, FETCHED_TOPIC, PARTITIONS, records_per_batch, FETCH_BYTES, MEASURED_S)
        return {
            "produce-single": min(_produced(broker, single_record_batch(100), 1, 10, 5) for _ in range(ATTEMPTS)),
            "produce-16k": min(_produced(broker, batch, records_of_batch, 2, 5) for _ in range(ATTEMPTS)),
            "fetch-64k": min(_fetched(broker, fetches) for _ in range(ATTEMPTS)),
            "commit": _committed(broker),
        }
    finally:
        session.close()


def _produced(broker: Broker, batch: bytes, record_count: int, connections: int, in_flight: int) -> float:
    plan = LoadPlan(
        frames=produce_frames(PRODUCED_TOPIC, PARTITIONS, batch),
        connections=connections,
        in_flight=in_flight,
        measured_s=MEASURED_S,
        warm_s=WARM_S,
        requests_max=WRITTEN_BYTES_MAX // len(batch),
        checked_positions=produce_error_positions(PRODUCED_TOPIC),
    )
    before = sum(end_offsets(broker, PRODUCED_TOPIC, PARTITIONS))
    outcome, rounds = _in_rounds(broker, plan)
    check_record_count(broker, PRODUCED_TOPIC, PARTITIONS, before + outcome.answered_total * record_count)
    return rounds


def _fetched(broker: Broker, plan: LoadPlan) -> float:
    outcome, rounds = _in_rounds(broker, plan)
    check_fetched(outcome, FETCH_BYTES)
    return rounds


def _committed(broker: Broker) -> float:
    await_coordinator(broker, GROUPS[0], OF_GROUP)
    commit_until_coordinated(broker, GROUPS, PRODUCED_TOPIC, 0)
    plan = LoadPlan(
        frames=commit_frames(GROUPS, PRODUCED_TOPIC, 1),
        connections=10,
        in_flight=5,
        measured_s=MEASURED_S,
        warm_s=WARM_S,
        checked_positions=commit_error_positions(PRODUCED_TOPIC),
        has_own_frames=True,
    )
    rounds = min(_in_rounds(broker, plan)[1] for _ in range(ATTEMPTS))
    check_committed(broker, GROUPS, PRODUCED_TOPIC, 1)
    return rounds


def _in_rounds(broker: Broker, plan: LoadPlan) -> tuple[LoadOutcome, float]:
    """One measurement, in units of the loop as it was before and after it."""
    before_us = loop_cpu_us()
    outcome = run_load(broker, plan)
    unit_us = (before_us + loop_cpu_us()) / 2
    assert outcome.broker_cpu_s is not None, "the node is on this machine"
    return outcome, outcome.broker_cpu_s / outcome.answered * 1e6 / unit_us


def stored() -> Mapping[str, float]:
    """The figures of the last `--store`."""
    told: Mapping[str, Mapping[str, float]] = json.loads(STORED.read_text())
    return told["rounds_per_request"]


def dearer(found: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Of the rows that cost more than the bound allows: how many times as much as they did.

    Raises:
        KeyError: a stored row was not measured.
    """
    return {name: found[name] / rounds for name, rounds in known.items() if found[name] > rounds * BOUND_RATIO}


def _typical(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each row."""
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help=f"write {STORED.relative_to(CHECKOUT)}")
    options = parser.parse_args()
    if (reason := missing_reason()) is not None:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    found = _typical([measured() for _ in range(STORED_RUNS)]) if options.store else measured()
    if options.store:
        how = f"python -m benchmarks.guard --store, {machine.today()}, {machine.description()}, Python {sys.version.split()[0]}"
        STORED.parent.mkdir(parents=True, exist_ok=True)
        STORED.write_text(json.dumps({"measured": how, "rounds_per_request": found}, indent=1, ensure_ascii=False) + "\n")
    known = stored()
    for name, rounds in found.items():
        print(f"{name:<16}{rounds:8.3f} rounds per request, {rounds / known[name]:.2f} of what is stored")
    return 1 if dearer(found, known) else 0


if __name__ == "__main__":
    sys.exit(main())
