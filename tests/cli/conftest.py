"""A node with something to see on it, and a way to run commands against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from odradek.cli.main import main
from tests.support.cluster_work import ClusterWork
from tests.support.node_in_process import NodeInProcess

SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # So that a transaction can be begun that no coordinator knows of.
    "transaction.partition.verification.enable": "false",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        """What it printed with `-o json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def table(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.out.splitlines()]


class Shell:
    """Runs commands against one node."""

    def __init__(self, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.port = port
        self._capsys = capsys

    def __call__(self, *words: str) -> Told:
        code = main([*words, "-b", f"127.0.0.1:{self.port}", "--timeout", "20s"])
        printed = self._capsys.readouterr()
        return Told(code, printed.out, printed.err)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeInProcess]:
    with NodeInProcess(SETTINGS) as node:
        yield node


@pytest.fixture(scope="module")
def work(node: NodeInProcess) -> Iterator[ClusterWork]:
    work = ClusterWork("127.0.0.1", node.port)
    yield work
    work.close()


@pytest.fixture
def shell(node: NodeInProcess, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(node.port, capsys)
