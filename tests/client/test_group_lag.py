"""Rows of a described group, and what lag is."""

from __future__ import annotations

from odradek.base.identifiers import TopicPartition
from odradek.client.core.group_description import GroupDescription, MemberDescription
from odradek.client.core.group_lag import partition_lags, partitions_of, total_lag
from odradek.client.core.offset_calls import Committed

FIRST, SECOND, THIRD, GONE = (TopicPartition("orders", index) for index in range(4))


def member(name: str, *assignment: TopicPartition) -> MemberDescription:
    return MemberDescription(
        member_id=name,
        instance_id=None,
        rack_id=None,
        client_id="client",
        host="/127.0.0.1",
        assignment=assignment,
        target_assignment=None,
        epoch=None,
        subscribed_topics=(),
        subscribed_regex=None,
        is_classic=None,
    )


def group(*members: MemberDescription) -> GroupDescription:
    return GroupDescription(
        group_id="readers",
        type="Classic",
        protocol_type="consumer",
        state="Stable" if members else "Empty",
        assignor="range",
        coordinator_id=1,
        epoch=None,
        assignment_epoch=None,
        members=members,
    )


def committed(offset: int) -> Committed:
    return Committed(offset, None, "")


def test_every_partition_that_is_assigned_or_committed_has_its_row_once() -> None:
    described = group(member("b", THIRD), member("a", FIRST))
    offsets = {FIRST: committed(3), SECOND: committed(4), GONE: committed(1)}

    rows = partition_lags(described, offsets, {FIRST: 10, SECOND: 4, THIRD: 8})

    assert [(row.partition, row.member.member_id if row.member else None, row.lag) for row in rows] == [
        (FIRST, "a", 7),
        (SECOND, None, 0),
        (THIRD, "b", None),
        (GONE, None, None),
    ]
    assert partitions_of(described, offsets) == {FIRST, SECOND, THIRD, GONE}


def test_lag_is_negative_where_a_partition_has_lost_what_was_read() -> None:
    (row,) = partition_lags(group(), {FIRST: committed(9)}, {FIRST: 5})

    assert row.lag == -4


def test_total_is_of_what_is_known_and_unknown_where_nothing_is() -> None:
    assert total_lag([3, None, 4]) == 7
    assert total_lag([None]) is None
    assert total_lag([]) is None


def test_group_with_members_is_one_that_is_neither_empty_nor_dead() -> None:
    assert group(member("a")).has_members
    assert not group().has_members
