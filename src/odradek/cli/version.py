"""`odradek version`: the version, the Python it runs on, and which hot modules run compiled."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping

from odradek.base.interpreted import compilation_note, hot_modules, is_compiled, stale_modules
from odradek.cli.problems import ExitCode

UNKNOWN_VERSION = "unknown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="table for people, json for programs")


def run(options: argparse.Namespace) -> int:
    compiled = {name: is_compiled(name) for name in hot_modules()}
    if options.output == "json":
        print(json.dumps(_as_data(compiled)))
        return ExitCode.DONE
    print(f"odradek {installed_version()}, for clients and tools of Apache Kafka 4.3")
    print(f"Python {platform.python_version()} at {sys.executable}")
    stale = stale_modules()
    width = max((len(name) for name in compiled), default=0)
    for name, is_machine_code in compiled.items():
        print(f"  {name:<{width}}  {'compiled' if is_machine_code else 'interpreted'}{', OLDER THAN ITS SOURCE' if name in stale else ''}")
    if note := compilation_note():
        print(f"the install said: {note}")
    return ExitCode.DONE


def installed_version() -> str:
    """The version of the installed distribution; a source tree that was never installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("odradek")
    except PackageNotFoundError:
        return UNKNOWN_VERSION


def _as_data(compiled: Mapping[str, bool]) -> dict[str, object]:
    return {
        "version": installed_version(),
        "kafka": "4.3",
        "python": platform.python_version(),
        "compiled": sorted(name for name, is_machine_code in compiled.items() if is_machine_code),
        "interpreted": sorted(name for name, is_machine_code in compiled.items() if not is_machine_code),
        "stale": stale_modules(),
    }
