"""Odradek beside Apache Kafka on this machine: the same load in turns, as ratios with their spread.

    make benchmark
    python -m benchmarks.compare [--rows NAME,NAME] [--against kafka,HOST:PORT] [--runs 3] [--json FILE] [--picture FILE]

Odradek is installed from this checkout and compiled; Apache Kafka comes from Maven's repository with its default settings and 1 GB of
heap. Both get fresh directories and the same warming, and each row is measured on one and then on the other, several times. The table
goes to standard output, what happens meanwhile to standard error. The exit code is 1 when a floor of the score was not met.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import reduce
from pathlib import Path

from benchmarks import command
from benchmarks.comparison import Report
from benchmarks.document import write_document
from benchmarks.odradek_install import CHECKOUT, NotMeasurable
from benchmarks.picture import svg
from benchmarks.report_file import report_as_json, report_from_json, with_rows_again
from benchmarks.rows import ROWS, chosen_rows


def main() -> int:
    options = _parser().parse_args()
    try:
        if options.list:
            print("\n".join(f"{row.name:<26}{row.title}" for row in ROWS))
            return 0
        report = _told_report(options.told) if options.told is not None else _measured_report(options)
    except NotMeasurable as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    if options.json is not None:
        options.json.write_text(report_as_json(report))
    if options.picture is not None and report.against:
        options.picture.write_text(svg(report, report.against[0]))
    if options.write_docs:
        write_document(report, CHECKOUT / "docs")
    return command.tell(report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", metavar="NAME,NAME", help="only these; produce-* is every row that begins so; default: all")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    command.add_common_arguments(parser)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write bars as SVG")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md, .json and .svg")
    parser.add_argument(
        "--from", dest="told", metavar="FILE,FILE", help="measure nothing, tell what --json wrote; rows of a later file count"
    )
    return parser


def _told_report(files: str) -> Report:
    """What these files, separated by commas, tell of."""
    return reduce(with_rows_again, [report_from_json(Path(file).read_text()) for file in files.split(",")])


def _measured_report(options: argparse.Namespace) -> Report:
    """Measure what the options say.

    Raises:
        NotMeasurable: nothing can be compared as asked.
    """
    return command.report_of(chosen_rows(options.rows), options, "benchmarks.compare")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
