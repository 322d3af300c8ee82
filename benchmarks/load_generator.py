"""The load of our own: C programmes (`load/`) that send frames which are encoded already, so that the broker is what is measured.

They are compiled at first use with the C compiler that compiling Odradek needs anyway, into `build/benchmarks`. Each runs in a process of
its own, with one thread; what it costs itself is part of every outcome. An error code, a wrong correlation id or a closed connection ends
it, and the measurement with it. Driven from here is that for requests which know nothing of each other; the other from `transaction_load`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.brokers import Broker, pinned
from benchmarks.latency_histogram import LatencyHistogram
from benchmarks.odradek_install import BUILD_DIRECTORY, NotMeasurable

SOURCES: Final = Path(__file__).resolve().parent / "load"
FRAMES_PROGRAMME: Final = "frames"
TRANSACTIONS_PROGRAMME: Final = "transactions"
# What each programme is made of, beside what all are.
SOURCES_BY_PROGRAMME: Final = {FRAMES_PROGRAMME: ("frames.c", "connection.c"), TRANSACTIONS_PROGRAMME: ("transactions.c",)}
COMMON_SOURCES: Final = ("common.c",)
COMPILER_OPTIONS: Final = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
# Beyond what was asked for: connecting, draining, and a broker that stands still for a while.
GRACE_S: Final = 60
# At a pace, requests that were due and could not even be sent are a broker that does not keep up, not a latency.
UNSENT_RATIO_MAX: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetWalk:
    """Fetches that walk a log: the place of the offset in the frame, the step, and where the walk begins again at 0."""

    position: int
    stride: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One measurement. Each connection sends all frames in turn, or with `has_own_frames` every frame is sent by one connection alone.

    `rate` is requests per second of all connections, 0 as fast as they go.
    """

    frames: Sequence[bytes]
    connections: int
    in_flight: int
    measured_s: float
    warm_s: float = 1.0
    rate: float = 0
    requests_max: int | None = None
    checked_positions: Sequence[int] = ()
    walk: OffsetWalk | None = None
    has_own_frames: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOutcome:
    """What was measured. `answered_total` counts warming and draining too: it is what a log must have grown by."""

    answered: int
    answered_total: int
    measured_s: float
    response_bytes: int
    response_bytes_min: int
    response_bytes_max: int
    broker_cpu_s: float | None
    own_cpu_s: float
    latencies: LatencyHistogram
    first_response: bytes = field(repr=False)
    last_response: bytes = field(repr=False)

    @property
    def requests_per_s(self) -> float:
        return self.answered / self.measured_s


