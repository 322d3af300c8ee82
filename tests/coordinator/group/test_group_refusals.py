"""Everything that members of classic groups are refused by the coordinator: one case an error, whose name says who is told what.

So `pytest -k FENCED_INSTANCE_ID` shows who is fenced. What the consumer protocol refuses is in `test_consumer_refusals`, offsets are in
`test_offset_refusals`; what is decided before the coordinator is asked, in tests/broker/handlers/test_coordinator_refusals.py. That no
error goes without a case is watched by tests/workshop/test_coordinator_errors.py, and that they are Kafka's, by the recorded
conversations of tests/conformance/differential.
"""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicState
from odradek.protocol.messages.delete_groups import DeleteGroupsResponse
from odradek.protocol.messages.describe_groups import DescribeGroupsResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from tests.coordinator.group.group_story import GroupStory
from tests.coordinator.group.shard_story import GROUP
from tests.coordinator.refusal_case import RefusalCase, ids_of

FIRST_GENERATION = 1
OTHER_PROTOCOL = (("other", b"meta"),)


def code_of_join(story: GroupStory, member_id: str = "", **details: object) -> ErrorCode:
    return story.code(story.join(member_id, **details))  # type: ignore[arg-type]


def join_of_a_group_without_a_name() -> ErrorCode:
    story = GroupStory()
    story.group_id = ""
    return code_of_join(story)


def join_with_session_of(session_timeout_ms: int) -> ErrorCode:
    return code_of_join(GroupStory(), session_timeout_ms=session_timeout_ms)


def join_in_a_stable_group(member_id: str = "", **details: object) -> ErrorCode:
    story = GroupStory()
    story.stable_group()
    return code_of_join(story, member_id, **details)


def join_in_a_full_group() -> ErrorCode:
    story = GroupStory(members_max=2)
    story.stable_group(2)
    return code_of_join(story)


def join_of_one_who_was_replaced() -> ErrorCode:
    story, former = restarted_static_member()
    return code_of_join(story, former, instance_id="one")


def join_that_waits_when_its_instance_comes_back() -> ErrorCode:
    story = GroupStory()
    waiting = story.join(instance_id="one")
    story.join(instance_id="one")
    return story.code(waiting)


def join_that_waits_when_it_is_sent_again() -> ErrorCode:
    story = GroupStory()
    member_id, waiting = story.join_with_id()
    story.join(member_id)
    return story.code(waiting)


def join_of_one_with_an_id_who_says_he_is_static() -> ErrorCode:
    story = GroupStory()
    given = story.answer(story.join(), JoinGroupResponse).member_id
    return code_of_join(story, given, instance_id="one")


def restarted_static_member() -> tuple[GroupStory, str]:
    """A static member that has come back, and the id of its former self."""
    story = GroupStory()
    first = story.join(instance_id="one")
    story.advance(story.settings.initial_rebalance_delay_ms * 2)
    former = story.answer(first, JoinGroupResponse).member_id
    story.sync(former, FIRST_GENERATION, {former: b"all"}, instance_id="one")
    story.join(instance_id="one")
    return story, former


def group_that_prepares() -> tuple[GroupStory, str]:
    """A stable member, and another who waits to join."""
    story = GroupStory()
    (member,) = story.stable_group()
    story.join_with_id()
    assert story.group.state is ClassicState.PREPARING_REBALANCE
    return story, member


def sync_of_stable(member_id: str | None = None, generation: int = FIRST_GENERATION, **details: object) -> ErrorCode:
    story = GroupStory()
    (member,) = story.stable_group()
    return story.code(story.sync(member if member_id is None else member_id, generation, **details))  # type: ignore[arg-type]


def sync_while_others_join() -> ErrorCode:
    story, member = group_that_prepares()
    return story.code(story.sync(member, FIRST_GENERATION))


def sync_of_a_former_self() -> ErrorCode:
    story, former = restarted_static_member()
    return story.code(story.sync(former, FIRST_GENERATION, instance_id="one"))


def sync_that_waits_when_it_is_sent_again() -> ErrorCode:
    story = GroupStory()
    (first, _), (second, _) = story.join_with_id(client_id="a"), story.join_with_id(client_id="b")
    story.advance(story.settings.initial_rebalance_delay_ms * 2)
    follower = second if story.group.leader_id == first else first
    waiting = story.sync(follower, FIRST_GENERATION)
    story.sync(follower, FIRST_GENERATION)
    return story.code(waiting)


def sync_too_large_to_be_written() -> ErrorCode:
    story = GroupStory()
    member, _ = story.join_with_id()
    story.advance(story.settings.initial_rebalance_delay_ms * 2)
    story.records_max = 0
    return story.code(story.sync(member, FIRST_GENERATION, {member: b"all"}))


