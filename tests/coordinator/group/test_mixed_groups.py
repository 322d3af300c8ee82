"""Members of the classic protocol in groups of the consumer protocol, as stories (KIP-848)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.settings import MigrationPolicy
from odradek.protocol.internal_records.group import ConsumerGroupMemberMetadataValue
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
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
from tests.coordinator.group.shard_story import GROUP


def test_record_of_a_classic_member_holds_what_it_offers() -> None:
    story = story_of()
    one, _ = classic_pair(story)
    Consumer(story, "three").join()
    values = {record.key.member_id: record.value for record in story.records if record.key.API_KEY == 5}  # type: ignore[attr-defined]

    classic, modern = values[one.member_id], values["three"]

    assert isinstance(classic, ConsumerGroupMemberMetadataValue)
    assert classic.classic_member_metadata is not None
    assert classic.classic_member_metadata.session_timeout_ms == 10_000
    assert [protocol.name for protocol in classic.classic_member_metadata.supported_protocols] == ["range"]
    assert isinstance(modern, ConsumerGroupMemberMetadataValue)
    assert modern.classic_member_metadata is None
    # One tagged field, 0, of one byte: none. Without it Apache Kafka would hold the member for a classic one without protocols.
    encoded = bytearray()
    modern.encode(encoded, 0)
    assert encoded.endswith(b"\x01\x00\x01\x00")


def test_classic_member_joins_a_group_of_the_new_protocol() -> None:
    story = story_of()
    one = Consumer(story, "one")
    one.join()
    two = ClassicConsumer(story, "two")

    settle(story, one, two)

    check_shared([one, two], ORDERS)
    assert two.generation == one.epoch
    assert story.consumer_group.classic_count == 1


def test_classic_member_leads_nobody_and_is_in_its_own_first_protocol() -> None:
    story = story_of()
    Consumer(story, "one").join()
    metadata = subscription_bytes(["orders"], {})
    first = story.answer(story.join(protocols=[("roundrobin", metadata), ("range", metadata)]), JoinGroupResponse)
    assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED

    ticket = story.join(first.member_id, protocols=[("roundrobin", metadata), ("range", metadata)])

    joined = story.answer(ticket, JoinGroupResponse)
    assert (joined.protocol_type, joined.protocol_name, joined.leader, joined.members) == ("consumer", "roundrobin", "", [])


def test_member_of_version_3_joins_without_an_id() -> None:
    story = story_of()
    Consumer(story, "one").join()

    ticket = story.join(version=3, protocols=[("range", subscription_bytes(["orders"], {}))])

    assert story.answer(ticket, JoinGroupResponse).member_id in story.consumer_group.members


def join_refused(story: MigrationStory, member_id: str = "", **details: object) -> ErrorCode:
    """The error of a JoinGroup with good metadata but for `details`."""
    return story.code(story.join(member_id, **{"protocols": [("range", subscription_bytes(["orders"], {}))], **details}))  # type: ignore[arg-type]


def test_refusals_of_join_group_by_a_consumer_group() -> None:
    story = story_of(consumer_members_max=2)
    Consumer(story, "one", instance_id="first").join()

    assert join_refused(story, session_timeout_ms=1) is ErrorCode.INVALID_SESSION_TIMEOUT
    assert join_refused(story, protocol_type="connect") is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert join_refused(story, protocols=[]) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert join_refused(story, "two", protocols=[("range", b"\x00")]) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert join_refused(story, "two", instance_id="nobody") is ErrorCode.UNKNOWN_MEMBER_ID
    assert join_refused(story, "two", instance_id="first") is ErrorCode.FENCED_INSTANCE_ID
    assert join_refused(story, "two") is ErrorCode.NONE
    assert join_refused(story, "three") is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert join_refused(story, "two", protocols=[("other", subscription_bytes(["orders"], {}))]) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    story.settings = MigrationStory({}, consumer_migration_policy=MigrationPolicy.DISABLED).settings
    assert join_refused(story, "two") is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert set(story.consumer_group.members) == {"one", "two"}


def test_refusals_of_sync_group_by_a_consumer_group() -> None:
    story = story_of()
    modern, classic = mixed(story)

    assert story.code(story.sync("ghost", 1)) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.code(story.sync("modern", modern.epoch)) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.code(story.sync(classic.member_id, classic.generation - 1)) is ErrorCode.ILLEGAL_GENERATION
    assert story.code(story.sync(classic.member_id, classic.generation, instance_id="nobody")) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.code(story.sync(classic.member_id, classic.generation, protocol="other")) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    answer = story.answer(story.sync(classic.member_id, classic.generation, protocol="range"), SyncGroupResponse)
    assert partitions_of(answer.assignment) == classic.holds


def test_refusals_of_heartbeat_by_a_consumer_group() -> None:
    story = story_of()
    modern, classic = mixed(story)

    assert story.heartbeat("ghost", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.heartbeat("modern", modern.epoch) is ErrorCode.UNKNOWN_MEMBER_ID
    assert story.heartbeat(classic.member_id, classic.generation + 1) is ErrorCode.ILLEGAL_GENERATION
    assert story.heartbeat(classic.member_id, classic.generation) is ErrorCode.NONE


def test_classic_member_gives_up_before_another_takes_over() -> None:
    story = story_of()
    modern, classic = mixed(story, is_cooperative=True)
    late = Consumer(story, "late")
    late.join()
    assert late.holds == {}
    assert classic.beat() is ErrorCode.REBALANCE_IN_PROGRESS
    classic.step()  # joins
    classic.step()  # is told its epoch, and asks for its assignment
    held = dict(classic.holds)
    late.beat()
    # What the classic member has still to give up is not given away.
    assert not any(late.holds.get("orders", set()) & indexes for indexes in held.values())

    settle(story, modern, classic, late)

    check_shared([modern, classic, late], ORDERS)


def test_commits_and_fetches_of_a_classic_member_go_by_its_generation() -> None:
    story = story_of()
    modern, classic = mixed(story)
    (own,) = classic.holds.values()
    other = next(iter(modern.holds["orders"]))
    topic = story.image.topics.by_name["orders"].id

    assert story.commit(1, classic.member_id, classic.generation, version=8) is ErrorCode.NONE
    assert story.commit(1, classic.member_id, classic.generation + 1) is ErrorCode.ILLEGAL_GENERATION
    assert story.commit(1, "modern", modern.epoch + 1) is ErrorCode.STALE_MEMBER_EPOCH
    assert story.commit(1, "modern", modern.epoch, version=8) is ErrorCode.UNSUPPORTED_VERSION
    group = story.consumer_group
    older = classic.generation - 1
    assert group.refusal_of_partition_commit(classic.member_id, older, "orders", topic, other) is ErrorCode.ILLEGAL_GENERATION
    assert group.refusal_of_partition_commit(classic.member_id, older, "orders", topic, min(own)) is ErrorCode.ILLEGAL_GENERATION
    assert group.refusal_of_fetch(classic.member_id, older) is ErrorCode.ILLEGAL_GENERATION
    assert group.refusal_of_fetch("modern", older) is ErrorCode.STALE_MEMBER_EPOCH
    assert group.refusal_of_fetch(classic.member_id, classic.generation) is ErrorCode.NONE


def test_description_says_which_protocol_a_member_speaks() -> None:
    story = story_of()
    _, classic = mixed(story)
    ticket = story.ask(lambda ticket: story.shard.describe_consumer(ticket, GROUP))

    (described,) = story.answers[ticket].groups  # type: ignore[union-attr]

    assert {member.member_id: member.member_type for member in described.members} == {"modern": 1, classic.member_id: 0}


def test_classic_member_that_is_silent_for_its_session_is_out() -> None:
    story = story_of()
    modern, classic = mixed(story)
    classic.beat()
    story.advance(9_999)
    modern.beat()
    assert classic.member_id in story.consumer_group.members

    story.advance(1)

    assert list(story.consumer_group.members) == ["modern"]
    settle(story, modern)
    check_shared([modern], ORDERS)


def test_classic_member_that_does_not_rejoin_in_time_is_out() -> None:
    story = story_of()
    modern, classic = mixed(story)
    late = Consumer(story, "late")
    late.join()
    for _ in range(4):
        assert classic.beat() is ErrorCode.REBALANCE_IN_PROGRESS
        modern.beat()
        story.advance(5_000)

    assert classic.member_id not in story.consumer_group.members


def test_classic_member_that_never_fetches_its_assignment_is_out() -> None:
    story = story_of()
    modern = Consumer(story, "modern")
    modern.join()
    metadata = subscription_bytes(["orders"], {})
    joined = story.answer(story.join("two", protocols=[("range", metadata)]), JoinGroupResponse)
    for _ in range(12):
        story.heartbeat("two", joined.generation_id)
        modern.beat()
        story.advance(5_000)

    assert list(story.consumer_group.members) == ["modern"]


def test_classic_member_that_never_gives_up_is_out_however_often_it_rejoins() -> None:
    story = story_of()
    modern, classic = mixed(story, is_cooperative=True)
    late = Consumer(story, "late")
    late.join()
    kept = [("cooperative-sticky", subscription_bytes(["orders"], classic.holds))]
    for _ in range(12):
        story.join(classic.member_id, protocols=kept)
        modern.beat()
        story.advance(5_000)
        late.beat()

    assert classic.member_id not in story.consumer_group.members


def test_members_leave_by_leave_group_whichever_protocol_they_speak() -> None:
    story = story_of()
    modern, classic = mixed(story)
    static = Consumer(story, "static", instance_id="first")
    static.join()

    assert story.leave(("ghost", None), (classic.member_id, None), ("", "first"), ("other", "first"), ("", "nobody")) == [
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
        ErrorCode.NONE,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]

    assert list(story.consumer_group.members) == ["modern"]
    settle(story, modern)
    check_shared([modern], ORDERS)


def test_members_that_cannot_be_let_go_in_one_batch_keep_their_sessions() -> None:
    story = story_of()
    modern, classic = mixed(story)
    other = Consumer(story, "other")
    other.join()
    settle(story, modern, classic, other)
    story.records_max = 5

    with pytest.raises(AssertionError, match="UNKNOWN_SERVER_ERROR"):
        story.leave(("other", None), (classic.member_id, None))

    assert len(story.consumer_group.members) == 3
    story.records_max = None
    story.advance(10_000)
    assert set(story.consumer_group.members) == {"modern", "other"}
    story.advance(35_000)
    assert story.consumer_group.is_empty


def test_static_member_that_cannot_be_replaced_in_one_batch_keeps_its_session() -> None:
    story = story_of()
    modern = Consumer(story, "modern")
    modern.join()
    one = ClassicConsumer(story, "one", instance_id="first")
    settle(story, modern, one)
    story.records_max = 3

    assert Consumer(story, "again", instance_id="first").join().error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    story.records_max = None
    story.advance(10_000)

    assert list(story.consumer_group.members) == ["modern"]


def test_new_topics_that_could_not_be_written_of_are_looked_at_again() -> None:
    story = story_of()
    modern, _ = mixed(story)
    story.create_topic("orders", 8)
    story.records_max = 1
    assert modern.beat().error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    story.records_max = None
    epoch = story.consumer_group.epoch

    assert modern.beat().error_code == ErrorCode.NONE

    assert story.consumer_group.epoch == epoch + 1


def test_nothing_is_written_where_nobody_is_found_who_leaves() -> None:
    story = story_of()
    mixed(story)
    before = len(story.records)

    assert story.leave(("ghost", None)) == [ErrorCode.UNKNOWN_MEMBER_ID]

    assert len(story.records) == before


def test_coordinator_that_takes_over_knows_the_classic_members() -> None:
    story = story_of()
    modern, classic = mixed(story)
    story.reload()
    story.advance(9_000)
    assert classic.beat() is ErrorCode.NONE
    modern.beat()

    story.advance(10_000)

    assert list(story.consumer_group.members) == ["modern"]


def test_classic_members_alone_in_a_consumer_group_still_share_new_partitions() -> None:
    """Where downgrading is forbidden nobody else notices that topics have changed, or that somebody has left."""
    story = story_of(consumer_migration_policy=MigrationPolicy.UPGRADE)
    one, two = classic_pair(story)
    three = Consumer(story, "three")
    three.join()
    settle(story, one, two, three)
    assert three.leave().error_code == ErrorCode.NONE
    assert story.type_name == "consumer"
    settle(story, one, two)
    check_shared([one, two], ORDERS)

    story.create_topic("orders", 8)
    settle(story, one, two)

    check_shared([one, two], {"orders": 8})


# Static members


def test_static_member_changes_its_protocol_and_keeps_its_place() -> None:
    story = story_of()
    modern = Consumer(story, "modern")
    modern.join()
    one = ClassicConsumer(story, "one", instance_id="first")
    settle(story, modern, one)
    had, epoch = dict(one.holds), story.consumer_group.epoch

    again = Consumer(story, "again", instance_id="first")
    assert again.join().error_code == ErrorCode.NONE

    assert again.holds == had
    assert story.consumer_group.epoch == epoch
    assert story.consumer_group.classic_count == 0
    # The former self is out.
    assert one.beat() is ErrorCode.FENCED_INSTANCE_ID


def test_static_member_goes_back_to_the_classic_protocol_beside_others_of_the_new_one() -> None:
    story = story_of()
    modern, static = Consumer(story, "modern"), Consumer(story, "static", instance_id="first")
    modern.join()
    static.join()
    settle(story, modern, static)
    had = dict(static.holds)

    one = ClassicConsumer(story, "one", instance_id="first")
    settle(story, modern, one)

    assert story.type_name == "consumer"
    assert one.holds == had
    assert set(story.consumer_group.members) == {"modern", one.member_id}
