"""Requests of consumer groups as whole frames: commits of groups that nobody ever joined, and what their responses must say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from benchmarks.brokers import Broker
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import first_difference, request_frame
from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)

# The newest versions that name topics by name.
OFFSET_COMMIT_VERSION: Final = 9
OFFSET_FETCH_VERSION: Final = 9
FIND_COORDINATOR_VERSION: Final = 6
HEARTBEAT_VERSION: Final = 4
COORDINATOR_SECONDS_MAX: Final = 60
ASK_INTERVAL_S: Final = 0.1
# FindCoordinator asks for a group, or for a transactional id.
OF_GROUP: Final = 0
OF_TRANSACTION: Final = 1
_COMING: Final = (
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
)


def await_coordinator(broker: Broker, key: str, key_type: int) -> None:
    """Wait until there is a coordinator for `key`; asking for it makes the topic that keeps its state.

    Raises:
        NotMeasurable: none came.
    """
    until = time.monotonic() + COORDINATOR_SECONDS_MAX
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
    client = broker.client()
    try:
        while time.monotonic() < until:
            response = client.request(request, FindCoordinatorResponse, FIND_COORDINATOR_VERSION)
            if response.coordinators[0].error_code == ErrorCode.NONE:
                return
            time.sleep(ASK_INTERVAL_S)
    finally:
        client.close()
    raise NotMeasurable(f"there is no coordinator for {key} after {COORDINATOR_SECONDS_MAX} s")


def await_group_coordinator(broker: Broker, group: str) -> None:
    """Wait until the coordinator of `group` has read what it keeps and answers its members.

    Raises:
        NotMeasurable: it does not.
    """
    await_coordinator(broker, group, OF_GROUP)
    until = time.monotonic() + COORDINATOR_SECONDS_MAX
    client = broker.client()
    try:
        # Of a member that it cannot know: any other answer says that it is not ready.
        while (code := client.request(HeartbeatRequest(group, 0, "nobody"), HeartbeatResponse, HEARTBEAT_VERSION).error_code) in _COMING:
            if time.monotonic() > until:
                raise NotMeasurable(f"the coordinator of {group} is not ready: error code {code}")
            time.sleep(ASK_INTERVAL_S)
    finally:
        client.close()


def commit_requests(groups: Sequence[str], topic: str, offset: int) -> list[OffsetCommitRequest]:
    """For each group one commit of partition 0, as a consumer sends it that assigns itself its partitions."""
    return [
        OffsetCommitRequest(
            group_id=group,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=[OffsetCommitRequestPartition(0, offset, 0)])],
        )
        for group in groups
    ]


def commit_frames(groups: Sequence[str], topic: str, offset: int) -> list[bytes]:
    return [request_frame(request, OFFSET_COMMIT_VERSION) for request in commit_requests(groups, topic, offset)]


def commit_error_positions(topic: str) -> list[int]:
    """Where the error code is in the response to one of `commit_frames`, counted from the correlation id."""

    def response(error_code: int) -> OffsetCommitResponse:
        return OffsetCommitResponse(topics=[OffsetCommitResponseTopic(topic, partitions=[OffsetCommitResponsePartition(0, error_code)])])

    return [first_difference(response(0), response(-1), OFFSET_COMMIT_VERSION)]


def commit_until_coordinated(broker: Broker, groups: Sequence[str], topic: str, offset: int) -> None:
    """Commit for each group once, and again as long as its coordinator is still reading what it keeps.

    Raises:
        NotMeasurable: a commit was refused for good, or for too long.
    """
    until = time.monotonic() + COORDINATOR_SECONDS_MAX
    client = broker.client()
    try:
        for request in commit_requests(groups, topic, offset):
            while (code := _committed(client.request(request, OffsetCommitResponse, OFFSET_COMMIT_VERSION))) != ErrorCode.NONE:
                if code not in _COMING or time.monotonic() > until:
                    raise NotMeasurable(f"{request.group_id} could not commit: error code {code}")
                time.sleep(ASK_INTERVAL_S)
    finally:
        client.close()


def _committed(response: OffsetCommitResponse) -> int:
    return response.topics[0].partitions[0].error_code


def check_committed(broker: Broker, groups: Sequence[str], topic: str, offset: int) -> None:
    """Every group must have kept what it committed last.

    Raises:
        NotMeasurable: one tells something else.
    """
    client = broker.client()
    try:
        for group in groups:
            asked = OffsetFetchRequestGroup(group_id=group, topics=[OffsetFetchRequestTopics(name=topic, partition_indexes=[0])])
            response = client.request(OffsetFetchRequest(groups=[asked]), OffsetFetchResponse, OFFSET_FETCH_VERSION)
            kept = response.groups[0].topics[0].partitions[0].committed_offset
            if kept != offset:
                raise NotMeasurable(f"{group} keeps offset {kept} where {offset} was acknowledged")
    finally:
        client.close()
