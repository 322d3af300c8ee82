"""`odradek group` and `odradek transaction` beside Apache Kafka's own tools: both look at the same node, which is ours or Kafka's, and
have to say the same; and what ours has changed, Kafka's tool has to see.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.cli.main import main
from tests.conformance.nodes import COORDINATING, Node
from tests.conformance.tool_stories.transcript import TOOLS
from tests.support.cluster_work import ClusterWork, member_name
from tests.support.reference_kafka import missing_reason
from tests.support.tool_server import ToolServer

Row = dict[str, str]
Tool = Callable[..., str]
Ours = Callable[..., list[dict[str, object]]]

HOUR_MS = 3_600_000
SEEN_SECONDS_MAX = 30
VERIFICATION = "transaction.partition.verification.enable"


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node(COORDINATING)


@pytest.fixture
def work(node: Node) -> Iterator[ClusterWork]:
    host, _, port = node.bootstrap.rpartition(":")
    work = ClusterWork(host, int(port))
    yield work
    work.close()


@pytest.fixture
def theirs(node: Node, java: Callable[[], ToolServer], absent: Callable[[str], None]) -> Tool:
    """Runs one of Kafka's tools; what it prints."""
    reason = missing_reason()
    if reason:
        absent(reason)

    def run(tool: str, *arguments: str) -> str:
        outcome = java().run(TOOLS[tool], ["--bootstrap-server", node.bootstrap, *arguments])
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        return outcome.text

    return run


@pytest.fixture
def ours(node: Node, capsys: pytest.CaptureFixture[str]) -> Ours:
    """Runs one of our commands; the rows it prints."""

    def run(*words: str, code: int = 0) -> list[dict[str, object]]:
        returned = main([*words, "-b", node.bootstrap, "-o", "json"])
        printed = capsys.readouterr()
        assert returned == code, printed.err
        return [json.loads(line) for line in printed.out.splitlines()]

    return run


def rows_of(table: str) -> list[Row]:
    """The table of one of Kafka's tools, whose columns have no spaces in them."""
    lines = [line.replace("COORDINATOR (ID)", "COORDINATOR ID").split() for line in table.splitlines() if line.strip()]
    headings = next(index for index, words in enumerate(lines) if words[0][:2].isupper() or words[0] in ("TransactionalId", "Topic"))
    return [dict(zip(lines[headings], words, strict=True)) for words in lines[headings + 1 :]]


def text(value: object) -> str:
    """A value of ours as Kafka's tools show it."""
    return "-" if value is None else str(value)


@pytest.fixture
def group(request: pytest.FixtureRequest, work: ClusterWork, topic: str) -> str:
    """A group of the kind that the test is about: some lag in one partition, none in another, nothing committed in the third."""
    kind = request.node.callspec.params.get("kind", "idle")
    work.create_topic(topic, 3)
    now_ms = time.time_ns() // 1_000_000
    work.write(topic, 0, 3, timestamp_ms=now_ms - 2 * HOUR_MS)
    work.write(topic, 0, 4, timestamp_ms=now_ms)
    work.write(topic, 1, 5)
    name = f"{topic}-{kind}"
    work.commit(name, topic, {0: 2, 1: 5})
    if kind == "classic":
        work.join_classic(name, topic, [0, 2])
    elif kind == "consumer":
        work.join_consumer(name, [topic], member_name(1))
    return name


@pytest.mark.parametrize("kind", ["idle", "classic", "consumer"])
def test_group_is_described_as_kafkas_tool_describes_it(kind: str, group: str, ours: Ours, theirs: Tool) -> None:
    (described,) = ours("group", "describe", group)
    offsets = rows_of(theirs("consumer-groups", "--describe", "--group", group))
    (state,) = rows_of(theirs("consumer-groups", "--describe", "--group", group, "--state", "--verbose"))

    partitions = described["partitions"]
    assert isinstance(partitions, list)
    columns: dict[str, Callable[[dict[str, object]], str]] = {
        "GROUP": lambda _: group,
        "TOPIC": lambda row: text(row["topic"]),
        "PARTITION": lambda row: text(row["partition"]),
        "CURRENT-OFFSET": lambda row: text(row["current_offset"]),
        "LOG-END-OFFSET": lambda row: text(row["log_end_offset"]),
        "LAG": lambda row: text(row["lag"]),
        "CONSUMER-ID": lambda row: text(row["member"]),
        "HOST": lambda row: text(row["host"]),
        "CLIENT-ID": lambda row: text(row["client_id"]),
    }
    assert len(partitions) >= 2
    told = [{name: value_of(row) for name, value_of in columns.items()} for row in partitions]
    assert told == sorted(offsets, key=lambda row: int(row["PARTITION"]))
    assert state == {
        "GROUP": group,
        "COORDINATOR": described["coordinator"],
        "ID": f"({described['coordinator_id']})",
        "ASSIGNMENT-STRATEGY": text(described["assignor"]),
        "STATE": described["state"],
        "GROUP-EPOCH": text(described["epoch"]),
        "TARGET-ASSIGNMENT-EPOCH": text(described["assignment_epoch"]),
        "#MEMBERS": text(described["members"]),
    }


