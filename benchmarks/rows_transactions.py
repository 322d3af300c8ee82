"""Transactions of 100 records of 100 bytes: by the frame in both versions of the protocol, by librdkafka, and by Apache Kafka's own tool.

Afterwards the partitions must hold what was committed: the records, and one marker for each transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.group_frames import OF_TRANSACTION, await_coordinator
from benchmarks.odradek_install import NotMeasurable
from benchmarks.own_load import told_by
from benchmarks.row import KAFKA_TOOL, LIBRDKAFKA, OWN_LOAD, Row
from benchmarks.rows_clients import CLIENT_SECONDS_MAX, TOOL_JAVA_OPTIONS, tool_figures
from benchmarks.session import Session
from benchmarks.transaction_load import RECORDS, VALUE_BYTES, TransactionOutcome, TransactionPlan, run_transactions
from tests.support import reference_kafka

PARTITIONS: Final = 4
MEASURED_S: Final = 6.0
# The slowest hundredth of them has to be more than a handful.
PACED_S: Final = 16.0
# Transactions a second of all producers, by their number: less than the slower of two brokers does as fast as it goes.
PACED_RATE: Final = {1: 20.0, 10: 100.0}
# A just-in-time compiler knows nothing of transactions yet when it is warm for records.
WARMED_S: Final = 10.0
WARMING_PRODUCERS: Final = 10
MARKERS_SECONDS_MAX: Final = 10.0
LIBRDKAFKA_TRANSACTIONS: Final = 1_000
TOOL_RECORDS: Final = 600_000
TOOL_TRANSACTION_MS: Final = 10


def _transactions(session: Session, producers: int, transaction_version: int) -> Mapping[str, float]:
    broker = session.broker()
    _warmed(session, broker)
    outcome = _committed(session, broker, producers, transaction_version, session.effort.seconds(MEASURED_S))
    # Whoever is told less often to come back is asked for more: what a commit takes is compared at a pace that both keep.
    paced = _committed(session, broker, producers, transaction_version, session.effort.seconds(PACED_S), PACED_RATE[producers])
    figures = {
        "transactions": outcome.committed / outcome.elapsed_s,
        "commit p99": paced.commits.percentile_ns(99) / 1e6,
        "commit p50": paced.commits.percentile_ns(50) / 1e6,
        "asked again": outcome.retried / outcome.committed,
        "load CPU": outcome.own_cpu_s / outcome.elapsed_s,
    }
    if outcome.broker_cpu_s is not None:
        figures["CPU per transaction"] = outcome.broker_cpu_s / outcome.committed * 1e6
    return figures


def _warmed(session: Session, broker: Broker) -> None:
    def prepare() -> None:
        await_coordinator(broker, session.fresh_name("transactional"), OF_TRANSACTION)
        for transaction_version in (1, 2):
            _committed(session, broker, WARMING_PRODUCERS, transaction_version, session.effort.seconds(WARMED_S) / 2)

    session.prepared("transactions", prepare)


def _committed(
    session: Session, broker: Broker, producers: int, transaction_version: int, measured_s: float, rate: float = 0
) -> TransactionOutcome:
    """What the load tells; `rate` is of all producers, 0 as fast as they go.

    Raises:
        NotMeasurable: something unexpected was answered, or the log does not hold what was committed.
    """
    topic = session.fresh_name("transactional")
    topics.create_topic(broker, topic, PARTITIONS)
    plan = TransactionPlan(
        topic=topic,
        partition_count=PARTITIONS,
        producer_count=producers,
        transaction_version=transaction_version,
        measured_s=measured_s,
        rate=rate,
    )
    outcome = run_transactions(broker, plan, processor=session.effort.load_processor)
    _check_marked(broker, topic, outcome.committed_total * (RECORDS + 1))
    topics.delete_topics(broker, [topic])
    return outcome


def _check_marked(broker: Broker, topic: str, expected: int) -> None:
    """The last markers follow the answers to their producers.

    Raises:
        NotMeasurable: they do not, or the partitions hold something else.
    """
    until = time.monotonic() + MARKERS_SECONDS_MAX
    while sum(topics.end_offsets(broker, topic, PARTITIONS)) < expected and time.monotonic() < until:
        time.sleep(topics.ASK_INTERVAL_S)
    topics.check_record_count(broker, topic, PARTITIONS, expected)


def _librdkafka(session: Session) -> Mapping[str, float]:
    if find_spec("confluent_kafka") is None:
        raise NotMeasurable("confluent-kafka is not installed")
    broker = session.broker()
    _warmed(session, broker)
    topic = session.fresh_name("transactional")
    count = session.effort.amount(LIBRDKAFKA_TRANSACTIONS)
    topics.create_topic(broker, topic, PARTITIONS)
    before_s = broker.cpu_s()
    told = told_by("benchmarks.librdkafka_work", "commit", broker.address, topic, PARTITIONS, count, seconds_max=CLIENT_SECONDS_MAX)
    cpu_s = broker.cpu_s() - before_s
    _check_marked(broker, topic, count * (RECORDS + 1))
    topics.delete_topics(broker, [topic])
    return {
        "transactions": count / told["elapsed_s"],
        "commit p99": told["commit_p99_s"] * 1000,
        "commit p50": told["commit_p50_s"] * 1000,
        "CPU per transaction": cpu_s / count * 1e6,
        "load CPU": told["own_cpu_s"] / told["elapsed_s"],
    }


def _tool(session: Session) -> Mapping[str, float]:
    if (reason := reference_kafka.missing_reason()) is not None:
        raise NotMeasurable(reason)
    broker = session.broker()
    _warmed(session, broker)
    topic = session.fresh_name("transactional")
    count = session.effort.amount(TOOL_RECORDS)
    topics.create_topic(broker, topic, PARTITIONS)
    arguments = ["--bootstrap-server", broker.address, "--topic", topic, "--num-records", str(count), "--record-size", str(VALUE_BYTES)]
    arguments += ["--throughput", "-1", "--transactional-id", topic, "--transaction-duration-ms", str(TOOL_TRANSACTION_MS)]
    before_s = broker.cpu_s()
    done = reference_kafka.run_tool(
        "org.apache.kafka.tools.ProducerPerformance", arguments, seconds_max=CLIENT_SECONDS_MAX, java_options=TOOL_JAVA_OPTIONS
    )
    cpu_s = broker.cpu_s() - before_s
    figures = tool_figures(done.text, count)
    if sum(topics.end_offsets(broker, topic, PARTITIONS)) <= count:
        raise NotMeasurable("the partitions hold no markers, or not all records")
    topics.delete_topics(broker, [topic])
    return figures | {"CPU per million": cpu_s / count * 1e6}


def _row(producers: int, transaction_version: int, spoken_by: str) -> Row:
    told = "one producer" if producers == 1 else f"{producers} producers"
    return Row(
        name=f"transactions-v{transaction_version}-{producers}",
        title=f"Transactions of {RECORDS} records, {told}, transaction version {transaction_version}",
        load=f"{OWN_LOAD}: as {spoken_by}, one request of each producer under way, {PARTITIONS} partitions; "
        f"commits are timed at {PACED_RATE[producers]:.0f} transactions/s, which come as chance has it",
        metrics=(
            more("transactions", "/s", 1.0),
            less("commit p99", "ms", 0.8),
            less("commit p50", "ms"),
            less("CPU per transaction", "µs"),
        ),
        measure=lambda session: _transactions(session, producers, transaction_version),
    )


ROWS: Final = (
    _row(1, 1, "librdkafka"),
    _row(10, 1, "librdkafka"),
    _row(1, 2, "Java's client"),
    _row(10, 2, "Java's client"),
    Row(
        name="librdkafka-transactions",
        title=f"librdkafka commits transactions of {RECORDS} records",
        load=f"{LIBRDKAFKA}: one producer, {PARTITIONS} partitions in turns",
        metrics=(
            more("transactions", "/s", 1.0),
            less("commit p99", "ms", 0.8),
            less("commit p50", "ms"),
            less("CPU per transaction", "µs"),
        ),
        measure=_librdkafka,
    ),
    Row(
        name="kafka-producer-perf-transactions",
        title=f"kafka-producer-perf-test in transactions of {TOOL_TRANSACTION_MS} ms",
        load=f"{KAFKA_TOOL}: {PARTITIONS} partitions, as fast as it goes",
        metrics=(more("records", "k/s", 1.0), less("CPU per million", "s"), less("p99", "ms")),
        measure=_tool,
    ),
)
