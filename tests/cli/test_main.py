"""The frame of every command: lazy imports, forms of errors, exit codes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from types import ModuleType

import pytest

from odradek.base.errors import StartRefused
from odradek.cli.commands import COMMANDS, Entry
from odradek.cli.main import main
from odradek.cli.problems import CommandFailed, ExitCode


def run_python(program: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment).stdout


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """A command `fail` that raises what the test puts into the list."""
    failures: list[BaseException] = []

    def run(_: argparse.Namespace) -> int:
        raise failures[0]

    module = ModuleType("tests_failing_command")
    module.add_arguments = lambda parser: None  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "fail", Entry("fail", module.__name__))
    return failures


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["storage", "--help"], ["storage", "random-uuid"]])
def test_light_commands_import_neither_the_loop_nor_the_broker(arguments: list[str]) -> None:
    program = f"""
import sys
from odradek.cli.main import main
code = main({arguments!r})
heavy = [name for name in sys.modules if name.startswith(('asyncio', 'odradek.broker.', 'odradek.net.', 'odradek.config.', 'logging'))]
print('code', code, 'heavy', heavy)
"""
    assert run_python(program).splitlines()[-1] == "code 0 heavy []"


def test_help_lists_every_command_and_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.DONE

    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)
    assert printed.rstrip().splitlines()[-3] == "examples:"


@pytest.mark.parametrize("arguments", [[], ["storage"], ["log"]])
def test_noun_without_verb_shows_its_help_and_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.WRONG_USAGE
    assert "usage: odradek" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["produce-all"], ["version", "--colour"], ["version", "-o", "xml"], ["up", "--port", "http"], ["up", "--port", "65536"]]
)
def test_wrong_usage_says_what_is_wrong_and_where_help_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.WRONG_USAGE

    what, help_line = capsys.readouterr().err.splitlines()
    assert what.startswith("error: ")
    assert help_line.startswith("  help: odradek")
    assert help_line.endswith("--help")


def test_options_are_not_guessed_from_their_beginning() -> None:
    assert main(["version", "--out", "json"]) == ExitCode.WRONG_USAGE


def test_failed_command_prints_what_why_and_help(failing_command: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing_command.append(CommandFailed("it broke", why="it was old", help_line="buy another"))

    assert main(["fail"]) == ExitCode.REFUSED
    assert capsys.readouterr().err == "error: it broke\n  why:  it was old\n  help: buy another\n"


def test_start_that_is_refused_is_one_line_and_exit_code_1(
    failing_command: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command.append(StartRefused("the directory is locked"))

    assert main(["fail"]) == 1
    assert capsys.readouterr().err == "error: the directory is locked\n"


def test_bug_is_said_to_be_one_and_shows_its_traceback_only_with_debug(
    failing_command: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing_command.append(ZeroDivisionError("division by zero"))

    assert main(["fail"]) == ExitCode.REFUSED
    without = capsys.readouterr().err
    assert main(["fail", "--debug"]) == ExitCode.REFUSED
    with_debug = capsys.readouterr().err

    assert without.startswith("error: odradek itself failed: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in without
    assert "Traceback" in with_debug


def test_interrupt_has_its_own_exit_code(failing_command: list[BaseException]) -> None:
    failing_command.append(KeyboardInterrupt())

    assert main(["fail"]) == 130


def test_random_uuid_prints_one_that_is_not_reserved(capsys: pytest.CaptureFixture[str]) -> None:
    from odradek.base.identifiers import is_reserved_uuid, uuid_from_text

    assert main(["storage", "random-uuid"]) == ExitCode.DONE

    text = capsys.readouterr().out.strip()
    assert not is_reserved_uuid(uuid_from_text(text))
    assert not text.startswith("-")
