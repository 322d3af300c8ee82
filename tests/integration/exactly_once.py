"""An exact copy of 100,000 records between two topics, though copiers and node are killed with SIGKILL in the middle of it.

The copiers are processes of one group, each with its own transactional id: our own of librdkafka (`copier_process`), or Apache Kafka's
`TransactionalMessageCopier`. At moments of the copy's progress that the seed draws, one of them is killed and started again, or the node
is. When everything is committed, what readers of committed records see has to be the input, each record once and each partition in order;
and what our own copiers have written down is held to all that transactions promise (`odradek.testing.transaction_history`).

    make exactly-once ROUNDS=10 SEED=7

A seed repeats the plan, not the microsecond; what a failed story leaves behind is kept and named.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from confluent_kafka import Producer

from odradek.base.identifiers import TopicPartition
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.testing.transaction_checks import check_copy
from odradek.testing.transaction_history import find_anomalies
from odradek.testing.transaction_operations import (
    EndsTold,
    Isolation,
    OffsetFetched,
    Operation,
    Polled,
    from_line,
)
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.copier_process import origin_of
from tests.integration.members import CLASSIC, CONSUMER, NODE_SETTINGS, value_of
from tests.integration.reading import ReadToEnd, read_to_end
from tests.support import reference_kafka
from tests.support.odradek_node import OdradekNode, free_port
from tests.support.wire_client import WireClient

SOURCE: Final = "to-be-copied"
TARGET: Final = "copied"
PARTITION_COUNT: Final = 4
COPIER_COUNT: Final = 3
RECORDS: Final = 100_000
COPIER_KILLS: Final = 5
NODE_KILLS: Final = 2
COPY_SECONDS_MAX: Final = 240
SETTLE_SECONDS_MAX: Final = 30
OFFSET_FETCH_VERSION: Final = 8
_FAULTS_SHOWN_MAX: Final = 20
_JAVA_OPTIONS: Final = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PROJECT: Final = Path(__file__).resolve().parents[2]
_SETTINGS: Final = dict(NODE_SETTINGS) | {
    "auto.create.topics.enable": "false",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed has drawn. `kills` are shares of the records, in order, with who is killed then: a copier by its number, or the node."""

    seed: int
    protocol: str
    is_static: bool
    records: int
    kills: tuple[tuple[float, int | None], ...]

    @classmethod
    def of(cls, seed: int, *, records: int = RECORDS, copier_kills: int = COPIER_KILLS, node_kills: int = NODE_KILLS) -> Plan:
        dice = random.Random(seed)
        victims: list[int | None] = [dice.randrange(COPIER_COUNT) for _ in range(copier_kills)] + [None] * node_kills
        dice.shuffle(victims)
        moments = sorted(0.03 + 0.85 * dice.random() for _ in victims)
        kills = tuple(zip(moments, victims, strict=True))
        return cls(seed=seed, protocol=dice.choice([CLASSIC, CONSUMER]), is_static=dice.random() < 0.5, records=records, kills=kills)


@dataclass(slots=True)
class Outcome:
    """What was done, and what is wrong: sentences, empty if the copy is exact and nothing contradicts itself."""

    faults: list[str] = field(default_factory=list)
    copied: int = 0
    aborted_records: int = 0
    copier_kills: int = 0
    copiers_ended: int = 0
    node_kills: int = 0
    operations: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.copied} records copied in {self.seconds:.1f} s, {self.aborted_records} more in transactions that were aborted; copiers "
            f"killed {self.copier_kills} times, {self.copiers_ended} times one ended by itself, node killed {self.node_kills} times; "
            f"{self.operations} operations judged, {len(self.faults)} faults"
        )


class Copiers(ABC):
    """The processes that copy, by number. Whatever dies is started again, and ends by itself if it cannot do its work."""

    def __init__(self, directory: Path, bootstrap: str) -> None:
        self.directory = directory
        self.bootstrap = bootstrap
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * COPIER_COUNT

    @abstractmethod
    def command(self, number: int) -> list[str]:
        """What starts a copier."""

    @abstractmethod
    def original(self, value: bytes) -> bytes:
        """The record that this is a copy of."""

    @property
    def writes_down(self) -> bool:
        """Whether `operations` are all there were."""
        return False

    def operations(self) -> list[Operation]:
        """What they have written down."""
        return []

    def start_missing(self) -> int:
        """Start whoever is not there; how many had ended by themselves."""
        ended = 0
        for number, process in enumerate(self._processes):
            if process is not None and process.poll() is not None:
                ended += 1
                process = None
            if process is None:
                self._processes[number] = self._start(number)
        return ended

    def kill(self, number: int) -> None:
        process, self._processes[number] = self._processes[number], None
        if process is not None:
            process.kill()
            process.wait()

    def kill_all(self) -> None:
        for number in range(COPIER_COUNT):
            self.kill(number)

    def errors(self) -> str:
        """The end of what they have complained of."""
        return "".join(file.read_text(errors="replace")[-1000:] for file in sorted(self.directory.glob("copier-*.errors")))

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_PROJECT / "src"), str(_PROJECT)])}
        with (self.directory / f"copier-{number}.errors").open("a") as errors:
            return subprocess.Popen(
                self.command(number), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment
            )


