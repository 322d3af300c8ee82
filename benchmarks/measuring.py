"""The order of a comparison: row by row, run by run, the brokers in turns, each as undisturbed as the others let it be.

In every other run the order of the brokers is turned round, so that none is always the one that comes after the other's work. A row that
cannot be measured on one of them says why and is an empty run there; the others go on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from benchmarks.brokers import Broker
from benchmarks.comparison import RowResult
from benchmarks.odradek_install import NotMeasurable
from benchmarks.row import Row
from benchmarks.session import Session, settle
from odradek.base.errors import CorruptRecords, ProtocolViolation
from tests.support.reference_kafka import ReferenceFailure

# What failed twice will fail a third time, and some failures take a minute.
FAILURES_MAX: Final = 2
_EXPECTED: Final = (NotMeasurable, ReferenceFailure, ProtocolViolation, CorruptRecords, OSError, subprocess.TimeoutExpired)


Settle = Callable[[Iterable[Broker]], None]


def measure_rows(rows: Sequence[Row], sessions: Sequence[Session], runs: int, settle: Settle = settle) -> list[RowResult]:
    """All rows on all sessions; `settle` is called with all brokers that live before each measurement."""
    return [_measure_row(row, sessions, min(runs, row.runs_max or runs), settle) for row in rows]


def _measure_row(row: Row, sessions: Sequence[Session], runs: int, settle: Settle) -> RowResult:
    result = RowResult(row.name, row.title, row.load, row.metrics)
    failures = dict.fromkeys((session.name for session in sessions), 0)
    for session in sessions:
        result.figures[session.name] = []
    for run in range(runs):
        for session in sessions if run % 2 == 0 else list(reversed(sessions)):
            figures: Mapping[str, float] = {}
            if failures[session.name] < FAILURES_MAX:
                began = time.monotonic()
                try:
                    figures = _measured_once(row, session, sessions, settle)
                    _tell(row, run, session, figures, time.monotonic() - began)
                except _EXPECTED as failure:
                    failures[session.name] += 1
                    result.failures.append(f"{session.name}, run {run + 1}: {failure}")
                    print(f"{row.name}, run {run + 1}, {session.name}: not measured: {failure}", file=sys.stderr, flush=True)
            result.figures[session.name].append(figures)
    return result


def _measured_once(row: Row, session: Session, sessions: Sequence[Session], settle: Settle) -> Mapping[str, float]:
    if row.starts and not session.candidate.is_startable:
        raise NotMeasurable("somebody else started this broker")
    settle(broker for each in sessions for broker in each.brokers)
    return row.measure(session)


def _tell(row: Row, run: int, session: Session, figures: Mapping[str, float], elapsed_s: float) -> None:
    told = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items())
    print(f"{row.name}, run {run + 1}, {session.name}: {told} ({elapsed_s:.0f} s)", file=sys.stderr, flush=True)
