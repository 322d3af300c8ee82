"""What coordinators forget by the clock: offsets, groups and transactional ids."""

from __future__ import annotations

from tests.conformance.coordination.notation import GROUP_TOPIC, TRANSACTION_TOPIC
from tests.conformance.coordination.requests import add_partitions, commit, consumer_beat, consumer_join, end, fetch_offsets, init
from tests.conformance.coordination.scripts_consumer import LEAVE
from tests.conformance.coordination.scripts_offsets import begun
from tests.conformance.coordination.story import Story, script

SOON_MS = 700


@script
def offsets_expire_with_their_group(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    client.ask("OffsetCommit that lasts", commit(group, topic, {0: 5}, retention_ms=100_000), 4)
    client.ask("OffsetCommit that does not", commit(group, topic, {1: 6}, retention_ms=SOON_MS), 4)
    story.wait_for_records(GROUP_TOPIC, 3, "the end of an offset")
    client.ask("OffsetFetch", fetch_offsets(group, topic, [0, 1]), 8)
    client.ask("OffsetCommit that does not last", commit(group, topic, {0: 7}, retention_ms=SOON_MS), 4)
    story.wait_for_records(GROUP_TOPIC, 6, "the end of the group")
    client.ask("OffsetFetch", fetch_offsets(group, topic, [0, 1]), 8)


@script
def offsets_of_a_consumer_group_expire(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client = story.client
    client.ask("Join", consumer_join(group, "member-a", topics=[topic]), 1)
    client.ask("Leave", consumer_beat(group, "member-a", LEAVE), 1)
    story.wait_for_records(GROUP_TOPIC, 5 + 4 + 3, "the end of the group")
    client.ask("OffsetCommit", commit(group, topic, {0: 7}), 9)


@script
def transactional_ids_expire(story: Story) -> None:
    client, name, topic = story.client, story.name, story.make_topic("out")
    client.ask("InitProducerId of one that writes nothing", init(f"{name}-idle"), 4)
    story.wait_for_records(TRANSACTION_TOPIC, 2, "the end of the id")
    producer = begun(client.ask("InitProducerId", init(name), 4))
    client.ask("AddPartitionsToTxn", add_partitions(name, producer, {topic: [0]}), 3)
    client.ask("EndTxn", end(name, producer, is_commit=True), 4)
    story.wait_for_records(TRANSACTION_TOPIC, 2 + 5, "the end of the id")
    client.ask("EndTxn of one that is forgotten", end(name, producer, is_commit=True), 4)
