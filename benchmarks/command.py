"""What every command has in common that measures rows: its options, the brokers, the report, and how it is told.

`benchmarks.compare` measures the table; a module that looks closer at one thing measures rows of its own with `run_rows`.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import machine, odradek_install
from benchmarks.brokers import Candidate, KafkaCandidate, OdradekCandidate, candidate_at
from benchmarks.comparison import Report, Verdict
from benchmarks.measuring import measure_rows
from benchmarks.odradek_install import InstalledOdradek, NotMeasurable
from benchmarks.report_file import report_as_json
from benchmarks.row import Row
from benchmarks.rows_node import import_times
from benchmarks.session import Effort, Session
from benchmarks.table import text_table, verdict_counts
from tests.support import reference_kafka

SETTINGS: Final = {
    # Topics are removed after each measurement; a minute of their files in the page cache would disturb the next ones.
    "log.segment.delete.delay.ms": "1000",
    # The default, which nodes for trying out set to none on both sides: then it is chance how often a group of many members rebalances.
    "group.initial.rebalance.delay.ms": "3000",
}
INTERPRETED: Final = {"ODRADEK_PURE": "1"}
BROKER_PROCESSOR: Final = 0
LOAD_PROCESSOR: Final = 1
RUNS_DEFAULT: Final = 3

# The rows that the options of a command ask for.
RowsOf = Callable[[argparse.Namespace], Sequence[Row]]


def run_rows(module: str, documentation: str | None, add_arguments: Callable[[argparse.ArgumentParser], None], rows_of: RowsOf) -> int:
    """The command of a module that measures rows of its own: how each is measured, told and judged is the same."""
    parser = argparse.ArgumentParser(prog=module, description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    add_arguments(parser)
    options = parser.parse_args()
    try:
        report = report_of(rows_of(options), options, module)
    except NotMeasurable as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 2
    if options.json is not None:
        options.json.write_text(report_as_json(report))
    return tell(report)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", default="kafka", metavar="kafka,HOST:PORT", help="what to compare with; none measures Odradek alone")
    parser.add_argument("--runs", type=int, default=RUNS_DEFAULT, help=f"how often each row is measured in turns; default: {RUNS_DEFAULT}")
    parser.add_argument("--quick", action="store_true", help="a quarter of the time and of the data, to try out; no figures to quote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--interpreted", action="store_true", help="measure Odradek without its compiled modules")
    parser.add_argument("--odradek", type=Path, metavar="COMMAND", help="an installed odradek, instead of installing this checkout")
    parser.add_argument("--pin", action="store_true", help="the brokers on one processor, our load on another one")
    parser.add_argument("--directory", type=Path, help="where the data goes; default: a temporary directory")


def report_of(rows: Sequence[Row], options: argparse.Namespace, module: str) -> Report:
    """Measure `rows` as the options say that every such command has.

    Raises:
        NotMeasurable: nothing can be compared as asked.
    """
    if options.runs < 1:
        raise NotMeasurable("--runs must be positive")
    odradek = _odradek(options)
    command = odradek.command
    processor = BROKER_PROCESSOR if options.pin else None
    subject = OdradekCandidate([str(command)], pinned_to=processor, settings=SETTINGS)
    pure = OdradekCandidate([str(command)], variables=INTERPRETED, pinned_to=processor, settings=SETTINGS)
    if options.interpreted:
        subject = pure
    others = _others(options.against, processor)
    directory = Path(tempfile.mkdtemp(prefix="odradek-benchmark-", dir=options.directory))
    effort = Effort(is_quick=options.quick, load_processor=LOAD_PROCESSOR if options.pin else None)
    sessions = [Session(subject, directory / "odradek", effort, {"pure": pure})]
    sessions += [Session(other, directory / f"other-{index}", effort) for index, other in enumerate(others)]
    began = time.monotonic()
    try:
        results = measure_rows(rows, sessions, options.runs)
        imports = import_times(command, directory / "imports") if any(row.name == "start" for row in rows) else []
    finally:
        for session in sessions:
            session.close()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"measured in {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr)
    return Report(
        measured=subject.name,
        against=[other.name for other in others],
        machine=machine.description(),
        date=machine.today(),
        command=shlex.join(["python", "-m", module, *sys.argv[1:]]),
        runs=options.runs,
        versions=_versions(odradek, others),
        rows=results,
        import_times=imports,
    )


def _odradek(options: argparse.Namespace) -> InstalledOdradek:
    if options.odradek is None:
        return odradek_install.installed(allow_interpreted=options.interpreted)
    odradek = InstalledOdradek(options.odradek.absolute().with_name("python"))
    interpreted = odradek.interpreted_modules()
    if interpreted and not options.interpreted:
        raise NotMeasurable(f"these modules are not compiled: {', '.join(interpreted)}; --interpreted measures all the same")
    return odradek


def _others(text: str, processor: int | None) -> list[Candidate]:
    found: list[Candidate] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name == "none":
            continue
        if name != "kafka":
            found.append(candidate_at(name))
            continue
        if (reason := reference_kafka.missing_reason()) is not None:
            raise NotMeasurable(f"{reason}; --against none measures Odradek alone")
        reference_kafka.fetch()
        found.append(KafkaCandidate(pinned_to=processor, settings=SETTINGS))
    return found


def _versions(odradek: InstalledOdradek, others: Sequence[Candidate]) -> Mapping[str, str]:
    versions = {
        "Odradek": machine.first_line([str(odradek.command), "version"]).removeprefix("odradek ").partition(",")[0],
        "at commit": odradek.commit,
        "on Python": machine.first_line([str(odradek.python), "-V"]).removeprefix("Python "),
    }
    if any(isinstance(other, KafkaCandidate) for other in others):
        versions["Apache Kafka"] = reference_kafka.KAFKA_VERSION
        versions["on Java"] = machine.first_line(["java", "--version"])
    return versions


def tell(report: Report) -> int:
    """Print the table; the exit code that the score asks for."""
    print(f"{report.machine}; {report.date}; {report.runs} runs")
    is_below = False
    for against in report.against:
        print()
        print(text_table(report, against), end="")
        counts = verdict_counts(report, against)
        is_below = is_below or counts[Verdict.BELOW] > 0
        asked = sum(counts.values())
        print(f"{asked} figures with a floor: {counts[Verdict.GOAL]} meet the goal, {counts[Verdict.FLOOR]} the floor, ", end="")
        print(f"{counts[Verdict.BELOW]} neither, {counts[Verdict.UNKNOWN]} were not compared")
    if not report.against:
        print(text_table(report, "nothing"), end="")
    for name, milliseconds in report.import_times:
        print(f"  import {name:<40}{milliseconds:8.1f} ms")
    return 1 if is_below else 0
