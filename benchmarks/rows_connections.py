"""Many connections: a thousand that say nothing, a thousand that all work, ten thousand fetches that wait for records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.load_generator import held_load
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import fetch_frames, request_frame, single_record_batch
from benchmarks.row import MEBIBYTE, OWN_LOAD, Row
from benchmarks.rows_produce import SMALL_VALUE_BYTES, produced, request_figures
from benchmarks.session import QUIET_WINDOW_S, Session
from odradek.protocol.messages.api_versions import ApiVersionsRequest

MANY: Final = 1000
PARKED: Final = 10_000
HELD_S: Final = 4.0
PARKED_WAIT_MS: Final = 120_000
PARKED_BYTES_MIN: Final = MEBIBYTE
QUIET_CORES_MAX: Final = 0.2
QUIET_SECONDS_MAX: Final = 20.0


def _held(session: Session, broker: Broker, frames: Sequence[bytes], connections: int) -> dict[str, float]:
    """Memory and processor time while connections are held and nothing happens."""
    measured_s = session.effort.seconds(HELD_S)
    with held_load(broker, frames, connections=connections):
        _await_quiet(broker)
        before_s = broker.cpu_s()
        time.sleep(measured_s)
        return {"memory": broker.resident_bytes() / MEBIBYTE, "CPU": (broker.cpu_s() - before_s) / measured_s * 100}


def _await_quiet(broker: Broker) -> None:
    """Wait until what opening the connections began is done.

    Raises:
        NotMeasurable: the broker went on computing.
    """
    until = time.monotonic() + QUIET_SECONDS_MAX
    while time.monotonic() < until:
        before_s = broker.cpu_s()
        time.sleep(QUIET_WINDOW_S)
        if broker.cpu_s() - before_s < QUIET_CORES_MAX * QUIET_WINDOW_S:
            return
    raise NotMeasurable(f"the broker is not quiet {QUIET_SECONDS_MAX:.0f} s after its connections were opened")


def _idle_connections(session: Session) -> Mapping[str, float]:
    frames = [request_frame(ApiVersionsRequest(client_software_name="benchmark", client_software_version="1"), 3)]
    return _held(session, session.broker(), frames, MANY)


def _busy_connections(session: Session) -> Mapping[str, float]:
    batch = single_record_batch(SMALL_VALUE_BYTES)
    return request_figures(produced(session, session.broker(), batch, 1, connections=MANY, in_flight=1))


def _parked_fetches(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    topic = session.fresh_name("parked")
    topics.create_topic(broker, topic, 1)
    frames = fetch_frames(topic, 1, bytes_max=MEBIBYTE, bytes_min=PARKED_BYTES_MIN, wait_ms_max=PARKED_WAIT_MS, fetch_offset=0)
    try:
        return _held(session, broker, frames, session.effort.amount(PARKED))
    finally:
        topics.delete_topics(broker, [topic])


ROWS: Final = (
    Row(
        name="connections-idle",
        title="1,000 idle connections",
        load=f"{OWN_LOAD}: 1,000 connections that have asked for ApiVersions once",
        metrics=(less("memory", "MiB"), less("CPU", "% of a core")),
        measure=_idle_connections,
    ),
    Row(
        name="connections-busy",
        title="1,000 busy connections",
        load=f"{OWN_LOAD}: 1,000 connections × 1 in flight, 4 partitions, one 100 B record per request",
        metrics=(more("requests", "k/s"), less("CPU per request", "µs"), less("p99", "ms")),
        measure=_busy_connections,
    ),
    Row(
        name="parked-fetches",
        title="10,000 parked fetches",
        load=f"{OWN_LOAD}: 10,000 connections, each with one fetch that waits for records of one topic",
        metrics=(less("memory", "MiB"), less("CPU", "% of a core")),
        measure=_parked_fetches,
    ),
)
