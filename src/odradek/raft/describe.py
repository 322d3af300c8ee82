"""DescribeQuorum: what the leader of the metadata log tells about its voters (KIP-595, KIP-836)."""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import METADATA_TOPIC_NAME, ZERO_UUID
from odradek.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseTopicData,
    Listener,
    Node,
    ReplicaState,
)
from odradek.raft.node import RaftNode
from odradek.raft.roles.leader import Leader

NAMES_NODES_SINCE = 2
NAMES_DIRECTORIES_SINCE = 2
NO_OFFSET = -1


def describe_quorum(node: RaftNode, request: DescribeQuorumRequest, api_version: int, now_ms: int) -> DescribeQuorumResponse:
    """The state of the quorum as its leader knows it; an error for any other partition, or from any other node."""
    asked = [(topic.topic_name, [partition.partition_index for partition in topic.partitions]) for topic in request.topics]
    if asked != [(METADATA_TOPIC_NAME, [0])]:
        return _refused(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    if not isinstance(node.role, Leader):
        return _refused(asked, ErrorCode.NOT_LEADER_OR_FOLLOWER, "This replica does not lead the quorum.")
    partition = DescribeQuorumResponsePartitionData(
        partition_index=0,
        leader_id=node.role.leader_id,
        leader_epoch=node.role.epoch,
        high_watermark=NO_OFFSET if node.role.high_watermark is None else node.role.high_watermark,
        current_voters=_voter_states(node, node.role, now_ms, names_directories=api_version >= NAMES_DIRECTORIES_SINCE),
    )
    topic = DescribeQuorumResponseTopicData(topic_name=METADATA_TOPIC_NAME, partitions=[partition])
    return DescribeQuorumResponse(topics=[topic], nodes=_nodes(node) if api_version >= NAMES_NODES_SINCE else [])


def _voter_states(node: RaftNode, leader: Leader, now_ms: int, *, names_directories: bool) -> list[ReplicaState]:
    return [
        ReplicaState(
            replica_id=voter.key.node_id,
            replica_directory_id=voter.key.directory_id if names_directories else ZERO_UUID,
            log_end_offset=node.log_end_offset if voter.key.node_id == leader.leader_id else leader.end_offset_of(voter.key.node_id),
            # The leader needs no fetching from itself and is always caught up.
            last_fetch_timestamp=now_ms,
            last_caught_up_timestamp=now_ms,
        )
        for voter in leader.voters.by_node_id.values()
    ]


def _nodes(node: RaftNode) -> list[Node]:
    return [
        Node(node_id=voter.key.node_id, listeners=[Listener(name=end.name, host=end.host, port=end.port) for end in voter.endpoints])
        for voter in node.voters.by_node_id.values()
    ]


def _refused(asked: list[tuple[str, list[int]]], code: ErrorCode, message: str) -> DescribeQuorumResponse:
    topics = [
        DescribeQuorumResponseTopicData(
            topic_name=name,
            partitions=[
                DescribeQuorumResponsePartitionData(partition_index=index, error_code=code, error_message=message) for index in indexes
            ],
        )
        for name, indexes in asked
    ]
    return DescribeQuorumResponse(topics=topics)
