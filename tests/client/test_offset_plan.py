"""Where groups are set to, as kafka-consumer-groups does it."""

from __future__ import annotations

import pytest

from odradek.base.identifiers import TopicPartition
from odradek.client.core.offset_plan import (
    NothingToShift,
    PartitionEnds,
    ResetTarget,
    ShiftBy,
    ToCurrent,
    ToEarliest,
    ToGiven,
    ToLatest,
    ToOffset,
    ToTimestamp,
    plan_offsets,
)

ORDERS = TopicPartition("orders", 0)
ENDS = {ORDERS: PartitionEnds(earliest=10, latest=50, at_time=33)}


@pytest.mark.parametrize(
    ("target", "committed", "expected", "warned"),
    [
        (ToEarliest(), 20, 10, False),
        (ToLatest(), 20, 50, False),
        (ToCurrent(), 20, 20, False),
        (ToCurrent(), None, 50, False),
        # What is committed already is taken as it is, even where the partition has lost it.
        (ToCurrent(), 70, 70, False),
        (ToOffset(30), None, 30, False),
        (ToOffset(50), None, 50, False),
        (ToOffset(51), None, 50, True),
        (ToOffset(9), None, 10, True),
        (ToOffset(-5), None, 10, True),
        (ShiftBy(5), 20, 25, False),
        (ShiftBy(-5), 20, 15, False),
        (ShiftBy(1_000), 20, 50, True),
        (ShiftBy(-1_000), 20, 10, True),
        (ToTimestamp(1), 20, 33, False),
        (ToGiven({ORDERS: 40}), None, 40, False),
        (ToGiven({ORDERS: 99}), None, 50, True),
    ],
)
def test_target_becomes_an_offset_within_what_the_partition_has(
    target: ResetTarget, committed: int | None, expected: int, warned: bool
) -> None:
    plan = plan_offsets(target, [ORDERS], {} if committed is None else {ORDERS: committed}, ENDS)

    assert plan.offsets == {ORDERS: expected}
    assert bool(plan.warnings) is warned
    if warned:
        assert str(expected) in plan.warnings[0]
        assert "orders-0" in plan.warnings[0]


def test_time_later_than_every_record_means_the_end() -> None:
    plan = plan_offsets(ToTimestamp(1), [ORDERS], {}, {ORDERS: PartitionEnds(earliest=10, latest=50)})

    assert plan.offsets == {ORDERS: 50}
    assert len(plan.warnings) == 1


def test_nothing_can_be_shifted_where_nothing_is_committed() -> None:
    with pytest.raises(NothingToShift, match="orders-0"):
        plan_offsets(ShiftBy(1), [ORDERS], {}, ENDS)