def heartbeat_of_stable(member_id: str | None = None, generation: int = FIRST_GENERATION, **details: object) -> ErrorCode:
    story = GroupStory()
    (member,) = story.stable_group()
    return story.heartbeat(member if member_id is None else member_id, generation, **details)  # type: ignore[arg-type]


def heartbeat_while_others_join() -> ErrorCode:
    story, member = group_that_prepares()
    return story.heartbeat(member, FIRST_GENERATION)


def heartbeat_of_a_former_self() -> ErrorCode:
    story, former = restarted_static_member()
    return story.heartbeat(former, FIRST_GENERATION, instance_id="one")


def leave_of_a_stranger() -> ErrorCode:
    story = GroupStory()
    story.stable_group()
    (code,) = story.leave(("stranger", None))
    return code


def leave_of_a_former_self() -> ErrorCode:
    story, former = restarted_static_member()
    (code,) = story.leave((former, "one"))
    return code


def leave_of_an_unknown_group() -> ErrorCode:
    (code,) = GroupStory().leave(("stranger", None))
    return code


def in_a_group_without_a_name(api: str) -> ErrorCode:
    story = GroupStory()
    story.group_id = ""
    match api:
        case "SyncGroup":
            return story.code(story.sync("stranger", FIRST_GENERATION))
        case "Heartbeat":
            return story.heartbeat("stranger", FIRST_GENERATION)
        case _:
            request = LeaveGroupRequest(group_id="", members=[MemberIdentity(member_id="stranger")])
            ticket = story.ask(lambda ticket: story.shard.leave(ticket, request, story.now))
            return ErrorCode(story.answer(ticket, LeaveGroupResponse).error_code)


def deletion(*, is_there: bool) -> ErrorCode:
    story = GroupStory()
    if is_there:
        story.stable_group()
    ticket = story.ask(lambda ticket: story.shard.delete_group(ticket, GROUP))
    return ErrorCode(story.answer(ticket, DeleteGroupsResponse).results[0].error_code)


def description_of_an_unknown_group() -> ErrorCode:
    story = GroupStory()
    caller = story.caller(6)
    ticket = story.ask(lambda ticket: story.shard.describe_classic(ticket, GROUP, caller))
    return ErrorCode(story.answer(ticket, DescribeGroupsResponse).groups[0].error_code)


