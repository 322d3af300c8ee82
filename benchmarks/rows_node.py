"""The node itself: how fast it starts, what it costs when nobody asks anything of it, and what it keeps after work.

A start is timed from `exec` to the first acknowledged record, on a directory that was formatted and used before: connect every two
milliseconds, create a topic, write one record with acks=all. The start whose modules are listed (`import_times`) is another one.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.brokers import Broker
from benchmarks.comparison import less
from benchmarks.odradek_install import NotMeasurable, clean_environment
from benchmarks.request_frames import single_record_batch
from benchmarks.row import MEBIBYTE, ONE_CONNECTION, OWN_LOAD, Row
from benchmarks.session import Session, warm
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData

START_SECONDS_MAX: Final = 120.0
TRY_INTERVAL_S: Final = 0.002
IDLE_MEASURED_S: Final = 8.0
# A node that has just started still compiles, elects and cleans up; a quarter of a minute later it is idle.
IDLE_AFTER_S: Final = 15.0
LOADED_S: Final = 12.0
IMPORT_LINES_MAX: Final = 10
_IMPORT_LINE: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


def acknowledge_one_record(broker: Broker, topic: str) -> None:
    """Try until one record is acknowledged.

    Raises:
        NotMeasurable: the process ended, or it took too long.
    """
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        if broker.has_ended:
            break
        with suppress(OSError):
            if _is_acknowledged(broker, topic):
                return
        time.sleep(TRY_INTERVAL_S)
    raise NotMeasurable(f"no record was acknowledged on {broker.address}")


def _is_acknowledged(broker: Broker, topic: str) -> bool:
    client = broker.client()
    try:
        created = client.request(
            CreateTopicsRequest(topics=[CreatableTopic(name=topic, num_partitions=1, replication_factor=1)]), CreateTopicsResponse, 7
        )
        data = [PartitionProduceData(0, single_record_batch(100))]
        request = ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name=topic, partition_data=data)])
        response = client.request(request, ProduceResponse, 9)
    finally:
        client.close()
    return bool(created.topics) and response.responses[0].partition_responses[0].error_code == 0


def _started(session: Session) -> Mapping[str, float]:
    directory = session.directory / "start"
    # The first start formats, fills caches of bytecode and of files, and is not counted.
    session.prepared("start", lambda: started_once(session, directory, "first"))
    return {"first acknowledged record": started_once(session, directory, session.fresh_name("start"))}


def started_once(session: Session, directory: Path, topic: str) -> float:
    """Seconds from `exec` to the first acknowledged record of one start; the node is stopped again."""
    session.candidate.prepare(directory)
    began = time.perf_counter()
    broker = session.candidate.start(directory)
    try:
        acknowledge_one_record(broker, topic)
        return time.perf_counter() - began
    finally:
        broker.stop()


def _idle(session: Session) -> Mapping[str, float]:
    broker = session.cold_broker()
    session.prepared("idle", lambda: time.sleep(session.effort.seconds(IDLE_AFTER_S)))
    measured_s = session.effort.seconds(IDLE_MEASURED_S)
    before_s = broker.cpu_s()
    time.sleep(measured_s)
    return {"memory": broker.resident_bytes() / MEBIBYTE, "CPU": (broker.cpu_s() - before_s) / measured_s * 100}


def _memory_after_load(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    warm(broker, session.fresh_name("loaded"), session.effort.seconds(LOADED_S))
    return {"memory": broker.resident_bytes() / MEBIBYTE}


def import_times(command: Path, directory: Path) -> Sequence[tuple[str, float]]:
    """The modules that take longest to import in a start of `odradek up`, without what they import: name and milliseconds."""
    port = processes.free_port()
    python = str(command.with_name("python"))
    arguments = [python, "-X", "importtime", str(command), "up", "--data", str(directory / "data"), "--port", str(port)]
    directory.mkdir(parents=True, exist_ok=True)
    told = directory / "imports.log"
    with told.open("wb") as file:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file, env=clean_environment())
    broker = Broker(host="127.0.0.1", port=port, process_id=process.pid, data_directory=None, process=process)
    try:
        acknowledge_one_record(broker, "imports")
    finally:
        broker.stop()
    return slowest_imports(told.read_text())


def slowest_imports(told: str) -> list[tuple[str, float]]:
    """The first ten of what `-X importtime` wrote, by the time of each module itself, in milliseconds."""
    lines = [(name, int(own_us) / 1000) for own_us, _, name in _IMPORT_LINE.findall(told)]
    return sorted(lines, key=lambda line: -line[1])[:IMPORT_LINES_MAX]


ROWS: Final = (
    Row(
        name="start",
        title="Start of a formatted node",
        load=f"{ONE_CONNECTION}: from exec to the first acknowledged record of a new topic",
        metrics=(less("first acknowledged record", "s", 0.2, 0.08),),
        measure=_started,
        starts=True,
    ),
    Row(
        name="idle",
        title="Idle node",
        load=f"none: {IDLE_MEASURED_S:.0f} s, {IDLE_AFTER_S:.0f} s after the start",
        metrics=(less("memory", "MiB", 0.2, 0.1), less("CPU", "% of a core", 1.0, 0.2)),
        measure=_idle,
    ),
)

LAST_ROWS: Final = (
    Row(
        name="memory-after-load",
        title="Memory after load",
        load=f"{OWN_LOAD}: batches, single records and fetches, {LOADED_S:.0f} s in all, after all rows above that were asked for",
        metrics=(less("memory", "MiB", 0.15, 0.06),),
        measure=_memory_after_load,
    ),
)
