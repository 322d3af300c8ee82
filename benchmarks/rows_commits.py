"""Offsets that groups commit: a thousand groups once a second each, and as fast as the coordinator takes them.

Nobody has joined these groups: each is a consumer that assigns itself its partition and commits how far it has come, as do connectors
and stream processors that keep their own assignment. Afterwards every group is asked what it has committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks import topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less, more
from benchmarks.group_frames import (
    OF_GROUP,
    await_coordinator,
    check_committed,
    commit_error_positions,
    commit_frames,
    commit_until_coordinated,
)
from benchmarks.load_generator import LoadOutcome, LoadPlan
from benchmarks.row import OWN_LOAD, Row
from benchmarks.rows_produce import paced_figures, request_figures
from benchmarks.session import Session

GROUPS: Final = 1000
CONNECTIONS: Final = 10
COMMITS_PER_S: Final = 1000.0
# Enough that a pause of two seconds does not stop the commits that are due.
PACED_IN_FLIGHT: Final = 200
PACED_S: Final = 8.0
MEASURED_S: Final = 4.0
IN_FLIGHT: Final = 5
# A just-in-time compiler knows nothing of commits yet when it is warm for records.
WARMED_S: Final = 10.0


def _groups_of(session: Session, broker: Broker) -> tuple[str, list[str]]:
    """A topic, and groups that have committed to it already and whose coordinators are warm; the same for every run."""
    topic = session.lasting_topic("committed")
    groups = [f"{topic}-group-{index}" for index in range(GROUPS)]

    def prepare() -> None:
        topics.create_topic(broker, topic, 1)
        await_coordinator(broker, groups[0], OF_GROUP)
        commit_until_coordinated(broker, groups, topic, 0)
        _committing(session, broker, topic, groups, measured_s=WARMED_S, in_flight=IN_FLIGHT)

    session.prepared(topic, prepare)
    return topic, groups


def _committing(
    session: Session, broker: Broker, topic: str, groups: list[str], *, measured_s: float, in_flight: int, rate: float = 0
) -> LoadOutcome:
    """Commit an offset that was not there before, for every group in turn, and ask for it afterwards.

    Raises:
        NotMeasurable: a commit was refused, or has not been kept.
    """
    offset = int(session.fresh_name("").rpartition("-")[2]) + 1
    plan = LoadPlan(
        frames=commit_frames(groups, topic, offset),
        connections=CONNECTIONS,
        in_flight=in_flight,
        measured_s=session.effort.seconds(measured_s),
        rate=rate,
        checked_positions=commit_error_positions(topic),
        has_own_frames=True,
    )
    outcome = session.run_load(broker, plan)
    if outcome.answered_total >= GROUPS:
        check_committed(broker, groups, topic, offset)
    return outcome


def _paced(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    topic, groups = _groups_of(session, broker)
    return paced_figures(_committing(session, broker, topic, groups, measured_s=PACED_S, in_flight=PACED_IN_FLIGHT, rate=COMMITS_PER_S))


def _flat_out(session: Session) -> Mapping[str, float]:
    broker = session.broker()
    topic, groups = _groups_of(session, broker)
    return request_figures(_committing(session, broker, topic, groups, measured_s=MEASURED_S, in_flight=IN_FLIGHT))


ROWS: Final = (
    Row(
        name="commits-paced",
        title="1,000 groups commit once a second",
        load=f"{OWN_LOAD}: {CONNECTIONS} connections, one partition per commit, the clock starts when a commit is due",
        metrics=(less("CPU per request", "µs", 0.6), less("p99", "ms", 0.8), less("p50", "ms"), less("p999", "ms")),
        measure=_paced,
    ),
    Row(
        name="commits",
        title="1,000 groups commit as fast as they can",
        load=f"{OWN_LOAD}: {CONNECTIONS} connections × {IN_FLIGHT} in flight, one partition per commit",
        metrics=(more("requests", "k/s"), less("CPU per request", "µs"), less("p99", "ms")),
        measure=_flat_out,
    ),
)
