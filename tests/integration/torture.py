"""A node that is killed again and again under load, and what it has to show for it afterwards.

A story is one data directory: its settings are drawn by the seed, producers of every kind and a reader are at work from its first moment to
its last, and meanwhile every round ends the node in one of the ways that a process can end: SIGKILL, SIGKILL while it starts and recovers,
SIGTERM, SIGKILL during the stop. Afterwards everything is read back and judged (`account.judge`), and the files are looked through.

    make torture ROUNDS=200 SEED=7

A seed repeats settings and plan, not the microsecond of a kill; what a failed story leaves behind is kept and named.
"""

from __future__ import annotations

import argparse
import enum
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from odradek.base.identifiers import TopicPartition
from odradek.storage.clean_shutdown import CLEAN_SHUTDOWN_FILE
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.account import Verdict, judge
from tests.integration.load import Load
from tests.integration.reading import Companion, read_everything
from tests.support import reference_kafka
from tests.support.odradek_node import OdradekNode, free_port

TOPIC: Final = "under-load"
PARTITION_COUNT: Final = 4
# After so many rounds a story ends: what is read back has to stay small enough to be held in memory.
ROUNDS_PER_STORY: Final = 12
ANSWERS_SECONDS_MAX: Final = 30
_FAULTS_SHOWN_MAX: Final = 20


class Ending(enum.Enum):
    """How a round ends the node."""

    KILL = "killed under load"
    KILL_AT_START = "killed under load, and again while it started"
    STOP = "stopped under load"
    KILL_AT_STOP = "killed while it stopped"


# Each once, then the usual ones more often.
_ENDINGS: Final = (*Ending, Ending.KILL, Ending.KILL, Ending.KILL_AT_START)


