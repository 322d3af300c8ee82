"""Groups that go from one protocol to the other while members are in them, and while none are."""

from __future__ import annotations

from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from tests.conformance.coordination.requests import assignment, commit, consumer_beat, consumer_join, join, subscription
from tests.conformance.coordination.scripts_classic import enter, joined
from tests.conformance.coordination.scripts_consumer import LEAVE, LEAVE_FOR_A_WHILE
from tests.conformance.coordination.story import Story, script
from tests.conformance.differential.group_requests import heartbeat, leave, sync


@script
def migration_of_a_group_without_members(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client = story.client
    member, generation = enter(client, group, topic)
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0]})}), 5)
    client.ask("OffsetCommit", commit(group, topic, {0: 5}, member_id=member, epoch=generation), 9)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)
    client.ask("Join", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("OffsetCommit", commit(group, topic, {0: 6}, member_id="member-a", epoch=2), 9)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
    member, generation = enter(client, group, topic)
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0]})}), 5)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)


@script
def migration_of_a_group_of_offsets(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client = story.client
    client.ask("OffsetCommit", commit(group, topic, {0: 5}), 9)
    client.ask("Join", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("OffsetCommit", commit(group, topic, {0: 6}), 9)


@script
def migration_up_and_down_with_members(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client, topic_id = story.client, story.topic_id(topic)
    member, generation = enter(client, group, topic)
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}), 5)
    client.ask("Join of a consumer", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("Heartbeat of the classic one", heartbeat(group, member, generation), 4)
    owned = {"range": subscription([topic], {topic: [0, 1]})}
    _, generation = joined(client.ask("JoinGroup of the classic one", join(group, member, protocols=owned), 9))
    client.ask("SyncGroup of the classic one", sync(group, member, generation), 5)
    client.ask("Heartbeat of the classic one", heartbeat(group, member, generation), 4)
    given_up = {"range": subscription([topic], {topic: [0]})}
    _, generation = joined(client.ask("JoinGroup of the classic one again", join(group, member, protocols=given_up), 9))
    client.ask("SyncGroup of the classic one", sync(group, member, generation), 5)
    client.ask("Heartbeat of the consumer", consumer_beat(group, "member-a", 2, owned={}), 1)
    client.ask("Describe", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    client.ask("OffsetCommit of the classic one", commit(group, topic, {0: 5}, member_id=member, epoch=generation), 8)
    client.ask("OffsetCommit of the consumer", commit(group, "", {1: 6}, member_id="member-a", epoch=2, topic_id=topic_id), 10)
    client.ask("Leave of the consumer", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("Heartbeat of the classic one", heartbeat(group, member, generation), 4)
    _, generation = joined(client.ask("JoinGroup", join(group, member, protocols=owned), 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}), 5)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)


@script
def migration_of_static_members(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    protocols = {"range": subscription([topic])}
    member, generation = joined(client.ask("JoinGroup", join(group, protocols=protocols, instance_id="i"), 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}, instance_id="i"), 5)
    client.ask("Join of the same", consumer_join(group, "member-a", topics=[topic], instance_id="i"), 1)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 1, instance_id="i"), 1)
    client.ask("Leave for a while", consumer_beat(group, "member-a", LEAVE_FOR_A_WHILE, instance_id="i"), 1)
    member, generation = joined(client.ask("JoinGroup of the same", join(group, protocols=protocols, instance_id="i"), 9))
    client.ask("SyncGroup", sync(group, member, generation, {member: assignment({topic: [0, 1]})}, instance_id="i"), 5)
    client.ask("LeaveGroup", leave(group, (member, "i")), 5)


@script
def migration_of_classic_members_leaves_the_consumer_alone(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    client.ask("Join of a consumer", consumer_join(group, "member-a", topics=[topic]), 1)
    protocols = {"range": subscription([topic])}
    member, _ = joined(client.ask("JoinGroup without an id", join(group, protocols=protocols), 9))
    member, generation = joined(client.ask("JoinGroup", join(group, member, protocols=protocols), 9))
    client.ask("SyncGroup", sync(group, member, generation), 5)
    client.ask("LeaveGroup", leave(group, (member, None)), 5)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 2, owned={story.topic_id(topic): [0, 1]}), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
