"""What a user of real clients sees: librdkafka by its Python binding, and Apache Kafka's own performance tool.

Client and broker share the processors, and the clients need most of them: these rows say less about the brokers than the others, and
their processor time is the figure to look at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.odradek_install import NotMeasurable
from benchmarks.own_load import told_by
from benchmarks.row import KAFKA_TOOL, LIBRDKAFKA, Row
from benchmarks.session import Session
from tests.support import reference_kafka

PARTITIONS: Final = 4
LIBRDKAFKA_RECORDS: Final = 1_500_000
TOOL_RECORDS: Final = 3_000_000
CLIENT_SECONDS_MAX: Final = 180
SILENCE_MS_MAX: Final = 20_000
# start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s of the fetches, records/s of the fetches
CONSUMER_TOOL_COLUMNS: Final = 10
TOOL_JAVA_OPTIONS: Final = ("-Xmx256m", "-server")
_TOOL_OUTCOME: Final = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec.*? ([\d.]+) ms 99th", re.MULTILINE)


def _librdkafka(broker: Broker, kind: str, topic: str, record_count: int) -> dict[str, float]:
    if find_spec("confluent_kafka") is None:
        raise NotMeasurable("confluent-kafka is not installed")
    before_s = broker.cpu_s()
    told = told_by("benchmarks.librdkafka_work", kind, broker.address, topic, PARTITIONS, record_count, seconds_max=CLIENT_SECONDS_MAX)
    return {
        "records": record_count / told["elapsed_s"] / 1000,
        "CPU per million": (broker.cpu_s() - before_s) / record_count * 1e6,
        "load CPU": told["own_cpu_s"] / told["elapsed_s"],
    }


def _librdkafka_produce(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    topic = session.fresh_name("librdkafka")
    count = session.effort.amount(LIBRDKAFKA_RECORDS)
    topics.create_topic(broker, topic, PARTITIONS)
    figures = _librdkafka(broker, "produce", topic, count)
    topics.check_record_count(broker, topic, PARTITIONS, count)
    topics.delete_topics(broker, [topic])
    return figures


def _librdkafka_consume(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    topic, count = _filled_for_readers(session, broker)
    return _librdkafka(broker, "consume", topic, count)


def _filled_for_readers(session: Session, broker: Broker) -> tuple[str, int]:
    """A topic that is filled once and read in every run, and how many records it has."""
    topic = session.lasting_topic("read")
    count = session.effort.amount(LIBRDKAFKA_RECORDS)

    def fill() -> None:
        topics.create_topic(broker, topic, PARTITIONS)
        _librdkafka(broker, "produce", topic, count)

    session.prepared(topic, fill)
    return topic, count


def _tool_produce(session: Session) -> Mapping[str, float]:
    if (reason := reference_kafka.missing_reason()) is not None:
        raise NotMeasurable(reason)
    broker = session.broker()
    topic = session.fresh_name("tool")
    count = session.effort.amount(TOOL_RECORDS)
    topics.create_topic(broker, topic, PARTITIONS)
    arguments = ["--bootstrap-server", broker.address, "--topic", topic, "--num-records", str(count)]
    arguments += ["--record-size", "100", "--throughput", "-1"]
    before_s = broker.cpu_s()
    done = reference_kafka.run_tool(
        "org.apache.kafka.tools.ProducerPerformance", arguments, seconds_max=CLIENT_SECONDS_MAX, java_options=TOOL_JAVA_OPTIONS
    )
    cpu_s = broker.cpu_s() - before_s
    topics.check_record_count(broker, topic, PARTITIONS, count)
    topics.delete_topics(broker, [topic])
    return tool_figures(done.text, count) | {"CPU per million": cpu_s / count * 1e6}


def _tool_consume(session: Session) -> Mapping[str, float]:
    if (reason := reference_kafka.missing_reason()) is not None:
        raise NotMeasurable(reason)
    broker = session.broker()
    topic, count = _filled_for_readers(session, broker)
    arguments = ["--bootstrap-server", broker.address, "--topic", topic, "--num-records", str(count)]
    arguments += ["--group", session.fresh_name("tool-readers"), "--timeout", str(SILENCE_MS_MAX), "--hide-header"]
    before_s = broker.cpu_s()
    done = reference_kafka.run_tool(
        "org.apache.kafka.tools.ConsumerPerformance", arguments, seconds_max=CLIENT_SECONDS_MAX, java_options=TOOL_JAVA_OPTIONS
    )
    return consumer_tool_figures(done.text, count) | {"CPU per million": (broker.cpu_s() - before_s) / count * 1e6}


def consumer_tool_figures(told: str, record_count: int) -> dict[str, float]:
    """What the only line of the consumer's tool says; the rate is that of its fetches, without the time in which it joins its group.

    Raises:
        NotMeasurable: there is no such line, or it read something else than all records.
    """
    for line in told.splitlines():
        columns = [column.strip() for column in line.split(",")]
        if len(columns) == CONSUMER_TOOL_COLUMNS and columns[4].isdecimal():
            if int(columns[4]) < record_count:
                raise NotMeasurable(f"the performance tool read {columns[4]} of {record_count} records")
            return {"records": float(columns[9]) / 1000}
    raise NotMeasurable(f"the performance tool did not finish: {told[-300:]}")


def tool_figures(told: str, record_count: int) -> dict[str, float]:
    """What the last line of the tool says, which is about all records.

    Raises:
        NotMeasurable: there is no such line.
    """
    for sent, per_second, p99_ms in _TOOL_OUTCOME.findall(told):
        if int(sent) == record_count:
            return {"records": float(per_second) / 1000, "p99": float(p99_ms)}
    raise NotMeasurable(f"the performance tool did not finish: {told[-300:]}")


ROWS: Final = (
    Row(
        name="librdkafka-produce",
        title="librdkafka produces 100 B records",
        load=f"{LIBRDKAFKA}: 4 partitions, linger 5 ms, acks=all",
        metrics=(more("records", "k/s"), less("CPU per million", "s")),
        measure=_librdkafka_produce,
    ),
    Row(
        name="librdkafka-consume",
        title="librdkafka consumes 100 B records",
        load=f"{LIBRDKAFKA}: 4 partitions assigned, no group",
        metrics=(more("records", "k/s"), less("CPU per million", "s")),
        measure=_librdkafka_consume,
    ),
    Row(
        name="kafka-producer-perf",
        title="kafka-producer-perf-test, 100 B records",
        load=f"{KAFKA_TOOL}: 4 partitions, as fast as it goes",
        metrics=(more("records", "k/s"), less("CPU per million", "s"), less("p99", "ms")),
        measure=_tool_produce,
    ),
    Row(
        name="kafka-consumer-perf",
        title="kafka-consumer-perf-test, 100 B records",
        load=f"{KAFKA_TOOL}: 4 partitions, a group of one",
        metrics=(more("records", "k/s"), less("CPU per million", "s")),
        measure=_tool_consume,
    ),
)
