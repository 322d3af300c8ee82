"""Groups of the classic protocol: generations, static members, who leaves and who is missed, and the end of a group."""

from __future__ import annotations

from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.conformance.coordination.notation import GROUP_TOPIC
from tests.conformance.coordination.requests import assignment, commit, join, subscription
from tests.conformance.coordination.story import Connection, Story, script
from tests.conformance.differential.group_requests import heartbeat, leave, sync


def joined(answer: object) -> tuple[str, int]:
    """The member id and the generation of an answer."""
    assert isinstance(answer, JoinGroupResponse)
    return answer.member_id, answer.generation_id


def enter(client: Connection, group: str, topic: str) -> tuple[str, int]:
    """The first member of a group joins, with the id that it is given, and makes a generation."""
    protocols = {"range": subscription([topic])}
    member_id, _ = joined(client.ask("JoinGroup without an id", join(group, protocols=protocols), 9))
    return joined(client.ask("JoinGroup", join(group, member_id, protocols=protocols), 9))


@script
def classic_group_lives_and_is_deleted(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    member, generation = enter(client, group, topic)
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}), 5)
    client.ask("Heartbeat", heartbeat(group, member, generation), 4)
    client.ask("OffsetCommit", commit(group, topic, {0: 5, 1: 7}, member_id=member, epoch=generation, metadata="of a member"), 9)
    client.ask("OffsetCommit of an old generation", commit(group, topic, {0: 6}, member_id=member, epoch=generation - 1), 9)
    client.ask("DescribeGroups", DescribeGroupsRequest(groups=[group]), 5)
    client.ask("DeleteGroups of a living one", DeleteGroupsRequest(groups_names=[group]), 2)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)
    client.ask("OffsetCommit of nobody", commit(group, topic, {1: 9}), 9)
    client.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[group]), 2)


@script
def classic_group_of_two_changes_generations(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    first, second = story.client, story.connect()
    protocols = {"cooperative-sticky": subscription([topic], {topic: [0, 1]}), "range": subscription([topic])}
    other = {"range": subscription([topic]), "roundrobin": subscription([topic])}
    one, _ = joined(first.ask("JoinGroup without an id", join(group, protocols=protocols), 9))
    one, generation = joined(first.ask("JoinGroup", join(group, one, protocols=protocols), 9))
    first.ask("SyncGroup", sync(group, one, generation, {one: assignment({topic: [0, 1]})}, protocol="cooperative-sticky"), 5)
    two, _ = joined(second.ask("JoinGroup of another without an id", join(group, protocols=other), 9))
    second.begin(join(group, two, protocols=other), 9)
    story.wait_for(lambda: story.client.quietly(heartbeat(group, one, generation), 4).error_code == 27, "the rebalance")  # type: ignore[attr-defined]
    first.ask("Heartbeat", heartbeat(group, one, generation), 4)
    first.ask("JoinGroup again", join(group, one, protocols=protocols), 9)
    second.finish("JoinGroup of another")
    second.begin(sync(group, two, generation + 1), 5)
    first.ask("SyncGroup", sync(group, one, generation + 1, {one: assignment({topic: [0]}), two: assignment({topic: [1]})}), 5)
    second.finish("SyncGroup of another")
    first.begin(join(group, one, protocols={"range": subscription([topic, "x"])}), 9)
    alive = heartbeat(group, two, generation + 1)
    story.wait_for(lambda: story.client is first and second.quietly(alive, 4).error_code == 27, "the rebalance")  # type: ignore[attr-defined]
    second.ask("LeaveGroup of another", leave(group, (two, None)), 5)
    first.finish("JoinGroup with another subscription")
    first.ask("SyncGroup", sync(group, one, generation + 2, {one: assignment({topic: [0, 1]})}), 5)
    first.ask("LeaveGroup", leave(group, (one, None)), 5)
    first.ask("DescribeGroups", DescribeGroupsRequest(groups=[group]), 5)


@script
def classic_group_of_another_kind(story: Story) -> None:
    group, client = story.name, story.client
    protocols = {"default": b"\x01 anything"}
    member, _ = joined(client.ask("JoinGroup without an id", join(group, protocols=protocols, protocol_type="connect"), 9))
    member, generation = joined(client.ask("JoinGroup", join(group, member, protocols=protocols, protocol_type="connect"), 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: b"work"}, protocol="default", protocol_type="connect"), 5)
    client.ask("SyncGroup again", sync(group, member, generation, protocol="default", protocol_type="connect"), 5)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)


@script
def classic_static_member_comes_back(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    same = {"range": subscription([topic])}
    member, generation = joined(client.ask("JoinGroup", join(group, protocols=same, instance_id="i"), 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}, instance_id="i"), 5)
    again, generation = joined(client.ask("JoinGroup of the same again", join(group, protocols=same, instance_id="i"), 9))
    client.ask("SyncGroup of the same again", sync(group, again, generation, instance_id="i"), 5)
    client.ask("Heartbeat of the former", heartbeat(group, member, generation, "i"), 4)
    other = {"range": subscription([topic], {topic: [0, 1]})}
    third, generation = joined(client.ask("JoinGroup with another subscription", join(group, protocols=other, instance_id="i"), 9))
    client.ask("SyncGroup", sync(group, third, generation, {third: assignment({topic: [1]})}, instance_id="i"), 5)
    client.ask("LeaveGroup of an unknown instance", leave(group, ("", "j")), 5)
    client.ask("LeaveGroup by instance", leave(group, ("", "i")), 5)


@script
def classic_member_is_missed(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client = story.client
    protocols = {"range": subscription([topic])}
    member, _ = joined(client.ask("JoinGroup without an id", join(group, protocols=protocols, session_timeout_ms=400), 9))
    request = join(group, member, protocols=protocols, session_timeout_ms=400)
    member, generation = joined(client.ask("JoinGroup", request, 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0]})}), 5)
    story.wait_for_records(GROUP_TOPIC, 3, "the end of the session")
    client.ask("Heartbeat too late", heartbeat(group, member, generation), 4)


@script
def classic_group_before_its_first_assignment(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client = story.client
    member, generation = joined(client.ask("JoinGroup of version 3", join(group, protocols={"range": subscription([topic])}), 3))
    client.ask("DescribeGroups", DescribeGroupsRequest(groups=[group]), 5)
    client.ask("OffsetCommit too early", commit(group, topic, {0: 1}, member_id=member, epoch=generation), 8)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)
    client.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[group, f"{group}-unknown"]), 2)
