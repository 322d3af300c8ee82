"""`odradek start FILE`: the node that a server.properties describes, in directories that are formatted.

As Kafka's own start does, it refuses directories that are not: formatting decides which cluster a node belongs to, and a node that
did this by itself would, on a wrong `log.dirs`, come up empty instead of not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from odradek.cli.node_properties import parse_assignments, read_properties_file
from odradek.cli.node_run import add_log_arguments, add_metrics_argument, check_start, run_node, start_logging, take_metrics_setting
from odradek.config.broker_settings_file import load_broker_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a server.properties with Kafka's names")
    parser.add_argument(
        "--set", "--override", action="append", default=[], metavar="NAME=VALUE", help="one setting instead of the file's; can be repeated"
    )
    add_metrics_argument(parser)
    add_log_arguments(parser, level_default="INFO")


def run(options: argparse.Namespace) -> int:
    start_logging(options)
    properties = read_properties_file(options.file) | parse_assignments(options.set, option="--set")
    metrics = take_metrics_setting(properties)
    settings = load_broker_settings(properties)
    check_start(settings)
    return run_node(settings, options.metrics_port or metrics)
