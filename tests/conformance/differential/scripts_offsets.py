"""Offsets of groups: committed, fetched and deleted, in every version, and what is refused."""

from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from tests.conformance.differential.group_requests import (
    admitted,
    alone,
    await_coordinator,
    commit,
    fetch_offsets,
    fetch_offsets_of_one,
    first_beat,
    heartbeat,
    join,
    subscription,
)
from tests.conformance.differential.scripts import OTHER_ID, coordinated_script, make_topic, topic_id_of
from tests.conformance.differential.wire import Exchange

_BY_NAME = range(2, 10)


@coordinated_script
def offsets_are_committed_and_fetched_in_every_version(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange, partition_count=3)
    topic_id = topic_id_of(exchange, name)
    for version in _BY_NAME:
        group = f"{exchange.topic}-{version}"
        exchange.ask("OffsetCommit", commit(group, name, (0, 5), (1, 7), metadata="note"), version)
    exchange.ask("OffsetCommit by id", commit(f"{exchange.topic}-10", "", (0, 5), (1, 7), metadata="note", topic_id=topic_id), 10)
    group = f"{exchange.topic}-9"
    exchange.ask_each("OffsetFetch", fetch_offsets_of_one(group, name, 0, 2), range(1, 8))
    exchange.ask_each("OffsetFetch of all", fetch_offsets_of_one(group, None), range(2, 8))
    exchange.ask_each("OffsetFetch of no topics", OffsetFetchRequest(group_id=group, topics=[]), range(1, 8))
    exchange.ask_each("OffsetFetch", fetch_offsets(group, name, 0, 2), (8, 9))
    exchange.ask_each("OffsetFetch of all", fetch_offsets(group, None), (8, 9, 10))
    exchange.ask("OffsetFetch by id", fetch_offsets(f"{exchange.topic}-10", "", 0, 2, topic_id=topic_id), 10)
    exchange.ask("OffsetFetch by id of what was committed by name", fetch_offsets(group, "", 0, 1, topic_id=topic_id), 10)
    exchange.ask("OffsetFetch by name of what was committed by id", fetch_offsets(f"{exchange.topic}-10", name, 0, 1), 9)
    exchange.ask(
        "OffsetCommit with a retention of its own",
        OffsetCommitRequest(
            group_id=group,
            retention_time_ms=86_400_000,
            topics=[OffsetCommitRequestTopic(name=name, partitions=[OffsetCommitRequestPartition(partition_index=2, committed_offset=9)])],
        ),
        4,
    )
    exchange.ask("OffsetFetch of it", fetch_offsets(group, name, 2), 9)


