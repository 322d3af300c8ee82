"""The consumer protocol (KIP-848) as stories: joining, revoking before releasing, leaving, fencing, and what topics do to groups."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.consumer_member import MemberState
from tests.coordinator.group.consumer_story import Consumer, ConsumerStory, settle


def story_of(partitions: int = 6, **settings: int) -> ConsumerStory:
    return ConsumerStory({"orders": partitions}, **settings)


def test_first_member_has_everything_at_once() -> None:
    """KAFKA-20268: epoch 1 is that of a group nobody has been assigned anything in, so the first assignment is of epoch 2."""
    story = story_of()
    one = Consumer(story, "one")

    response = one.join()

    assert (response.error_code, response.member_epoch, response.heartbeat_interval_ms) == (0, 2, 5_000)
    assert one.holds == {"orders": {0, 1, 2, 3, 4, 5}}
    assert story.group.state_name == "Stable"
    # Member, group epoch, target, target epoch, assignment: in the order in which a coordinator may stop between any two of them.
    assert [record.key.API_KEY for record in story.records] == [5, 3, 7, 6, 8]


def test_second_member_waits_until_the_first_has_given_up_its_part() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()

    two.join()
    assert two.holds == {}
    assert story.group.members["two"].state is MemberState.UNRELEASED_PARTITIONS
    assert story.group.state_name == "Reconciling"
    told = one.silent_beat()
    assert told.assignment is not None
    assert story.group.members["one"].state is MemberState.UNREVOKED_PARTITIONS
    assert story.group.members["one"].epoch == 2
    two.beat()
    assert two.holds == {}
    one.obey()
    one.beat()
    assert one.epoch == 3
    two.beat()

    assert (sorted(one.holds["orders"]), sorted(two.holds["orders"])) == ([0, 1, 2], [3, 4, 5])
    assert story.group.state_name == "Stable"


def test_member_that_does_not_give_up_in_time_is_fenced() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    one.silent_beat()
    story.advance(29_999)
    one.silent_beat()
    two.beat()
    assert "one" in story.group.members
    story.advance(1)

    assert "one" not in story.group.members
    assert one.beat().error_code == ErrorCode.UNKNOWN_MEMBER_ID
    two.beat()
    assert two.holds == {"orders": {0, 1, 2, 3, 4, 5}}


def test_member_that_is_silent_for_a_session_is_out() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    settle(story, one, two)
    story.advance(44_000)
    two.beat()
    story.advance(1_000)
    settle(story, two)

    assert list(story.group.members) == ["two"]
    assert len(two.holds["orders"]) == 6


def test_member_that_leaves_leaves_its_partitions() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    settle(story, one, two)

    assert one.leave().member_epoch == -1
    settle(story, two)

    assert len(two.holds["orders"]) == 6
    two.leave()
    assert story.group.state_name == "Empty"


def test_answer_that_was_lost_is_given_again() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    settle(story, one, two)
    epoch, holds = one.epoch, dict(one.holds)
    two.leave()
    one.beat()
    assert one.epoch == epoch + 1
    # The client never saw that answer, and asks from where it was.
    one.epoch, one.holds = epoch, holds

    assert one.beat().error_code == ErrorCode.NONE
    assert one.epoch == epoch + 1
    assert len(one.holds["orders"]) == 6, "what it did not hear of is told again, though it did not say that it missed anything"


def test_partition_that_was_told_in_a_lost_answer_of_the_same_epoch_is_told_again() -> None:
    """librdkafka says again what it has when an answer comes too late; nobody else could have the partition meanwhile."""
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    settle(story, one)
    two.join()
    one.beat()
    two.beat()
    one.beat()
    epoch, holds = two.epoch, dict(two.holds)
    lost = story.consumer_heartbeat("two", epoch, owned=holds)
    assert (lost.member_epoch, lost.assignment is not None) == (epoch, True)

    again = story.consumer_heartbeat("two", epoch, owned=holds)

    assert again.assignment == lost.assignment
    assert story.consumer_heartbeat("two", epoch).assignment is None, "a member that does not say what it has is not told"


def test_epochs_that_cannot_be_are_fenced() -> None:
    story = story_of()
    one = Consumer(story, "one")
    one.join()

    for epoch in (one.epoch + 1, one.epoch + 100):
        assert story.consumer_heartbeat("one", epoch, owned=one.holds).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert story.consumer_heartbeat("ghost", 1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert one.beat().error_code == ErrorCode.NONE


def test_heartbeat_without_news_writes_nothing_and_says_nothing() -> None:
    story = story_of()
    one = Consumer(story, "one")
    one.join()
    one.beat()
    before = len(story.records)

    response = story.consumer_heartbeat("one", one.epoch)

    assert response.assignment is None
    assert len(story.records) == before


def test_member_that_says_everything_is_told_everything() -> None:
    story = story_of()
    one = Consumer(story, "one")
    one.join()

    response = story.consumer_heartbeat("one", one.epoch, topics=["orders"], owned=one.holds, rebalance_timeout_ms=30_000)

    assert response.assignment is not None


def test_other_subscription_gives_up_what_is_not_wanted_any_more() -> None:
    story = ConsumerStory({"orders": 3, "bills": 2})
    one = Consumer(story, "one", ["orders"])
    one.join()

    response = story.consumer_heartbeat("one", one.epoch, topics=["bills"], owned=one.holds)

    assert response.assignment is not None
    assert response.assignment.topic_partitions == []
    one.holds = {}
    settle(story, one)
    assert one.holds == {"bills": {0, 1}}


# Topics


def test_new_partitions_and_new_topics_are_assigned_with_the_next_heartbeat() -> None:
    story = ConsumerStory({"orders": 2})
    one = Consumer(story, "one", ["orders", "bills"])
    one.join()
    story.create_topic("orders", 3)
    one.beat()
    assert one.holds == {"orders": {0, 1, 2}}
    story.create_topic("bills", 1)
    one.beat()

    assert one.holds == {"orders": {0, 1, 2}, "bills": {0}}


def test_partitions_of_a_deleted_topic_are_taken_back() -> None:
    story = ConsumerStory({"orders": 2, "bills": 1})
    one = Consumer(story, "one", ["orders", "bills"])
    one.join()
    held = dict(one.holds)
    story.delete_topic("bills")
    one.holds = {"orders": held["orders"]}
    settle(story, one)

    assert one.holds == {"orders": {0, 1}}
    assert story.group.state_name == "Stable"


def test_expression_is_resolved_here_and_follows_the_topics() -> None:
    story = ConsumerStory({"orders-eu": 1, "orders-us": 1, "bills": 1})
    one = Consumer(story, "one", regex="orders-.*")
    one.join()
    assert one.holds == {"orders-eu": {0}, "orders-us": {0}}
    story.create_topic("orders-asia", 2)
    one.beat()
    assert one.holds == {"orders-eu": {0}, "orders-us": {0}, "orders-asia": {0, 1}}
    one.leave()

    assert story.group.resolved_regexes == {}


@pytest.mark.parametrize("expression", ["(", "a{1001}", "(?=x)", "\\1"])
def test_expression_that_re2_does_not_know_is_refused(expression: str) -> None:
    response = Consumer(story_of(), "one", regex=expression).join()

    assert response.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert expression in (response.error_message or "")


# Static members


def test_static_member_that_is_away_for_a_while_finds_everything_as_it_was() -> None:
    story = story_of()
    one, other = Consumer(story, "one", instance_id="i"), Consumer(story, "other")
    one.join()
    other.join()
    settle(story, one, other)
    held, epoch = dict(one.holds), story.group.epoch
    assert one.leave(for_a_while=True).member_epoch == -2
    other.beat()
    assert story.group.epoch == epoch
    again = Consumer(story, "again", instance_id="i")
    again.join()

    assert again.holds == held
    assert story.group.epoch == epoch
    assert set(story.group.members) == {"again", "other"}
    assert one.beat().error_code == ErrorCode.FENCED_INSTANCE_ID


def test_instance_id_is_not_given_away_while_its_holder_is_here() -> None:
    story = story_of()
    Consumer(story, "one", instance_id="i").join()

    assert Consumer(story, "two", instance_id="i").join().error_code == ErrorCode.UNRELEASED_INSTANCE_ID


def test_instance_id_of_one_that_died_is_free_after_a_whole_session_of_its_last_coordinator() -> None:
    """In the classic protocol it is free at once (KIP-345), in this one it is not: `throwIfInstanceIdIsUnreleased`."""
    story = story_of()
    Consumer(story, "one", instance_id="i").join()
    story.advance(44_000)
    story.reload()
    story.advance(44_999)

    assert Consumer(story, "two", instance_id="i").join().error_code == ErrorCode.UNRELEASED_INSTANCE_ID
    story.advance(1)
    three = Consumer(story, "three", instance_id="i")
    assert three.join().error_code == ErrorCode.NONE
    assert len(three.holds["orders"]) == 6


def test_static_member_that_does_not_come_back_is_out_with_its_session() -> None:
    story = story_of()
    one = Consumer(story, "one", instance_id="i")
    one.join()
    one.leave(for_a_while=True)
    story.advance(45_000)

    assert story.group.is_empty


# Limits, settings, requests that mean nothing


def test_group_has_no_more_members_than_its_size_allows() -> None:
    story = story_of(consumer_members_max=1)
    one = Consumer(story, "one")
    one.join()

    assert Consumer(story, "two").join().error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert one.join().error_code == ErrorCode.NONE


def test_assignments_are_not_made_more_often_than_the_interval_says() -> None:
    story = story_of(consumer_assignment_interval_ms=1_000)
    one, two, three = (Consumer(story, name) for name in ("one", "two", "three"))
    one.join()
    two.join()
    assert story.group.state_name == "Assigning"
    three.join()
    assert story.group.target_epoch == 2
    story.advance(1_000)
    settle(story, one, two, three)

    assert story.group.target_epoch == story.group.epoch == 4
    assert [len(it.holds["orders"]) for it in (one, two, three)] == [2, 2, 2]


def test_assignor_that_most_members_ask_for_is_taken() -> None:
    story = ConsumerStory({"orders": 4, "bills": 4})
    consumers = [Consumer(story, name, ["orders", "bills"], assignor="range") for name in ("one", "two")]
    for consumer in consumers:
        consumer.join()
    settle(story, *consumers)

    assert [it.holds for it in consumers] == [{"orders": {0, 1}, "bills": {0, 1}}, {"orders": {2, 3}, "bills": {2, 3}}]
    assert Consumer(story, "three", assignor="sticky").join().error_code == ErrorCode.UNSUPPORTED_ASSIGNOR


def test_requests_that_mean_nothing_are_refused() -> None:
    story = story_of()

    assert story.consumer_heartbeat("", 0, topics=["orders"], owned={}, rebalance_timeout_ms=1).error_code == ErrorCode.INVALID_REQUEST
    assert story.consumer_heartbeat("one", 0, topics=["orders"], owned={}).error_code == ErrorCode.INVALID_REQUEST
    assert story.consumer_heartbeat("one", 0, topics=["orders"], rebalance_timeout_ms=1).error_code == ErrorCode.INVALID_REQUEST
    assert story.consumer_heartbeat("one", 0, owned={}, rebalance_timeout_ms=1).error_code == ErrorCode.INVALID_REQUEST
    assert story.consumer_heartbeat("one", -3).error_code == ErrorCode.INVALID_REQUEST
    assert story.consumer_heartbeat("one", -2).error_code == ErrorCode.INVALID_REQUEST
    assert (
        story.consumer_heartbeat("one", 0, topics=[], owned={}, rebalance_timeout_ms=1, instance_id="").error_code
        == ErrorCode.INVALID_REQUEST
    )
    assert story.consumer_heartbeat("one", 5).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert story.records == []


def test_member_of_version_0_is_given_an_id() -> None:
    response = story_of().consumer_heartbeat("", 0, topics=["orders"], owned={}, rebalance_timeout_ms=1, version=0)

    assert response.error_code == ErrorCode.NONE
    assert len(response.member_id or "") == 22


# Crashes and commits


def test_coordinator_that_takes_over_goes_on_where_the_other_stopped() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    one.silent_beat()
    story.reload()
    story.advance(29_999)
    two.beat()
    one.obey()
    settle(story, one, two)

    assert (len(one.holds["orders"]), len(two.holds["orders"])) == (3, 3)


def test_revocation_that_was_under_way_is_not_forgotten_by_a_new_coordinator() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    one.silent_beat()
    story.reload()
    story.advance(30_000)

    assert set(story.group.members) == {"two"}


def test_commit_counts_for_whoever_has_the_partition_since_the_epoch_it_says() -> None:
    story = story_of()
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    old_epoch = one.epoch
    two.join()
    settle(story, one, two)
    group, topic = story.group, story.image.topics.by_name["orders"].id

    assert group.refusal_of_commit("one", None, one.epoch, is_transactional=False, version=9) is ErrorCode.NONE
    assert group.refusal_of_commit("one", None, one.epoch + 1, is_transactional=False, version=9) is ErrorCode.STALE_MEMBER_EPOCH
    assert group.refusal_of_commit("ghost", None, 1, is_transactional=False, version=9) is ErrorCode.UNKNOWN_MEMBER_ID
    assert group.refusal_of_commit("one", None, one.epoch, is_transactional=False, version=8) is ErrorCode.UNSUPPORTED_VERSION
    assert group.refusal_of_commit("", None, -1, is_transactional=False, version=9) is ErrorCode.UNKNOWN_MEMBER_ID
    # What it has had since then it may still commit for in the old epoch; what it gave up it may not.
    assert group.refusal_of_partition_commit("one", old_epoch, "orders", topic, 0) is ErrorCode.NONE
    assert group.refusal_of_partition_commit("one", old_epoch, "orders", topic, 5) is ErrorCode.STALE_MEMBER_EPOCH