@final
class LibrdkafkaCopiers(Copiers):
    """`copier_process`, which writes down what it does."""

    def __init__(self, directory: Path, bootstrap: str, plan: Plan) -> None:
        super().__init__(directory, bootstrap)
        self._plan = plan
        self._starts = 0

    def command(self, number: int) -> list[str]:
        # A file for each process: what comes after a line that a kill has torn would be one with it.
        self._starts += 1
        log = self.directory / f"copier-{number}-{self._starts:03}.operations"
        arguments = [self.bootstrap, SOURCE, TARGET, f"copier-{number}", self._plan.protocol, str(log)]
        return [sys.executable, "-m", "tests.integration.copier_process", *arguments, *(["--static"] if self._plan.is_static else [])]

    def original(self, value: bytes) -> bytes:
        return origin_of(value.decode()).encode()

    @property
    def writes_down(self) -> bool:
        return True

    def operations(self) -> list[Operation]:
        lines = [line for log in sorted(self.directory.glob("*.operations")) for line in log.read_text().splitlines(keepends=True)]
        # A kill can tear the last line of a process.
        return [from_line(line) for line in lines if line.endswith("\n")]


@final
class JavaCopiers(Copiers):
    """Apache Kafka's own, whose producers speak the transactions of KIP-890, and which abort every third transaction as they please."""

    def command(self, number: int) -> list[str]:
        arguments = {
            "--broker-list": self.bootstrap,
            "--input-topic": SOURCE,
            "--input-partition": "-1",
            "--output-topic": TARGET,
            "--consumer-group": TARGET,
            "--transaction-size": "400",
            "--transaction-timeout": "10000",
            "--transactional-id": f"copier-{number}",
        }
        flat = [part for argument in arguments.items() for part in argument]
        flags = ["--group-mode", "--use-group-metadata", "--enable-random-aborts"]
        return reference_kafka.java_command(_JAVA_OPTIONS, "WARN", "org.apache.kafka.tools.TransactionalMessageCopier", [*flat, *flags])

    def original(self, value: bytes) -> bytes:
        return value


