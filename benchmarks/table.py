"""A report as a table, for a terminal and for a page: one line for each metric, the row's title once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.comparison import Better, Metric, Report, RowResult, Verdict, spread

VERDICTS: Final = {
    Verdict.GOAL: "goal met",
    Verdict.FLOOR: "floor met",
    Verdict.BELOW: "BELOW FLOOR",
    Verdict.NOT_ASKED: "",
    Verdict.UNKNOWN: "not compared",
}
NOTHING: Final = "–"


def figure_text(figure: float) -> str:
    """Three significant digits, no exponent: 0.0123, 1.23, 123, 1,230."""
    if figure == 0:
        return "0"
    magnitude = abs(figure)
    if magnitude >= 100:
        return f"{figure:,.0f}"
    if magnitude >= 10:
        return f"{figure:.1f}"
    if magnitude >= 1:
        return f"{figure:.2f}"
    return f"{figure:.3f}" if magnitude >= 0.01 else f"{figure:.4f}"


def spread_text(figures: Sequence[float]) -> str:
    """The median, and in parentheses the least and the greatest where there is more than one run."""
    if not figures:
        return NOTHING
    found = spread(figures)
    if len(figures) == 1:
        return figure_text(found.median)
    return f"{figure_text(found.median)} ({figure_text(found.least)}–{figure_text(found.greatest)})"


def bound_text(metric: Metric, bound: float | None) -> str:
    if bound is None:
        return NOTHING
    return f"{'≥' if metric.better is Better.MORE else '≤'} {bound:g}"


def metric_cells(report: Report, row: RowResult, metric: Metric, against: str) -> list[str]:
    """What stands behind the title: metric, both brokers, ratio, floor, goal, verdict."""
    return [
        f"{metric.name}, {metric.unit}",
        spread_text(row.runs_of(report.measured, metric)),
        spread_text(row.runs_of(against, metric)),
        spread_text(row.ratios_of(report.measured, against, metric)),
        bound_text(metric, metric.floor),
        bound_text(metric, metric.goal),
        VERDICTS[row.verdict_of(report.measured, against, metric)],
    ]


def text_table(report: Report, against: str) -> str:
    """For a terminal: columns as wide as what is in them."""
    heading = ["", report.measured, against, "ratio", "floor", "goal", ""]
    blocks = [(row.title, [metric_cells(report, row, metric, against) for metric in row.metrics]) for row in report.rows]
    lines = [heading, *(cells for _, block in blocks for cells in block)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    told = [_aligned(heading, widths)]
    for (title, block), row in zip(blocks, report.rows, strict=True):
        told.append(title)
        told += [_aligned(cells, widths) for cells in block]
        told += [f"  not measured: {failure}" for failure in row.failures]
    return "\n".join(told) + "\n"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return ("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))).rstrip()


def markdown_table(report: Report, against: str) -> str:
    """For a page: the title in the first line of its row."""
    lines = [
        f"| | | {report.measured} | {against} | Ratio | Floor | Goal | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report.rows:
        for index, metric in enumerate(row.metrics):
            cells = [row.title if index == 0 else "", *metric_cells(report, row, metric, against)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def verdict_counts(report: Report, against: str) -> dict[Verdict, int]:
    """How many figures say what; those that the score does not ask for are not counted."""
    counts = {Verdict.GOAL: 0, Verdict.FLOOR: 0, Verdict.BELOW: 0, Verdict.UNKNOWN: 0}
    for row in report.rows:
        for metric in row.metrics:
            found = row.verdict_of(report.measured, against, metric)
            if found in counts:
                counts[found] += 1
    return counts
