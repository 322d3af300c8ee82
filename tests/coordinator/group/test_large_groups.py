"""What a request costs does not grow with the group that it is for: ten thousand members joining must not hold up all others.

Counted are calls of functions, which are the same on every machine, and not time.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import FrameType

from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.metadata.image import EMPTY_IMAGE
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse

GROUP = "readers"
# Version 3 is the last in which a member joins with one request.
CALLER = Caller(3, "client", "/127.0.0.1")
START = Moment(1_700_000_000_000, 0)
MEMBERS = 500


def calls_of(action: Callable[[], object]) -> int:
    """How many functions `action` calls; each element that a generator yields counts as one."""
    count = 0

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(on_event)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def empty_shard() -> GroupShard:
    shard = GroupShard(lambda: GroupSettings(initial_rebalance_delay_ms=0, consumer_assignment_interval_ms=60_000), random.Random(1))
    shard.on_loaded(EMPTY_IMAGE, START)
    return shard


def replayed(shard: GroupShard, outcome: Outcome) -> Outcome:
    for record in outcome.records:
        if not record.is_applied:
            shard.replay(record, offset=0, producer_id=-1)
    return outcome


def join(shard: GroupShard, number: int, member_id: str = "", metadata: bytes = b"a") -> Outcome:
    request = JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
    )
    return replayed(shard, shard.join(Ticket(number), request, CALLER, START))


def calls_of_joins(count: int) -> tuple[int, int]:
    """What it costs that so many members join, and that they all join again in a rebalance."""
    shard = empty_shard()
    first = calls_of(lambda: [join(shard, number) for number in range(count)])
    (outcome,) = [it for it in shard.act_on_time(Moment(START.wall_ms, 1)) if it.answers]
    ids = [answer.member_id for _, answer in outcome.answers if isinstance(answer, JoinGroupResponse)]
    assert len(ids) == count
    again = calls_of(lambda: [join(shard, count + number, member_id, b"b") for number, member_id in enumerate(ids)])
    return first, again


def test_joining_and_rejoining_cost_the_same_for_each_however_many_there_are() -> None:
    small, large = calls_of_joins(MEMBERS), calls_of_joins(2 * MEMBERS)

    assert [after / before < 2.2 for before, after in zip(small, large, strict=True)] == [True, True], f"{small} {large}"


def calls_of_heartbeat(count: int) -> int:
    """What the heartbeat of a member that has nothing to do costs in a group of so many."""
    shard = empty_shard()
    for number in range(count):
        request = ConsumerGroupHeartbeatRequest(
            group_id=GROUP, member_id=f"member{number}", rebalance_timeout_ms=60_000, subscribed_topic_regex="o.*", topic_partitions=[]
        )
        replayed(shard, shard.consumer_heartbeat(Ticket(number), request, CALLER, START))
    beat = ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id="member0", member_epoch=1)
    # The first one may look at the topics.
    shard.consumer_heartbeat(Ticket(count), beat, CALLER, START)
    return calls_of(lambda: shard.consumer_heartbeat(Ticket(count + 1), beat, CALLER, START))


def test_heartbeat_at_rest_costs_the_same_however_many_members_there_are() -> None:
    assert calls_of_heartbeat(20) == calls_of_heartbeat(60)
