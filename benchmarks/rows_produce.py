"""Produce: throughput of batches, single records, latency at a pace, group commit, and topics whose records are compressed anew.

Every row counts afterwards: the ends of the partitions must have grown by exactly what was acknowledged. All requests ask for acks=all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.load_generator import LoadOutcome, LoadPlan
from benchmarks.request_frames import batch_of_size, compressed_batch, produce_error_positions, produce_frames, single_record_batch
from benchmarks.row import GIGABYTE, MEGABYTE, OWN_LOAD, Row
from benchmarks.session import Session
from odradek.records.compression import Codec

PARTITIONS: Final = 4
MEASURED_S: Final = 5.0
PACED_S: Final = 8.0
# What one measurement may write: more would be decided by the disk, when the kernel begins to write behind.
WRITTEN_BYTES_MAX: Final = 2 * GIGABYTE
SMALL_VALUE_BYTES: Final = 100
BATCH_BYTES: Final = 16 * 1024
LARGE_BATCH_BYTES: Final = 1_000_000
PACED_VALUE_BYTES: Final = 1024
PACED_RATE: Final = 1000.0
# Enough that a pause of two seconds does not stop the requests that are due.
PACED_CONNECTIONS: Final = 10
PACED_IN_FLIGHT: Final = 200
COMPRESSED_RECORDS: Final = 150


def produced(
    session: Session,
    broker: Broker,
    batch: bytes,
    record_count: int,
    *,
    connections: int,
    in_flight: int,
    configs: Mapping[str, str] | None = None,
    rate: float = 0,
    measured_s: float = MEASURED_S,
) -> LoadOutcome:
    """Produce one batch over and over to a topic made for it, count what arrived, and remove it.

    Raises:
        NotMeasurable: a request was refused, or the log does not hold what was acknowledged.
    """
    topic = session.fresh_name("produce")
    topics.create_topic(broker, topic, PARTITIONS, configs)
    try:
        outcome = session.run_load(
            broker,
            LoadPlan(
                frames=produce_frames(topic, PARTITIONS, batch),
                connections=connections,
                in_flight=in_flight,
                measured_s=session.effort.seconds(measured_s),
                requests_max=max(1, WRITTEN_BYTES_MAX // len(batch)),
                rate=rate,
                checked_positions=produce_error_positions(topic),
            ),
        )
        topics.check_record_count(broker, topic, PARTITIONS, outcome.answered_total * record_count)
    finally:
        topics.delete_topics(broker, [topic])
    return outcome


def throughput_figures(outcome: LoadOutcome, batch_bytes: int) -> dict[str, float]:
    """Megabytes per second, and processor seconds of the broker for each gigabyte."""
    written = outcome.answered * batch_bytes
    figures = {"throughput": written / outcome.measured_s / MEGABYTE, "load CPU": outcome.own_cpu_s / outcome.measured_s}
    if outcome.broker_cpu_s is not None:
        figures["CPU per GB"] = outcome.broker_cpu_s / (written / GIGABYTE)
    return figures


def request_figures(outcome: LoadOutcome) -> dict[str, float]:
    """Requests per second, microseconds of the broker for each, and the time within which 99 % were answered."""
    figures = {
        "requests": outcome.requests_per_s / 1000,
        "p99": outcome.latencies.percentile_ns(99) / 1e6,
        "load CPU": outcome.own_cpu_s / outcome.measured_s,
    }
    if outcome.broker_cpu_s is not None:
        figures["CPU per request"] = outcome.broker_cpu_s / outcome.answered * 1e6
    return figures


def _batches(session: Session) -> Mapping[str, float]:
    batch, count = batch_of_size(BATCH_BYTES, SMALL_VALUE_BYTES)
    return throughput_figures(produced(session, session.broker(), batch, count, connections=2, in_flight=5), len(batch))


def _large_batches(session: Session) -> Mapping[str, float]:
    batch, count = batch_of_size(LARGE_BATCH_BYTES, SMALL_VALUE_BYTES)
    return throughput_figures(produced(session, session.broker(), batch, count, connections=2, in_flight=2), len(batch))


def _single(session: Session, connections: int, in_flight: int) -> Mapping[str, float]:
    batch = single_record_batch(SMALL_VALUE_BYTES)
    return request_figures(produced(session, session.broker(), batch, 1, connections=connections, in_flight=in_flight))


def _single_interpreted(session: Session) -> Mapping[str, float]:
    batch = single_record_batch(SMALL_VALUE_BYTES)
    return request_figures(produced(session, session.variant_broker("pure"), batch, 1, connections=10, in_flight=5))


def _paced(session: Session) -> Mapping[str, float]:
    batch = single_record_batch(PACED_VALUE_BYTES)
    outcome = produced(
        session,
        session.broker(),
        batch,
        1,
        connections=PACED_CONNECTIONS,
        in_flight=PACED_IN_FLIGHT,
        rate=PACED_RATE,
        measured_s=PACED_S,
    )
    return paced_figures(outcome)


def paced_figures(outcome: LoadOutcome) -> dict[str, float]:
    """Latencies from when each request was due, in milliseconds."""
    figures = {name: outcome.latencies.percentile_ns(percent) / 1e6 for name, percent in (("p50", 50), ("p99", 99), ("p999", 99.9))}
    if outcome.broker_cpu_s is not None:
        figures["CPU per request"] = outcome.broker_cpu_s / outcome.answered * 1e6
    return figures


def _flushed(session: Session) -> Mapping[str, float]:
    batch = single_record_batch(SMALL_VALUE_BYTES)
    configs = {"flush.messages": "1"}
    return request_figures(produced(session, session.broker(), batch, 1, connections=10, in_flight=5, configs=configs))


def _recompressed(session: Session) -> Mapping[str, float]:
    batch = compressed_batch(COMPRESSED_RECORDS, SMALL_VALUE_BYTES, Codec.LZ4)
    configs = {"compression.type": "zstd"}
    outcome = produced(session, session.broker(), batch, COMPRESSED_RECORDS, connections=2, in_flight=5, configs=configs)
    figures = request_figures(outcome)
    return {"records": outcome.requests_per_s * COMPRESSED_RECORDS / 1000, "CPU per request": figures["CPU per request"]}


ROWS: Final = (
    Row(
        name="produce-16k",
        title="Produce, 16 KiB batches of 100 B records",
        load=f"{OWN_LOAD}: 2 connections × 5 in flight, 4 partitions",
        metrics=(more("throughput", "MB/s", 1.5, 3.0), less("CPU per GB", "s", 0.5, 0.2)),
        measure=_batches,
    ),
    Row(
        name="produce-1m",
        title="Produce, 1 MB batches of 100 B records",
        load=f"{OWN_LOAD}: 2 connections × 2 in flight, 4 partitions",
        metrics=(more("throughput", "MB/s", 1.0, 1.3), less("CPU per GB", "s", 0.8, 0.5)),
        measure=_large_batches,
    ),
    Row(
        name="produce-single",
        title="Produce, one 100 B record per request",
        load=f"{OWN_LOAD}: 10 connections × 5 in flight, 4 partitions",
        metrics=(more("requests", "k/s", 1.0, 2.0), less("CPU per request", "µs", 0.6, 0.25), less("p99", "ms")),
        measure=lambda session: _single(session, 10, 5),
    ),
    Row(
        name="produce-single-100",
        title="Produce, one 100 B record per request, 100 clients",
        load=f"{OWN_LOAD}: 100 connections × 1 in flight, 4 partitions",
        metrics=(more("requests", "k/s", 1.0, 2.0), less("CPU per request", "µs", 0.6, 0.25), less("p99", "ms")),
        measure=lambda session: _single(session, 100, 1),
    ),
    Row(
        name="latency",
        title="Latency of 1 KiB records at 1,000 requests/s",
        load=f"{OWN_LOAD}: {PACED_CONNECTIONS} connections, 1,000 requests/s, the clock starts when a request is due",
        metrics=(less("p99", "ms", 0.8, 0.4), less("p50", "ms"), less("p999", "ms"), less("CPU per request", "µs")),
        measure=_paced,
    ),
    Row(
        name="produce-flush",
        title="Produce to a topic with flush.messages=1 (group commit)",
        load=f"{OWN_LOAD}: 10 connections × 5 in flight, 4 partitions, one 100 B record per request",
        metrics=(more("requests", "k/s"), less("CPU per request", "µs"), less("p99", "ms")),
        measure=_flushed,
    ),
    Row(
        name="recompress",
        title="Produce lz4 to a topic with compression.type=zstd",
        load=f"{OWN_LOAD}: 2 connections × 5 in flight, 4 partitions, batches of 150 records of 100 B",
        metrics=(more("records", "k/s"), less("CPU per request", "µs")),
        measure=_recompressed,
    ),
    Row(
        name="interpreted",
        title="Odradek not compiled: one 100 B record per request",
        load=f"{OWN_LOAD}: 10 connections × 5 in flight, 4 partitions; ODRADEK_PURE=1",
        metrics=(more("requests", "k/s", 0.25), less("CPU per request", "µs")),
        measure=_single_interpreted,
    ),
)