@coordinated_script
def offsets_are_fetched_of_what_is_not_there(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    topic_id = topic_id_of(exchange, name)
    group, unknown = exchange.topic, exchange.topic + "-not"
    exchange.quietly(commit(group, name, (0, 5)), 9)
    exchange.ask_each("OffsetFetch of an unknown group", fetch_offsets_of_one(unknown, name, 0), range(1, 8))
    exchange.ask_each("OffsetFetch of all of an unknown group", fetch_offsets_of_one(unknown, None), range(2, 8))
    exchange.ask_each("OffsetFetch of an unknown group", fetch_offsets(unknown, name, 0), (8, 9))
    exchange.ask_each("OffsetFetch of a group without a name", fetch_offsets_of_one("", name, 0), range(1, 8))
    exchange.ask_each("OffsetFetch of an unknown topic", fetch_offsets_of_one(group, name + "-not", 0), range(1, 8))
    exchange.ask_each("OffsetFetch of an unknown topic", fetch_offsets(group, name + "-not", 0), (8, 9))
    exchange.ask_each("OffsetFetch of an unknown partition", fetch_offsets(group, name, 7, -1), (8, 9))
    exchange.ask("OffsetFetch of an unknown id", fetch_offsets(group, "", 0, topic_id=OTHER_ID), 10)
    exchange.ask("OffsetFetch of no id", fetch_offsets(group, "", 0), 10)
    several = [
        OffsetFetchRequestGroup(group_id=group, topics=[OffsetFetchRequestTopics(name=name, partition_indexes=[0])]),
        OffsetFetchRequestGroup(group_id=unknown, topics=[OffsetFetchRequestTopics(name=name, partition_indexes=[0])]),
        OffsetFetchRequestGroup(group_id=group, topics=None),
        OffsetFetchRequestGroup(group_id=group, topics=[]),
    ]
    exchange.ask_each("OffsetFetch of several groups", OffsetFetchRequest(groups=several), (8, 9))
    exchange.ask_each("OffsetFetch of no groups", OffsetFetchRequest(groups=[]), (8, 9, 10))
    exchange.ask_each("OffsetFetch of a member of a simple group", fetch_offsets(group, name, 0, member_id="stranger", epoch=4), (9,))
    exchange.ask("OffsetFetch that must be stable", fetch_offsets(group, name, 0, is_stable_required=True), 8)
    exchange.ask("OffsetFetch by id that must be stable", fetch_offsets(group, "", 0, is_stable_required=True, topic_id=topic_id), 10)


@coordinated_script
def commits_of_offsets_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange, partition_count=2)
    group = exchange.topic
    exchange.ask_each(
        "OffsetCommit of an unknown group in a generation", commit(group, name, (0, 1), member_id="stranger", epoch=1), _BY_NAME
    )
    exchange.ask_each("OffsetCommit to an unknown topic", commit(group, name + "-not", (0, 1)), _BY_NAME)
    exchange.ask_each("OffsetCommit to unknown partitions", commit(group, name, (0, 1), (2, 1), (-1, 1)), _BY_NAME)
    exchange.ask("OffsetCommit to an unknown id", commit(group, "", (0, 1), topic_id=OTHER_ID), 10)
    exchange.ask("OffsetCommit to no id", commit(group, "", (0, 1)), 10)
    exchange.ask_each("OffsetCommit of the longest metadata", commit(group, name, (0, 1), metadata="m" * 4096), _BY_NAME)
    exchange.ask_each("OffsetCommit of too long metadata", commit(group, name, (0, 1), (1, 1), metadata="m" * 4097), _BY_NAME)
    exchange.ask_each("OffsetCommit without metadata", commit(group, name, (0, 1), metadata=None), _BY_NAME)
    exchange.ask("OffsetCommit of a negative offset", commit(group, name, (0, -5)), 9)
    exchange.ask("OffsetFetch of it", fetch_offsets(group, name, 0), 9)
    exchange.ask("OffsetCommit of one partition twice", commit(group, name, (0, 1), (0, 2)), 9)
    exchange.ask("OffsetFetch of it", fetch_offsets(group, name, 0), 9)
    exchange.ask("OffsetCommit of nothing", OffsetCommitRequest(group_id=group), 9)
    exchange.ask("OffsetCommit of a topic without partitions", commit(group, name), 9)
    exchange.ask("OffsetCommit of a group without a name", commit("", name, (0, 1)), 9)
    exchange.ask("OffsetFetch of a group without a name", fetch_offsets("", name, 0), 9)
    # The nameless group is the same for every script.
    exchange.ask("DeleteGroups of a group without a name", DeleteGroupsRequest(groups_names=[""]), 2)
    exchange.ask("OffsetCommit of somebody to an empty group", commit(group, name, (0, 1), member_id="stranger"), 9)
    exchange.ask("OffsetCommit of a generation to an empty group", commit(group, name, (0, 1), member_id="stranger", epoch=0), 9)


