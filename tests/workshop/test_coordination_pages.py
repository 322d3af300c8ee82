"""docs/consumer-groups.md and docs/transactions.md: programs and commands run, files, settings and errors exist, no error is left out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.config import broker_group_settings, broker_transaction_settings
from tests.coordinator.group import test_consumer_refusals, test_group_refusals, test_offset_refusals
from tests.coordinator.transaction import test_transaction_refusals
from tests.support.odradek_node import OdradekNode

PROJECT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = PROJECT / "docs"
GROUPS, TRANSACTIONS = "consumer-groups.md", "transactions.md"
SECONDS_MAX: Final = 60
ADDRESS: Final = "127.0.0.1:9092"
PRINTED: Final = {
    GROUPS: [f"order {number}" for number in range(6)],
    TRANSACTIONS: [f"bill of order {number}" for number in range(3)],
}
_BLOCK: Final = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OdradekNode]:
    node = OdradekNode(tmp_path, {"group.initial.rebalance.delay.ms": "0", "group.consumer.heartbeat.interval.ms": "500"})
    node.start()
    yield node
    node.stop()


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS_MAX, env=environment)


@pytest.mark.parametrize("page", [GROUPS, TRANSACTIONS])
def test_programs_and_commands_of_the_page_run(page: str, node: OdradekNode) -> None:
    pytest.importorskip("confluent_kafka")
    printed: list[str] = []
    for language, block in _BLOCK.findall(text_of(page)):
        if language == "python":
            done = run([sys.executable, "-c", block.replace(ADDRESS, node.bootstrap)])
            assert done.returncode == 0, done.stderr
            printed += done.stdout.splitlines()
            continue
        for command in block.splitlines():
            words = shlex.split(command)
            assert words[0] == "odradek"
            done = run([sys.executable, "-m", *words, "--bootstrap", node.bootstrap])
            assert done.returncode == 0, f"{command}: {done.stderr}"

    assert sorted(printed) == PRINTED[page]


def errors_in_table(page: str) -> set[str]:
    """What stands in the first column of a table of errors."""
    return {name for row in re.findall(r"^\| (`[A-Z_`, ]+`) \|", text_of(page), re.MULTILINE) for name in re.findall(r"[A-Z_]+", row)}


@pytest.mark.parametrize(
    ("page", "modules"),
    [(GROUPS, (test_group_refusals, test_consumer_refusals, test_offset_refusals)), (TRANSACTIONS, (test_transaction_refusals,))],
)
def test_every_error_that_somebody_is_told_is_explained(page: str, modules: tuple[object, ...]) -> None:
    told = {case.code.name for module in modules for case in module.CASES}  # type: ignore[attr-defined]

    assert told - errors_in_table(page) == set()
    assert errors_in_table(page) <= {code.name for code in ErrorCode}


@pytest.mark.parametrize("page", [GROUPS, TRANSACTIONS])
def test_files_settings_and_links_of_the_page_exist(page: str) -> None:
    text = text_of(page)
    files = re.findall(r"`((?:src|tests|docs)/[\w/.]+)`", text)
    room = {GROUPS: "group", TRANSACTIONS: "transaction"}[page]
    modules = [f"src/odradek/coordinator/{room}/{name}" for name in re.findall(r"`(\w+\.py)`", text)]
    assert len(files) > 2

    assert [name for name in [*files, *modules] if not (PROJECT / name).exists()] == []
    assert [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not (DOCS / target).exists()] == []


@pytest.mark.parametrize("page", [GROUPS, TRANSACTIONS])
def test_settings_of_the_broker_that_the_page_names_exist(page: str) -> None:
    known = {
        value.name
        for module in (broker_group_settings, broker_transaction_settings)
        for value in vars(module).values()
        if hasattr(value, "name")
    }
    prefixes = (
        "group.consumer.",
        "group.initial.",
        "group.min.",
        "group.max.",
        "offset.",
        "transaction.max.",
        "transaction.abort.",
        "transactional.id.",
    )
    named = {name for name in re.findall(r"`([a-z][a-z.]+)`", text_of(page)) if name.startswith(prefixes)}
    assert named

    assert named - known == set()
