"""Members that do what no client should: they are refused, or left behind, and neither the others nor the coordinator's memory suffer."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.classic_group import ClassicState
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.coordinator.group.consumer_story import Consumer, ConsumerStory, settle
from tests.coordinator.group.group_story import GroupStory
from tests.coordinator.group.migration_story import ORDERS, MigrationStory, subscription_bytes
from tests.coordinator.group.shard_story import GROUP

DELAY_MS = 3_000
CROWD = 1_000


def test_protocol_that_a_member_offers_twice_counts_once_as_it_was_said_first() -> None:
    story = GroupStory()
    protocols = (("range", b"first"), ("range", b"second"), ("sticky", b"other"))
    (member,) = story.stable_group(protocols=protocols)
    assert story.group.members[member].protocols == [("range", b"first"), ("sticky", b"other")]

    another = story.join_with_id(protocols=(("range", b"meta"),))[1]
    story.join(member, protocols=protocols)

    assert story.answer(another, JoinGroupResponse).protocol_name == "range"


def test_protocol_said_twice_counts_once_beside_modern_members_too() -> None:
    story = MigrationStory(ORDERS)
    Consumer(story, "modern").join()
    said = subscription_bytes(["orders"], {})
    story.join(instance_id="old", protocols=(("range", said), ("range", said)))

    assert story.consumer_group.classic_supporters == {"range": 1}


def test_member_with_unreadable_metadata_is_in_a_group_like_any_other() -> None:
    """What a member says to its leader is none of the coordinator's business."""
    story = GroupStory()
    members = story.stable_group(2, protocols=(("range", b"\xff" * 1_000_000),))

    assert story.group.subscribed_topics is None
    assert [story.heartbeat(member, 1) for member in members] == [ErrorCode.NONE] * 2


def test_assignment_for_strangers_is_dropped() -> None:
    story = GroupStory()
    member, _ = story.join_with_id()
    story.advance(DELAY_MS * 2)
    ticket = story.sync(member, 1, {member: b"mine", "stranger": b"x" * 1_000, "": b"nobody's"})

    assert story.answer(ticket, SyncGroupResponse).assignment == b"mine"
    assert list(story.group.members) == [member]


def test_member_that_the_leader_forgets_has_nothing_and_stays() -> None:
    story = GroupStory()
    (first, _), (second, _) = story.join_with_id(client_id="a"), story.join_with_id(client_id="b")
    story.advance(DELAY_MS * 2)
    leader = story.group.leader_id
    assert leader is not None
    follower = second if leader == first else first
    ticket = story.sync(follower, 1)
    story.sync(leader, 1, {leader: b"all"})

    assert story.answer(ticket, SyncGroupResponse).assignment == b""
    assert story.heartbeat(follower, 1) is ErrorCode.NONE


def test_follower_that_brings_an_assignment_assigns_nothing() -> None:
    story = GroupStory()
    (first, _), (second, _) = story.join_with_id(client_id="a"), story.join_with_id(client_id="b")
    story.advance(DELAY_MS * 2)
    leader = story.group.leader_id
    assert leader is not None
    follower = second if leader == first else first
    story.sync(follower, 1, {leader: b"stolen", follower: b"stolen"})
    assert story.group.state is ClassicState.COMPLETING_REBALANCE
    ticket = story.sync(leader, 1, {leader: b"fair"})

    assert story.answer(ticket, SyncGroupResponse).assignment == b"fair"


