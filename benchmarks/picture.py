"""A report as a picture: for every figure that the score asks for one bar, how many times better than the other broker.

The axis is logarithmic and the other broker is the line at 1; where less is better (time, memory) the ratio is turned round, so that longer
is better in every bar. The thin line through the end of a bar is the spread of the runs, a dark mark is the floor, a light one the goal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.comparison import Better, Report, Verdict, spread

WIDTH: Final = 960
LABEL_WIDTH: Final = 470
NUMBER_WIDTH: Final = 64
BAR_HEIGHT: Final = 14
LINE_HEIGHT: Final = 24
TOP: Final = 64
BOTTOM: Final = 34
COLOURS: Final = {Verdict.GOAL: "#2e7d32", Verdict.FLOOR: "#66a35c", Verdict.BELOW: "#c62828"}


@dataclass(frozen=True, slots=True)
class Bar:
    """Factors above 1 are better than the other broker; `least` and `greatest` are those of the runs."""

    label: str
    factor: float
    least: float
    greatest: float
    floor: float
    goal: float | None
    verdict: Verdict


def bars(report: Report, against: str) -> list[Bar]:
    """One for each figure that has a floor and was compared."""
    found = []
    for row in report.rows:
        for metric in row.metrics:
            run_ratios = [ratio for ratio in row.ratios_of(report.measured, against, metric) if ratio > 0]
            if metric.floor is None or not run_ratios:
                continue
            is_turned = metric.better is Better.LESS
            factors = spread([1 / ratio if is_turned else ratio for ratio in run_ratios])
            floor = 1 / metric.floor if is_turned else metric.floor
            goal = None if metric.goal is None else (1 / metric.goal if is_turned else metric.goal)
            label = f"{row.title}: {metric.name}"
            verdict = row.verdict_of(report.measured, against, metric)
            found.append(Bar(label, factors.median, factors.least, factors.greatest, floor, goal, verdict))
    return found


def svg(report: Report, against: str) -> str:
    """The picture; a page without bars says that nothing was compared."""
    drawn = bars(report, against)
    scale = Scale.over(drawn)
    height = TOP + LINE_HEIGHT * len(drawn) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="16" fill="#222222">{escape(report.measured)}: how many times better than {escape(against)}</text>',
        f'<text x="12" y="42" fill="#666666">{escape(_subtitle(report) if drawn else "nothing was compared")}</text>',
        *_axis(scale, height),
    ]
    for index, bar in enumerate(drawn):
        parts += _bar(bar, scale, TOP + LINE_HEIGHT * index)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _subtitle(report: Report) -> str:
    return f"median of {report.runs} runs, {report.date}; {report.machine}; dark mark: floor, light mark: goal"


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis from `lowest` to `highest`, both powers of ten."""

    lowest: float
    highest: float

    @classmethod
    def over(cls, drawn: Sequence[Bar]) -> Scale:
        """The powers of ten around everything that is drawn, and around 1."""
        edges = [1.0, *(edge for bar in drawn for edge in (bar.least, bar.greatest, bar.floor, bar.goal or 1.0))]
        lowest = 10.0 ** math.floor(math.log10(min(edges)))
        highest = 10.0 ** max(1, math.ceil(math.log10(max(edges))))
        return cls(min(lowest, 0.1), highest)

    def x(self, factor: float) -> float:
        """Where on the page a factor is."""
        share = math.log(factor / self.lowest) / math.log(self.highest / self.lowest)
        return LABEL_WIDTH + share * (WIDTH - LABEL_WIDTH - NUMBER_WIDTH)

    def marks(self) -> list[float]:
        """The powers of ten on the axis."""
        count = round(math.log10(self.highest / self.lowest))
        return [self.lowest * 10**power for power in range(count + 1)]


def _axis(scale: Scale, height: int) -> list[str]:
    parts = []
    for mark in scale.marks():
        x = scale.x(mark)
        colour = "#444444" if math.isclose(mark, 1.0) else "#dddddd"
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - BOTTOM}" stroke="{colour}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle" fill="#666666">{mark:g}×</text>')
    return parts


def _bar(bar: Bar, scale: Scale, y: int) -> list[str]:
    middle = y + BAR_HEIGHT / 2
    one, end = scale.x(1.0), scale.x(bar.factor)
    least, greatest = scale.x(bar.least), scale.x(bar.greatest)
    parts = [
        f'<text x="{LABEL_WIDTH - 8}" y="{middle + 4:.1f}" text-anchor="end" fill="#222222">{escape(bar.label)}</text>',
        f'<rect x="{min(one, end):.1f}" y="{y}" width="{abs(end - one):.1f}" height="{BAR_HEIGHT}" fill="{COLOURS[bar.verdict]}"/>',
        f'<line x1="{least:.1f}" y1="{middle:.1f}" x2="{greatest:.1f}" y2="{middle:.1f}" stroke="#111111"/>',
        _mark(scale.x(bar.floor), y, "#111111"),
        f'<text x="{WIDTH - NUMBER_WIDTH + 8}" y="{middle + 4:.1f}" fill="#222222">{bar.factor:.3g}×</text>',
    ]
    if bar.goal is not None:
        parts.append(_mark(scale.x(bar.goal), y, "#aaaaaa"))
    return parts


def _mark(x: float, y: int, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{y - 2}" x2="{x:.1f}" y2="{y + BAR_HEIGHT + 2}" stroke="{colour}" stroke-width="2"/>'
