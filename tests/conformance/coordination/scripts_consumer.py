"""Groups of the consumer protocol (KIP-848): reconciliation, regular expressions, static members, who is missed, and the end of a group."""

from __future__ import annotations

from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.conformance.coordination.notation import GROUP_TOPIC
from tests.conformance.coordination.requests import commit, consumer_beat, consumer_join
from tests.conformance.coordination.story import Story, script

LEAVE, LEAVE_FOR_A_WHILE = -1, -2


@script
def consumer_group_of_one(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 3)
    client = story.client
    client.ask("Join", consumer_join(group, "member-a", topics=[topic], rack="r"), 1)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 2), 1)
    client.ask("Heartbeat with all", consumer_beat(group, "member-a", 2, owned={story.topic_id(topic): [0, 1, 2]}), 1)
    client.ask("OffsetCommit", commit(group, topic, {0: 5}, member_id="member-a", epoch=2), 9)
    client.ask("OffsetCommit of another epoch", commit(group, topic, {0: 6}, member_id="member-a", epoch=3), 9)
    client.ask("OffsetCommit of nobody", commit(group, topic, {0: 6}), 9)
    client.ask("DeleteGroups of a living one", DeleteGroupsRequest(groups_names=[group]), 2)
    client.ask("Join again", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("Heartbeat of an unknown member", consumer_beat(group, "member-x", 2), 1)
    client.ask("Heartbeat of a wrong epoch", consumer_beat(group, "member-a", 7), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("Leave again", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("OffsetCommit of nobody", commit(group, topic, {0: 7}), 9)
    client.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[group]), 2)


@script
def consumer_group_reconciles(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 4)
    client, topic_id = story.client, story.topic_id(topic)
    client.ask("Join of a", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("Join of b", consumer_join(group, "member-b", topics=[topic], assignor="range"), 1)
    client.ask("Heartbeat of a", consumer_beat(group, "member-a", 2, owned={topic_id: [0, 1, 2, 3]}), 1)
    client.ask("Heartbeat of b", consumer_beat(group, "member-b", 3), 1)
    client.ask("Heartbeat of a that has given up", consumer_beat(group, "member-a", 2, owned={topic_id: [0, 1]}), 1)
    client.ask("Heartbeat of b", consumer_beat(group, "member-b", 3), 1)
    client.ask("Describe", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    other = story.make_topic("also", 2)
    client.ask("Heartbeat of a with other topics", consumer_beat(group, "member-a", 3, topics=[topic, other]), 1)
    client.ask("Heartbeat of a", consumer_beat(group, "member-a", 4), 1)
    client.ask("Heartbeat of b", consumer_beat(group, "member-b", 3, owned={topic_id: [2, 3]}), 1)
    client.ask("Leave of a", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("Heartbeat of b", consumer_beat(group, "member-b", 4), 1)
    client.ask("Leave of b", consumer_beat(group, "member-b", LEAVE), 1)


@script
def consumer_group_in_an_old_version(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    answer = story.client.ask("Join without an id", consumer_join(group, "", topics=[topic, f"{topic}-not"]), 0)
    member = str(getattr(answer, "member_id", ""))
    story.client.ask("Heartbeat", consumer_beat(group, member, 2), 0)
    story.client.ask("Heartbeat with no topics", consumer_beat(group, member, 2, topics=[]), 0)
    story.client.ask("Leave", consumer_beat(group, member, LEAVE), 0)
    story.client.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[group]), 2)


@script
def consumer_static_member_comes_back(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    client.ask("Join", consumer_join(group, "member-a", topics=[topic], instance_id="i"), 1)
    client.ask("Join of another as the same", consumer_join(group, "member-b", topics=[topic], instance_id="i"), 1)
    client.ask("Leave for a while", consumer_beat(group, "member-a", LEAVE_FOR_A_WHILE, instance_id="i"), 1)
    client.ask("Join again", consumer_join(group, "member-c", topics=[topic], instance_id="i"), 1)
    client.ask("Heartbeat", consumer_beat(group, "member-c", 2, instance_id="i"), 1)
    client.ask("Heartbeat of the former", consumer_beat(group, "member-a", 2, instance_id="i"), 1)
    client.ask("Leave for a while", consumer_beat(group, "member-c", LEAVE_FOR_A_WHILE, instance_id="i"), 1)
    client.ask("Join with other topics", consumer_join(group, "member-d", topics=[topic, "x"], instance_id="i"), 1)
    client.ask("Leave", consumer_beat(group, "member-d", LEAVE, instance_id="i"), 1)


@script
def consumer_group_with_regular_expressions(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    client.ask("Join with a bad expression", consumer_join(group, "member-a", regex="(["), 1)
    client.ask("Join", consumer_join(group, "member-a", regex=f"{group}.*"), 1)
    story.wait_for_record("ConsumerGroupRegularExpression(", 1)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 1), 1)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 2), 1)
    client.ask("Join of another", consumer_join(group, "member-b", regex=f"{group}.*", topics=["x"]), 1)
    client.ask("Heartbeat with another expression", consumer_beat(group, "member-a", 3, regex=f"{topic[:-1]}."), 1)
    client.ask("Leave of another", consumer_beat(group, "member-b", LEAVE), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
    client.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[group]), 2)


@script
def consumer_member_is_missed(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    change = [AlterableConfig("consumer.session.timeout.ms", AlterOperation.SET, "500")]
    change += [AlterableConfig("consumer.heartbeat.interval.ms", AlterOperation.SET, "100")]
    resource = AlterConfigsResource(ResourceType.GROUP, group, change)
    client.ask("IncrementalAlterConfigs", IncrementalAlterConfigsRequest(resources=[resource]), 1)
    # The next topic is known to the coordinator after the settings.
    story.make_topic("after")
    client.ask("Join", consumer_join(group, "member-a", topics=[topic]), 1)
    story.wait_for_records(GROUP_TOPIC, 5 + 4, "the end of the session")
    client.ask("Heartbeat too late", consumer_beat(group, "member-a", 2), 1)


@script
def consumer_group_whose_topics_change(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client = story.client
    client.ask("Join", consumer_join(group, "member-a", topics=[topic, f"{group}.later"]), 1)
    client.ask("OffsetCommit", commit(group, topic, {0: 5}, member_id="member-a", epoch=2), 9)
    later = story.make_topic("later")
    client.ask("Heartbeat", consumer_beat(group, "member-a", 2), 1)
    client.ask("OffsetCommit by id", commit(group, "", {0: 6}, member_id="member-a", epoch=3, topic_id=story.topic_id(later)), 10)
    story.delete_topic(topic)
    client.ask("Heartbeat", consumer_beat(group, "member-a", 3), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