CASES = [
    RefusalCase("JoinGroup", "a_group_without_a_name", ErrorCode.INVALID_GROUP_ID, join_of_a_group_without_a_name),
    RefusalCase("JoinGroup", "a_session_that_is_too_short", ErrorCode.INVALID_SESSION_TIMEOUT, lambda: join_with_session_of(5_999)),
    RefusalCase("JoinGroup", "a_session_that_is_too_long", ErrorCode.INVALID_SESSION_TIMEOUT, lambda: join_with_session_of(1_800_001)),
    RefusalCase("JoinGroup", "a_negative_session", ErrorCode.INVALID_SESSION_TIMEOUT, lambda: join_with_session_of(-1)),
    RefusalCase("JoinGroup", "a_newcomer_without_an_id", ErrorCode.MEMBER_ID_REQUIRED, lambda: code_of_join(GroupStory())),
    RefusalCase("JoinGroup", "a_stranger_in_an_unknown_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: code_of_join(GroupStory(), "stranger")),
    RefusalCase("JoinGroup", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: join_in_a_stable_group("stranger")),
    RefusalCase(
        "JoinGroup", "an_unknown_instance", ErrorCode.UNKNOWN_MEMBER_ID, lambda: join_in_a_stable_group("stranger", instance_id="one")
    ),
    RefusalCase("JoinGroup", "a_former_self", ErrorCode.FENCED_INSTANCE_ID, join_of_one_who_was_replaced),
    RefusalCase("JoinGroup", "one_whose_instance_comes_back", ErrorCode.FENCED_INSTANCE_ID, join_that_waits_when_its_instance_comes_back),
    RefusalCase("JoinGroup", "one_who_asks_again", ErrorCode.REBALANCE_IN_PROGRESS, join_that_waits_when_it_is_sent_again),
    RefusalCase("JoinGroup", "no_protocols", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: code_of_join(GroupStory(), protocols=())),
    RefusalCase("JoinGroup", "no_kind", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: code_of_join(GroupStory(), protocol_type="")),
    RefusalCase(
        "JoinGroup", "another_kind", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: join_in_a_stable_group(protocol_type="connect")
    ),
    RefusalCase(
        "JoinGroup", "no_common_protocol", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: join_in_a_stable_group(protocols=OTHER_PROTOCOL)
    ),
    RefusalCase("JoinGroup", "one_too_many", ErrorCode.GROUP_MAX_SIZE_REACHED, join_in_a_full_group),
    RefusalCase("JoinGroup", "one_given_an_id_who_is_static", ErrorCode.UNKNOWN_SERVER_ERROR, join_of_one_with_an_id_who_says_he_is_static),
    RefusalCase("SyncGroup", "a_group_without_a_name", ErrorCode.INVALID_GROUP_ID, lambda: in_a_group_without_a_name("SyncGroup")),
    RefusalCase(
        "SyncGroup", "an_unknown_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: (story := GroupStory()).code(story.sync("stranger", 1))
    ),
    RefusalCase("SyncGroup", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: sync_of_stable("stranger")),
    RefusalCase("SyncGroup", "an_unknown_instance", ErrorCode.UNKNOWN_MEMBER_ID, lambda: sync_of_stable(instance_id="one")),
    RefusalCase("SyncGroup", "a_former_self", ErrorCode.FENCED_INSTANCE_ID, sync_of_a_former_self),
    RefusalCase("SyncGroup", "a_past_generation", ErrorCode.ILLEGAL_GENERATION, lambda: sync_of_stable(generation=0)),
    RefusalCase("SyncGroup", "a_coming_generation", ErrorCode.ILLEGAL_GENERATION, lambda: sync_of_stable(generation=2)),
    RefusalCase("SyncGroup", "another_protocol", ErrorCode.INCONSISTENT_GROUP_PROTOCOL, lambda: sync_of_stable(protocol="other")),
    RefusalCase("SyncGroup", "one_while_others_join", ErrorCode.REBALANCE_IN_PROGRESS, sync_while_others_join),
    RefusalCase("SyncGroup", "one_who_asks_again", ErrorCode.REBALANCE_IN_PROGRESS, sync_that_waits_when_it_is_sent_again),
    RefusalCase("SyncGroup", "an_assignment_too_large", ErrorCode.UNKNOWN_SERVER_ERROR, sync_too_large_to_be_written),
    RefusalCase("Heartbeat", "a_group_without_a_name", ErrorCode.INVALID_GROUP_ID, lambda: in_a_group_without_a_name("Heartbeat")),
    RefusalCase("Heartbeat", "an_unknown_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: GroupStory().heartbeat("stranger", 1)),
    RefusalCase("Heartbeat", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: heartbeat_of_stable("stranger")),
    RefusalCase("Heartbeat", "nobody", ErrorCode.UNKNOWN_MEMBER_ID, lambda: heartbeat_of_stable("")),
    RefusalCase("Heartbeat", "an_unknown_instance", ErrorCode.UNKNOWN_MEMBER_ID, lambda: heartbeat_of_stable(instance_id="one")),
    RefusalCase("Heartbeat", "a_former_self", ErrorCode.FENCED_INSTANCE_ID, heartbeat_of_a_former_self),
    RefusalCase("Heartbeat", "a_past_generation", ErrorCode.ILLEGAL_GENERATION, lambda: heartbeat_of_stable(generation=0)),
    RefusalCase("Heartbeat", "a_coming_generation", ErrorCode.ILLEGAL_GENERATION, lambda: heartbeat_of_stable(generation=2)),
    RefusalCase("Heartbeat", "a_negative_generation", ErrorCode.ILLEGAL_GENERATION, lambda: heartbeat_of_stable(generation=-1)),
    RefusalCase("Heartbeat", "one_while_others_join", ErrorCode.REBALANCE_IN_PROGRESS, heartbeat_while_others_join),
    RefusalCase("LeaveGroup", "a_group_without_a_name", ErrorCode.INVALID_GROUP_ID, lambda: in_a_group_without_a_name("LeaveGroup")),
    RefusalCase("LeaveGroup", "an_unknown_group", ErrorCode.UNKNOWN_MEMBER_ID, leave_of_an_unknown_group),
    RefusalCase("LeaveGroup", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, leave_of_a_stranger),
    RefusalCase("LeaveGroup", "a_former_self", ErrorCode.FENCED_INSTANCE_ID, leave_of_a_former_self),
    RefusalCase("DeleteGroups", "an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: deletion(is_there=False)),
    RefusalCase("DeleteGroups", "a_group_with_members", ErrorCode.NON_EMPTY_GROUP, lambda: deletion(is_there=True)),
    RefusalCase("DescribeGroups", "an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, description_of_an_unknown_group),
]


@pytest.mark.parametrize("case", CASES, ids=ids_of(CASES))
def test_refusal(case: RefusalCase) -> None:
    assert case.ask() is case.code
