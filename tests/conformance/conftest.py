"""How a scenario meets its target and its client, and how the ledger judges the outcome.

A test that asks for `target` runs once against Odradek and once against Apache Kafka, where Java is. A test that asks for `judge` names the
clients by parametrisation. Outcomes against Odradek go through the ledger (see ledger.py); against Apache Kafka every scenario must pass,
because a scenario that Kafka itself fails says nothing about anyone else.
"""

import os
import re
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import pytest

from tests.conformance import ledger
from tests.conformance.clients.client import Client, Codec
from tests.conformance.clients.registry import JUDGES, STEWARD
from tests.conformance.eventually import eventually
from tests.conformance.nodes import APACHE_KAFKA, ODRADEK, TARGETS, Node, Nodes
from tests.support import reference_kafka
from tests.support.tool_server import ToolServer

_OPTION_TARGET: Final = "--target"
_OPTION_LIST: Final = "--list-passing"
_OPTION_RECORD: Final = "--record-reference"


@dataclass(slots=True)
class Verdicts:
    """What this session learnt about the ledger."""

    listed: frozenset[str]
    may_extend: bool
    newly_passing: set[str] = field(default_factory=set)


_VERDICTS: Final = pytest.StashKey[Verdicts]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption(_OPTION_TARGET, choices=TARGETS, help="judge only this target")
    group.addoption(_OPTION_LIST, action="store_true", help="add scenarios that pass against Odradek to the ledger")
    group.addoption(_OPTION_RECORD, action="store_true", help="write down what Apache Kafka answers as the expected outcomes")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_VERDICTS] = Verdicts(listed=ledger.read_ledger(), may_extend=bool(config.getoption(_OPTION_LIST)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    wanted = metafunc.config.getoption(_OPTION_TARGET)
    metafunc.parametrize("target", [wanted] if wanted else TARGETS, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_whole = not config.getoption("keyword") and not config.getoption("markexpr") and not any("::" in word for word in config.args)
    if not is_whole or config.getoption(_OPTION_TARGET) == APACHE_KAFKA:
        return
    collected = [name for name in map(_odradek_scenario, items) if name is not None]
    lost = ledger.lost_scenarios(config.stash[_VERDICTS].listed, collected)
    if lost:
        raise pytest.UsageError(f"scenarios in the ledger that no longer exist: {', '.join(lost)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    name = _odradek_scenario(item)
    if name is None or report.skipped or (report.when != "call" and report.passed):
        return report
    verdicts = item.config.stash[_VERDICTS]
    if report.failed and name not in verdicts.listed:
        report.outcome = "skipped"
        report.wasxfail = f"a known gap, see tests/conformance/FINDINGS.md: {_last_line(report)}"
    elif report.passed and name not in verdicts.listed:
        verdicts.newly_passing.add(name)
        if not verdicts.may_extend:
            report.outcome = "failed"
            report.longrepr = f"{name} passes and is not in the ledger: run with {_OPTION_LIST}"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    verdicts = session.config.stash[_VERDICTS]
    if verdicts.may_extend and verdicts.newly_passing:
        ledger.extend_ledger(verdicts.newly_passing)


def _odradek_scenario(item: pytest.Item) -> str | None:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec") or item.callspec.params.get("target") != ODRADEK:
        return None
    return ledger.scenario_id(item.module.__name__, item.originalname, item.callspec.id)


def _last_line(report: pytest.TestReport) -> str:
    lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
    return lines[0][1:].strip() if lines else report.longreprtext[-200:]


def _absent(reason: str) -> NoReturn:
    # In continuous integration a judge that is not there has to be brought, not passed over.
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def absent() -> Callable[[str], NoReturn]:
    """Ends a scenario whose judge is not on this machine."""
    return _absent


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    yield nodes
    nodes.stop_all()


@pytest.fixture(scope="session")
def java() -> Iterator[Callable[[], ToolServer]]:
    """The JVM of the session for tools and consumers, started when a scenario first asks for it."""
    started: list[ToolServer] = []
    # The members of a group ask for it at one time, each in its own thread.
    starting = threading.Lock()

    def server() -> ToolServer:
        with starting:
            if not started:
                started.append(ToolServer())
        return started[0]

    yield server
    for one in started:
        one.close()


@pytest.fixture
def start_node(nodes: Nodes, target: str) -> Callable[[str], Node]:
    """A node of the target, in the flavour that is asked for."""
    reason = reference_kafka.missing_reason() if target == APACHE_KAFKA else None
    if reason:
        _absent(reason)
    return lambda flavour: nodes.running(target, flavour)


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node("plain")


@pytest.fixture
def connect() -> Iterator[Callable[[str, Node], Client]]:
    """Connects a judge by name; every connection ends with the scenario."""
    connected: list[Client] = []

    def connect(name: str, node: Node) -> Client:
        reason = JUDGES[name].missing_reason()
        if reason:
            _absent(reason)
        client = JUDGES[name].connect(node.bootstrap)
        connected.append(client)
        return client

    yield connect
    for client in connected:
        client.close()


@pytest.fixture
def client(judge: str, node: Node, connect: Callable[[str, Node], Client]) -> Client:
    return connect(judge, node)


@pytest.fixture
def steward(node: Node, connect: Callable[[str, Node], Client]) -> Client:
    """The client that prepares and checks what the judged client cannot."""
    return connect(STEWARD, node)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A name that no other scenario of the session uses."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", request.node.name.removeprefix("test_"))[:200]


@pytest.fixture
def made_topic(topic: str, steward: Client) -> str:
    """A topic of one partition."""
    steward.create_topic(topic, partition_count=1)
    eventually(lambda: topic in steward.topic_names(), True)
    return topic


def pytest_make_parametrize_id(val: object) -> str | None:
    return val.value if isinstance(val, Codec) else None


@pytest.fixture(scope="session")
def record_reference(pytestconfig: pytest.Config) -> bool:
    """Whether what Apache Kafka answers is written down as the expected outcome."""
    return bool(pytestconfig.getoption(_OPTION_RECORD))
