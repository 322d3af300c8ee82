"""What all commands have in common that talk to a cluster: nobody there, too slow, watched, wrong options, help and its examples."""

from __future__ import annotations

import argparse
import io
import shlex
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.cli.cluster_command import Report, look
from odradek.cli.commands import COMMANDS, Entry
from odradek.cli.main import main
from odradek.cli.problems import ExitCode
from odradek.client.admin.admin_client import AdminClient
from odradek.client.errors import DeadlinePassed
from tests.cli.conftest import Shell
from tests.support.cluster_work import ClusterWork

HELP_LINES_MAX = 40
VERBS = {f"{noun} {verb}": entry for noun in ("group", "transaction") for verb, entry in (COMMANDS[noun].verbs or {}).items()}


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port on which connections are taken and nothing is ever answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_nobody_at_the_address_is_said_with_the_reason_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["group", "list", "-b", "127.0.0.1:1"]) == ExitCode.REFUSED

    assert capsys.readouterr().err == (
        "error: cannot reach 127.0.0.1:1: connection refused\n"
        "  help: is a broker running there? -b names another; `odradek up` starts one\n"
    )


def test_broker_that_does_not_answer_in_time_has_an_exit_code_of_its_own(deaf_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["transaction", "list", "-b", f"127.0.0.1:{deaf_port}", "--timeout", "200ms"])

    assert code == 124
    err = capsys.readouterr().err
    assert err.startswith("error: nobody was reached within 0.2 s")
    assert err.endswith("  help: --timeout gives it more time\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-b", "localhost:port"], "--bootstrap: 'localhost:port'"),
        (["--timeout", "soon"], "'soon' is no span of time"),
        (["-o", "xml"], "invalid choice: 'xml'"),
        (["--watch", "often"], "'often' is no span of time"),
    ],
)
def test_option_that_is_wrong_is_named(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["group", "list", *words]) == ExitCode.WRONG_USAGE
    assert complaint in capsys.readouterr().err


def test_watched_report_is_shown_again_until_somebody_stops_it(shell: Shell, monkeypatch: pytest.MonkeyPatch, work: ClusterWork) -> None:
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("odradek.cli.cluster_command.sleep", sleep)

    told = shell("transaction", "list", "--watch", "500ms")

    assert told.code == ExitCode.INTERRUPTED
    assert pauses == [0.5, 0.5, 0.5]
    assert told.out.count("transactional_id") == 3


def test_watching_goes_on_when_the_cluster_does_not_answer_for_a_while(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[Report | DeadlinePassed] = [Report(["before"]), DeadlinePassed("not done within 5 s"), Report(["after"])]

    async def report(admin: AdminClient) -> Report:
        outcome = outcomes.pop(0)
        if isinstance(outcome, DeadlinePassed):
            raise outcome
        return outcome

    def run(options: argparse.Namespace) -> int:
        return look(options, report)

    async def sleep(pause_s: float) -> None:
        if not outcomes:
            raise KeyboardInterrupt

    monkeypatch.setattr("odradek.cli.cluster_command.sleep", sleep)
    monkeypatch.setattr("odradek.cli.transaction_list.run", run)

    told = shell("transaction", "list", "--watch")

    assert (told.code, told.out, told.err) == (ExitCode.INTERRUPTED, "before\nafter\n", "error: not done within 5 s\n")


def test_first_report_that_fails_ends_the_watching(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["group", "list", "--watch", "-b", "127.0.0.1:1"]) == ExitCode.REFUSED
    assert "cannot reach 127.0.0.1:1" in capsys.readouterr().err


def test_question_can_be_interrupted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            signal.raise_signal(signal.SIGINT)
            answers.append("y\n")
            return answers[0]

    monkeypatch.setattr("sys.stdin", Terminal())
    before = signal.getsignal(signal.SIGINT)

    told = shell("group", "delete", "anything")

    assert (told.code, answers) == (ExitCode.INTERRUPTED, [])
    assert signal.getsignal(signal.SIGINT) is before


def test_screen_is_cleared_between_reports_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def stop(pause_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("odradek.cli.cluster_command.sleep", stop)
    assert not shell("transaction", "list", "--watch").out.startswith("\x1b")
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    shell("transaction", "list", "--watch")
    assert screen.getvalue().startswith("\x1b[2J")


@pytest.mark.parametrize("name", VERBS)
def test_help_fits_on_a_screen_and_ends_with_two_examples(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*name.split(), "--help"]) == ExitCode.DONE

    lines = capsys.readouterr().out.rstrip().splitlines()
    assert len(lines) <= HELP_LINES_MAX
    assert lines[-3] == "examples:"
    assert all(line.startswith(f"  odradek {name} ") for line in lines[-2:])


@pytest.fixture(scope="module")
def prepared(work: ClusterWork) -> ClusterWork:
    """What the examples name: `orders`, whose first record is in a transaction that hangs; `readers` and `copier` come with each test."""
    work.create_topic("orders", 1)
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    assert work.write_in_transaction("nobody", (4711, 0), "orders", 0, timestamp_ms=hour_ago_ms) == ErrorCode.NONE
    work.write("orders", 0, 5)
    return work


@pytest.mark.parametrize(("name", "entry"), VERBS.items(), ids=list(VERBS))
def test_examples_of_the_help_do_what_they_say(name: str, entry: Entry, shell: Shell, prepared: ClusterWork) -> None:
    prepared.commit("readers", "orders", {0: 1})
    producer = prepared.begin("copier")
    prepared.add_partitions("copier", producer, "orders", [0])

    for example in entry.examples:
        words = shlex.split(example)
        assert words[:3] == ["odradek", *name.split()]
        told = shell(*words[1:])
        assert (told.code, told.err) == (ExitCode.DONE, ""), example
