"""What all commands have in common that talk to a cluster: their options, and how an error of the client becomes one of the command line.

A command that only looks gives a `Report`, which `--watch` shows again and again. A command that changes something asks before it does:
on a terminal by a question, elsewhere by insisting on `--yes`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from odradek.base.errors import Misuse
from odradek.cli.durations import duration_ms
from odradek.cli.problems import CommandFailed, ExitCode, described
from odradek.cli.table import JSON, TABLE
from odradek.cli.version import installed_version
from odradek.client.admin.admin_client import AdminClient, connected
from odradek.client.connection import ClientIdentity
from odradek.client.core.address import parse_addresses
from odradek.client.errors import ClientError, DeadlinePassed, NobodyReached

BOOTSTRAP_DEFAULT: Final = "127.0.0.1:9092"
TIMEOUT_DEFAULT: Final = "30s"
WATCH_DEFAULT: Final = "2s"
CLIENT_ID: Final = "odradek-cli"
# Clears a terminal and puts the cursor at its top left.
_CLEAR: Final = "\x1b[2J\x1b[H"


@dataclass(slots=True)
class Report:
    """What a command has to show, and what of it went wrong. `done_count` says whether anything else went right."""

    lines: list[str] = field(default_factory=list)
    failures: list[CommandFailed] = field(default_factory=list)
    done_count: int = 0

    @property
    def exit_code(self) -> ExitCode:
        if not self.failures:
            return ExitCode.DONE
        return ExitCode.PARTLY_DONE if self.done_count else self.failures[0].code

    def show(self) -> ExitCode:
        """Print it, what went wrong on stderr; the exit code."""
        for line in self.lines:
            print(line)
        sys.stdout.flush()
        for failure in self.failures:
            print(described(failure.what, failure.why, failure.help_line), file=sys.stderr)
        return self.exit_code


def add_cluster_arguments(parser: argparse.ArgumentParser, *, outputs: Sequence[str] = (TABLE, JSON)) -> None:
    """The options of every command that talks to a cluster."""
    parser.add_argument("-b", "--bootstrap", default=BOOTSTRAP_DEFAULT, metavar="HOST:PORT,...", help=f"default: {BOOTSTRAP_DEFAULT}")
    parser.add_argument("-o", "--output", choices=outputs, default=TABLE, help="table for people, one JSON object a line for programs")
    parser.add_argument(
        "--timeout",
        type=duration_ms,
        default=TIMEOUT_DEFAULT,
        metavar="TIME",
        help=f"how long each step may take; default: {TIMEOUT_DEFAULT}",
    )


def add_watch_argument(parser: argparse.ArgumentParser) -> None:
    """The option of a command that only looks."""
    parser.add_argument(
        "--watch", nargs="?", type=duration_ms, const=WATCH_DEFAULT, metavar="TIME", help=f"show it again every {WATCH_DEFAULT} (or TIME)"
    )


def add_change_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a command that changes something."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal to ask at")


def look(options: argparse.Namespace, report: Callable[[AdminClient], Awaitable[Report]]) -> int:
    """Show a report of the cluster, once or as long as somebody watches."""

    async def show(admin: AdminClient) -> int:
        shown = await report(admin)
        if options.watch is None:
            return shown.show()
        while True:
            if sys.stdout.isatty():
                sys.stdout.write(_CLEAR)
            shown.show()
            await sleep(options.watch / 1_000)
            try:
                shown = await report(admin)
            except (ClientError, CommandFailed) as error:
                # Whoever watches wants to see how it comes back.
                shown = Report(failures=[error if isinstance(error, CommandFailed) else CommandFailed(str(error))])

    return on_cluster(options, show)


def change(options: argparse.Namespace, deed: Callable[[AdminClient], Awaitable[Report]]) -> int:
    """Do something to the cluster, if there is somebody to ask or nothing to be asked."""
    if not options.yes and not options.dry_run and not sys.stdin.isatty():
        raise CommandFailed(
            "this changes the cluster, and there is no terminal to ask at",
            help_line="add --yes to do it, or --dry-run to see what would be done",
            code=ExitCode.WRONG_USAGE,
        )

    async def act(admin: AdminClient) -> int:
        return (await deed(admin)).show()

    return on_cluster(options, act)


def is_wanted(options: argparse.Namespace, question: str) -> bool:
    """Whether to go on: it was said before, or is said now."""
    if options.yes:
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    # asyncio's own handler would only cancel what runs when the loop goes on, which is after the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    finally:
        signal.signal(signal.SIGINT, before)


def not_wanted() -> Report:
    """Somebody was asked and did not say yes."""
    return Report(failures=[CommandFailed("nothing was changed")])


def on_cluster(options: argparse.Namespace, work: Callable[[AdminClient], Awaitable[int]]) -> int:
    """Do `work` with a client of the cluster that the options name; returns the exit code.

    Raises:
        CommandFailed: the cluster cannot be reached, or refused, or took too long.
    """
    try:
        addresses = parse_addresses(options.bootstrap)
    except Misuse as error:
        raise CommandFailed(f"--bootstrap: {error}", code=ExitCode.WRONG_USAGE) from error
    identity = ClientIdentity(CLIENT_ID, installed_version())

    async def run() -> int:
        async with connected(addresses, identity, timeout_s=options.timeout / 1_000) as admin:
            return await work(admin)

    try:
        return asyncio.run(run())
    except NobodyReached as error:
        reasons = list(error.reason_by_address.values())
        names = ", ".join(map(str, error.reason_by_address))
        raise CommandFailed(
            f"cannot reach {names}: {', '.join(dict.fromkeys(reasons))}",
            help_line="is a broker running there? -b names another; `odradek up` starts one",
        ) from error
    except DeadlinePassed as error:
        raise CommandFailed(str(error), help_line="--timeout gives it more time", code=ExitCode.TIMED_OUT) from error
    except ClientError as error:
        raise CommandFailed(str(error)) from error


def failed(what: str, error: ClientError, help_line: str | None = None) -> CommandFailed:
    """What one thing of several came to."""
    return CommandFailed(f"{what}: {error}", help_line=help_line)


def broker_name(admin: AdminClient, node_id: int) -> str:
    """A broker for people: where it is, and its id."""
    broker = admin.broker(node_id)
    return str(broker) if broker is not None else f"broker {node_id}"


def broker_data(admin: AdminClient, node_id: int) -> dict[str, object]:
    """The coordinator for programs."""
    broker = admin.broker(node_id)
    return {"coordinator": None if broker is None else str(broker.address), "coordinator_id": node_id}
