"""Consumer groups of real clients: who owns what, what is read once, where a group goes on, and what Kafka's tool tells of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.conformance.clients.client import Client, Message
from tests.conformance.eventually import eventually
from tests.conformance.group_clients import KINDS, Place
from tests.conformance.group_members import Members
from tests.conformance.nodes import COORDINATING, Node
from tests.support.reference_kafka import missing_reason
from tests.support.tool_server import ToolServer

PARTITIONS = 6
RECORDS_EACH = 10

MakeGroup = Callable[[str], Members]


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node(COORDINATING)


@pytest.fixture
def wide_topic(topic: str, steward: Client) -> str:
    steward.create_topic(topic, partition_count=PARTITIONS)
    eventually(lambda: topic in steward.topic_names(), True)
    return topic


@pytest.fixture
def group(node: Node, wide_topic: str, java: Callable[[], ToolServer], absent: Callable[[str], None]) -> Iterator[MakeGroup]:
    """Makes a group whose name is that of its topic; what is left of it ends with the test."""
    made: list[Members] = []
    place = Place(bootstrap=node.bootstrap, group=wide_topic, topic=wide_topic, java=java)

    def make(kind: str) -> Members:
        reason = KINDS[kind].missing_reason()
        if reason:
            absent(reason)
        made.append(Members(kind, place, PARTITIONS))
        return made[-1]

    yield make
    for members in made:
        members.end()


def write_to_all(steward: Client, topic: str) -> None:
    for partition in range(PARTITIONS):
        steward.write(topic, partition, [Message(key=None, value=b"v%d" % n) for n in range(RECORDS_EACH)])


def offsets_read(rounds: int) -> list[tuple[int, int]]:
    """Every record of `rounds` rounds once."""
    return [(partition, offset) for partition in range(PARTITIONS) for offset in range(rounds * RECORDS_EACH)]


@pytest.mark.parametrize("kind", KINDS)
def test_members_share_the_partitions_and_read_everything_once(kind: str, group: MakeGroup, steward: Client, wide_topic: str) -> None:
    members = group(kind)
    members.join(3)
    members.await_shared()

    write_to_all(steward, wide_topic)
    members.await_seen(PARTITIONS * RECORDS_EACH)
    members.leave(3)

    assert sorted(members.seen()) == offsets_read(1)


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_and_goes_hands_over_where_the_commits_are(kind: str, group: MakeGroup, steward: Client, wide_topic: str) -> None:
    first = group(kind)
    first.join(2)
    first.await_shared()
    write_to_all(steward, wide_topic)
    first.await_seen(PARTITIONS * RECORDS_EACH)
    first.leave(2)
    write_to_all(steward, wide_topic)

    second = group(kind)
    second.join(1)
    second.await_shared()
    second.await_seen(PARTITIONS * RECORDS_EACH)
    second.leave(1)

    assert sorted(first.seen() + second.seen()) == offsets_read(2)


@pytest.mark.parametrize(("kind", "group_type"), [("librdkafka-range", "Classic"), ("librdkafka-consumer", "Consumer")])
def test_the_groups_tool_tells_members_offsets_and_lag(
    kind: str,
    group_type: str,
    group: MakeGroup,
    steward: Client,
    wide_topic: str,
    node: Node,
    java: Callable[[], ToolServer],
    absent: Callable[[str], None],
) -> None:
    reason = missing_reason()
    if reason:
        absent(reason)
    members = group(kind)
    members.join(2)
    members.await_shared()
    write_to_all(steward, wide_topic)
    members.await_seen(PARTITIONS * RECORDS_EACH)
    members.leave(1)
    members.await_shared()

    def told(*arguments: str) -> str:
        outcome = java().run(
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", ["--bootstrap-server", node.bootstrap, *arguments]
        )
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        return outcome.text

    state = told("--describe", "--group", wide_topic, "--state")
    assert re.search(rf"^{re.escape(wide_topic)}\s.*\sStable\s+1\s*$", state, re.MULTILINE), state
    listed = told("--list", "--state", "--type")
    assert re.search(rf"^{re.escape(wide_topic)}\s+{group_type}\s+Stable\s*$", listed, re.MULTILINE), listed
    members.leave(1)
    write_to_all(steward, wide_topic)
    lines = re.findall(
        rf"^{re.escape(wide_topic)}\s+{re.escape(wide_topic)}\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)",
        told("--describe", "--group", wide_topic),
        re.M,
    )
    assert sorted(lines) == [(str(n), str(RECORDS_EACH), str(2 * RECORDS_EACH), str(RECORDS_EACH)) for n in range(PARTITIONS)]
    told("--delete", "--group", wide_topic)
    assert wide_topic not in told("--list").split()