@pytest.mark.parametrize("kind", ["classic", "consumer"])
def test_members_are_told_as_kafkas_tool_tells_them(kind: str, group: str, ours: Ours, theirs: Tool) -> None:
    (member,) = ours("group", "members", group)
    (row,) = rows_of(theirs("consumer-groups", "--describe", "--group", group, "--members", "--verbose"))

    def assigned(name: str) -> str:
        topics = member[name]
        assert topics is None or isinstance(topics, list)
        return ";".join(f"{one['topic']}:{','.join(map(str, one['partitions']))}" for one in topics or []) or "-"

    assert row == {
        "GROUP": group,
        "CONSUMER-ID": member["member"],
        "HOST": member["host"],
        "CLIENT-ID": member["client_id"],
        "#PARTITIONS": text(member["partitions"]),
        "CURRENT-EPOCH": text(member["epoch"]),
        "CURRENT-ASSIGNMENT": assigned("assignment"),
        "TARGET-EPOCH": text(member["assignment_epoch"]),
        "TARGET-ASSIGNMENT": assigned("target_assignment"),
    }


def test_groups_are_listed_as_kafkas_tool_lists_them(group: str, ours: Ours, theirs: Tool) -> None:
    told = {(row["GROUP"], row["TYPE"], row["STATE"]) for row in rows_of(theirs("consumer-groups", "--list", "--state", "--type"))}

    listed = {(text(row["group"]), text(row["type"]), text(row["state"])) for row in ours("group", "list")}

    # Groups of other scenarios come and go meanwhile.
    assert (group, "Classic", "Empty") in told & listed


