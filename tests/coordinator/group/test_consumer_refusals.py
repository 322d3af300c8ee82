"""Everything that members of consumer groups (KIP-848) are refused, those of the classic protocol in them too: one case an error."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeResponse
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.delete_groups import DeleteGroupsResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.coordinator.group.consumer_story import Consumer, ConsumerStory
from tests.coordinator.group.migration_story import ORDERS, MigrationStory, subscription_bytes
from tests.coordinator.group.shard_story import GROUP
from tests.coordinator.refusal_case import RefusalCase, ids_of

# The epoch in which a group has its first assignment.
FIRST_EPOCH = 2


def heartbeat_of(request: ConsumerGroupHeartbeatRequest, version: int = 1) -> ErrorCode:
    """What a request is told where there is no group yet."""
    story = ConsumerStory(ORDERS)
    ticket = story.ask(lambda ticket: story.shard.consumer_heartbeat(ticket, request, story.caller(version), story.now))
    return story.code(ticket)


def joining(**wrong: object) -> ConsumerGroupHeartbeatRequest:
    """A heartbeat that would join, if it were not for what is `wrong` in it."""
    request = ConsumerGroupHeartbeatRequest(
        group_id=GROUP, member_id="one", member_epoch=0, rebalance_timeout_ms=5_000, subscribed_topic_names=["orders"], topic_partitions=[]
    )
    for name, value in wrong.items():
        setattr(request, name, value)
    return request


def with_one_member(members_max: int = 9, **details: str) -> ConsumerStory:
    story = ConsumerStory(ORDERS, consumer_members_max=members_max)
    Consumer(story, "one", **details).join()
    return story


def beat(member_id: str, epoch: int, **said: object) -> ErrorCode:
    """A heartbeat to a group whose only member, "one", is in its first assignment."""
    return ErrorCode(with_one_member().consumer_heartbeat(member_id, epoch, **said).error_code)  # type: ignore[arg-type]


def static_beat(member_id: str, epoch: int, instance_id: str) -> ErrorCode:
    """The same, to a group whose only member is the instance "first"."""
    story = with_one_member(instance_id="first")
    return ErrorCode(story.consumer_heartbeat(member_id, epoch, instance_id=instance_id).error_code)


def join_beside(**details: str) -> ErrorCode:
    story = with_one_member(1, **({"instance_id": "first"} if "instance_id" in details else {}))
    return ErrorCode(Consumer(story, "two", **details).join().error_code)


def join_of_a_group_that_cannot_go_over() -> ErrorCode:
    story = MigrationStory(ORDERS)
    member = story.answer(story.join(protocol_type="connect"), JoinGroupResponse).member_id
    story.join(member, protocol_type="connect")
    return ErrorCode(Consumer(story, "two").join().error_code)


def beat_in_a_classic_group(epoch: int) -> ErrorCode:
    story = MigrationStory(ORDERS)
    story.join()
    return ErrorCode(story.consumer_heartbeat("two", epoch).error_code)


def one_that_does_not_give_up() -> ErrorCode:
    story = ConsumerStory(ORDERS)
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    one.silent_beat()
    story.advance(30_000)
    return ErrorCode(one.beat().error_code)


def too_large_to_be_written() -> ErrorCode:
    story = ConsumerStory(ORDERS)
    story.records_max = 0
    return ErrorCode(Consumer(story, "one").join().error_code)


def description(*, is_classic: bool) -> ErrorCode:
    story = MigrationStory(ORDERS)
    if is_classic:
        story.join()
    ticket = story.ask(lambda ticket: story.shard.describe_consumer(ticket, GROUP))
    return ErrorCode(story.answer(ticket, ConsumerGroupDescribeResponse).groups[0].error_code)


def deletion_of_a_group_with_members() -> ErrorCode:
    story = with_one_member()
    ticket = story.ask(lambda ticket: story.shard.delete_group(ticket, GROUP))
    return ErrorCode(story.answer(ticket, DeleteGroupsResponse).results[0].error_code)


# Members of the classic protocol in a consumer group

SUBSCRIBED = (("range", subscription_bytes(["orders"], {})),)


def mixed_group() -> tuple[MigrationStory, str]:
    """A member of each protocol; the id of the classic one, which is static."""
    story = MigrationStory(ORDERS)
    Consumer(story, "modern").join()
    answer = story.answer(story.join(instance_id="old", protocols=SUBSCRIBED), JoinGroupResponse)
    assert answer.error_code == ErrorCode.NONE
    return story, answer.member_id


def classic_join(member_id: str = "", *, members_max: int = 9, **details: object) -> ErrorCode:
    story = MigrationStory(ORDERS, consumer_members_max=members_max)
    Consumer(story, "modern").join()
    return story.code(story.join(member_id, **{"protocols": SUBSCRIBED, **details}))  # type: ignore[arg-type]


def classic_join_of_a_former_self() -> ErrorCode:
    story, former = mixed_group()
    story.join(instance_id="old", protocols=SUBSCRIBED)
    return story.code(story.join(former, instance_id="old", protocols=SUBSCRIBED))


def classic_heartbeat(member_id: str | None = None, generation: int | None = None, instance_id: str | None = "old") -> ErrorCode:
    story, member = mixed_group()
    known = story.consumer_group.members[member].epoch
    return story.heartbeat(member if member_id is None else member_id, known if generation is None else generation, instance_id=instance_id)


def classic_heartbeat_of_a_former_self() -> ErrorCode:
    story, former = mixed_group()
    story.join(instance_id="old", protocols=SUBSCRIBED)
    return story.heartbeat(former, FIRST_EPOCH, instance_id="old")


def classic_heartbeat_with_something_to_do() -> ErrorCode:
    story, member = mixed_group()
    epoch = story.consumer_group.members[member].epoch
    Consumer(story, "another").join()
    return story.heartbeat(member, epoch, instance_id="old")


def classic_sync(member_id: str | None = None, generation: int | None = None, protocol: str | None = None) -> ErrorCode:
    story, member = mixed_group()
    known = story.consumer_group.members[member].epoch
    said = member if member_id is None else member_id
    return story.code(story.sync(said, known if generation is None else generation, instance_id="old", protocol=protocol))


def classic_sync_with_something_to_do() -> ErrorCode:
    story, member = mixed_group()
    epoch = story.consumer_group.members[member].epoch
    Consumer(story, "another").join()
    return story.code(story.sync(member, epoch, instance_id="old"))


def classic_leave(member_id: str, instance_id: str | None) -> ErrorCode:
    story, _ = mixed_group()
    (code,) = story.leave((member_id, instance_id))
    return code


def _case(who: str, code: ErrorCode, request: ConsumerGroupHeartbeatRequest) -> RefusalCase:
    return RefusalCase("ConsumerGroupHeartbeat", who, code, lambda: heartbeat_of(request))


HEARTBEAT = "ConsumerGroupHeartbeat"
CASES = [
    _case("a_group_without_a_name", ErrorCode.INVALID_REQUEST, joining(group_id="")),
    _case("a_member_without_an_id", ErrorCode.INVALID_REQUEST, joining(member_id="")),
    _case("an_empty_instance_id", ErrorCode.INVALID_REQUEST, joining(instance_id=" ")),
    _case("an_empty_rack", ErrorCode.INVALID_REQUEST, joining(rack_id="")),
    _case("a_newcomer_without_a_timeout", ErrorCode.INVALID_REQUEST, joining(rebalance_timeout_ms=-1)),
    _case("a_newcomer_without_topics", ErrorCode.INVALID_REQUEST, joining(subscribed_topic_names=None)),
    _case("a_newcomer_who_does_not_say_what_he_has", ErrorCode.INVALID_REQUEST, joining(topic_partitions=None)),
    _case("a_nonsensical_epoch", ErrorCode.INVALID_REQUEST, joining(member_epoch=-3)),
    _case("one_who_goes_for_a_while_without_an_instance", ErrorCode.INVALID_REQUEST, joining(member_epoch=-2)),
    _case("an_unknown_assignor", ErrorCode.UNSUPPORTED_ASSIGNOR, joining(server_assignor="nonsense")),
    _case("what_is_no_expression", ErrorCode.INVALID_REGULAR_EXPRESSION, joining(subscribed_topic_regex="(")),
    _case("one_who_goes_on_in_an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, joining(member_epoch=3)),
    _case("one_who_leaves_an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, joining(member_epoch=-1)),
    RefusalCase(HEARTBEAT, "one_who_goes_on_in_a_classic_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: beat_in_a_classic_group(3)),
    RefusalCase(HEARTBEAT, "one_who_leaves_a_classic_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: beat_in_a_classic_group(-1)),
    RefusalCase(
        HEARTBEAT, "a_group_of_another_kind_that_cannot_go_over", ErrorCode.GROUP_ID_NOT_FOUND, join_of_a_group_that_cannot_go_over
    ),
    RefusalCase(HEARTBEAT, "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: beat("two", FIRST_EPOCH)),
    RefusalCase(HEARTBEAT, "a_stranger_who_leaves", ErrorCode.UNKNOWN_MEMBER_ID, lambda: beat("two", -1)),
    RefusalCase(HEARTBEAT, "an_unknown_instance", ErrorCode.UNKNOWN_MEMBER_ID, lambda: static_beat("one", FIRST_EPOCH, "second")),
    RefusalCase(HEARTBEAT, "one_that_did_not_give_up_in_time", ErrorCode.UNKNOWN_MEMBER_ID, one_that_does_not_give_up),
    RefusalCase(
        HEARTBEAT, "another_holder_of_the_instance", ErrorCode.FENCED_INSTANCE_ID, lambda: static_beat("two", FIRST_EPOCH, "first")
    ),
    RefusalCase(HEARTBEAT, "another_holder_who_leaves", ErrorCode.FENCED_INSTANCE_ID, lambda: static_beat("two", -1, "first")),
    RefusalCase(
        HEARTBEAT, "a_newcomer_whose_instance_is_there", ErrorCode.UNRELEASED_INSTANCE_ID, lambda: join_beside(instance_id="first")
    ),
    RefusalCase(HEARTBEAT, "one_too_many", ErrorCode.GROUP_MAX_SIZE_REACHED, join_beside),
    RefusalCase(HEARTBEAT, "a_coming_epoch", ErrorCode.FENCED_MEMBER_EPOCH, lambda: beat("one", FIRST_EPOCH + 1)),
    RefusalCase(HEARTBEAT, "a_past_epoch_without_what_he_has", ErrorCode.FENCED_MEMBER_EPOCH, lambda: beat("one", FIRST_EPOCH - 1)),
    RefusalCase(HEARTBEAT, "what_is_too_large_to_be_written", ErrorCode.UNKNOWN_SERVER_ERROR, too_large_to_be_written),
    RefusalCase("ConsumerGroupDescribe", "an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: description(is_classic=False)),
    RefusalCase("ConsumerGroupDescribe", "a_classic_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: description(is_classic=True)),
    RefusalCase("DeleteGroups", "a_consumer_group_with_members", ErrorCode.NON_EMPTY_GROUP, deletion_of_a_group_with_members),
    RefusalCase("JoinGroup", "a_newcomer_to_a_consumer_group", ErrorCode.MEMBER_ID_REQUIRED, classic_join),
    RefusalCase(
        "JoinGroup", "an_unknown_instance_of_a_consumer_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: classic_join("who", instance_id="new")
    ),
    RefusalCase("JoinGroup", "a_former_self_in_a_consumer_group", ErrorCode.FENCED_INSTANCE_ID, classic_join_of_a_former_self),
    RefusalCase(
        "JoinGroup",
        "another_kind_in_a_consumer_group",
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        lambda: classic_join(protocol_type="connect"),
    ),
    RefusalCase(
        "JoinGroup",
        "an_unreadable_subscription_to_a_consumer_group",
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        lambda: classic_join(instance_id="new", protocols=(("range", b"\xff"),)),
    ),
    RefusalCase("JoinGroup", "one_too_many_in_a_consumer_group", ErrorCode.GROUP_MAX_SIZE_REACHED, lambda: classic_join(members_max=1)),
    RefusalCase("Heartbeat", "a_modern_member", ErrorCode.UNKNOWN_MEMBER_ID, lambda: classic_heartbeat("modern", instance_id=None)),
    RefusalCase("Heartbeat", "a_past_epoch", ErrorCode.ILLEGAL_GENERATION, lambda: classic_heartbeat(generation=1)),
    RefusalCase("Heartbeat", "a_former_self_in_a_consumer_group", ErrorCode.FENCED_INSTANCE_ID, classic_heartbeat_of_a_former_self),
    RefusalCase("Heartbeat", "one_who_has_to_give_up", ErrorCode.REBALANCE_IN_PROGRESS, classic_heartbeat_with_something_to_do),
    RefusalCase("SyncGroup", "a_stranger_in_a_consumer_group", ErrorCode.FENCED_INSTANCE_ID, lambda: classic_sync("who")),
    RefusalCase("SyncGroup", "a_past_epoch", ErrorCode.ILLEGAL_GENERATION, lambda: classic_sync(generation=1)),
    RefusalCase(
        "SyncGroup", "another_protocol_in_a_consumer_group", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: classic_sync(protocol="other")
    ),
    RefusalCase("SyncGroup", "one_who_has_to_give_up", ErrorCode.REBALANCE_IN_PROGRESS, classic_sync_with_something_to_do),
    RefusalCase("LeaveGroup", "a_stranger_in_a_consumer_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: classic_leave("who", None)),
    RefusalCase("LeaveGroup", "another_holder_of_the_instance", ErrorCode.FENCED_INSTANCE_ID, lambda: classic_leave("who", "old")),
]


@pytest.mark.parametrize("case", CASES, ids=ids_of(CASES))
def test_refusal(case: RefusalCase) -> None:
    assert case.ask() is case.code


def test_newcomer_of_version_0_needs_no_id() -> None:
    """KIP-1082: the client makes its id from version 1 on."""
    assert heartbeat_of(joining(member_id=""), version=0) is ErrorCode.NONE


def test_partitions_of_a_newcomer_must_be_none() -> None:
    story = ConsumerStory(ORDERS)
    assert story.name_of(Uuid(bytes([1]) * 16)) == "orders"

    assert story.consumer_heartbeat("one", 0, topics=["orders"], owned={"orders": {0}}, rebalance_timeout_ms=5_000).error_code == (
        ErrorCode.INVALID_REQUEST
    )
