"""Committed offsets: of consumers without a group and with one, with all that can be said beside them, deleted, and in transactions."""

from __future__ import annotations

from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic
from tests.conformance.coordination.notation import GROUP_TOPIC, TRANSACTION_TOPIC
from tests.conformance.coordination.requests import (
    LONG_MS,
    Producer,
    commit,
    commit_in_transaction,
    end,
    fetch_offsets,
    init,
    marker,
    write_markers,
)
from tests.conformance.coordination.story import Story, script
from tests.conformance.differential.scripts import OTHER_ID


def begun(answer: object) -> Producer:
    """The producer id and epoch of an answer."""
    assert isinstance(answer, InitProducerIdResponse)
    return answer.producer_id, answer.producer_epoch


def delete_offsets(group: str, topic: str, *partitions: int) -> OffsetDeleteRequest:
    wanted = [OffsetDeleteRequestPartition(partition_index=index) for index in partitions]
    return OffsetDeleteRequest(group_id=group, topics=[OffsetDeleteRequestTopic(name=topic, partitions=wanted)])


@script
def offsets_without_a_group(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 3)
    client = story.client
    for version in range(2, 10):
        client.ask("OffsetCommit", commit(group, topic, {0: version, 2: version + 100}, metadata=f"of {version}"), version)
    client.ask("OffsetCommit by id", commit(group, "", {1: 44}, topic_id=story.topic_id(topic), leader_epoch=3), 10)
    client.ask("OffsetCommit by an unknown id", commit(group, "", {1: 45}, topic_id=OTHER_ID), 10)
    client.ask("OffsetCommit with a leader epoch", commit(group, topic, {0: 1}, leader_epoch=7), 9)
    client.ask("OffsetCommit without metadata", commit(group, topic, {0: 2}, metadata=None), 9)
    client.ask("OffsetCommit with much metadata", commit(group, topic, {0: 3, 1: 3}, metadata="ä" * 4097), 9)
    client.ask("OffsetCommit with as much as may be", commit(group, topic, {1: 4}, metadata="ä" * 4096), 9)
    client.ask("OffsetCommit of an unknown partition", commit(group, topic, {2: 5, 3: 5}), 9)
    client.ask("OffsetCommit of a generation", commit(group, topic, {0: 6}, epoch=4), 9)
    client.ask("OffsetCommit of an unknown member", commit(group, topic, {0: 6}, member_id="member-x", epoch=0), 9)
    client.ask("OffsetCommit of a negative offset", commit(group, topic, {0: -5}), 9)
    client.ask("OffsetCommit of nothing", commit(group, topic, {}), 9)
    for version in (2, 3, 4):
        client.ask("OffsetCommit with a retention", commit(group, topic, {0: 9}, retention_ms=LONG_MS), version)
    client.ask("OffsetFetch", fetch_offsets(group, topic, [0, 1, 2, 3]), 8)
    client.ask("OffsetDelete", delete_offsets(group, topic, 0, 1, 7), 0)
    client.ask("OffsetDelete of an unknown topic", delete_offsets(group, f"{topic}-not", 0), 0)
    client.ask("OffsetDelete again", delete_offsets(group, topic, 0, 1, 2), 0)
    client.ask("OffsetFetch of all", fetch_offsets(group, None), 8)
    client.ask("OffsetDelete of an unknown group", delete_offsets(f"{group}-not", topic, 0), 0)


@script
def offsets_in_transactions_of_the_old_protocol(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client, name = story.client, story.name
    producer = begun(client.ask("InitProducerId", init(name), 4))
    for version in (3, 4):
        client.ask("TxnOffsetCommit too early", commit_in_transaction(name, producer, group, topic, {0: 3}), version)
        client.ask("TxnOffsetCommit of another epoch", commit_in_transaction(name, (producer[0], 7), group, topic, {0: 3}), version)
    announce = AddOffsetsToTxnRequest(transactional_id=name, producer_id=producer[0], producer_epoch=producer[1], group_id=group)
    for number, is_commit in enumerate((True, False, True), start=1):
        client.ask("AddOffsetsToTxn", announce, 3)
        client.ask("TxnOffsetCommit", commit_in_transaction(name, producer, group, topic, {0: number * 10, 1: number}, metadata="m"), 3)
        client.ask("TxnOffsetCommit without metadata", commit_in_transaction(name, producer, group, topic, {1: number}, metadata=None), 3)
        client.ask("OffsetFetch of what is stable", fetch_offsets(group, topic, [0, 1], is_stable_required=True), 8)
        client.ask("EndTxn", end(name, producer, is_commit=is_commit), 4)
        story.wait_for_transaction(name)
        client.ask("OffsetFetch", fetch_offsets(group, topic, [0, 1], is_stable_required=True), 8)
    client.ask("TxnOffsetCommit too late", commit_in_transaction(name, producer, group, topic, {0: 3}), 3)


@script
def offsets_in_transactions_of_the_new_protocol(story: Story) -> None:
    group, topic = story.name, story.make_topic("in", 2)
    client, name = story.client, story.name
    producer = begun(client.ask("InitProducerId", init(name), 5))
    for number, is_commit in enumerate((True, False, True), start=1):
        client.ask("TxnOffsetCommit", commit_in_transaction(name, producer, group, topic, {0: number * 10}), 5)
        client.ask("TxnOffsetCommit again", commit_in_transaction(name, producer, group, topic, {0: number * 10 + 1, 1: number}), 5)
        client.ask("OffsetCommit meanwhile", commit(group, topic, {1: 1000 + number}), 9)
        client.ask("EndTxn", end(name, producer, is_commit=is_commit), 5)
        story.wait_for_transaction(name)
        client.ask("OffsetFetch", fetch_offsets(group, topic, [0, 1], is_stable_required=True), 8)
        producer = (producer[0], producer[1] + 1)
    client.ask("TxnOffsetCommit of an old epoch", commit_in_transaction(name, (producer[0], 0), group, topic, {0: 3}), 5)


@script
def offsets_whose_transaction_is_ended_by_an_operator(story: Story) -> None:
    group, topic = story.name, story.make_topic("in")
    client, name = story.client, story.name
    producer = begun(client.ask("InitProducerId", init(name), 5))
    client.ask("OffsetCommit", commit(group, topic, {0: 1}), 9)
    client.ask("TxnOffsetCommit", commit_in_transaction(name, producer, group, topic, {0: 2}), 5)
    client.ask("OffsetDelete", delete_offsets(group, topic, 0), 0)
    client.ask("TxnOffsetCommit", commit_in_transaction(name, producer, group, topic, {0: 3}), 5)
    place = {GROUP_TOPIC: [0]}
    client.ask("WriteTxnMarkers late", write_markers(marker(producer, place, is_commit=True, transaction_version=2)), 2)
    client.ask("OffsetFetch", fetch_offsets(group, topic, [0], is_stable_required=True), 8)
    bumped = (producer[0], producer[1] + 1)
    client.ask("WriteTxnMarkers", write_markers(marker(bumped, place, is_commit=True, transaction_version=2)), 2)
    client.ask("OffsetFetch", fetch_offsets(group, topic, [0], is_stable_required=True), 8)
    client.ask("TxnOffsetCommit of the old epoch", commit_in_transaction(name, producer, group, topic, {0: 4}), 5)
    client.ask("WriteTxnMarkers again", write_markers(marker(bumped, place, is_commit=False, transaction_version=2)), 2)
    client.ask("WriteTxnMarkers to the other topic", write_markers(marker(bumped, {TRANSACTION_TOPIC: [0]}, is_commit=False)), 1)
