"""To which offsets a group is set back or forward (`OffsetsUtils.java`, as `kafka-consumer-groups --reset-offsets` uses it).

What was asked for in numbers is kept within what a partition has: an offset behind its end becomes its end, one before its beginning its
beginning. A moment later than every record means the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import final

from odradek.base.identifiers import TopicPartition
from odradek.client.core.offset_calls import UNKNOWN_OFFSET
from odradek.client.errors import ClientError


@final
@dataclass(frozen=True, slots=True)
class ToEarliest:
    """To the first record there is."""


@final
@dataclass(frozen=True, slots=True)
class ToLatest:
    """To the end: only what comes from now on is read."""


@final
@dataclass(frozen=True, slots=True)
class ToCurrent:
    """To what is committed already; to the end where nothing is."""


@final
@dataclass(frozen=True, slots=True)
class ToOffset:
    """The same offset in every partition."""

    offset: int


@final
@dataclass(frozen=True, slots=True)
class ShiftBy:
    """So many records on from what is committed; negative is back."""

    count: int


@final
@dataclass(frozen=True, slots=True)
class ToTimestamp:
    """To the first record of this time or later, in milliseconds since 1970."""

    timestamp_ms: int


@final
@dataclass(frozen=True, slots=True)
class ToGiven:
    """An offset for each partition, as a file says."""

    offsets: Mapping[TopicPartition, int]


ResetTarget = ToEarliest | ToLatest | ToCurrent | ToOffset | ShiftBy | ToTimestamp | ToGiven


@final
@dataclass(frozen=True, slots=True)
class PartitionEnds:
    """What a partition has: records from `earliest` on, up to before `latest`. `at_time` is -1 where no record is late enough."""

    earliest: int
    latest: int
    at_time: int = UNKNOWN_OFFSET


@final
@dataclass(slots=True)
class OffsetPlan:
    """The new offsets, and what became of them otherwise than asked for, in sentences."""

    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@final
class NothingToShift(ClientError):
    """A partition for which nothing is committed cannot be shifted."""


def plan_offsets(
    target: ResetTarget,
    partitions: Collection[TopicPartition],
    committed: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, PartitionEnds],
) -> OffsetPlan:
    """The plan for these partitions, whose ends are all known.

    Raises:
        NothingToShift: nothing is committed for a partition that shall be shifted.
    """
    plan = OffsetPlan()
    for partition in sorted(partitions):
        plan.offsets[partition] = _new_offset(target, partition, committed.get(partition), ends[partition], plan.warnings)
    return plan


def _new_offset(target: ResetTarget, partition: TopicPartition, committed: int | None, ends: PartitionEnds, warnings: list[str]) -> int:
    match target:
        case ToEarliest():
            return ends.earliest
        case ToLatest():
            return ends.latest
        case ToCurrent():
            return ends.latest if committed is None else committed
        case ToTimestamp():
            if ends.at_time == UNKNOWN_OFFSET:
                warnings.append(f"{partition} has no record that late; its end, {ends.latest}, is taken instead")
                return ends.latest
            return ends.at_time
        case ToOffset(wanted):
            return _within(wanted, partition, ends, warnings)
        case ToGiven(offsets):
            return _within(offsets[partition], partition, ends, warnings)
        case ShiftBy(count):
            if committed is None:
                raise NothingToShift(f"nothing is committed for {partition}, so there is nothing to shift from")
            return _within(committed + count, partition, ends, warnings)


def _within(wanted: int, partition: TopicPartition, ends: PartitionEnds, warnings: list[str]) -> int:
    if wanted > ends.latest:
        warnings.append(f"offset {wanted} lies behind the end of {partition}; {ends.latest} is taken instead")
        return ends.latest
    if wanted < ends.earliest:
        warnings.append(f"offset {wanted} lies before the beginning of {partition}; {ends.earliest} is taken instead")
        return ends.earliest
    return wanted
