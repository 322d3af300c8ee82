"""`odradek`: finds the command, runs it, and turns whatever happens into lines and an exit code.

A command is a module with `add_arguments(parser)` and `run(options) -> int`. It is imported only when it is the one that was
asked for, so that `odradek --help` and `odradek version` answer before asyncio would have been loaded.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn, Protocol, cast

from odradek.base.errors import OdradekError
from odradek.cli.commands import COMMANDS, Entry
from odradek.cli.problems import CommandFailed, ExitCode, described


class Command(Protocol):
    """What a module of this room offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


class CommandParser(argparse.ArgumentParser):
    """A parser that asks its command's module for the arguments only when this command is the one to parse."""

    def __init__(self, *, prog: str, description: str, epilog: str, entry: Entry | None = None) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=description, epilog=epilog, formatter_class=layout, allow_abbrev=False)
        self._entry = entry

    # argparse declares overloads here that only repeat what it does; this passes everything on.
    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As argparse does; the first call imports the command."""
        entry, self._entry = self._entry, None
        if entry is not None and entry.module:
            command = cast("Command", import_module(entry.module))
            command.add_arguments(self)
            self.set_defaults(run=command.run)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in the form of every other error, and exit as wrong usage."""
        self.exit(ExitCode.WRONG_USAGE, described(message, help_line=f"{self.prog} --help") + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argument_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else ExitCode.WRONG_USAGE
    run = cast("Callable[[argparse.Namespace], int]", options.run)
    try:
        return run(options)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does: that is no error, but the flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except CommandFailed as failure:
        return _report(options, failure, described(failure.what, failure.why, failure.help_line), failure.code)
    except (OdradekError, OSError) as error:
        return _report(options, error, described(str(error)), ExitCode.REFUSED)
    except Exception as error:
        what = f"odradek itself failed: {type(error).__name__}: {error}"
        return _report(options, error, described(what, help_line="run it again with --debug and report what it prints"), ExitCode.REFUSED)


def _report(options: argparse.Namespace, error: BaseException, text: str, code: ExitCode) -> int:
    if getattr(options, "debug", False):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    print(text, file=sys.stderr)
    return code


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line, with the commands not imported yet."""
    parser = CommandParser(
        prog="odradek",
        description="A Kafka platform in one process: broker, metadata quorum and log, for any Kafka client.",
        epilog=_examples(("odradek up", "odradek COMMAND --help")),
    )
    parser.set_defaults(run=_print_help_of(parser))
    _add_commands(parser, COMMANDS)
    return parser


def _add_commands(parser: argparse.ArgumentParser, entries: Mapping[str, Entry]) -> None:
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=CommandParser)
    for name, entry in entries.items():
        description = f"{entry.summary[0].upper()}{entry.summary[1:]}."
        below = subparsers.add_parser(
            name, aliases=entry.aliases, help=entry.summary, description=description, epilog=_examples(entry.examples), entry=entry
        )
        if entry.verbs:
            below.set_defaults(run=_print_help_of(below))
            _add_commands(below, entry.verbs)
        else:
            below.add_argument("--debug", action="store_true", help="print a traceback with an error")


def _print_help_of(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """A noun without a verb shows what verbs there are, and is a wrong usage."""

    def run(_: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return ExitCode.WRONG_USAGE

    return run


def _examples(lines: Sequence[str]) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


if __name__ == "__main__":
    sys.exit(main())
