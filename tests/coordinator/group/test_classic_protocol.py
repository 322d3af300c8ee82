"""The classic protocol as stories: how a group comes to a generation, goes to the next, and what happens to those who do not keep up."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicState
from odradek.coordinator.group.classic_join import PENDING_MEMBERS_MAX
from odradek.protocol.internal_records.group import GroupMetadataValue
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.coordinator.group.group_story import GroupStory
from tests.coordinator.group.shard_story import GROUP


def test_dynamic_member_is_given_an_id_and_comes_back_with_it() -> None:
    story = GroupStory()

    refused = story.answer(story.join(client_id="app"), JoinGroupResponse)

    assert refused.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert refused.member_id.startswith("app-")
    assert len(refused.member_id) == len("app-") + 36
    # The group has a name from now on.
    assert [record.key.API_KEY for record in story.records] == [2]


def test_member_of_an_old_version_enters_without_an_id() -> None:
    story = GroupStory()

    ticket = story.join(version=3)
    assert ticket not in story.answers
    story.advance(3_000)

    assert story.answer(ticket, JoinGroupResponse).generation_id == 1


def test_member_that_never_comes_back_with_its_id_is_forgotten_with_its_session() -> None:
    story = GroupStory()
    story.join(session_timeout_ms=10_000)
    assert len(story.group.pending_members) == 1

    story.advance(10_000)

    assert not story.group.pending_members


def test_first_generation_waits_for_more_members() -> None:
    story = GroupStory()
    _, first = story.join_with_id()
    story.advance(2_900)
    _, second = story.join_with_id()
    story.advance(2_900)
    assert first not in story.answers
    story.advance(3_100)

    leader = story.answer(first, JoinGroupResponse)
    follower = story.answer(second, JoinGroupResponse)
    assert leader.generation_id == follower.generation_id == 1
    assert leader.leader == leader.member_id == follower.leader
    assert [member.member_id for member in leader.members] == [leader.member_id, follower.member_id]
    assert follower.members == []


def test_initial_delay_ends_with_the_rebalance_timeout_however_many_come() -> None:
    story = GroupStory()
    _, first = story.join_with_id(rebalance_timeout_ms=7_000)
    for _ in range(4):
        story.advance(1_600)
        story.join_with_id(rebalance_timeout_ms=7_000)
    assert first not in story.answers

    story.advance(700)

    assert story.answer(first, JoinGroupResponse).generation_id == 1


def test_everybody_gets_the_assignment_that_the_leader_brings() -> None:
    story = GroupStory()
    (one, join_one), (two, _) = story.join_with_id(), story.join_with_id()
    story.advance(6_000)
    leader = story.answer(join_one, JoinGroupResponse).leader
    follower = two if leader == one else one
    early = story.sync(follower, 1)
    assert early not in story.answers

    late = story.sync(leader, 1, {one: b"first", two: b"second"})

    assert {story.answer(ticket, SyncGroupResponse).assignment for ticket in (early, late)} == {b"first", b"second"}
    assert story.group.state is ClassicState.STABLE
    value = story.records[-1].value
    assert isinstance(value, GroupMetadataValue)
    assert (value.generation, value.leader, value.protocol, value.protocol_type) == (1, leader, "range", "consumer")
    assert {member.member_id: member.assignment for member in value.members} == {one: b"first", two: b"second"}
    # A member that asks again is told again.
    assert story.answer(story.sync(one, 1), SyncGroupResponse).assignment == b"first"


def test_new_member_makes_the_others_rejoin() -> None:
    story = GroupStory()
    (one,) = story.stable_group()
    two, join_two = story.join_with_id()

    assert story.heartbeat(one, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    join_one = story.join(one)

    assert story.answer(join_one, JoinGroupResponse).generation_id == 2
    assert story.answer(join_two, JoinGroupResponse).generation_id == 2
    assert set(story.group.members) == {one, two}


def test_member_that_does_not_rejoin_in_time_is_out() -> None:
    story = GroupStory()
    one, two = story.stable_group(2, rebalance_timeout_ms=5_000, session_timeout_ms=30_000)
    rejoined = story.join(one, rebalance_timeout_ms=5_000, session_timeout_ms=30_000)

    story.advance(4_999)
    assert rejoined not in story.answers
    story.advance(1)

    assert story.answer(rejoined, JoinGroupResponse).generation_id == 2
    assert list(story.group.members) == [one]
    assert story.heartbeat(two, 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_member_whose_session_ends_is_out_and_the_others_share_what_it_had() -> None:
    story = GroupStory()
    one, two = story.stable_group(2, session_timeout_ms=10_000)
    story.advance(9_000)
    assert story.heartbeat(one, 1) is ErrorCode.NONE
    story.advance(1_000)

    assert story.group.state is ClassicState.PREPARING_REBALANCE
    assert story.heartbeat(one, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    assert list(story.group.members) == [one]
    assert story.heartbeat(two, 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_leader_that_dies_with_one_who_waits_for_its_assignment_holds_up_the_others_for_two_sessions() -> None:
    """Whoever is kept waiting counts as alive, and has a whole session once told to rejoin (`propagateAssignment`): so in Apache Kafka."""
    story = GroupStory()
    ids = story.stable_group(3, session_timeout_ms=10_000)
    for member_id in ids:
        story.join(member_id, session_timeout_ms=10_000)
    leader, dead, alive = ids
    assert (story.group.leader_id, story.group.generation) == (leader, 2)
    story.sync(dead, 2)
    waiting = story.sync(alive, 2)

    story.advance(10_000)
    assert story.answer(waiting, SyncGroupResponse).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    rejoined = story.join(alive, session_timeout_ms=10_000)
    story.advance(9_999)
    assert rejoined not in story.answers
    story.advance(1)

    told = story.answer(rejoined, JoinGroupResponse)
    assert (told.generation_id, told.leader) == (3, alive)
    assert list(story.group.members) == [alive]


def test_last_member_that_leaves_leaves_an_empty_group() -> None:
    story = GroupStory()
    (one,) = story.stable_group()

    assert story.leave((one, None), ("nobody", None)) == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]

    assert story.group.state is ClassicState.EMPTY
    assert story.group.generation == 2
    value = story.records[-1].value
    assert isinstance(value, GroupMetadataValue)
    assert (value.members, value.generation, value.protocol, value.leader) == ([], 2, None, None)


def test_member_that_never_syncs_is_out_after_the_rebalance_timeout() -> None:
    story = GroupStory()
    (one, join_one), (two, _) = story.join_with_id(rebalance_timeout_ms=8_000), story.join_with_id(rebalance_timeout_ms=8_000)
    story.advance(6_000)
    leader = story.answer(join_one, JoinGroupResponse).leader
    silent = two if leader == one else one
    story.sync(leader, 1, {one: b"1", two: b"2"})
    story.advance(7_999)
    assert silent in story.group.members
    story.heartbeat(leader, 1)
    story.advance(1)

    assert silent not in story.group.members
    assert story.group.state is ClassicState.PREPARING_REBALANCE


def test_who_waits_for_an_assignment_hears_that_another_rebalance_has_begun() -> None:
    story = GroupStory()
    (one, join_one), (two, _) = story.join_with_id(), story.join_with_id()
    story.advance(6_000)
    leader = story.answer(join_one, JoinGroupResponse).leader
    waiting = story.sync(two if leader == one else one, 1)

    story.join_with_id()

    assert story.code(waiting) is ErrorCode.REBALANCE_IN_PROGRESS


def test_protocol_is_the_favourite_of_most_among_those_that_all_offer() -> None:
    story = GroupStory()
    _, join = story.join_with_id(protocols=(("sticky", b""), ("range", b""), ("mine", b"")))
    story.join_with_id(protocols=(("range", b""), ("sticky", b"")))
    story.join_with_id(protocols=(("range", b""), ("sticky", b"")))
    story.advance(6_000)

    assert story.answer(join, JoinGroupResponse).protocol_name == "range"


def test_member_without_a_common_protocol_is_refused_and_does_no_harm() -> None:
    story = GroupStory()
    (one,) = story.stable_group()

    assert story.code(story.join(protocols=(("other", b""),))) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert story.code(story.join(protocol_type="connect")) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL

    assert story.group.state is ClassicState.STABLE
    assert story.heartbeat(one, 1) is ErrorCode.NONE


@pytest.mark.parametrize("timeout_ms", [5_999, 1_800_001])
def test_session_timeout_has_bounds(timeout_ms: int) -> None:
    story = GroupStory()

    assert story.code(story.join(session_timeout_ms=timeout_ms)) is ErrorCode.INVALID_SESSION_TIMEOUT
    assert story.shard.groups.get(GROUP) is None


def test_group_has_no_more_members_than_its_size_allows() -> None:
    story = GroupStory(members_max=2)
    story.stable_group(2)

    assert story.code(story.join()) is ErrorCode.GROUP_MAX_SIZE_REACHED


def test_ids_that_nobody_comes_back_with_push_out_one_another() -> None:
    """KIP-394 gives an id to whoever asks; a node's memory is not for those who ask and never come."""
    story = GroupStory()
    (one,) = story.stable_group()
    given = [story.answer(story.join(), JoinGroupResponse).member_id for _ in range(PENDING_MEMBERS_MAX + 1)]

    assert len(story.group.pending_members) == PENDING_MEMBERS_MAX
    assert story.code(story.join(given[0])) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.heartbeat(one, 1) is ErrorCode.NONE
    story.join(given[-1])
    assert given[-1] in story.group.members


