"""Figures of two brokers, and what may be said of them: ratios of what was measured one after the other, their spread, floor and goal.

Absolute figures of a shared machine move by half within minutes, so a ratio is made of two neighbours in time, run by run, and only then is
the median taken. A floor is met when every run meets it; a goal when the median does. A floor or a goal bounds the ratio of the measured
broker to the other one: from below where more is better, from above where less is better.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Better(Enum):
    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One column of one row. `floor` and `goal` bound the ratio; None where the score asks for nothing."""

    name: str
    unit: str
    better: Better
    floor: float | None = None
    goal: float | None = None


def more(name: str, unit: str, floor: float | None = None, goal: float | None = None) -> Metric:
    return Metric(name=name, unit=unit, better=Better.MORE, floor=floor, goal=goal)


def less(name: str, unit: str, floor: float | None = None, goal: float | None = None) -> Metric:
    return Metric(name=name, unit=unit, better=Better.LESS, floor=floor, goal=goal)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of some runs."""

    median: float
    least: float
    greatest: float


def spread(figures: Sequence[float]) -> Spread:
    """Raises ValueError for no figures."""
    if not figures:
        raise ValueError("there is no spread of nothing")
    return Spread(statistics.median(figures), min(figures), max(figures))


def ratios(measured: Sequence[float], against: Sequence[float]) -> list[float]:
    """Run by run; a run in which the other broker's figure is 0 has no ratio.

    Raises:
        ValueError: the runs are not pairs.
    """
    if len(measured) != len(against):
        raise ValueError(f"{len(measured)} runs cannot be paired with {len(against)}")
    return [figure / other for figure, other in zip(measured, against, strict=True) if other != 0]


class Verdict(Enum):
    """What a ratio says about the score."""

    GOAL = "goal"
    FLOOR = "floor"
    BELOW = "below the floor"
    NOT_ASKED = "no floor"
    UNKNOWN = "not compared"


def verdict(metric: Metric, run_ratios: Sequence[float]) -> Verdict:
    """Whether every run meets the floor, and the median the goal."""
    if metric.floor is None:
        return Verdict.NOT_ASKED
    if not run_ratios:
        return Verdict.UNKNOWN
    found = spread(run_ratios)
    worst = found.least if metric.better is Better.MORE else found.greatest
    if not _meets(metric, worst, metric.floor):
        return Verdict.BELOW
    if metric.goal is not None and _meets(metric, found.median, metric.goal):
        return Verdict.GOAL
    return Verdict.FLOOR


def _meets(metric: Metric, ratio: float, bound: float) -> bool:
    return ratio >= bound if metric.better is Better.MORE else ratio <= bound


@dataclass(slots=True)
class RowResult:
    """All runs of one row: for each broker, by name of the metric, one figure a run. `failures` says what could not be measured."""

    row: str
    title: str
    load: str
    metrics: Sequence[Metric]
    figures: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def runs_of(self, candidate: str, metric: Metric) -> list[float]:
        """One figure per run that has one."""
        return [run[metric.name] for run in self.figures.get(candidate, []) if metric.name in run]

    def ratios_of(self, measured: str, against: str, metric: Metric) -> list[float]:
        """Ratios of the runs that both brokers finished."""
        pairs = zip(self.figures.get(measured, []), self.figures.get(against, []), strict=False)
        found = [(run[metric.name], other[metric.name]) for run, other in pairs if metric.name in run and metric.name in other]
        return ratios([figure for figure, _ in found], [other for _, other in found])

    def verdict_of(self, measured: str, against: str, metric: Metric) -> Verdict:
        return verdict(metric, self.ratios_of(measured, against, metric))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One call of the benchmark: one broker against others, on what machine, when, and the rows."""

    measured: str
    against: Sequence[str]
    machine: str
    date: str
    command: str
    runs: int
    versions: Mapping[str, str]
    rows: Sequence[RowResult]
    import_times: Sequence[tuple[str, float]] = ()
