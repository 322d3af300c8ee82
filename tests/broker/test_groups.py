"""Groups through a whole node: every version of every API of classic groups and offsets, waiting, restarts."""

from __future__ import annotations

import time

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

SETTINGS = {"group.initial.rebalance.delay.ms": "50", "offsets.topic.num.partitions": "3", "group.min.session.timeout.ms": "100"}
WAIT_S_MAX = 20


def looking_for(*groups: str, version: int) -> FindCoordinatorRequest:
    """A request for the coordinators of `groups`; before version 4, of the first."""
    return FindCoordinatorRequest(coordinator_keys=list(groups)) if version >= 4 else FindCoordinatorRequest(key=groups[0])


def find_coordinator(client: WireClient, version: int = 4) -> None:
    """Ask until there is a coordinator that can be asked."""
    deadline_s = time.monotonic() + WAIT_S_MAX
    code = -1
    while code != 0 and time.monotonic() < deadline_s:
        response = client.request(looking_for("readers", version=version), FindCoordinatorResponse, version)
        code = response.coordinators[0].error_code if version >= 4 else response.error_code
    assert code == ErrorCode.NONE
    while time.monotonic() < deadline_s:
        if client.request(ListGroupsRequest(), ListGroupsResponse, 4).error_code == ErrorCode.NONE:
            return
    raise AssertionError("the coordinator did not load")


def create_topic(client: WireClient, name: str = "orders", partitions: int = 2) -> bytes:
    request = CreateTopicsRequest(topics=[CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)])
    (topic,) = client.request(request, CreateTopicsResponse, 7).topics
    assert topic.error_code == ErrorCode.NONE
    return topic.topic_id


def join(client: WireClient, version: int = 9, member_id: str = "", group_id: str = "readers") -> JoinGroupResponse:
    """Join as clients do; the answer when the generation is complete."""
    request = JoinGroupRequest(
        group_id=group_id,
        session_timeout_ms=30_000,
        rebalance_timeout_ms=30_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")],
    )
    response = client.request(request, JoinGroupResponse, version)
    if response.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        return join(client, version, response.member_id, group_id)
    assert response.error_code == ErrorCode.NONE
    return response


def sync(client: WireClient, joined: JoinGroupResponse, version: int = 5, group_id: str = "readers") -> SyncGroupResponse:
    request = SyncGroupRequest(
        group_id=group_id,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        protocol_type="consumer" if version >= 5 else None,
        protocol_name="range" if version >= 5 else None,
        assignments=[SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"all of it")],
    )
    return client.request(request, SyncGroupResponse, version)


def commit(
    client: WireClient, offset: int, *, version: int = 9, topic_id: bytes = bytes(16), partition: int = 0, group: str = "readers"
) -> int:
    partitions = [OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata="so far")]
    topic = OffsetCommitRequestTopic(partitions=partitions)
    if version >= 10:
        topic.topic_id = topic_id  # type: ignore[assignment]
    else:
        topic.name = "orders"
    response = client.request(OffsetCommitRequest(group_id=group, topics=[topic]), OffsetCommitResponse, version)
    return response.topics[0].partitions[0].error_code


def fetch(client: WireClient, *, version: int = 9, topic_id: bytes = bytes(16), group: str = "readers") -> tuple[int, str | None]:
    """The committed offset of partition 0 and its metadata."""
    if version < 8:
        request = OffsetFetchRequest(group_id=group, topics=[OffsetFetchRequestTopic(name="orders", partition_indexes=[0])])
        partition = client.request(request, OffsetFetchResponse, version).topics[0].partitions[0]
        return partition.committed_offset, partition.metadata
    topic = OffsetFetchRequestTopics(partition_indexes=[0])
    if version >= 10:
        topic.topic_id = topic_id  # type: ignore[assignment]
    else:
        topic.name = "orders"
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=[topic])])
    found = client.request(request, OffsetFetchResponse, version).groups[0].topics[0].partitions[0]
    return found.committed_offset, found.metadata


def test_topic_of_the_groups_is_made_when_somebody_first_asks_for_a_coordinator() -> None:
    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        find_coordinator(client)
        for version in range(7):
            response = client.request(looking_for("readers", "others", version=version), FindCoordinatorResponse, version)
            if version < 4:
                assert (response.error_code, response.node_id, response.host, response.port) == (0, 1, "127.0.0.1", node.port)
            else:
                assert [(it.key, it.error_code, it.node_id, it.port) for it in response.coordinators] == [
                    ("readers", 0, 1, node.port),
                    ("others", 0, 1, node.port),
                ]


def test_member_that_is_alone_is_answered_when_the_initial_delay_is_over() -> None:
    """Nobody else talks to the coordinator meanwhile: its timer has to be armed by the very request that waits."""
    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        find_coordinator(client)

        assert join(client).generation_id == 1


