"""`odradek log dump`: prints what is in the files of a partition and of a log directory, whether Kafka wrote them or Odradek.

The name of a file says what it is: a segment (`.log`), an index, a snapshot of producers, a snapshot of the metadata (`.checkpoint`), or
one of the text files. Every checksum and every count is compared; the first thing that is wrong ends the dump with one sentence and exit
code 1, after what was right has been printed. A file that a node is writing may end inside a batch, which is said in the same way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from odradek.base.errors import OdradekError
from odradek.cli.dumped_files import READER_BY_NAME, READER_BY_SUFFIX
from odradek.cli.dumped_records import Fields, LogKind
from odradek.cli.dumped_segment import segment_batches
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.table import Columns, cell

# The widths of columns are those of the first entries, so that a file of any size is printed while it is read.
_ALIGNED_ENTRIES: Final = 200
_SEGMENT_SUFFIXES: Final = (".log", ".checkpoint")
# What a segment or an index is called while it waits to be removed or put in place.
_PASSING_SUFFIXES: Final = (".deleted", ".cleaned", ".swap", ".part")


@dataclass(frozen=True, slots=True)
class DumpedEntry:
    """One entry of a file, and the records in it if it is a batch."""

    fields: Fields
    records: list[Fields]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="files of a partition or of a log directory")
    parser.add_argument(
        "--records",
        "--print-records",
        "--deep",
        action="store_true",
        help="print the records in each batch too; those of the metadata and of snapshots are always printed",
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="table for people, one JSON object a line for programs"
    )


def run(options: argparse.Namespace) -> int:
    paths: list[Path] = options.files
    for number, path in enumerate(paths):
        if options.output == "table" and len(paths) > 1:
            print(f"{'' if number == 0 else chr(10)}{path}")
        try:
            entries = _entries(path, has_records=options.records)
            if options.output == "json":
                _print_json(path, entries)
            else:
                _print_table(entries)
        except BrokenPipeError:
            # Standard output, not the file.
            raise
        except FileNotFoundError:
            raise CommandFailed(f"there is no file {path}") from None
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read", why=error.strerror) from error
        except OdradekError as error:
            raise CommandFailed(f"{path} is damaged", why=str(error)) from error
    return ExitCode.DONE


def _entries(path: Path, *, has_records: bool) -> Iterator[DumpedEntry]:
    name = path.name
    for suffix in _PASSING_SUFFIXES:
        name = name.removesuffix(suffix)
    reader = READER_BY_NAME.get(name) or READER_BY_SUFFIX.get(Path(name).suffix)
    if reader is not None:
        return (DumpedEntry(fields, []) for fields in reader(path))
    if name.endswith(_SEGMENT_SUFFIXES):
        is_snapshot = name.endswith(".checkpoint")
        kind = LogKind.METADATA if is_snapshot else LogKind.of_topic(path.resolve().parent.name.rpartition("-")[0])
        with_records = has_records or kind is LogKind.METADATA
        return (DumpedEntry(*batch) for batch in segment_batches(path, kind, has_records=with_records))
    known = ", ".join([*_SEGMENT_SUFFIXES, *READER_BY_SUFFIX, *READER_BY_NAME])
    raise CommandFailed(f"{path} is not a file of a log, as far as its name says", help_line=f"known are {known}")


def _print_json(path: Path, entries: Iterable[DumpedEntry]) -> None:
    for entry in entries:
        document: Fields = {"file": str(path)} | entry.fields
        if entry.records:
            document["contents"] = entry.records
        print(json.dumps(document))


def _print_table(entries: Iterator[DumpedEntry]) -> None:
    first: list[DumpedEntry] = []
    try:
        first.extend(islice(entries, _ALIGNED_ENTRIES))
        failure: OdradekError | None = None
    except OdradekError as error:
        failure = error
    # `extend` keeps what came before a failure, and it is printed before the failure is told.
    _print_rows(first, entries if failure is None else iter(()))
    if failure is not None:
        raise failure


def _print_rows(first: list[DumpedEntry], rest: Iterator[DumpedEntry]) -> None:
    if not first:
        print("empty")
        return
    columns = Columns(_column_names(first), [entry.fields for entry in first])
    print(columns.heading())
    for entry in chain(first, rest):
        print(columns.line(entry.fields))
        for record in entry.records:
            print(f"  {_record_line(record)}")


def _column_names(entries: list[DumpedEntry]) -> list[str]:
    """The columns that tell something: for most batches the producer's are all -1."""
    names = dict.fromkeys(name for entry in entries for name in entry.fields)
    return [name for name in names if any(entry.fields.get(name) not in (-1, None, "") for entry in entries)] or list(names)


def _record_line(fields: Fields) -> str:
    plain = [str(fields["offset"]), cell(fields["timestamp"])]
    if "type" in fields:
        plain.append(str(fields["type"]))
    return "  ".join(plain + [f"{name}={cell(value)}" for name, value in fields.items() if name not in ("offset", "timestamp", "type")])
