"""Classic groups that go over to the consumer protocol while members are there, as stories, and those that may not (KIP-848)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicState
from odradek.coordinator.group.settings import MigrationPolicy
from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.coordinator.group.consumer_story import Consumer
from tests.coordinator.group.migration_story import (
    ORDERS,
    ClassicConsumer,
    assignment_bytes,
    check_shared,
    classic_pair,
    settle,
    story_of,
    subscription_bytes,
)


@pytest.mark.parametrize("is_cooperative", [False, True])
def test_first_member_of_the_new_protocol_takes_the_group_with_it(is_cooperative: bool) -> None:
    story = story_of()
    one, two = classic_pair(story, is_cooperative=is_cooperative)
    generation, before = story.classic_group.generation, len(story.records)
    three = Consumer(story, "three")

    response = three.join()

    assert response.error_code == ErrorCode.NONE
    assert story.type_name == "consumer"
    assert story.consumer_group.classic_count == 2
    assert response.member_epoch == generation + 1
    # What the others have is theirs until they have given it up.
    assert three.holds == {}
    # The classic group goes; members, epoch, targets, assignments come; then those of the member that joins.
    keys = [record.key.API_KEY for record in story.records[before:]]
    assert keys[:9] == [2, 5, 5, 3, 7, 7, 6, 8, 8]
    assert keys[9:12] == [5, 3, 7]
    settle(story, one, two, three)
    check_shared([one, two, three], ORDERS)
    assert all(len(member.holds["orders"]) == 2 for member in (one, two, three))
    assert story.consumer_group.state_name == "Stable"


def test_classic_members_are_told_to_rejoin_and_keep_their_epoch_until_then() -> None:
    story = story_of()
    one, _ = classic_pair(story)
    generation = one.generation
    Consumer(story, "three").join()

    assert story.consumer_group.members[one.member_id].epoch == generation
    assert one.beat() is ErrorCode.REBALANCE_IN_PROGRESS
    assert story.code(story.sync(one.member_id, generation)) is ErrorCode.REBALANCE_IN_PROGRESS


def test_who_waits_for_a_rebalance_is_told_to_rejoin() -> None:
    story = story_of()
    one, two = classic_pair(story)
    one.join()
    assert one.is_waiting
    joiner, waiting = story.join_with_id(protocols=[("range", subscription_bytes(["orders"], {}))])
    assert waiting not in story.answers
    three = Consumer(story, "three")

    three.join()

    assert story.code(waiting) is ErrorCode.REBALANCE_IN_PROGRESS
    assert not one.is_waiting
    assert story.consumer_group.members[joiner].assigned == {}
    assert story.leave((joiner, None)) == [ErrorCode.NONE]
    settle(story, one, two, three)
    check_shared([one, two, three], ORDERS)


def test_who_waits_for_an_assignment_is_told_to_rejoin() -> None:
    story = story_of()
    one, two = classic_pair(story)
    one.join()
    two.join()
    generation = story.classic_group.generation
    follower = two if story.classic_group.is_leader(one.member_id) else one
    waiting = story.sync(follower.member_id, generation)
    assert story.classic_group.state is ClassicState.COMPLETING_REBALANCE

    Consumer(story, "three").join()

    assert story.code(waiting) is ErrorCode.REBALANCE_IN_PROGRESS


def test_group_goes_up_before_its_first_generation() -> None:
    story = story_of(initial_rebalance_delay_ms=3_000)
    _, waiting = story.join_with_id(protocols=[("range", subscription_bytes(["orders"], {}))])

    assert Consumer(story, "two").join().error_code == ErrorCode.NONE

    assert story.code(waiting) is ErrorCode.REBALANCE_IN_PROGRESS
    assert len(story.consumer_group.members) == 2


def test_deadlines_of_the_classic_group_do_not_come_due_in_the_new_one() -> None:
    story = story_of(consumer_session_timeout_ms=10_000_000)
    one, two = classic_pair(story)
    one.join()
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)

    for _ in range(15):
        story.advance(5_000)
        settle(story, one, two, three)

    assert len(story.consumer_group.members) == 3


def test_what_a_cooperative_member_has_not_been_told_to_give_up_yet_is_not_given_away() -> None:
    """KIP-429: a partition that is to go from one member to another is assigned to nobody until the first has given it up."""
    story = story_of()
    one, two = (ClassicConsumer(story, name, is_cooperative=True) for name in ("one", "two"))
    settle(story, one)
    while not (two.is_joined and one.is_joined and story.classic_group.state is ClassicState.STABLE):
        two.step()
        one.step()
    assert one.holds == {"orders": {0, 1, 2, 3, 4, 5}}
    three = Consumer(story, "three")

    three.join()

    assert three.holds == {}
    settle(story, one, two, three)
    check_shared([one, two, three], ORDERS)


def test_group_that_a_static_member_takes_up_in_the_midst_of_a_rebalance_is_assigned_anew() -> None:
    story = story_of()
    one, two = ClassicConsumer(story, "one"), ClassicConsumer(story, "two", instance_id="second")
    settle(story, one)
    two.step()

    again = Consumer(story, "again", instance_id="second")
    assert again.join().error_code == ErrorCode.NONE

    settle(story, one, again)
    check_shared([one, again], ORDERS)
    assert again.holds


def test_what_a_cooperative_member_still_has_is_not_given_away_in_a_rebalance() -> None:
    """KIP-429: in a rebalance that begins anew nobody has an assignment, but members go on consuming."""
    story = story_of()
    one, two = classic_pair(story, is_cooperative=True)
    one.join()
    two.join()
    # The generation is complete; that it is assigned never happens, since somebody leaves.
    assert story.classic_group.state is ClassicState.COMPLETING_REBALANCE
    extra, _ = story.join_with_id(protocols=[("cooperative-sticky", subscription_bytes(["orders"], {}))])
    assert all(not member.assignment for member in story.classic_group.members.values())
    assert story.leave((extra, None)) == [ErrorCode.NONE]
    three = Consumer(story, "three")

    three.join()

    assert three.holds == {}
    settle(story, one, two, three)
    check_shared([one, two, three], ORDERS)


@pytest.mark.parametrize("policy", [MigrationPolicy.DISABLED, MigrationPolicy.DOWNGRADE])
def test_policy_forbids_going_up(policy: MigrationPolicy) -> None:
    story = story_of(consumer_migration_policy=policy)
    one, two = classic_pair(story)

    response = Consumer(story, "three").join()

    assert response.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert "online upgrade is disabled" in (response.error_message or "")
    assert story.type_name == "classic"
    settle(story, one, two)


def test_group_of_another_protocol_type_does_not_go_up() -> None:
    story = story_of()
    story.join_with_id(protocol_type="connect", protocols=[("sessioned", b"")])

    assert Consumer(story, "two").join().error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_group_that_is_too_large_does_not_go_up() -> None:
    story = story_of(consumer_members_max=1)
    classic_pair(story)

    response = Consumer(story, "three").join()

    assert response.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert "exceeds the consumer group maximum size" in (response.error_message or "")


def test_group_that_is_full_goes_up_only_for_a_static_member_of_it() -> None:
    story = story_of(consumer_members_max=1)
    one = ClassicConsumer(story, "one", instance_id="first")
    settle(story, one)

    assert Consumer(story, "two").join().error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert story.type_name == "classic"
    settle(story, one)
    assert Consumer(story, "two", instance_id="first").join().error_code == ErrorCode.NONE
    assert list(story.consumer_group.members) == ["two"]


def test_metadata_that_cannot_be_read_keeps_a_group_classic() -> None:
    story = story_of()
    story.join_with_id(protocols=[("range", b"\x00")])

    response = Consumer(story, "two").join()

    assert response.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert "malformed" in (response.error_message or "")


@pytest.mark.parametrize(
    ("assignments", "reason"),
    [
        ([assignment_bytes({"orders": {0}}, b"custom"), assignment_bytes({})], "custom assignor"),
        ([b"\x00", b""], "malformed"),
        ([assignment_bytes({"orders": {0}}), assignment_bytes({"orders": {0, 1}})], "assigned to two members"),
    ],
)
def test_assignments_that_cannot_be_taken_over_keep_a_group_classic(assignments: list[bytes], reason: str) -> None:
    story = story_of()
    protocols = [("custom", subscription_bytes(["orders"], {}))]
    joined = [story.join_with_id(protocols=protocols) for _ in assignments]
    story.advance(200)
    generation = story.answer(joined[0][1], JoinGroupResponse).generation_id
    by_member = {member_id: assignment for (member_id, _), assignment in zip(joined, assignments, strict=True)}
    story.sync(story.classic_group.leader_id or "", generation, by_member)

    response = Consumer(story, "three").join()

    assert response.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert reason in (response.error_message or "")
    assert story.classic_group.state is ClassicState.STABLE
    assert story.heartbeat(joined[0][0], generation) is ErrorCode.NONE


def test_user_data_of_a_client_that_has_no_assignor_of_its_own_is_let_go() -> None:
    """What librdkafka puts into assignments by `cooperative-sticky`."""
    story = story_of()
    member_id, joined = story.join_with_id(protocols=[("cooperative-sticky", subscription_bytes(["orders"], {}))])
    story.advance(200)
    generation = story.answer(joined, JoinGroupResponse).generation_id
    story.sync(member_id, generation, {member_id: assignment_bytes({"orders": {0, 1}}, b"said by the member")})

    assert Consumer(story, "two").join().error_code == ErrorCode.NONE

    assert sum(map(len, story.consumer_group.members[member_id].assigned.values())) == 2


def test_heartbeat_that_is_refused_in_the_end_leaves_the_group_and_who_waits_alone() -> None:
    story = story_of()
    one, _ = classic_pair(story)
    one.join()

    assert Consumer(story, "three", regex="(").join().error_code == ErrorCode.INVALID_REGULAR_EXPRESSION

    assert story.type_name == "classic"
    assert one.is_waiting


def test_group_that_is_too_large_for_a_batch_stays_classic() -> None:
    story = story_of()
    one, two = classic_pair(story)
    one.join()
    story.records_max = 5

    assert Consumer(story, "three").join().error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    assert not one.is_waiting
    assert story.type_name == "classic"
    one.cut_off()
    one.is_joined = False
    one.step()
    settle(story, one, two)
    story.advance(20_000)
    assert story.classic_group.is_empty
