"""Requests beside the data: topics by the thousand, metadata of ten thousand partitions, offsets and epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks import topics
from benchmarks.comparison import less, more
from benchmarks.load_generator import LoadOutcome, LoadPlan
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import (
    METADATA_VERSION,
    decoded_response,
    list_offsets_error_positions,
    list_offsets_frames,
    metadata_frames,
    offset_for_leader_epoch_error_positions,
    offset_for_leader_epoch_frames,
)
from benchmarks.row import ONE_CONNECTION, OWN_LOAD, Row
from benchmarks.rows_fetch import filled_log
from benchmarks.session import Session
from odradek.protocol.messages.metadata import MetadataResponse

CREATED_TOPICS: Final = 1000
METADATA_PARTITIONS: Final = 10_000
MEASURED_S: Final = 4.0
PARTITIONS: Final = 4
ASKED_LOG_BYTES: Final = 4 * 1024 * 1024


def _topics_created(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    prefix = session.fresh_name("many")
    names = [f"{prefix}-{index}" for index in range(session.effort.amount(CREATED_TOPICS))]
    cpu_before_s, began = broker.cpu_s(), time.perf_counter()
    topics.create_topics(broker, names, 1)
    answered_s = time.perf_counter() - began
    topics.await_leaders(broker, names[-1], 1)
    figures = {"answered": answered_s, "served": time.perf_counter() - began, "CPU": broker.cpu_s() - cpu_before_s}
    topics.delete_topics(broker, names)
    return figures


def _metadata(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    count = session.effort.amount(METADATA_PARTITIONS)
    topic = session.lasting_topic("wide")
    session.prepared(topic, lambda: topics.create_topic(broker, topic, count))
    outcome = session.run_load(
        broker, LoadPlan(frames=metadata_frames(topic), connections=4, in_flight=1, measured_s=session.effort.seconds(MEASURED_S))
    )
    if outcome.response_bytes_min != outcome.response_bytes_max:
        raise NotMeasurable(f"responses have {outcome.response_bytes_min} to {outcome.response_bytes_max} bytes")
    response = decoded_response(outcome.first_response, MetadataResponse, METADATA_VERSION)
    assert isinstance(response, MetadataResponse)
    if len(response.topics[0].partitions) != count or any(partition.error_code != 0 for partition in response.topics[0].partitions):
        raise NotMeasurable(f"the first response does not tell all {count} partitions")
    return {**_rate(outcome), "p99": outcome.latencies.percentile_ns(99) / 1e6}


def _asked(
    session: Session, frames_of: Callable[[str, int], Sequence[bytes]], positions_of: Callable[[str], Sequence[int]]
) -> Mapping[str, float]:
    broker = session.broker()
    topic = session.lasting_topic("asked")
    session.prepared(topic, lambda: filled_log(session, broker, topic, PARTITIONS, ASKED_LOG_BYTES))
    plan = LoadPlan(
        frames=frames_of(topic, PARTITIONS),
        connections=10,
        in_flight=5,
        measured_s=session.effort.seconds(MEASURED_S),
        checked_positions=positions_of(topic),
    )
    figures = _rate(session.run_load(broker, plan))
    return {**figures, "requests": figures["requests"] / 1000}


def _rate(outcome: LoadOutcome) -> dict[str, float]:
    figures = {"requests": outcome.requests_per_s}
    if outcome.broker_cpu_s is not None:
        figures["CPU per request"] = outcome.broker_cpu_s / outcome.answered * 1e6
    return figures


def _list_offsets(session: Session) -> Mapping[str, float]:
    return _asked(session, list_offsets_frames, list_offsets_error_positions)


def _offset_for_leader_epoch(session: Session) -> Mapping[str, float]:
    return _asked(session, offset_for_leader_epoch_frames, offset_for_leader_epoch_error_positions)


ROWS: Final = (
    Row(
        name="list-offsets",
        title="ListOffsets",
        load=f"{OWN_LOAD}: 10 connections × 5 in flight, the end of one partition per request",
        metrics=(more("requests", "k/s"), less("CPU per request", "µs")),
        measure=_list_offsets,
    ),
    Row(
        name="offset-for-leader-epoch",
        title="OffsetForLeaderEpoch",
        load=f"{OWN_LOAD}: 10 connections × 5 in flight, one partition per request",
        metrics=(more("requests", "k/s"), less("CPU per request", "µs")),
        measure=_offset_for_leader_epoch,
    ),
)

LAST_ROWS: Final = (
    Row(
        name="create-topics",
        title="CreateTopics, 1,000 topics in one request",
        load=f"{ONE_CONNECTION}: until the response, and until the last of them tells its end",
        metrics=(less("answered", "s"), less("served", "s"), less("CPU", "s")),
        measure=_topics_created,
    ),
    Row(
        name="metadata",
        title="Metadata of a topic with 10,000 partitions",
        load=f"{OWN_LOAD}: 4 connections × 1 in flight",
        metrics=(more("requests", "/s"), less("CPU per request", "µs"), less("p99", "ms")),
        measure=_metadata,
    ),
)
