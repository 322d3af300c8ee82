"""Running a node in the foreground: what `up` and `start` have in common once they know its settings.

In this order, because each step makes the errors of the next one clearer: logging is set up, the settings are validated as a whole,
ports that others hold are refused with the holder's name, and then the node has the process until it stops.
"""

from __future__ import annotations

import argparse
import errno
import logging
import shutil
import socket
import sys
from collections.abc import Container, Iterable, Mapping
from typing import Final

from odradek.base.errors import SettingError
from odradek.base.structured_log import LEVEL_BY_NAME, ROOT_LOGGER_NAME, LogFormat, configure, set_level
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.ready_report import ReadyReport
from odradek.cli.node_properties import port_number
from odradek.cli.port_owner import owner_of
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.recovery_line import RecoveryLine
from odradek.config.broker_settings_file import start_notices
from odradek.config.listeners import WILDCARD_HOSTS, Endpoint, listeners
from odradek.config.settings import Settings

log = logging.getLogger("odradek.cli")

# Whoever can reach the port reads the names of all topics and groups, so it is for this machine unless somebody says otherwise.
METRICS_HOST_DEFAULT: Final = "127.0.0.1"
METRICS_SETTING: Final = "odradek.metrics.listener"


def add_log_arguments(parser: argparse.ArgumentParser, *, level_default: str) -> None:
    """The options of a command that runs a node for how it logs."""
    parser.add_argument("--log-format", choices=[form.value for form in LogFormat], default=LogFormat.HUMAN.value, help="default: human")
    parser.add_argument(
        "--log-level",
        action="append",
        default=[],
        metavar="[LOGGER=]LEVEL",
        help=f"{', '.join(LEVEL_BY_NAME)}; of one logger with odradek.net=DEBUG; default: {level_default}",
    )
    parser.set_defaults(log_level_default=level_default)


def start_logging(options: argparse.Namespace) -> None:
    """Log to stderr as the options say.

    Raises:
        CommandFailed: a level does not exist.
    """
    level_by_logger = {ROOT_LOGGER_NAME: str(options.log_level_default), **_levels(options.log_level)}
    configure(sys.stderr, LogFormat(options.log_format), level_by_logger.pop(ROOT_LOGGER_NAME))
    for name, level in level_by_logger.items():
        set_level(name, level)


def check_start(settings: Settings, *, chosen: Container[str] = ()) -> None:
    """Say what in the settings has no effect, and refuse ports that are taken. `chosen` are names of settings that nobody asked for.

    Raises:
        CommandFailed: a port is in use.
    """
    for notice in start_notices(settings, chosen):
        log.warning(notice)
    refuse_ports_in_use(listeners(settings))


def add_metrics_argument(parser: argparse.ArgumentParser) -> None:
    """The option of a command that runs a node for where its metrics are to be had."""
    parser.add_argument(
        "--metrics-port",
        type=metrics_address,
        metavar="[HOST:]PORT",
        help=f"serve metrics for Prometheus, among them consumer lag, at /metrics; default: not at all; host: {METRICS_HOST_DEFAULT}",
    )


def metrics_address(text: str) -> MetricsAddress:
    """What `--metrics-port` was given, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is neither a port nor host:port.
    """
    host, colon, port = text.rpartition(":")
    if colon and not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not [HOST:]PORT")
    return MetricsAddress(host.strip("[]") or METRICS_HOST_DEFAULT, port_number(port))


def take_metrics_setting(properties: dict[str, str]) -> MetricsAddress | None:
    """What the file says of metrics. Taken out of it: the name is ours, and no setting of Kafka's.

    Raises:
        SettingError: it is no address.
    """
    text = properties.pop(METRICS_SETTING, "").strip()
    try:
        return metrics_address(text) if text else None
    except argparse.ArgumentTypeError as error:
        raise SettingError(f"Invalid value {text} for configuration {METRICS_SETTING}: {error}") from error


def run_node(settings: Settings, metrics: MetricsAddress | None = None) -> int:
    """Run the node of `settings` until it is stopped; returns the exit code.

    Raises:
        StartRefused: the node cannot start; the sentence says why.
    """
    # The only import here that brings asyncio and the broker with it: whatever is wrong before is said without the wait for them.
    from odradek.broker.main import serve

    line = RecoveryLine(sys.stderr, shutil.get_terminal_size().columns) if sys.stderr.isatty() else None
    try:
        return serve(settings, ready=print_ready, on_recovery=None if line is None else line.show, metrics=metrics)
    finally:
        if line is not None:
            line.clear()


def refuse_ports_in_use(endpoints: Iterable[Endpoint]) -> None:
    """Try every port before any file is touched, and say who has the one that is taken.

    The node's own bind can still fail, if somebody is faster; it then says the same without the name.

    Raises:
        CommandFailed: a port is in use.
    """
    for endpoint in endpoints:
        if endpoint.port == 0 or not _is_in_use(endpoint):
            continue
        owner = owner_of(endpoint.port)
        host = "every address" if endpoint.host in WILDCARD_HOSTS else endpoint.host
        raise CommandFailed(
            f"cannot listen on port {endpoint.port} of {host} for listener {endpoint.name}: "
            + (f"{owner} has it" if owner is not None else "another process has it"),
            help_line="stop it, or choose another port (`--port` of `odradek up`, `listeners` in a server.properties)",
        )


def print_ready(report: ReadyReport) -> None:
    """The one line of a node that serves; flushed, because whoever waits for it may read from a pipe."""
    addresses = ", ".join(report.client_addresses)
    directories = ", ".join(report.log_directories)
    metrics = "" if report.metrics_address is None else f"   metrics: {report.metrics_address}"
    print(f"Odradek serves Kafka clients at {addresses}   data: {directories}{metrics}   stop: Ctrl-C", flush=True)


def _is_in_use(endpoint: Endpoint) -> bool:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the node itself will do: connections of a predecessor that still linger do not count as "in use".
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            # Any other refusal (an address of another machine, a port for root only) is better said by the node's own bind.
            return error.errno == errno.EADDRINUSE
    return False


def _levels(arguments: Iterable[str]) -> Mapping[str, str]:
    levels = {}
    for argument in arguments:
        name, _, level = argument.rpartition("=")
        if level.upper() not in LEVEL_BY_NAME:
            allowed = ", ".join(LEVEL_BY_NAME)
            raise CommandFailed(f"--log-level {argument}: there is no level {level!r}; there are {allowed}", code=ExitCode.WRONG_USAGE)
        levels[name or ROOT_LOGGER_NAME] = level.upper()
    return levels
