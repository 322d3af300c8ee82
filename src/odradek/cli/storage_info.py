"""`odradek storage info`: which directories a node has, whose they are, and what is wrong with them; changes nothing.

The text is the one of `kafka-storage info`, because people and scripts know it; `-o json` has the same as data.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from odradek.base.identifiers import uuid_to_text
from odradek.broker.formatting import DirectoriesReport, inspect_directories
from odradek.cli.node_properties import read_properties_file, up_properties
from odradek.cli.problems import ExitCode
from odradek.config.broker_settings_file import load_broker_settings
from odradek.storage.filesystem import RealFileSystem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-c", "--config", type=Path, metavar="FILE", help="the server.properties of the node")
    which.add_argument("--data", type=Path, metavar="DIR", help="the directory of `odradek up --data DIR`; default: that of `odradek up`")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="text as Kafka's tool prints it, or json")


def run(options: argparse.Namespace) -> int:
    if options.config is not None:
        properties = read_properties_file(options.config)
    else:
        properties = up_properties(host=None, port=None, data=options.data, file={}, assignments={})
    report = inspect_directories(load_broker_settings(properties), RealFileSystem())
    print(json.dumps(_as_data(report)) if options.output == "json" else _as_text(report))
    return ExitCode.REFUSED if report.problems else ExitCode.DONE


def _identity(report: DirectoriesReport) -> dict[str, str | int]:
    """The keys of `meta.properties`, in the order in which Kafka prints them."""
    if report.meta is None:
        return {}
    identity: dict[str, str | int] = {"cluster.id": report.meta.cluster_id}
    if report.meta.directory_id is not None:
        identity["directory.id"] = uuid_to_text(report.meta.directory_id)
    return {**identity, "node.id": report.meta.node_id, "version": report.meta.version}


def _as_text(report: DirectoriesReport) -> str:
    parts = [_listing("log director", "y", "ies", report.directories)]
    identity = _identity(report)
    if identity:
        parts.append(f"Found metadata: {{{', '.join(f'{name}={value}' for name, value in identity.items())}}}\n")
    if report.problems:
        parts.append(_listing("problem", "", "s", report.problems))
    return "\n".join(parts).rstrip("\n")


def _listing(noun: str, singular: str, plural: str, lines: Sequence[str]) -> str:
    return f"Found {noun}{singular if len(lines) == 1 else plural}:\n" + "".join(f"  {line}\n" for line in lines)


def _as_data(report: DirectoriesReport) -> dict[str, object]:
    return {"directories": list(report.directories), "metadata": _identity(report), "problems": list(report.problems)}