def compiled(programme: str) -> Path:
    """One of the programmes, compiled if the sources are not what was compiled last.

    Raises:
        NotMeasurable: there is no C compiler, or it fails.
    """
    digest = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    executable = BUILD_DIRECTORY / f"load-{programme}-{digest.hexdigest()[:16]}"
    if executable.exists():
        return executable
    compiler = os.environ.get("CC") or "cc"
    if shutil.which(compiler) is None:
        raise NotMeasurable(f"there is no C compiler ({compiler}) for the load generator")
    BUILD_DIRECTORY.mkdir(parents=True, exist_ok=True)
    # Another benchmark may compile at the same time: the last rename wins, and both are whole.
    unfinished = executable.with_suffix(f".{os.getpid()}")
    sources = [str(SOURCES / name) for name in (*SOURCES_BY_PROGRAMME[programme], *COMMON_SOURCES)]
    done = subprocess.run([compiler, *COMPILER_OPTIONS, "-o", str(unfinished), *sources], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasurable(f"the load generator does not compile: {done.stderr[-2000:]}")
    unfinished.rename(executable)
    return executable


class RunningLoad:
    """A load in its own process, from `start` to `finish`."""

    def __init__(self, broker: Broker, plan: LoadPlan, *, processor: int | None = None) -> None:
        self._plan = plan
        self._directory = tempfile.TemporaryDirectory(prefix="odradek-load-")
        work = Path(self._directory.name)
        self._first, self._last = work / "first", work / "last"
        (work / "frames").write_bytes(b"".join(plan.frames))
        arguments = _arguments(broker, plan, work / "frames")
        arguments += ["--first-response", str(self._first), "--last-response", str(self._last)]
        command = pinned([str(compiled(FRAMES_PROGRAMME)), *arguments], processor)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> LoadOutcome:
        """Wait for the outcome.

        Raises:
            NotMeasurable: something unexpected was answered, or the broker did not keep up with the pace.
        """
        try:
            output, errors = self._process.communicate(timeout=self._plan.warm_s + self._plan.measured_s + GRACE_S)
            if self._process.returncode != 0:
                raise NotMeasurable(errors.strip() or f"the load ended with {self._process.returncode}")
            return parsed_outcome(output, _bytes_of(self._first), _bytes_of(self._last))
        except subprocess.TimeoutExpired as failure:
            raise NotMeasurable("the load did not end in time") from failure
        finally:
            self._process.kill()
            self._process.wait()
            self._directory.cleanup()


def run_load(broker: Broker, plan: LoadPlan, *, processor: int | None = None) -> LoadOutcome:
    """Raises NotMeasurable when anything unexpected was answered."""
    return RunningLoad(broker, plan, processor=processor).finish()


@contextmanager
def held_load(broker: Broker, frames: Sequence[bytes], *, connections: int) -> Iterator[None]:
    """Connections that each have sent one request, and stay open until the block ends.

    Raises:
        NotMeasurable: not all could be opened.
    """
    with tempfile.TemporaryDirectory(prefix="odradek-load-") as directory:
        file = Path(directory) / "frames"
        file.write_bytes(b"".join(frames))
        plan = LoadPlan(frames=frames, connections=connections, in_flight=1, measured_s=0)
        command = [str(compiled(FRAMES_PROGRAMME)), *_arguments(broker, plan, file), "--hold"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "held\n":
                _, errors = process.communicate(timeout=GRACE_S)
                raise NotMeasurable(errors.strip())
            yield
        finally:
            process.kill()
            process.communicate()


def _arguments(broker: Broker, plan: LoadPlan, frames: Path) -> list[str]:
    options: dict[str, object] = {
        "--host": broker.host,
        "--port": broker.port,
        "--frames": frames,
        "--connections": plan.connections,
        "--in-flight": plan.in_flight,
        "--seconds": plan.measured_s,
        "--warm-seconds": plan.warm_s,
        "--rate": plan.rate,
    }
    if broker.process_id is not None:
        options["--process"] = broker.process_id
    if plan.requests_max is not None:
        options["--requests-max"] = plan.requests_max
    if plan.has_own_frames:
        assert len(plan.frames) % plan.connections == 0, "the frames cannot be dealt out evenly"
        options["--frame-step"] = plan.connections
    if plan.walk is not None:
        options |= {"--offset-at": plan.walk.position, "--offset-stride": plan.walk.stride, "--offset-end": plan.walk.end}
    arguments = [str(part) for option in options.items() for part in option]
    for position in plan.checked_positions:
        arguments += ["--check-at", str(position)]
    return arguments


def parsed_outcome(output: str, first_response: bytes, last_response: bytes) -> LoadOutcome:
    """The outcome from what the programme printed.

    Raises:
        NotMeasurable: nothing was answered in time, or too much was due that could not be sent.
    """
    told = json.loads(output)
    answered = int(told["answered"])
    if answered == 0:
        raise NotMeasurable("nothing was answered while it was measured")
    if told["unsent"] > UNSENT_RATIO_MAX * answered:
        raise NotMeasurable(f"{told['unsent']} requests were due and could not be sent: the broker does not keep up with the pace")
    latencies = LatencyHistogram([(bucket, count) for bucket, count in told["latencies"]["counts"]], told["latencies"]["maximum"])
    assert latencies.total == answered, f"{latencies.total} latencies of {answered} answers"
    return LoadOutcome(
        answered=answered,
        answered_total=answered + int(told["answered_apart"]),
        measured_s=told["measured_ns"] / 1e9,
        response_bytes=int(told["response_bytes"]),
        response_bytes_min=int(told["response_bytes_min"]),
        response_bytes_max=int(told["response_bytes_max"]),
        broker_cpu_s=told["process_cpu_ns"] / 1e9 if told["process_cpu_ns"] > 0 else None,
        own_cpu_s=told["own_cpu_ns"] / 1e9,
        latencies=latencies,
        first_response=first_response,
        last_response=last_response,
    )


def _bytes_of(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""
