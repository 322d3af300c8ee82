"""Fetch: whole logs from the page cache, and what a consumer of old, cold records does to the producers beside it.

The log is made of batches of exactly 16 KiB, so that a request for 64 KiB or 1 MiB holds whole batches on every broker and the next offset
is known without decoding. The first response of each measurement is decoded all the same: the checksums of its batches must be right.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.load_generator import LoadOutcome, LoadPlan, OffsetWalk, RunningLoad
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import (
    FETCH_VERSION,
    batch_of_size,
    decoded_response,
    fetch_error_positions,
    fetch_frames,
    fetch_offset_position,
    produce_error_positions,
    produce_frames,
    single_record_batch,
)
from benchmarks.row import GIGABYTE, MEBIBYTE, MEGABYTE, OWN_LOAD, Row
from benchmarks.rows_produce import PACED_CONNECTIONS, PACED_IN_FLIGHT, PACED_RATE, PACED_S, PACED_VALUE_BYTES, paced_figures
from benchmarks.session import Session
from odradek.protocol.messages.fetch import FetchResponse
from odradek.records.batch import check_crc, iterate_batches

PARTITIONS: Final = 4
CONNECTIONS: Final = 4
BATCH_BYTES: Final = 16 * 1024
MEASURED_S: Final = 5.0
WARM_LOG_BYTES: Final = 512 * MEBIBYTE
COLD_LOG_BYTES: Final = 2 * 1024 * MEBIBYTE
COLD_STEP_S: Final = 0.25


def filled_log(session: Session, broker: Broker, topic: str, partition_count: int, total_bytes: int) -> int:
    """A topic whose partitions hold about `total_bytes` in batches of 16 KiB; returns the records of one batch."""
    batch, count = batch_of_size(BATCH_BYTES, 100)
    topics.create_topic(broker, topic, partition_count)
    outcome = session.run_load(
        broker,
        LoadPlan(
            frames=produce_frames(topic, partition_count, batch),
            connections=partition_count,
            in_flight=5,
            measured_s=600,
            warm_s=0,
            requests_max=total_bytes // BATCH_BYTES,
            checked_positions=produce_error_positions(topic),
        ),
    )
    topics.check_record_count(broker, topic, partition_count, outcome.answered_total * count)
    return count


def fetch_plan(broker: Broker, topic: str, partition_count: int, records_per_batch: int, bytes_max: int, measured_s: float) -> LoadPlan:
    """Walk the whole log in steps of `bytes_max`, over and over."""
    frames = fetch_frames(topic, partition_count, bytes_max=bytes_max)
    stride = bytes_max // BATCH_BYTES * records_per_batch
    # The last step must be a whole one: what is behind it is not fetched.
    end = min(topics.end_offsets(broker, topic, partition_count)) // stride * stride
    if end == 0:
        raise NotMeasurable(f"{topic} is smaller than one fetch")
    return LoadPlan(
        frames=frames,
        connections=CONNECTIONS,
        in_flight=1,
        measured_s=measured_s,
        checked_positions=fetch_error_positions(topic),
        walk=OffsetWalk(position=fetch_offset_position(frames[0]), stride=stride, end=end),
    )


def check_fetched(outcome: LoadOutcome, bytes_max: int) -> None:
    """Every response was full, and the batches of the first are what was produced.

    Raises:
        NotMeasurable: a response was short, or a batch is not whole.
        CorruptRecords: a checksum is wrong.
    """
    if outcome.response_bytes_min < bytes_max:
        raise NotMeasurable(f"a response of {outcome.response_bytes_min} bytes holds less than the {bytes_max} that were asked for")
    message = decoded_response(outcome.first_response, FetchResponse, FETCH_VERSION)
    assert isinstance(message, FetchResponse)
    records = message.responses[0].partitions[0].records or b""
    sizes = []
    for batch in iterate_batches(records):
        check_crc(records, batch.position, batch.header)
        sizes.append(batch.header.size)
    if sum(sizes) != bytes_max:
        raise NotMeasurable(f"the first response holds {len(sizes)} whole batches of {sum(sizes)} bytes, not {bytes_max}")


def _fetched(session: Session, bytes_max: int) -> Mapping[str, float]:
    broker = session.broker()
    topic = session.lasting_topic("history")
    log_bytes = session.effort.amount(WARM_LOG_BYTES)
    records_per_batch = session.prepared(topic, lambda: filled_log(session, broker, topic, PARTITIONS, log_bytes))
    outcome = session.run_load(
        broker, fetch_plan(broker, topic, PARTITIONS, records_per_batch, bytes_max, session.effort.seconds(MEASURED_S))
    )
    check_fetched(outcome, bytes_max)
    figures = {"throughput": outcome.response_bytes / outcome.measured_s / MEGABYTE, "load CPU": outcome.own_cpu_s / outcome.measured_s}
    if outcome.broker_cpu_s is not None:
        figures["CPU per GB"] = outcome.broker_cpu_s / (outcome.response_bytes / GIGABYTE)
    return figures


def _beside_cold_reads(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    if broker.data_directory is None:
        raise NotMeasurable("the page cache of another machine cannot be emptied")
    log_bytes = session.effort.amount(COLD_LOG_BYTES)
    history = session.lasting_topic("cold")
    records_per_batch = session.prepared(history, lambda: filled_log(session, broker, history, 1, log_bytes))
    segments = sorted(broker.data_directory.glob(f"{history}-0/*.log"))
    forget(segments, is_written_first=True)
    topic = session.fresh_name("beside")
    topics.create_topic(broker, topic, PARTITIONS)
    measured_s = session.effort.seconds(PACED_S)
    reader = RunningLoad(broker, _one_reader(fetch_plan(broker, history, 1, records_per_batch, MEBIBYTE, measured_s + 1)))
    writer = RunningLoad(
        broker,
        LoadPlan(
            frames=produce_frames(topic, PARTITIONS, single_record_batch(PACED_VALUE_BYTES)),
            connections=PACED_CONNECTIONS,
            in_flight=PACED_IN_FLIGHT,
            measured_s=measured_s,
            rate=PACED_RATE,
            checked_positions=produce_error_positions(topic),
        ),
    )
    while writer.is_running:
        # What was read once is warm; forgetting it again and again keeps the history as cold as one that does not fit into memory.
        time.sleep(COLD_STEP_S)
        forget(segments)
    written, read = writer.finish(), reader.finish()
    check_fetched(read, MEBIBYTE)
    topics.check_record_count(broker, topic, PARTITIONS, written.answered_total)
    topics.delete_topics(broker, [topic])
    figures = paced_figures(written)
    return {"p99": figures["p99"], "p50": figures["p50"], "cold reading": read.response_bytes / read.measured_s / MEGABYTE}


def _one_reader(plan: LoadPlan) -> LoadPlan:
    return LoadPlan(
        frames=plan.frames,
        connections=1,
        in_flight=1,
        measured_s=plan.measured_s,
        warm_s=0.5,
        checked_positions=plan.checked_positions,
        walk=plan.walk,
    )


def forget(files: list[Path], *, is_written_first: bool = False) -> None:
    """Take the pages of some files out of the page cache; dirty ones stay unless they are written first."""
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        try:
            if is_written_first:
                os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


ROWS: Final = (
    Row(
        name="fetch-1m",
        title="Fetch from the page cache, 1 MiB per request",
        load=f"{OWN_LOAD}: {CONNECTIONS} connections × 1 in flight, each walks one of {PARTITIONS} partitions",
        metrics=(more("throughput", "MB/s", 1.0, 1.2), less("CPU per GB", "s")),
        measure=lambda session: _fetched(session, MEBIBYTE),
    ),
    Row(
        name="fetch-64k",
        title="Fetch from the page cache, 64 KiB per request",
        load=f"{OWN_LOAD}: {CONNECTIONS} connections × 1 in flight, each walks one of {PARTITIONS} partitions",
        metrics=(more("throughput", "MB/s", 1.3, 2.5), less("CPU per GB", "s")),
        measure=lambda session: _fetched(session, 64 * 1024),
    ),
    Row(
        name="cold-history",
        title="Latency of a producer beside a consumer of cold history",
        load=f"{OWN_LOAD}, twice: 1,000 requests/s of 1 KiB, and 1 MiB fetches of a log that is kept out of the page cache",
        metrics=(less("p99", "ms"), less("p50", "ms"), more("cold reading", "MB/s")),
        measure=_beside_cold_reads,
    ),
)
