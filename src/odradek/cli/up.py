"""`odradek up`: one node, broker and controller at once, on this machine, now.

It needs nothing: a directory that does not exist or is empty is set up as `odradek storage format --standalone` would, with a new
cluster id; one that is formatted is used as it is. Everything that Kafka lets one configure is reached by `--config` and `--set`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from odradek.broker.formatting import format_if_empty
from odradek.cli.node_properties import (
    HOST_DEFAULT,
    PORT_DEFAULT,
    SINGLE_NODE_PROPERTIES,
    parse_assignments,
    port_number,
    read_properties_file,
    up_properties,
)
from odradek.cli.node_run import add_log_arguments, add_metrics_argument, check_start, run_node, start_logging, take_metrics_setting
from odradek.config.broker_settings_file import load_broker_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the data is; default: ~/.local/share/odradek")
    parser.add_argument("--host", help=f"the address to listen on; default: {HOST_DEFAULT}; 0.0.0.0 is every one")
    parser.add_argument("--port", type=port_number, help=f"default: {PORT_DEFAULT}; 0 takes any free one")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a server.properties with Kafka's names")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one setting of Kafka's; can be repeated")
    add_metrics_argument(parser)
    add_log_arguments(parser, level_default="WARN")


def run(options: argparse.Namespace) -> int:
    start_logging(options)
    file = read_properties_file(options.config) if options.config is not None else {}
    assignments = parse_assignments(options.set, option="--set")
    properties = up_properties(host=options.host, port=options.port, data=options.data, file=file, assignments=assignments)
    metrics = take_metrics_setting(properties)
    settings = load_broker_settings(properties)
    check_start(settings, chosen=SINGLE_NODE_PROPERTIES.keys() - file.keys() - assignments.keys())
    format_if_empty(settings)
    return run_node(settings, options.metrics_port or metrics)
