"""A report as JSON, and back: what was measured once can be told again as a table, a picture or a page without measuring anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.comparison import Better, Metric, Report, RowResult


def report_as_json(report: Report) -> str:
    """Everything of `report`, and for whoever reads the file alone the ratios and what they say about the score."""
    return json.dumps(
        {
            "measured": report.measured,
            "against": list(report.against),
            "machine": report.machine,
            "date": report.date,
            "command": report.command,
            "runs": report.runs,
            "versions": dict(report.versions),
            "rows": [_row_as_data(report, row) for row in report.rows],
            "import_times_ms": [list(line) for line in report.import_times],
        },
        indent=1,
    )


def _row_as_data(report: Report, row: RowResult) -> dict[str, object]:
    metrics = [
        {
            "name": metric.name,
            "unit": metric.unit,
            "better": metric.better.value,
            "floor": metric.floor,
            "goal": metric.goal,
            "ratios": {other: row.ratios_of(report.measured, other, metric) for other in report.against},
            "verdict": {other: row.verdict_of(report.measured, other, metric).value for other in report.against},
        }
        for metric in row.metrics
    ]
    figures = {name: [dict(run) for run in runs] for name, runs in row.figures.items()}
    return {"row": row.row, "title": row.title, "load": row.load, "metrics": metrics, "figures": figures, "failures": row.failures}


def report_from_json(text: str) -> Report:
    """The report that `report_as_json` wrote.

    Raises:
        KeyError, ValueError: it is no such file.
    """
    told: Mapping[str, Any] = json.loads(text)
    return Report(
        measured=told["measured"],
        against=told["against"],
        machine=told["machine"],
        date=told["date"],
        command=told["command"],
        runs=told["runs"],
        versions=told["versions"],
        rows=[_row_from_data(row) for row in told["rows"]],
        import_times=[(name, milliseconds) for name, milliseconds in told["import_times_ms"]],
    )


def with_rows_again(report: Report, later: Report) -> Report:
    """`report` with the rows that `later` has measured again in the place of its own. The head tells of both."""
    again = {row.row: row for row in later.rows}
    known = {row.row for row in report.rows}
    versions = {name: _told_once(report.versions.get(name, text), text) for name, text in later.versions.items()}
    return replace(
        report,
        command=f"{report.command}; then {later.command}",
        versions={**report.versions, **versions},
        rows=[again.get(row.row, row) for row in report.rows] + [row for row in later.rows if row.row not in known],
        import_times=later.import_times or report.import_times,
    )


def _told_once(versions: str, later: str) -> str:
    """Both, where the later one is not among them."""
    return versions if later in versions.split(" and ") else f"{versions} and {later}"


def _row_from_data(told: Mapping[str, Any]) -> RowResult:
    metrics = [
        Metric(name=metric["name"], unit=metric["unit"], better=Better(metric["better"]), floor=metric["floor"], goal=metric["goal"])
        for metric in told["metrics"]
    ]
    return RowResult(told["row"], told["title"], told["load"], metrics, told["figures"], told["failures"])
