"""From `exec` to the first acknowledged record, and the memory of an idle node: Odradek and Apache Kafka in turns, as ratios.

    python -m benchmarks.start [--runs 5] [--json]

Both nodes are formatted beforehand. The clock starts when the process does; the benchmark then tries to connect every two milliseconds,
creates a topic and writes one record with acks=all. Memory is the resident set two seconds later. Without Java only Odradek is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.support import reference_kafka
from tests.support.wire_client import WireClient

# As `odradek` itself starts, and with the bytecode cache that an install makes.
COMMAND = (sys.executable, "-m", "odradek.cli.main")
IDLE_S = 2.0
START_TIMEOUT_S = 60.0
TRY_INTERVAL_S = 0.002


@dataclass(frozen=True, slots=True)
class Start:
    """One start of one node."""

    first_acknowledgement_s: float
    idle_memory_mib: float
    idle_cpu_ratio: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        candidates = {"odradek": odradek_command(Path(directory))}
        reason = reference_kafka.missing_reason()
        if reason is None:
            candidates["apache-kafka"] = kafka_command(Path(directory))
        else:
            print(f"Apache Kafka is left out: {reason}", file=sys.stderr)
        starts: dict[str, list[Start]] = {name: [] for name in candidates}
        for run in range(options.runs + 1):
            for name, start in candidates.items():
                measured = measure(start, run)
                # The first round warms the page cache and formats the directories.
                if run > 0:
                    starts[name].append(measured)
    if options.json:
        print(json.dumps({name: [asdict(start) for start in rows] for name, rows in starts.items()}, indent=1))
    else:
        print_table(starts)
    return 0


def odradek_command(directory: Path) -> Callable[[], tuple[subprocess.Popen[bytes], int]]:
    """Starts `odradek up`; returns the process and the port it will serve."""

    def start() -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        command = [*COMMAND, "up", "--data", str(directory / "odradek"), "--port", str(port)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment), port

    return start


def kafka_command(directory: Path) -> Callable[[], tuple[subprocess.Popen[bytes], int]]:
    """Starts Apache Kafka on a directory that was formatted for it."""
    command, port = reference_kafka.ReferenceNode(directory / "kafka").prepare()
    return lambda: (subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), port)


def measure(start: Callable[[], tuple[subprocess.Popen[bytes], int]], run: int) -> Start:
    """Start, write one record, stop."""
    began = time.perf_counter()
    process, port = start()
    try:
        acknowledge_one_record(port, f"benchmark-{run}", began)
        first_acknowledgement_s = time.perf_counter() - began
        cpu_before = cpu_s(process.pid)
        time.sleep(IDLE_S)
        return Start(first_acknowledgement_s, resident_mib(process.pid), (cpu_s(process.pid) - cpu_before) / IDLE_S)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=START_TIMEOUT_S)


def acknowledge_one_record(port: int, topic: str, began: float) -> None:
    """Try until one record is acknowledged."""
    while True:
        with suppress(OSError):
            client = WireClient("127.0.0.1", port)
            try:
                created = client.request(
                    CreateTopicsRequest(topics=[CreatableTopic(name=topic, num_partitions=1, replication_factor=1)]),
                    CreateTopicsResponse,
                    7,
                )
                batch = encode_batch([Record(0, int(time.time() * 1000), None, b"first")])
                request = ProduceRequest(
                    acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name=topic, partition_data=[PartitionProduceData(0, batch)])]
                )
                response = client.request(request, ProduceResponse, 9)
                if created.topics and response.responses[0].partition_responses[0].error_code == 0:
                    return
            finally:
                client.close()
        if time.perf_counter() - began > START_TIMEOUT_S:
            raise TimeoutError(f"no record was acknowledged on port {port} within {START_TIMEOUT_S} s")
        time.sleep(TRY_INTERVAL_S)


def resident_mib(process_id: int) -> float:
    """The resident set of a process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(process_id)


def cpu_s(process_id: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def print_table(starts: dict[str, list[Start]]) -> None:
    """Medians with their spread, and the ratios."""
    rows = {
        "first acknowledged record, s": "first_acknowledgement_s",
        "idle memory, MiB": "idle_memory_mib",
        "idle CPU, cores": "idle_cpu_ratio",
    }
    for title, field in rows.items():
        print(title)
        medians = {}
        for name, measured in starts.items():
            values: Sequence[float] = [getattr(start, field) for start in measured]
            medians[name] = statistics.median(values)
            print(f"  {name:<14}{medians[name]:10.3f}   {min(values):.3f} to {max(values):.3f}")
        if len(medians) == 2 and medians["apache-kafka"]:
            print(f"  {'ratio':<14}{medians['odradek'] / medians['apache-kafka']:10.3f}")


if __name__ == "__main__":
    sys.exit(main())