@pytest.mark.parametrize("version", range(10))
def test_classic_group_lives_at_every_version(version: int) -> None:
    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        find_coordinator(client)
        joined = join(client, version)
        assert (joined.leader, joined.protocol_name, len(joined.members)) == (joined.member_id, "range", 1)
        assert sync(client, joined, min(version, 5)).assignment == b"all of it"
        heartbeat = HeartbeatRequest(group_id="readers", generation_id=joined.generation_id, member_id=joined.member_id)
        assert client.request(heartbeat, HeartbeatResponse, min(version, 4)).error_code == ErrorCode.NONE
        describe = DescribeGroupsRequest(groups=["readers", "nobody"], include_authorized_operations=version >= 3)
        described, unknown = client.request(describe, DescribeGroupsResponse, min(version, 6)).groups
        assert (described.group_state, described.protocol_data) == ("Stable", "range")
        (member,) = described.members
        assert (member.member_id, member.client_host, member.member_assignment) == (joined.member_id, "/127.0.0.1", b"all of it")
        assert (unknown.group_state, unknown.error_code) == ("Dead", 69 if version >= 6 else 0)
        listed = client.request(ListGroupsRequest(), ListGroupsResponse, min(version, 5)).groups
        assert [(group.group_id, group.protocol_type) for group in listed] == [("readers", "consumer")]
        leave = LeaveGroupRequest(group_id="readers", member_id=joined.member_id, members=[MemberIdentity(joined.member_id)])
        if version >= 3:
            leave.member_id = ""
        else:
            leave.members = []
        assert client.request(leave, LeaveGroupResponse, min(version, 5)).error_code == ErrorCode.NONE
        described, _ = client.request(describe, DescribeGroupsResponse, min(version, 6)).groups
        assert described.group_state == "Empty"


def test_offsets_are_committed_and_fetched_at_every_version_and_survive_a_restart() -> None:
    filesystem = MemoryFileSystem()
    with NodeInProcess(SETTINGS, filesystem) as node:
        client = node.client()
        topic_id = create_topic(client)
        find_coordinator(client)
        for version in range(2, 11):
            assert commit(client, 100 + version, version=version, topic_id=topic_id) == ErrorCode.NONE
            for fetch_version in range(1, 11):
                assert fetch(client, version=fetch_version, topic_id=topic_id) == (100 + version, "so far")
        assert commit(client, 1, partition=7) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert fetch(client, group="strangers") == (-1, "")
    with NodeInProcess(SETTINGS, filesystem) as node:
        client = node.client()
        find_coordinator(client)

        assert fetch(client) == (110, "so far")
        everything = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="readers", topics=None)])
        (group,) = client.request(everything, OffsetFetchResponse, 9).groups
        assert [(topic.name, [it.committed_offset for it in topic.partitions]) for topic in group.topics] == [("orders", [110])]


def test_generation_goes_on_after_a_restart() -> None:
    filesystem = MemoryFileSystem()
    with NodeInProcess(SETTINGS, filesystem) as node:
        client = node.client()
        find_coordinator(client)
        joined = join(client)
        sync(client, joined)
    with NodeInProcess(SETTINGS, filesystem) as node:
        client = node.client()
        find_coordinator(client)
        heartbeat = HeartbeatRequest(group_id="readers", generation_id=joined.generation_id, member_id=joined.member_id)

        assert client.request(heartbeat, HeartbeatResponse, 4).error_code == ErrorCode.NONE


def test_group_and_offsets_are_deleted() -> None:
    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        create_topic(client)
        find_coordinator(client)
        commit(client, 5)
        commit(client, 6, partition=1)
        wanted = OffsetDeleteRequestTopic(name="orders", partitions=[OffsetDeleteRequestPartition(0), OffsetDeleteRequestPartition(9)])
        deleted = client.request(OffsetDeleteRequest(group_id="readers", topics=[wanted]), OffsetDeleteResponse, 0)
        assert {it.partition_index: it.error_code for it in deleted.topics[0].partitions} == {0: 0, 9: 3}
        assert fetch(client) == (-1, "")

        joined = join(client)
        sync(client, joined)
        request = DeleteGroupsRequest(groups_names=["readers", "nobody"])
        results = client.request(request, DeleteGroupsResponse, 2).results
        assert [(it.group_id, it.error_code) for it in results] == [("readers", 68), ("nobody", 69)]
        client.request(LeaveGroupRequest(group_id="readers", members=[MemberIdentity(joined.member_id)]), LeaveGroupResponse, 5)
        results = client.request(DeleteGroupsRequest(groups_names=["readers"]), DeleteGroupsResponse, 2).results

        assert results[0].error_code == ErrorCode.NONE
        assert client.request(ListGroupsRequest(), ListGroupsResponse, 5).groups == []


def test_offsets_of_a_deleted_topic_do_not_count_for_its_successor() -> None:
    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        create_topic(client)
        find_coordinator(client)
        commit(client, 5)
        client.request(DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")]), DeleteTopicsResponse, 6)
        create_topic(client)

        assert fetch(client) == (-1, "")


def test_node_that_stops_lets_nobody_wait() -> None:
    node = NodeInProcess(SETTINGS | {"group.initial.rebalance.delay.ms": "600000"})
    with node:
        client = node.client()
        find_coordinator(client)
        refused = client.request(
            JoinGroupRequest(
                group_id="readers", session_timeout_ms=30_000, protocol_type="consumer", protocols=[JoinGroupRequestProtocol("range", b"")]
            ),
            JoinGroupResponse,
            9,
        )
        waiting = JoinGroupRequest(
            group_id="readers",
            session_timeout_ms=30_000,
            rebalance_timeout_ms=600_000,
            member_id=refused.member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol("range", b"")],
        )
        client.send(waiting, 9)
        # The answer to the second connection's request proves that the first one's has been taken in.
        find_coordinator(node.client())
        node.stop()

        assert client.receive(JoinGroupResponse, 9).error_code == ErrorCode.NOT_COORDINATOR
