"""The brokers that are compared: how each is started on a fresh directory, and one that runs already.

A `Candidate` is a product with its settings; a `Broker` is one running process of it. Apache Kafka gets the options that its own start
script gives it (1 GB of heap, G1 with the pauses that it asks for). Odradek is the installed command, started as a user starts it. Of a
broker that only an address is known of, processor time and memory are read where its process is on this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from benchmarks import processes
from benchmarks.odradek_install import NotMeasurable, clean_environment
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from tests.support.reference_kafka import ReferenceNode
from tests.support.wire_client import WireClient

START_SECONDS_MAX: Final = 120
# Ten thousand partitions take Apache Kafka a while to close.
STOP_SECONDS_MAX: Final = 180
TRY_INTERVAL_S: Final = 0.002

# What bin/kafka-server-start.sh of the distribution passes to Java, with its heap.
KAFKA_JAVA_OPTIONS: Final = (
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
)


@dataclass(slots=True, kw_only=True)
class Broker:
    """One running broker. `process` is None where somebody else started it."""

    host: str
    port: int
    process_id: int | None
    data_directory: Path | None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def has_ended(self) -> bool:
        """Whether a process that was started here is no more."""
        return self.process is not None and self.process.poll() is not None

    def cpu_s(self) -> float:
        """Raises NotMeasurable for a broker on another machine."""
        return processes.cpu_s(self._known_process())

    def resident_bytes(self) -> int:
        """Raises NotMeasurable for a broker on another machine."""
        return processes.resident_bytes(self._known_process())

    def client(self) -> WireClient:
        return WireClient(self.host, self.port, timeout_s=120)

    def await_answer(self) -> None:
        """Wait for the first response to ApiVersions.

        Raises:
            NotMeasurable: the process ended, or did not answer in time.
        """
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            if self.has_ended:
                break
            with suppress(OSError):
                client = self.client()
                try:
                    client.request(ApiVersionsRequest(), ApiVersionsResponse, 0)
                    return
                finally:
                    client.close()
            time.sleep(TRY_INTERVAL_S)
        raise NotMeasurable(f"no broker answers on {self.address}")

    def stop(self) -> None:
        """End it cleanly, if this process started it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(by)
        try:
            process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _known_process(self) -> int:
        if self.process_id is None:
            raise NotMeasurable(f"the process behind {self.address} is not on this machine")
        return self.process_id


class Candidate(Protocol):
    """A product that can be measured. `start` does not wait for it; a directory that was used before is used again."""

    @property
    def name(self) -> str: ...

    @property
    def is_startable(self) -> bool: ...

    def prepare(self, directory: Path) -> None:
        """Do what comes once before the first start, so that it is not part of one."""
        ...

    def start(self, directory: Path) -> Broker:
        """Raises NotMeasurable where `is_startable` is not given."""
        ...


@dataclass(slots=True)
class OdradekCandidate:
    """The command `odradek up`, of any environment. `variables` are those of its process beside what this one has."""

    command: Sequence[str]
    name: str = "Odradek"
    variables: Mapping[str, str] = field(default_factory=dict)
    pinned_to: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    is_startable: bool = True

    def prepare(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, directory: Path) -> Broker:
        self.prepare(directory)
        port = processes.free_port()
        command = [*self.command, "up", "--data", str(directory / "data"), "--port", str(port)]
        for name, setting in self.settings.items():
            command += ["--set", f"{name}={setting}"]
        return _launched(pinned(command, self.pinned_to), port, directory, {**clean_environment(), **self.variables})


@dataclass(slots=True)
class KafkaCandidate:
    """Apache Kafka, from Maven's repository."""

    name: str = "Apache Kafka"
    pinned_to: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    is_startable: bool = True

    def prepare(self, directory: Path) -> None:
        self._node(directory).prepare()

    def start(self, directory: Path) -> Broker:
        command, port = self._node(directory).prepare()
        return _launched(pinned(command, self.pinned_to), port, directory, dict(os.environ))

    def _node(self, directory: Path) -> ReferenceNode:
        return ReferenceNode(directory, self.settings, java_options=KAFKA_JAVA_OPTIONS)


@dataclass(slots=True)
class RunningCandidate:
    """A broker that somebody started; rows that start, stop or look into its directory leave it out."""

    host: str
    port: int
    is_startable: bool = False

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def prepare(self, directory: Path) -> None:
        return

    def start(self, directory: Path) -> Broker:
        is_here = self.host in {"127.0.0.1", "localhost"}
        process_id = processes.process_listening_on(self.port) if is_here else None
        return Broker(host=self.host, port=self.port, process_id=process_id, data_directory=None)


def candidate_at(url: str) -> RunningCandidate:
    """The broker at `host:port`, with or without `kafka://` before it.

    Raises:
        NotMeasurable: it is no address.
    """
    host, separator, port = url.removeprefix("kafka://").rstrip("/").rpartition(":")
    if not separator or not host or not port.isdecimal():
        raise NotMeasurable(f"{url} is no address like 127.0.0.1:9092")
    return RunningCandidate(host, int(port))


def pinned(command: Sequence[str], processor: int | None) -> list[str]:
    """`command` on one processor only, where one is given."""
    return list(command) if processor is None else ["taskset", "-c", str(processor), *command]


def _launched(command: Sequence[str], port: int, directory: Path, environment: Mapping[str, str]) -> Broker:
    with (directory / "broker.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    return Broker(host="127.0.0.1", port=port, process_id=process.pid, data_directory=directory / "data", process=process)
