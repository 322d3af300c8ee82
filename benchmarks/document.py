"""docs/performance.md, written from a report: what was measured, on what, how to do it again, and which load drives each row."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.comparison import Report, Verdict
from benchmarks.picture import svg
from benchmarks.report_file import report_as_json
from benchmarks.table import markdown_table, verdict_counts

NAME: Final = "performance"

_OPENING: Final = """# Odradek beside Apache Kafka

This page is written by `python -m benchmarks.compare --write-docs`; the figures are those of one call. Absolute figures of a machine that
is shared move by half within minutes, so only the ratios are claims: each is made of two measurements that follow each other, and the
median is told with the least and the greatest of all runs. A floor counts as met when every run meets it, a goal when the median does.
"""

_HOW: Final = """## How it is measured

- Both brokers run on the same machine as the load, one combined node each (broker and controller), plaintext, with everything switched on
  that is on by default. Apache Kafka has the options of its own start script, with 1 GB of heap. Beside what one node alone needs (internal
  topics with one replica) one setting differs from the defaults, on both: `log.segment.delete.delay.ms` of a second, so that deleted topics
  of one row do not fill the page cache of the next. `group.initial.rebalance.delay.ms` has its default of 3 s, which nodes for trying out
  set to none.
- Both start on fresh directories and are warmed by the same half minute of load. Both live all the time; while one is measured the other
  idles. Before each measurement the benchmark waits until both are quiet and the page cache is written.
- Rows are measured in turns, and in every other run in the opposite order.
- Processor time is that of the broker's process, read to the nanosecond at both ends of the measurement; memory is its resident set.
- "Our load generator" (`benchmarks/load`) is two C programmes of one thread. They send requests that are encoded beforehand and check the
  length, the correlation id and the error codes of every response; afterwards the ends of the logs must add up to what was acknowledged. At
  a pace the clock of a request starts when it was due, not when it could be sent, so a pause of the broker counts in full.
- Transactions are driven by the second of them. How many there are is measured as fast as they go, and how long a commit takes at a pace
  that both brokers keep: each producer begins after pauses by dice of its own (exponential, of fixed seeds), so that they meet as chance
  has it, the same for both brokers. The partitions must hold what was committed, markers included.
- "Our frame driver" (`benchmarks/group_load.py`) is Python that speaks the protocol of many members in one process, each with its own
  connection and with the waiting times of real clients; a partition of a group that two members own ends the measurement.
- What is read is checked too: the first response of each fetch row is decoded and the checksums of its batches are computed.

To do it again: `make benchmark` (needs a C compiler, Java 17 and Maven), or a part of it:

```
python -m benchmarks.compare --list
python -m benchmarks.compare --rows produce-single,fetch-64k --runs 5
python -m benchmarks.compare --rows latency --against 127.0.0.1:9092      # a broker that runs already
```
"""


def document(report: Report) -> str:
    """The whole page."""
    parts = [_OPENING, _made_with(report)]
    for against in report.against:
        parts.append(f"## Against {against}\n\n{_summary(report, against)}\n")
        if against == report.against[0]:
            parts.append(f"![how many times better]({NAME}.svg)\n")
        parts.append(markdown_table(report, against))
    parts += [_not_measured(report), _HOW, _loads(report), _imports(report)]
    return "\n".join(part for part in parts if part)


def _made_with(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return f"Measured on {report.date}: {report.machine}. {versions}. {report.runs} runs of `{report.command}`.\n"


def _summary(report: Report, against: str) -> str:
    counts = verdict_counts(report, against)
    return (
        f"Of {sum(counts.values())} figures with a floor {counts[Verdict.GOAL]} meet the goal, {counts[Verdict.FLOOR]} more the floor, "
        f"{counts[Verdict.BELOW]} are below it and {counts[Verdict.UNKNOWN]} were not compared."
    )


def _not_measured(report: Report) -> str:
    lines = [f"- {row.title}: {failure}" for row in report.rows for failure in row.failures]
    return "\n".join(["## Not measured\n", *lines, ""]) if lines else ""


def _loads(report: Report) -> str:
    lines = [f"| {row.title} | `{row.row}` | {row.load} |" for row in report.rows]
    return "\n".join(["## Which load drives which row\n", "| | Name | Load |", "|---|---|---|", *lines, ""])


def _imports(report: Report) -> str:
    if not report.import_times:
        return ""
    lines = [f"| `{name}` | {milliseconds:.1f} |" for name, milliseconds in report.import_times]
    return "\n".join(
        [
            "## What a start imports longest\n",
            "Ten modules by their own time (`python -X importtime`), in milliseconds.\n",
            "| | ms |",
            "|---|---|",
            *lines,
            "",
        ]
    )


def write_document(report: Report, directory: Path) -> None:
    """The page, its picture and the figures behind it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{NAME}.md").write_text(document(report))
    (directory / f"{NAME}.json").write_text(report_as_json(report))
    if report.against:
        (directory / f"{NAME}.svg").write_text(svg(report, report.against[0]))