@dataclass(slots=True)
class Outcome:
    """What one story or all of them came to."""

    kills: int = 0
    starts: int = 0
    endings: Counter[Ending] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)

    def add(self, other: Outcome) -> None:
        self.kills += other.kills
        self.starts += other.starts
        self.endings += other.endings
        self.verdict.faults += other.verdict.faults
        self.verdict.records += other.verdict.records
        self.verdict.acknowledged += other.verdict.acknowledged
        self.verdict.doubled += other.verdict.doubled

    def __str__(self) -> str:
        verdict = self.verdict
        return (
            f"{self.starts} starts, {self.kills} kills, {verdict.acknowledged} records acknowledged, {verdict.records} read back, "
            f"{verdict.doubled} doubled by plain producers, {len(verdict.faults)} faults"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed has drawn for a story."""

    seed: int
    endings: tuple[Ending, ...]
    directory_count: int
    topic_settings: dict[str, str]
    node_settings: dict[str, str]

    @classmethod
    def of(cls, seed: int, rounds: int) -> Plan:
        dice = random.Random(seed)
        endings = list(_ENDINGS[:rounds])
        endings += dice.choices(_ENDINGS, k=rounds - len(endings))
        dice.shuffle(endings)
        return cls(
            seed=seed,
            endings=tuple(endings),
            directory_count=dice.choice([1, 2]),
            topic_settings={
                "internal.segment.bytes": str(dice.choice([40_000, 200_000, 1_000_000])),
                "index.interval.bytes": str(dice.choice([100, 4096])),
                "flush.messages": dice.choice(["1", "1000", "9223372036854775807"]),
            },
            node_settings={
                # So that recovery begins at all kinds of places, and checkpoints are being written when the node dies.
                "log.initial.task.delay.ms": "50",
                "log.flush.offset.checkpoint.interval.ms": str(dice.choice([60, 500, 60_000])),
                "log.flush.start.offset.checkpoint.interval.ms": "100",
                "replica.high.watermark.checkpoint.interval.ms": "100",
                "num.recovery.threads.per.data.dir": str(dice.choice([1, 2])),
                "metadata.log.max.record.bytes.between.snapshots": str(dice.choice([3_000, 20_971_520])),
                "auto.create.topics.enable": "false",
            },
        )


class Story:
    """One data directory from its formatting to its end."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._plan = plan
        self._dice = random.Random(plan.seed + 1)
        self.directories = [directory / f"data-{n}" for n in range(plan.directory_count)]
        settings = plan.node_settings | {"log.dirs": ",".join(map(str, self.directories))}
        self._node = OdradekNode(directory, settings, port=free_port())
        self._partitions = [TopicPartition(TOPIC, n) for n in range(PARTITION_COUNT)]
        self._outcome = Outcome()
        # Topics that the node has acknowledged to exist, and those it has acknowledged to be gone.
        self._made: list[str] = []
        self._deleted: list[str] = []

    def tell(self) -> Outcome:
        """Live through all rounds; what came of it. The node is down when this returns, stopped in good order."""
        self._start()
        try:
            self._live()
        except BaseException:
            if self._node.is_running:
                self._node.kill()
            raise
        self._node.stop()
        self._check_files()
        return self._outcome

    def _live(self) -> None:
        bootstrap = self._node.bootstrap
        Librdkafka(bootstrap).create_topic(TOPIC, partition_count=PARTITION_COUNT, settings=self._plan.topic_settings)
        load, companion = Load(bootstrap, self._partitions, self._plan.seed), Companion(bootstrap, self._partitions)
        load.start()
        companion.start()
        for number, ending in enumerate(self._plan.endings):
            self._change_topics(number)
            # Some rounds end in the middle of the producers' return, others when they are in full swing.
            assert load.wait_for_answers(self._dice.randrange(2000), ANSWERS_SECONDS_MAX), f"nothing is answered: {self._node.log_tail()}"
            time.sleep(self._dice.random() * 0.05)
            self._outcome.endings[ending] += 1
            self._end(ending)
            self._start()
        load.settle()
        read = read_everything(bootstrap, self._partitions)
        companion.stop()
        self._outcome.verdict = judge(load.accounts, read)
        self._outcome.verdict.faults += companion.faults(read)
        self._check_topics()

    def _start(self) -> None:
        self._node.start()
        self._outcome.starts += 1

    def _kill(self) -> None:
        self._node.kill()
        self._outcome.kills += 1

    def _end(self, ending: Ending) -> None:
        match ending:
            case Ending.KILL:
                self._kill()
            case Ending.KILL_AT_START:
                self._kill()
                for _ in range(self._dice.randint(1, 3)):
                    self._node.launch()
                    time.sleep(self._dice.random() * 0.6)
                    self._kill()
            case Ending.STOP:
                self._node.stop()
                unmarked = [directory for directory in self.directories if not (directory / CLEAN_SHUTDOWN_FILE).exists()]
                assert not unmarked, f"a clean stop left no mark in {unmarked}"
            case Ending.KILL_AT_STOP:
                self._node.begin_stop()
                time.sleep(self._dice.random() * 0.2)
                self._kill()

    # Metadata: what was acknowledged of topics and settings holds, too.

    def _change_topics(self, number: int) -> None:
        client = Librdkafka(self._node.bootstrap)
        name = f"made-{number}"
        client.create_topic(name, partition_count=1 + number % 3, settings={"retention.ms": str(1_000_000 + number)})
        self._made.append(name)
        if number % 2 == 1:
            leaving = self._made.pop(0)
            client.delete_topic(leaving)
            self._deleted.append(leaving)

    def _check_topics(self) -> None:
        client = Librdkafka(self._node.bootstrap)
        there = client.topic_names()
        faults = self._outcome.verdict.faults
        faults += [f"the topic {name} was made and is not there" for name in self._made if name not in there]
        faults += [f"the topic {name} was deleted and is there" for name in self._deleted if name in there]
        for name in self._made:
            number = int(name.removeprefix("made-"))
            shape = client.describe_topic(name)
            if shape.partition_count != 1 + number % 3 or client.topic_setting(name, "retention.ms") != str(1_000_000 + number):
                faults.append(f"the topic {name} is not as it was made: {shape}")

    def _check_files(self) -> None:
        files = [file for directory in self.directories for file in partition_files(directory, f"{TOPIC}-*")]
        files += [file for directory in self.directories for file in partition_files(directory, "__cluster_metadata-0")]
        self._outcome.verdict.faults += damage_in(files)


def partition_files(directory: Path, pattern: str) -> list[Path]:
    """The files of live partitions whose kind a dump tool knows."""
    kinds = (".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint")
    return sorted(
        file
        for partition in directory.glob(pattern)
        if not partition.name.endswith(("-delete", "-stray"))
        for file in partition.iterdir()
        if file.name.endswith(kinds)
    )


def damage_in(files: Sequence[Path]) -> list[str]:
    """What `odradek log dump` finds wrong in the files."""
    assert files, "there are no files"
    command = [sys.executable, "-m", "odradek.cli.main", "log", "dump", "--records", "--output", "json", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stderr[-1000:]]


def damage_found_by_kafka(directories: Sequence[Path]) -> list[str]:
    """What Apache Kafka's dump tool finds wrong in the partitions under load."""
    faults = []
    for directory in directories:
        segments = [str(file) for file in partition_files(directory, f"{TOPIC}-*") if file.suffix == ".log"]
        if not segments:
            continue
        arguments = ["--files", ",".join(segments), "--deep-iteration"]
        told = reference_kafka.run_tool("org.apache.kafka.tools.DumpLogSegments", arguments)
        if told.exit_code != 0 or "isvalid: false" in told.text or "Found" in told.text:
            faults.append(f"Kafka's dump of {directory}: {told.errors[-500:]}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description="Kill a node under load, again and again.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    total = Outcome()
    has_kafka = reference_kafka.missing_reason() is None
    print(f"seed {options.seed}, {options.rounds} rounds; " + ("Kafka's dump tool looks, too" if has_kafka else "there is no Apache Kafka"))
    for number, first in enumerate(range(0, options.rounds, ROUNDS_PER_STORY)):
        plan = Plan.of(options.seed + 1000 * number, min(ROUNDS_PER_STORY, options.rounds - first))
        directory = Path(tempfile.mkdtemp(prefix="odradek-torture-"))
        story = Story(directory, plan)
        outcome = story.tell()
        if has_kafka:
            outcome.verdict.faults += damage_found_by_kafka(story.directories)
        print(f"story of seed {plan.seed}: {outcome}", flush=True)
        total.add(outcome)
        if outcome.verdict.faults:
            print(*outcome.verdict.faults[:_FAULTS_SHOWN_MAX], f"kept: {directory}, {plan}", sep="\n")
            break
        shutil.rmtree(directory)
    print(f"all: {total}")
    return 1 if total.verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