def test_offsets_are_planned_as_kafkas_tool_plans_them(
    group: str, topic: str, ours: Ours, theirs: Tool, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = [
        ["--all-topics", "--to-earliest"],
        ["--all-topics", "--to-latest"],
        ["--all-topics", "--to-current"],
        ["--all-topics", "--to-offset", "3"],
        ["--all-topics", "--to-offset", "1000"],
        ["--all-topics", "--shift-by", "2"],
        ["--all-topics", "--shift-by", "-100"],
        ["--all-topics", "--by-duration", "PT1H"],
        ["--all-topics", "--to-datetime", "2001-01-01T00:00:00.000"],
        ["--all-topics", "--to-datetime", "2999-01-01T00:00:00.000"],
        ["--topic", topic, "--to-current"],
        ["--topic", f"{topic}:1,0", "--shift-by", "1"],
    ]
    for target in targets:
        planned = theirs("consumer-groups", "--reset-offsets", "--group", group, *target, "--dry-run", "--export")
        assert main(["group", "reset-offsets", group, *target, "--dry-run", "-b", node.bootstrap, "-o", "csv"]) == 0
        told = [row for row in csv.reader(planned.splitlines()) if row[:1] == [topic]]
        assert told
        assert list(csv.reader(capsys.readouterr().out.splitlines())) == sorted([group, *row] for row in told), target
    # Nothing is committed for the third partition: there is nothing to shift, for Kafka's tool either.
    assert ours("group", "reset-offsets", group, "--topic", topic, "--shift-by", "1", "--dry-run", code=1) == []


def test_kafkas_tool_sees_what_was_reset_and_forgotten(group: str, topic: str, ours: Ours, theirs: Tool) -> None:
    def offsets() -> dict[str, str]:
        return {row["PARTITION"]: row["CURRENT-OFFSET"] for row in rows_of(theirs("consumer-groups", "--describe", "--group", group))}

    assert len(ours("group", "reset-offsets", group, "--topic", topic, "--to-offset", "1", "--yes")) == 3
    assert offsets() == {"0": "1", "1": "1", "2": "0"}
    assert len(ours("group", "delete-offsets", group, "--topic", f"{topic}:2", "--yes")) == 1
    assert offsets() == {"0": "1", "1": "1"}
    assert ours("group", "delete", group, "--yes") == [{"group": group, "result": "deleted"}]
    assert group not in theirs("consumer-groups", "--list").split()


@pytest.mark.parametrize("kind", ["classic", "consumer"])
def test_group_with_members_is_left_as_it_is(kind: str, group: str, topic: str, ours: Ours) -> None:
    assert ours("group", "reset-offsets", group, "--topic", topic, "--to-latest", "--yes", code=1) == []
    assert ours("group", "delete-offsets", group, "--topic", topic, "--yes", code=1) == []
    assert ours("group", "delete", group, "--yes", code=1) == []
    assert [row["group"] for row in ours("group", "describe", group)] == [group]


def test_group_that_does_not_exist_is_unknown(topic: str, ours: Ours) -> None:
    assert ours("group", "describe", f"{topic}-unknown", code=1) == []
    assert ours("group", "delete", f"{topic}-unknown", "--yes", code=1) == []
    assert ours("transaction", "describe", f"{topic}-unknown", code=1) == []


def test_transaction_is_told_and_ended_as_kafkas_tool_does(topic: str, work: ClusterWork, ours: Ours, theirs: Tool) -> None:
    work.create_topic(topic, 2)
    producer = work.begin(topic)
    work.add_partitions(topic, producer, topic, [0, 1])
    assert work.write_in_transaction(topic, producer, topic, 1) == ErrorCode.NONE

    (listed,) = [row for row in ours("transaction", "list") if row["transactional_id"] == topic]
    (their_list,) = [row for row in rows_of(theirs("transactions", "list")) if row["TransactionalId"] == topic]
    assert their_list == {
        "TransactionalId": topic,
        "Coordinator": text(listed["coordinator_id"]),
        "ProducerId": text(listed["producer_id"]),
        "TransactionState": listed["state"],
    }
    (described,) = ours("transaction", "describe", topic)
    table = [line.split() for line in theirs("transactions", "describe", "--transactional-id", topic).splitlines()]
    row = dict(zip(table[0], table[1], strict=True))
    assert (row["CoordinatorId"], row["ProducerId"], row["ProducerEpoch"], row["TransactionState"], row["TransactionTimeoutMs"]) == tuple(
        text(described[name]) for name in ("coordinator_id", "producer_id", "producer_epoch", "state", "timeout_ms")
    )
    assert set(row["TopicPartitions"].split(",")) == {f"{topic}-0", f"{topic}-1"}
    assert described["partitions"] == [{"topic": topic, "partitions": [0, 1]}]
    (open_in,) = ours("transaction", "describe-producers", "--topic", topic, "--partition", "1")
    table = [line.split() for line in theirs("transactions", "describe-producers", "--topic", topic, "--partition", "1").splitlines()]
    row = dict(zip(table[0], table[1], strict=True))
    assert (row["ProducerId"], row["ProducerEpoch"], row["LastSequence"], row["CurrentTransactionStartOffset"]) == tuple(
        text(open_in[name]) for name in ("producer_id", "producer_epoch", "last_sequence", "transaction_start_offset")
    )

    (ended,) = ours("transaction", "force-terminate", topic, "--yes")

    assert ended["result"] == "terminated"
    assert "Ongoing" not in theirs("transactions", "describe", "--transactional-id", topic)
    assert ours("transaction", "force-terminate", f"{topic}-unknown", "--yes", code=1) == []


def test_hanging_transaction_is_found_and_aborted_as_kafkas_tool_does(topic: str, work: ClusterWork, ours: Ours, theirs: Tool) -> None:
    work.create_topic(topic, 1)
    producer = work.begin(topic)
    hour_ago_ms = time.time_ns() // 1_000_000 - HOUR_MS
    work.set_broker_default(VERIFICATION, "false")
    try:
        deadline_s = time.monotonic() + SEEN_SECONDS_MAX
        while (code := work.write_in_transaction(topic, producer, topic, 0, timestamp_ms=hour_ago_ms)) != ErrorCode.NONE:
            assert time.monotonic() < deadline_s, code
    finally:
        work.set_broker_default(VERIFICATION, None)

    (found,) = ours("transaction", "find-hanging", "--topic", topic)
    (row,) = rows_of(theirs("transactions", "find-hanging", "--topic", topic))
    assert (row["Topic"], row["Partition"], row["ProducerId"], row["ProducerEpoch"], row["StartOffset"]) == tuple(
        text(found[name]) for name in ("topic", "partition", "producer_id", "producer_epoch", "transaction_start_offset")
    )
    assert (row["CoordinatorEpoch"], found["coordinator_epoch"]) == ("-1", None)

    assert ours("transaction", "abort", "--topic", topic, "--partition", "0", "--start-offset", "7", "--yes", code=1) == []
    (aborted,) = ours("transaction", "abort", "--topic", topic, "--partition", "0", "--start-offset", "0", "--yes")

    assert aborted["result"] == "aborted"
    assert rows_of(theirs("transactions", "find-hanging", "--topic", topic)) == []
    assert ours("transaction", "find-hanging", "--topic", topic) == []
