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

from odradek.base.structured_log import LEVEL_BY_NAME, ROOT_LOGGER_NAME, LogFormat, configure, set_level
from odradek.broker.ready_report import ReadyReport
from odradek.cli.port_owner import owner_of
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.recovery_line import RecoveryLine
from odradek.config.broker_settings_file import start_notices
from odradek.config.listeners import WILDCARD_HOSTS, Endpoint, listeners
from odradek.config.settings import Settings

log = logging.getLogger("odradek.cli")


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


def run_node(settings: Settings) -> int:
    """Run the node of `settings` until it is stopped; returns the exit code.

    Raises:
        StartRefused: the node cannot start; the sentence says why.
    """
    # The only import here that brings asyncio and the broker with it: whatever is wrong before is said without the wait for them.
    from odradek.broker.main import serve

    line = RecoveryLine(sys.stderr, shutil.get_terminal_size().columns) if sys.stderr.isatty() else None
    try:
        return serve(settings, ready=print_ready, on_recovery=None if line is None else line.show)
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
    print(f"Odradek serves Kafka clients at {addresses}   data: {directories}   stop: Ctrl-C", flush=True)


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