def test_members_may_not_say_more_of_their_protocols_than_could_ever_be_written() -> None:
    story = GroupStory(metadata_bytes_max=1000)
    one, two = story.stable_group(2, protocols=[("range", b"x" * 395)])

    assert story.code(story.join(protocols=[("range", b"x" * 196)])) is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert story.code(story.join(two, protocols=[("range", b"x" * 596)])) is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert story.group.state is ClassicState.STABLE
    assert story.leave((two, None)) == [ErrorCode.NONE]
    story.join(one, protocols=[("range", b"x" * 995)])

    assert story.group.metadata_bytes == 1000
    assert story.leave((one, None)) == [ErrorCode.NONE]
    assert story.group.metadata_bytes == 0


def test_unknown_members_and_wrong_generations_are_refused() -> None:
    story = GroupStory()
    assert story.code(story.join("ghost")) is ErrorCode.UNKNOWN_MEMBER_ID
    (one,) = story.stable_group()

    assert story.code(story.join("ghost")) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.code(story.sync("ghost", 1)) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.code(story.sync(one, 2)) is ErrorCode.ILLEGAL_GENERATION
    assert story.heartbeat("ghost", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.heartbeat(one, 0) is ErrorCode.ILLEGAL_GENERATION


# Static members


def test_static_member_comes_back_without_a_rebalance() -> None:
    story = GroupStory()
    first = story.join(instance_id="i")
    story.advance(3_000)
    old = story.answer(first, JoinGroupResponse).member_id
    story.sync(old, 1, {old: b"mine"}, instance_id="i")

    again = story.answer(story.join(instance_id="i"), JoinGroupResponse)

    assert (again.generation_id, again.skip_assignment, again.leader) == (1, True, again.member_id)
    assert again.member_id != old
    assert story.answer(story.sync(again.member_id, 1, instance_id="i"), SyncGroupResponse).assignment == b"mine"
    assert story.heartbeat(old, 1, instance_id="i") is ErrorCode.FENCED_INSTANCE_ID


def test_static_leader_of_an_older_client_is_told_that_its_former_self_leads() -> None:
    story = GroupStory()
    first = story.join(instance_id="i", version=8)
    story.advance(3_000)
    old = story.answer(first, JoinGroupResponse).member_id
    story.sync(old, 1, {old: b"mine"}, instance_id="i")

    again = story.answer(story.join(instance_id="i", version=8), JoinGroupResponse)

    assert (again.leader, again.members, again.skip_assignment) == (old, [], False)


def test_static_member_that_comes_back_with_other_topics_has_all_assigned_anew() -> None:
    story = GroupStory()
    orders, bills = (bytes(4) + b"\0\1\0\6" + topic + bytes(4) for topic in (b"orders", b"billss"))
    first = story.join(instance_id="i", protocols=(("range", orders),))
    story.advance(3_000)
    old = story.answer(first, JoinGroupResponse).member_id
    story.sync(old, 1, {old: b"mine"}, instance_id="i")

    again = story.answer(story.join(instance_id="i", protocols=(("range", bills),)), JoinGroupResponse)

    assert (again.generation_id, again.skip_assignment, again.leader) == (2, False, again.member_id)


def test_static_member_is_waited_for_through_a_rebalance() -> None:
    story = GroupStory()
    first = story.join(instance_id="i", rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    _, dynamic_join = story.join_with_id(rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    story.advance(6_000)
    static = story.answer(first, JoinGroupResponse).member_id
    dynamic = story.answer(dynamic_join, JoinGroupResponse).member_id
    story.sync(dynamic, 1)
    story.sync(static, 1, {static: b"1", dynamic: b"2"}, instance_id="i")

    rejoined = story.join(dynamic, protocols=(("range", b"changed"),), rebalance_timeout_ms=5_000, session_timeout_ms=60_000)
    story.advance(5_000)

    assert story.answer(rejoined, JoinGroupResponse).generation_id == 2
    assert set(story.group.members) == {static, dynamic}


def test_static_member_can_be_sent_away_by_its_instance_id() -> None:
    story = GroupStory()
    first = story.join(instance_id="i")
    story.advance(3_000)
    member_id = story.answer(first, JoinGroupResponse).member_id
    story.sync(member_id, 1, {}, instance_id="i")

    assert story.leave(("", "nobody"), ("", "i")) == [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE]
    assert story.group.state is ClassicState.EMPTY


# Crashes


def test_members_go_on_after_a_crash_of_the_coordinator() -> None:
    story = GroupStory()
    one, two = story.stable_group(2)
    story.reload()

    assert story.heartbeat(one, 1) is ErrorCode.NONE
    assert story.commit(7, two, 1) is ErrorCode.NONE
    assert story.answer(story.sync(one, 1), SyncGroupResponse).assignment == one.encode()
    story.advance(10_000)
    assert story.group.state is not ClassicState.STABLE


def test_group_that_is_larger_than_allowed_when_loaded_makes_a_new_generation() -> None:
    story = GroupStory()
    one, _, _ = story.stable_group(3)
    story.settings = type(story.settings)(members_max=2)
    story.reload()

    assert story.heartbeat(one, 1) is ErrorCode.REBALANCE_IN_PROGRESS