@coordinated_script
def commits_of_members_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic
    first = alone(a, group)
    a.ask_each("a: OffsetCommit", commit(group, name, (0, 1), member_id=first, epoch=1), _BY_NAME)
    a.ask_each("a: OffsetCommit of a past generation", commit(group, name, (0, 1), member_id=first, epoch=0), _BY_NAME)
    a.ask_each("a: OffsetCommit of a coming generation", commit(group, name, (0, 1), member_id=first, epoch=2), _BY_NAME)
    a.ask_each("a: OffsetCommit of a stranger", commit(group, name, (0, 1), member_id="stranger", epoch=1), _BY_NAME)
    a.ask_each("a: OffsetCommit of nobody to a group with members", commit(group, name, (0, 1)), _BY_NAME)
    a.ask_each(
        "a: OffsetCommit of an unknown instance id", commit(group, name, (0, 1), member_id=first, epoch=1, instance_id="one"), (7, 8, 9)
    )
    second = admitted(b, "b", join(group))
    b.ask_later("b: JoinGroup with its id, and waits", join(group, second), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 1), 4, "error_code=27")
    a.ask("a: OffsetCommit while b waits", commit(group, name, (0, 2), member_id=first, epoch=1), 9)
    a.ask("a: JoinGroup again", join(group, first), 9)
    b.hear()
    a.ask("a: OffsetCommit before it has its assignment", commit(group, name, (0, 3), member_id=first, epoch=2), 9)
    a.ask("a: OffsetCommit of its former generation", commit(group, name, (0, 3), member_id=first, epoch=1), 9)
    a.ask("a: OffsetFetch", fetch_offsets(group, name, 0), 9)
    a.ask("a: OffsetFetch as a member", fetch_offsets(group, name, 0, member_id=first, epoch=2), 9)
    a.ask("a: OffsetFetch as a member of another generation", fetch_offsets(group, name, 0, member_id="stranger", epoch=7), 9)


@coordinated_script
def offsets_are_deleted_or_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange, partition_count=2)
    other = make_topic(exchange, "-other")
    group = exchange.topic

    def delete(group: str, *places: tuple[str, int]) -> OffsetDeleteRequest:
        topics: dict[str, OffsetDeleteRequestTopic] = {}
        for topic, index in places:
            entry = topics.setdefault(topic, OffsetDeleteRequestTopic(name=topic, partitions=[]))
            entry.partitions.append(OffsetDeleteRequestPartition(partition_index=index))
        return OffsetDeleteRequest(group_id=group, topics=list(topics.values()))

    exchange.ask("OffsetDelete of an unknown group", delete(group, (name, 0)), 0)
    exchange.ask("OffsetDelete of a group without a name", delete("", (name, 0)), 0)
    for topic in (name, other):
        exchange.quietly(commit(group, topic, (0, 5)), 9)
    exchange.ask("OffsetDelete", delete(group, (name, 0)), 0)
    exchange.ask("OffsetDelete of what was not committed", delete(group, (name, 1)), 0)
    exchange.ask("OffsetDelete of an unknown partition", delete(group, (name, 7)), 0)
    exchange.ask("OffsetDelete of an unknown topic", delete(group, (name + "-not", 0)), 0)
    exchange.ask("OffsetDelete of nothing", delete(group), 0)
    exchange.ask("OffsetFetch of all", fetch_offsets(group, None), 9)
    member = alone(exchange, group, protocols=(("range", subscription(name)),))
    for topic in (name, other):
        exchange.quietly(commit(group, topic, (0, 5), member_id=member, epoch=1), 9)
    exchange.ask("OffsetDelete of a topic that is read", delete(group, (name, 0)), 0)
    exchange.ask("OffsetDelete of a topic that is not read any more", delete(group, (other, 0)), 0)
    exchange.ask("OffsetFetch of the one", fetch_offsets(group, name, 0), 9)
    exchange.ask("OffsetFetch of the other", fetch_offsets(group, other, 0), 9)
    unreadable = group + "-unreadable"
    alone(exchange, unreadable, protocols=(("range", b"\xff"),))
    exchange.ask("OffsetDelete of a group whose topics cannot be read", delete(unreadable, (name, 0)), 0)
    connect = group + "-connect"
    alone(exchange, connect, protocol_type="connect")
    exchange.ask("OffsetDelete of a group of another kind", delete(connect, (name, 0)), 0)
    modern = group + "-modern"
    exchange.quietly(first_beat(modern, "member", [name]), 1)
    exchange.ask("OffsetDelete of what a consumer group reads", delete(modern, (name, 0)), 0)
    exchange.ask("OffsetDelete of what a consumer group does not read", delete(modern, (other, 0)), 0)
