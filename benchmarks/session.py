"""What a row measures with: one broker of one candidate, started when first asked for and warmed before the first row that needs it warm.

All candidates of a call live at the same time, so that a row can be measured on one and then on the other within seconds; whoever is not
measured idles. `settle` waits until that is true: until nobody computes and the page cache is written.

A just-in-time compiler is at its speed only after tens of seconds of load. Every candidate gets the same load for the same time, whether
it needs that or not.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from benchmarks import processes, topics
from benchmarks.brokers import Broker, Candidate
from benchmarks.load_generator import LoadOutcome, LoadPlan, OffsetWalk, run_load
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import (
    batch_of_size,
    fetch_error_positions,
    fetch_frames,
    fetch_offset_position,
    produce_error_positions,
    produce_frames,
    single_record_batch,
)

WARMED_S: Final = 30.0
WARMED_QUICK_S: Final = 6.0
# Who is quieter than this for a moment is idle: Apache Kafka takes about 0.015 of a core when nobody asks anything of it.
IDLE_CORES_MAX: Final = 0.08
QUIET_WINDOW_S: Final = 0.5
SETTLE_SECONDS_MAX: Final = 20.0
DIRTY_BYTES_MAX: Final = 256 * 1024 * 1024
WARM_BATCH_BYTES: Final = 16 * 1024
# Whoever is fast shall not fill the page cache before anything is measured.
WARM_BYTES_MAX: Final = 2_000_000_000
WARM_PARTITIONS: Final = 4

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long and how much: `quick` is for trying out, its figures are worth little."""

    is_quick: bool = False
    load_processor: int | None = None

    def seconds(self, full: float) -> float:
        return max(1.0, full / 4) if self.is_quick else full

    def amount(self, full: int) -> int:
        return max(1, full // 4) if self.is_quick else full

    @property
    def warmed_s(self) -> float:
        return WARMED_QUICK_S if self.is_quick else WARMED_S


@dataclass(slots=True)
class Session:
    """One candidate under measurement. `variants` are other forms of it that single rows ask for by name."""

    candidate: Candidate
    directory: Path
    effort: Effort
    variants: Mapping[str, Candidate] = field(default_factory=dict)
    _brokers: dict[str, Broker] = field(default_factory=dict)
    _prepared: dict[str, object] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lasting_topics: set[str] = field(default_factory=set)
    _is_warm: bool = False

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def brokers(self) -> list[Broker]:
        """Those that run now."""
        return list(self._brokers.values())

    def cold_broker(self) -> Broker:
        """The broker, running, whether it has worked yet or not."""
        return self._broker_as("", self.candidate)

    def broker(self) -> Broker:
        """The broker after its warming."""
        broker = self.cold_broker()
        if not self._is_warm:
            self._is_warm = True
            warm(broker, self.fresh_name("warming"), self.effort.warmed_s)
        return broker

    def variant_broker(self, variant: str) -> Broker:
        """The broker of that form, or the usual one where the candidate has no such form."""
        if variant not in self.variants:
            return self.broker()
        return self._broker_as(variant, self.variants[variant])

    def fresh_name(self, prefix: str) -> str:
        """A name for a topic or a directory that nobody had."""
        return f"{prefix}-{os.getpid()}-{next(self._numbers)}"

    def lasting_topic(self, prefix: str) -> str:
        """The name of a topic that stays until the session closes: the same for every run, another one in every call of the benchmark."""
        name = f"{prefix}-{os.getpid()}"
        self._lasting_topics.add(name)
        return name

    def prepared(self, key: str, prepare: Callable[[], Prepared]) -> Prepared:
        """What `prepare` made when it was first asked for `key`; for what is filled once and read in every run."""
        if key not in self._prepared:
            self._prepared[key] = prepare()
        found: Prepared = self._prepared[key]  # type: ignore[assignment]
        return found

    def run_load(self, broker: Broker, plan: LoadPlan) -> LoadOutcome:
        """Raises NotMeasurable when anything unexpected was answered."""
        return run_load(broker, plan, processor=self.effort.load_processor)

    def close(self) -> None:
        """Stop what runs, and remove its data; from a broker that goes on running, what was left there for the next run."""
        if not self.candidate.is_startable and self._lasting_topics:
            for broker in self._brokers.values():
                with suppress(NotMeasurable, OSError):
                    topics.delete_topics(broker, sorted(self._lasting_topics))
        for broker in self._brokers.values():
            broker.stop()
        self._brokers.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _broker_as(self, key: str, candidate: Candidate) -> Broker:
        found = self._brokers.get(key)
        if found is None or found.has_ended:
            self._prepared.clear()
            self._is_warm = False
            broker = candidate.start(self.directory / f"broker-{key}" if key else self.directory / "broker")
            self._brokers[key] = broker
            broker.await_answer()
        return self._brokers[key]


def warm(broker: Broker, topic: str, total_s: float) -> None:
    """Batches, single records and fetches of a topic made for it, a third of the time each."""
    batch, _ = batch_of_size(WARM_BATCH_BYTES, 100)
    topics.create_topic(broker, topic, WARM_PARTITIONS)
    for produced in (batch, single_record_batch(100)):
        plan = LoadPlan(
            frames=produce_frames(topic, WARM_PARTITIONS, produced),
            connections=10,
            in_flight=5,
            measured_s=total_s / 3,
            requests_max=WARM_BYTES_MAX // len(produced),
            checked_positions=produce_error_positions(topic),
        )
        run_load(broker, plan)
    frames = fetch_frames(topic, WARM_PARTITIONS, bytes_max=64 * 1024)
    walk = OffsetWalk(position=fetch_offset_position(frames[0]), stride=100, end=min(topics.end_offsets(broker, topic, WARM_PARTITIONS)))
    positions = fetch_error_positions(topic)
    run_load(broker, LoadPlan(frames=frames, connections=4, in_flight=1, measured_s=total_s / 3, checked_positions=positions, walk=walk))
    topics.delete_topics(broker, [topic])


def settle(brokers: Iterable[Broker]) -> None:
    """Wait until no broker computes and little is left to write to the disk; no longer than `SETTLE_SECONDS_MAX`."""
    known = [broker for broker in brokers if broker.process_id is not None and not broker.has_ended]
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < until:
        before = [broker.cpu_s() for broker in known]
        time.sleep(QUIET_WINDOW_S)
        is_quiet = all(broker.cpu_s() - cpu_s < IDLE_CORES_MAX * QUIET_WINDOW_S for broker, cpu_s in zip(known, before, strict=True))
        if is_quiet and processes.dirty_bytes() < DIRTY_BYTES_MAX:
            return