def test_member_that_never_syncs_is_left_behind_and_the_others_go_on() -> None:
    story = GroupStory()
    silent, _ = story.join_with_id(client_id="silent", rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    other, _ = story.join_with_id(client_id="other", rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    story.advance(DELAY_MS * 2)
    waiting = story.sync(other, 1)
    story.advance(5_000)
    assert silent not in story.group.members
    # Whoever waited for the leader that never came is told to join again.
    assert story.code(waiting) is ErrorCode.REBALANCE_IN_PROGRESS
    again = story.join(other, rebalance_timeout_ms=5_000, session_timeout_ms=60_000)

    assert story.answer(again, JoinGroupResponse).leader == other


@pytest.mark.parametrize("rebalance_timeout_ms", [0, -1])
def test_member_without_time_to_rebalance_holds_nobody_up(rebalance_timeout_ms: int) -> None:
    story = GroupStory()
    member = story.join(instance_id="hasty", rebalance_timeout_ms=rebalance_timeout_ms)
    story.advance(DELAY_MS)
    story.advance(1)
    assert story.answer(member, JoinGroupResponse).generation_id == 1
    # It was too late for its SyncGroup at once.
    assert story.group.members == {}

    calm = story.join(instance_id="calm")
    story.advance(DELAY_MS * 2)

    assert story.answer(calm, JoinGroupResponse).leader == story.group.static_members["calm"]


def test_member_with_all_the_time_in_the_world_ends_with_its_session() -> None:
    story = GroupStory()
    (member,) = story.stable_group(rebalance_timeout_ms=2**31 - 1)
    story.join_with_id()
    story.advance(10_000)

    assert member not in story.group.members


def test_thousand_newcomers_who_never_come_back_leave_nothing() -> None:
    """KIP-394: an id is given out, and forgotten when nobody comes back with it."""
    story = GroupStory()
    for number in range(CROWD):
        story.join(client_id=f"client{number}")
    assert len(story.group.pending_members) == CROWD
    records = len(story.records)
    story.advance(10_000)

    assert not story.group.pending_members
    assert not story.group.members
    assert len(story.records) == records == 1, "only the name of the group is written"


def test_thousand_members_who_join_at_once_are_in_one_generation() -> None:
    story = GroupStory()
    tickets = [story.join_with_id(client_id=f"client{number}")[1] for number in range(CROWD)]
    # The initial delay is prolonged while new ones come, at most by the rebalance timeout.
    story.advance(60_000)
    answers = [story.answer(ticket, JoinGroupResponse) for ticket in tickets]

    assert {answer.generation_id for answer in answers} == {1}
    assert len({answer.leader for answer in answers}) == 1
    assert sorted(len(answer.members) for answer in answers) == [0] * (CROWD - 1) + [CROWD]


def test_crowd_larger_than_the_group_may_be_is_refused_and_the_others_go_on() -> None:
    story = GroupStory(members_max=10)
    members = story.stable_group(10)
    codes = [story.code(story.join(client_id=f"client{number}")) for number in range(CROWD)]

    assert set(codes) == {ErrorCode.GROUP_MAX_SIZE_REACHED}
    assert not story.group.pending_members
    assert [story.heartbeat(member, 1) for member in members] == [ErrorCode.NONE] * 10


def test_member_that_joins_over_and_over_waits_once() -> None:
    story = GroupStory()
    (stable,) = story.stable_group()
    member, first = story.join_with_id()
    for _ in range(100):
        story.join(member)
    assert story.code(first) is ErrorCode.REBALANCE_IN_PROGRESS
    assert story.group.awaiting_join == {member}

    assert story.heartbeat(stable, 1) is ErrorCode.REBALANCE_IN_PROGRESS


def test_instance_id_that_is_fought_over_belongs_to_the_last_and_the_group_stays_small() -> None:
    story = GroupStory()
    for _ in range(100):
        story.join(instance_id="one")

    assert len(story.group.members) == len(story.group.static_members) == 1
    assert len(story.group.awaiting_join) == 1


# Consumers of KIP-848


def heartbeat(story: ConsumerStory, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse:
    ticket = story.ask(lambda ticket: story.shard.consumer_heartbeat(ticket, request, story.caller(1), story.now))
    return story.answer(ticket, ConsumerGroupHeartbeatResponse)


def test_topics_that_are_named_twice_or_do_not_exist_count_once_or_not() -> None:
    story = ConsumerStory(ORDERS)
    one = Consumer(story, "one", ["orders", "orders", "no-such-topic", "", "a b"])
    one.join()

    assert one.holds == {"orders": set(range(6))}


def test_partitions_that_a_member_only_says_it_has_are_not_its() -> None:
    story = ConsumerStory(ORDERS)
    one, liar = Consumer(story, "one"), Consumer(story, "liar")
    one.join()
    liar.join()
    claimed = [
        ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=Uuid(bytes([1]) * 16), partitions=[0, 0, 1, 99, -1]),
        ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=Uuid(bytes([7]) * 16), partitions=list(range(1_000))),
    ]
    response = heartbeat(
        story, ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id="liar", member_epoch=liar.epoch, topic_partitions=claimed)
    )

    assert response.error_code == ErrorCode.NONE
    assert story.group.members["liar"].assigned == {}
    settle(story, one, liar)
    assert (len(one.holds["orders"]), len(liar.holds["orders"])) == (3, 3)


@pytest.mark.parametrize("rebalance_timeout_ms", [0, -2, 2**31 - 1])
def test_odd_rebalance_timeouts_of_a_consumer_hold_nobody_up(rebalance_timeout_ms: int) -> None:
    story = ConsumerStory(ORDERS)
    request = ConsumerGroupHeartbeatRequest(
        group_id=GROUP,
        member_id="odd",
        rebalance_timeout_ms=rebalance_timeout_ms,
        subscribed_topic_names=["orders"],
        topic_partitions=[],
    )
    heartbeat(story, request)
    calm = Consumer(story, "calm")
    calm.join()
    story.consumer_heartbeat("odd", 2)
    # It gives nothing up. Its session ends, whatever it says of its rebalance timeout.
    story.advance(44_000)
    calm.beat()
    story.advance(2_000)
    settle(story, calm)

    assert calm.holds == {"orders": set(range(6))}


def test_hundred_consumers_who_join_and_are_never_heard_of_again_leave_nothing() -> None:
    story = ConsumerStory({"orders": 50})
    for number in range(100):
        Consumer(story, f"consumer{number}").join()
    story.advance(45_000)

    assert story.group.members == {}
    assert story.group.targets == {}


def test_expression_that_would_take_long_elsewhere_does_not_here() -> None:
    """RE2 is linear in the text; a name of a topic has 249 characters at most."""
    story = ConsumerStory({"a" * 200: 1})
    one = Consumer(story, "one", regex="(a*)*b|(a|aa)+$")
    one.join()

    assert one.holds == {"a" * 200: {0}}


def test_giant_expression_is_refused_or_taken_and_the_others_go_on() -> None:
    story = ConsumerStory(ORDERS)
    one = Consumer(story, "one")
    one.join()
    giant = Consumer(story, "giant", regex="(((a{1,100}){1,100}){1,100})").join()

    assert giant.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    one.beat()
    assert one.holds == {"orders": set(range(6))}
    assert list(story.group.members) == ["one"]