class Copy:
    """One story: the input is written, copied under kills, and looked at."""

    def __init__(self, directory: Path, plan: Plan, *, is_java: bool = False) -> None:
        self._plan = plan
        self._node = OdradekNode(directory, _SETTINGS, port=free_port())
        self._directory = directory
        self._is_java = is_java
        self._targets = [TopicPartition(TARGET, n) for n in range(PARTITION_COUNT)]
        self._ends = {n: len(range(n, plan.records, PARTITION_COUNT)) for n in range(PARTITION_COUNT)}
        self._outcome = Outcome()

    def tell(self) -> Outcome:
        """Raises AssertionError when the copy does not come to its end; whatever is not exact is in the outcome."""
        self._node.start()
        bootstrap = self._node.bootstrap
        copiers = JavaCopiers(self._directory, bootstrap) if self._is_java else LibrdkafkaCopiers(self._directory, bootstrap, self._plan)
        try:
            self._write(bootstrap)
            began_s = time.monotonic()
            self._copy(copiers)
            self._outcome.seconds = time.monotonic() - began_s
            copiers.kill_all()
            self._judge(copiers)
        finally:
            copiers.kill_all()
            if self._node.is_running:
                self._node.stop()
        return self._outcome

    def _write(self, bootstrap: str) -> None:
        for topic in (SOURCE, TARGET):
            Librdkafka(bootstrap).create_topic(topic, partition_count=PARTITION_COUNT)
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
        for partition, end in self._ends.items():
            for offset in range(end):
                while len(producer) > 50_000:
                    producer.poll(0.01)
                producer.produce(SOURCE, value_of(partition, offset), partition=partition)
        assert producer.flush(SETTLE_SECONDS_MAX) == 0

    def _copy(self, copiers: Copiers) -> None:
        kills = list(self._plan.kills)
        deadline = time.monotonic() + COPY_SECONDS_MAX
        while (copied := sum(self._committed())) < self._plan.records:
            assert time.monotonic() < deadline, (
                f"{self._plan}: {copied} records are copied, {len(kills)} kills are to come, and {self._outcome.copiers_ended} times "
                f"a copier ended by itself: {copiers.errors()}"
            )
            self._outcome.copiers_ended += copiers.start_missing()
            if kills and copied >= kills[0][0] * self._plan.records:
                _, victim = kills.pop(0)
                self._kill(copiers, victim)
            time.sleep(0.05)

    def _kill(self, copiers: Copiers, victim: int | None) -> None:
        if victim is None:
            self._node.kill()
            self._node.start()
            self._outcome.node_kills += 1
        else:
            copiers.kill(victim)
            self._outcome.copier_kills += 1

    def _committed(self) -> list[int]:
        """The group's offsets, by partition, without those of transactions that are open; 0 where there are none, or none are told yet."""
        host, port = self._node.bootstrap.split(":")
        wire = WireClient(host, int(port))
        topic = OffsetFetchRequestTopics(name=SOURCE, partition_indexes=list(self._ends))
        asked = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=TARGET, topics=[topic])])
        answer = wire.request(asked, OffsetFetchResponse, OFFSET_FETCH_VERSION).groups[0]
        wire.close()
        told = {part.partition_index: part.committed_offset for topic in answer.topics for part in topic.partitions}
        return [max(told.get(partition, 0), 0) for partition in self._ends]

    # The judgement

    def _judge(self, copiers: Copiers) -> None:
        operations = copiers.operations()
        asked_at = time.monotonic_ns()
        everything, committed = self._read_back()
        offsets = self._committed()
        at = time.monotonic_ns()
        for one in self._targets:
            read = everything[one]
            fetched = OffsetFetched(
                asked_at=asked_at, at=at, group=TARGET, topic=SOURCE, partition=one.partition, offset=offsets[one.partition]
            )
            ends = EndsTold(
                at=at,
                topic=one.topic,
                partition=one.partition,
                log_start_offset=0,
                last_stable_offset=committed[one].end,
                high_watermark=read.end,
            )
            operations += [
                _looks_at(one, Isolation.READ_UNCOMMITTED, read, asked_at, at),
                _looks_at(one, Isolation.READ_COMMITTED, committed[one], asked_at, at),
                fetched,
                ends,
            ]
            copies = [copiers.original(value).decode() for _, value in committed[one].records]
            source = [value_of(one.partition, offset).decode() for offset in range(self._ends[one.partition])]
            self._outcome.faults += [f"{one}: {anomaly}" for anomaly in check_copy(source, copies)]
            self._outcome.copied += len(copies)
            self._outcome.aborted_records += len(read.records) - len(copies)
        if copiers.writes_down:
            self._outcome.operations = len(operations)
            self._outcome.faults += map(str, find_anomalies(operations))

    def _read_back(self) -> tuple[dict[TopicPartition, ReadToEnd], dict[TopicPartition, ReadToEnd]]:
        """What readers of everything and of committed records see, once no transaction is open any more."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            committed = read_to_end(self._node.bootstrap, self._targets, Isolation.READ_COMMITTED)
            everything = read_to_end(self._node.bootstrap, self._targets, Isolation.READ_UNCOMMITTED)
            open_still = [one for one in self._targets if committed[one].end != everything[one].end]
            if not open_still:
                return everything, committed
            assert time.monotonic() < deadline, f"{self._plan}: transactions are open in {open_still}, and everybody is gone"


def _looks_at(one: TopicPartition, isolation: Isolation, read: ReadToEnd, asked_at: int, at: int) -> Operation:
    """A reading of a whole partition as what it is in a history."""
    return Polled(
        asked_at=asked_at,
        at=at,
        reader=f"reader of {isolation}",
        isolation=isolation,
        topic=one.topic,
        partition=one.partition,
        position=0,
        next_position=read.end,
        records=tuple((offset, value.decode()) for offset, value in read.records),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="exactly-once", description="Copy records exactly once, under kills.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    missing = reference_kafka.missing_reason()
    print(f"seed {options.seed}, {options.rounds} rounds" + (f"; without Java's copiers: {missing}" if missing else ""), flush=True)
    for number in range(options.rounds):
        plan = Plan.of(options.seed + 1000 * number, records=options.records)
        for is_java in (False,) if missing else (False, True):
            directory = Path(tempfile.mkdtemp(prefix="odradek-exactly-once-"))
            outcome = Copy(directory, plan, is_java=is_java).tell()
            print(f"seed {plan.seed}, {'Java' if is_java else plan.protocol}: {outcome}", flush=True)
            if outcome.faults:
                print(*outcome.faults[:_FAULTS_SHOWN_MAX], f"kept: {directory}, {plan}", sep="\n", flush=True)
                return 1
            shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
