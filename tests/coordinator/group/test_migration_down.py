"""Groups that go back to the classic protocol when the last member of the other one has gone, as stories (KIP-848)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicState
from odradek.coordinator.group.settings import MigrationPolicy
from odradek.protocol.internal_records.group import GroupMetadataValue
from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.coordinator.group.consumer_story import Consumer
from tests.coordinator.group.migration_story import (
    ORDERS,
    ClassicConsumer,
    MigrationStory,
    check_shared,
    classic_pair,
    mixed,
    partitions_of,
    settle,
    story_of,
    subscription_bytes,
)


def test_last_member_of_the_new_protocol_leaves_a_classic_group_behind() -> None:
    story = story_of()
    one, two = classic_pair(story)
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)
    epoch = story.consumer_group.epoch

    assert three.leave().error_code == ErrorCode.NONE

    assert story.classic_group.state is ClassicState.PREPARING_REBALANCE
    assert story.classic_group.generation == epoch
    value = story.records[-1].value
    assert isinstance(value, GroupMetadataValue)
    assert (value.protocol_type, value.protocol, value.generation) == ("consumer", "range", epoch)
    assert {member.member_id: partitions_of(member.assignment) for member in value.members} == {
        one.member_id: one.holds,
        two.member_id: two.holds,
    }
    assert one.beat() is ErrorCode.REBALANCE_IN_PROGRESS
    settle(story, one, two)
    check_shared([one, two], ORDERS)


def test_last_member_of_the_new_protocol_falls_silent() -> None:
    story = story_of(consumer_session_timeout_ms=5_000)
    one, two = classic_pair(story)
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)
    for _ in range(6):
        story.advance(1_000)
        one.beat()
        two.beat()

    assert story.type_name == "classic"
    settle(story, one, two)
    check_shared([one, two], ORDERS)


def test_group_goes_down_when_a_tool_removes_the_last_member_of_the_new_protocol() -> None:
    story = story_of()
    modern, classic = mixed(story)

    assert story.leave(("modern", None)) == [ErrorCode.NONE]

    assert story.type_name == "classic"
    assert modern.beat().error_code == ErrorCode.GROUP_ID_NOT_FOUND
    settle(story, classic)
    check_shared([classic], ORDERS)


def test_rebalance_of_a_group_that_went_down_is_not_forgotten_by_the_next_coordinator() -> None:
    story = story_of()
    one, two = classic_pair(story)
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)
    three.leave()

    story.reload()

    assert story.classic_group.state is ClassicState.PREPARING_REBALANCE
    settle(story, one, two)
    check_shared([one, two], ORDERS)


@pytest.mark.parametrize("policy", [MigrationPolicy.DISABLED, MigrationPolicy.UPGRADE])
def test_policy_forbids_going_down(policy: MigrationPolicy) -> None:
    story = story_of()
    modern, _ = mixed(story)
    story.settings = MigrationStory({}, consumer_migration_policy=policy).settings

    assert modern.leave().error_code == ErrorCode.NONE

    assert story.type_name == "consumer"
    assert story.consumer_group.classic_count == 1


def test_group_that_is_too_large_for_the_classic_protocol_does_not_go_down() -> None:
    story = story_of()
    one, two = classic_pair(story)
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)
    story.settings = MigrationStory({}, members_max=1).settings

    three.leave()

    assert story.type_name == "consumer"
    settle(story, one, two)
    check_shared([one, two], ORDERS)


def test_group_that_is_empty_after_the_last_member_stays_what_it_is() -> None:
    story = story_of()
    only = Consumer(story, "only")
    only.join()

    only.leave()

    assert story.consumer_group.is_empty


def test_group_that_is_too_large_for_a_batch_does_not_go_down() -> None:
    story = story_of()
    modern, classic = mixed(story)
    story.records_max = 5

    assert modern.leave().error_code == ErrorCode.NONE

    assert list(story.consumer_group.members) == [classic.member_id]
    story.advance(9_999)
    assert classic.member_id in story.consumer_group.members
    story.advance(1)
    assert story.consumer_group.is_empty


def test_last_static_member_comes_back_with_the_classic_protocol() -> None:
    """Where everybody has what he is meant to have, nobody has to rejoin."""
    story = story_of()
    one = ClassicConsumer(story, "one")
    static = Consumer(story, "static", instance_id="first")
    static.join()
    settle(story, one, static)
    had, generation = dict(static.holds), one.generation

    back = ClassicConsumer(story, "back", instance_id="first")
    back.step()
    assert story.classic_group.state is ClassicState.STABLE
    back.step()
    back.step()

    assert back.holds == had
    assert (back.generation, one.beat()) == (generation, ErrorCode.NONE)
    assert static.beat().error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_last_static_member_that_comes_back_with_other_topics_has_all_assigned_anew() -> None:
    story = MigrationStory({"orders": 4, "bills": 2})
    one = ClassicConsumer(story, "one")
    static = Consumer(story, "static", instance_id="first")
    static.join()
    settle(story, one, static)

    back = ClassicConsumer(story, "back", ["bills"], instance_id="first")
    back.step()

    assert back.is_waiting
    assert story.classic_group.state is ClassicState.PREPARING_REBALANCE
    settle(story, one, back)
    check_shared([one, back], {"orders": 4, "bills": 2})


def test_last_static_member_that_comes_back_after_topics_have_changed_has_all_assigned_anew() -> None:
    story = story_of()
    static = Consumer(story, "static", instance_id="first")
    static.join()
    story.create_topic("orders", 8)

    back = ClassicConsumer(story, "back", instance_id="first")
    settle(story, back)

    check_shared([back], {"orders": 8})


def test_last_static_member_of_an_old_client_has_all_assigned_anew() -> None:
    """Before version 9 a member cannot be told that it leads without assigning, and nobody else would watch the topics (KIP-814)."""
    story = story_of()
    static = Consumer(story, "static", instance_id="first")
    static.join()

    ticket = story.join(instance_id="first", protocols=[("range", subscription_bytes(["orders"], {}))], version=8)

    answer = story.answer(ticket, JoinGroupResponse)
    assert (answer.leader, answer.skip_assignment) == (answer.member_id, False)
    assert story.classic_group.state is ClassicState.COMPLETING_REBALANCE


def test_last_static_member_that_comes_back_is_not_given_what_another_has_still_to_give_up() -> None:
    story = story_of()
    one = ClassicConsumer(story, "one", is_cooperative=True)
    settle(story, one)
    static = Consumer(story, "static", instance_id="first")
    static.join()
    assert static.holds == {}

    back = ClassicConsumer(story, "back", instance_id="first", is_cooperative=True)
    back.step()

    assert back.is_waiting
    settle(story, one, back)
    check_shared([one, back], ORDERS)


def test_rebalance_that_the_group_left_behind_on_its_way_up_does_not_end_after_its_way_down() -> None:
    story = story_of()
    one, two = ClassicConsumer(story, "one", instance_id="first"), ClassicConsumer(story, "two")
    settle(story, one, two)
    extra, _ = story.join_with_id(protocols=[("range", subscription_bytes(["orders"], {}))], rebalance_timeout_ms=20_000)
    assert story.classic_group.state is ClassicState.PREPARING_REBALANCE
    modern = Consumer(story, "modern", instance_id="first")
    modern.join()
    story.leave((extra, None))
    settle(story, two, modern)
    back = ClassicConsumer(story, "back", instance_id="first")
    settle(story, two, back)
    generation = story.classic_group.generation

    for _ in range(6):
        story.advance(5_000)
        assert (two.beat(), back.beat()) == (ErrorCode.NONE, ErrorCode.NONE)

    assert story.classic_group.generation == generation


def test_group_goes_up_and_down_and_up_again() -> None:
    story = story_of()
    one, two = classic_pair(story)
    for name in ("three", "four"):
        modern = Consumer(story, name)
        modern.join()
        settle(story, one, two, modern)
        check_shared([one, two, modern], ORDERS)
        modern.leave()
        settle(story, one, two)
        check_shared([one, two], ORDERS)
    assert story.commit(7, one.member_id, one.generation) is ErrorCode.NONE
    assert story.committed() == 7
