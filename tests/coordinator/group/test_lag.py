"""Lag as a coordinator knows it: committed offsets against high watermarks, and what is not known."""

from __future__ import annotations

from odradek.base.identifiers import ZERO_UUID
from odradek.coordinator.group.classic_group import ClassicGroup
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.group.lag import CommittedPartition, group_lag
from odradek.coordinator.group.offsets import OffsetStore
from odradek.protocol.internal_records.group import OffsetCommitValue

HIGH_WATERMARKS = {("orders", 0): 10, ("orders", 10): 7}


def log_end_offset_of(topic: str, partition: int) -> int | None:
    return HIGH_WATERMARKS.get((topic, partition))


def committed(offset: int) -> CommittedOffset:
    return CommittedOffset(offset, -1, "", 0, -1, ZERO_UUID, 0)


def test_lag_is_the_distance_to_the_end_and_unknown_where_the_end_is() -> None:
    offsets = {"users": {0: committed(3)}, "orders": {10: committed(9), 2: committed(1), 0: committed(4)}}

    lag = group_lag(ClassicGroup("readers", 0), offsets, log_end_offset_of)

    assert (lag.group_id, lag.member_count) == ("readers", 0)
    assert lag.partitions == (
        CommittedPartition("orders", 0, 4, 10),
        CommittedPartition("orders", 2, 1, None),
        CommittedPartition("orders", 10, 9, 7),
        CommittedPartition("users", 0, 3, None),
    )
    assert [partition.lag for partition in lag.partitions] == [6, None, -2, None]


def test_group_that_has_committed_nothing_has_no_partitions() -> None:
    assert group_lag(ClassicGroup("readers", 0), {}, log_end_offset_of).partitions == ()


def test_offsets_of_an_open_transaction_do_not_count_until_it_is_committed() -> None:
    store = OffsetStore()
    store.replay("readers", "orders", 0, OffsetCommitValue(offset=5), record_offset=0, producer_id=7)
    group = ClassicGroup("readers", 0)
    assert group_lag(group, store.of_group("readers"), log_end_offset_of).partitions == ()

    store.end_transaction(7, is_committed=True)

    assert [one.lag for one in group_lag(group, store.of_group("readers"), log_end_offset_of).partitions] == [5]
