"""Partitions as one names them and as they are shown; files of plans; tables."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from odradek.base.identifiers import TopicPartition
from odradek.cli.partition_arguments import PartitionSelection, as_data, compact, partition_selection, refuse_unusable, selected
from odradek.cli.problems import CommandFailed
from odradek.cli.reset_file import plan_line, read_plan
from odradek.cli.table import json_lines, table_lines
from odradek.client.core.cluster import NO_LEADER, Cluster, PartitionDescription, TopicDescription


def topic(name: str, *leaders: int) -> TopicDescription:
    return TopicDescription(name, False, 0, {index: PartitionDescription(index, leader, (1,), 0) for index, leader in enumerate(leaders)})


CLUSTER = Cluster({}, {"orders": topic("orders", 1, NO_LEADER), "users": topic("users", 1), "gone": TopicDescription("gone", False, 3, {})})
ORDERS = [TopicPartition("orders", 0), TopicPartition("orders", 1)]
USERS = TopicPartition("users", 0)


@pytest.mark.parametrize(("text", "expected"), [("orders", None), ("orders:0", (0,)), ("orders:2,0", (2, 0))])
def test_topic_is_named_with_or_without_partitions(text: str, expected: tuple[int, ...] | None) -> None:
    assert partition_selection(text) == PartitionSelection("orders", expected)


@pytest.mark.parametrize("text", ["", ":0", "orders:", "orders:a", "orders:0,", "orders:-1", "orders:0:1"])
def test_what_names_no_partitions_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not TOPIC or TOPIC:0,1"):
        partition_selection(text)


def test_each_partition_is_meant_once() -> None:
    wanted = [partition_selection(text) for text in ("orders:1", "orders", "users:0,0", "unknown:5")]

    assert selected(wanted, CLUSTER) == [ORDERS[1], ORDERS[0], USERS, TopicPartition("unknown", 5)]


@pytest.mark.parametrize("name", ["gone", "unknown"])
def test_topic_that_does_not_exist_cannot_be_meant_as_a_whole(name: str) -> None:
    with pytest.raises(CommandFailed, match=f'topic "{name}" cannot be described: .*UNKNOWN_TOPIC_OR_PARTITION 3'):
        selected([partition_selection(name)], CLUSTER)


def test_partition_has_to_exist_and_to_have_a_leader() -> None:
    refuse_unusable([ORDERS[0], USERS], CLUSTER)
    with pytest.raises(CommandFailed, match="there is no partition orders-7, partition nowhere-0"):
        refuse_unusable([ORDERS[0], TopicPartition("orders", 7), TopicPartition("nowhere", 0)], CLUSTER)
    with pytest.raises(CommandFailed, match="partition orders-1 has no leader now"):
        refuse_unusable(ORDERS, CLUSTER)


def test_partitions_are_shown_by_topic() -> None:
    shown = [USERS, ORDERS[1], ORDERS[0]]

    assert compact(shown) == "orders:0,1 users:0"
    assert compact([]) is None
    assert as_data(shown) == [{"topic": "orders", "partitions": [0, 1]}, {"topic": "users", "partitions": [0]}]


@pytest.mark.parametrize("group", ["readers", 'a "strange", group', "two\nlines"])
def test_plan_that_was_printed_is_read_again(group: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(plan_line(group, ORDERS[0], 5) + "\n" + plan_line("other", USERS, 7) + "\n")

    assert read_plan(plan, [group, "other"]) == {group: {ORDERS[0]: 5}, "other": {USERS: 7}}


def test_plan_without_groups_is_for_one_group_only(tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    # As Kafka's tool writes it: long names in quotation marks.
    plan.write_text('"orders",0,5\n\nusers,0,7\n')

    assert read_plan(plan, ["readers"]) == {"readers": {ORDERS[0]: 5, USERS: 7}}
    with pytest.raises(CommandFailed, match="line 1 is not group,topic,partition,offset"):
        read_plan(plan, ["readers", "others"])


def test_plan_that_is_no_text_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_bytes(b"\xff\xfe")

    with pytest.raises(CommandFailed, match="is no CSV"):
        read_plan(plan, ["readers"])


def test_table_has_numbers_on_the_right_and_dashes_for_nothing() -> None:
    rows: list[dict[str, object]] = [{"name": "a", "lag": 5, "hidden": 1}, {"name": "longer", "lag": None}, {"name": "c", "lag": 1234}]

    assert table_lines(["name", "lag"], rows) == ["name     lag", "a          5", "longer     -", "c       1234"]
    assert table_lines(["name", "lag"], []) == ["name  lag"]
    assert json_lines(rows[:1]) == ['{"name": "a", "lag": 5, "hidden": 1}']
