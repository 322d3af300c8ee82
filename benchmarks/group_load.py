"""The members of one consumer group by the frame, in a process of its own: until they share a topic, and again when one of them leaves.

    python -m benchmarks.group_load ADDRESS TOPIC PARTITIONS MEMBERS classic|consumer PROCESS

Each member has a connection of its own and does what a client does, at the times at which a client does it: of the classic protocol join,
sync and a heartbeat every three seconds, with the leader among them assigning partitions by the cooperative rule (what is taken from a
member goes to another only when that has given it up); of the protocol of KIP-848 a heartbeat when the coordinator wants one, and another
at once when an assignment was taken up. They read no records.

The group is stable when by what its members know every partition is owned once, and by nobody more or less than by a fair share. Both
times, and the broker's processor time until then, are printed as JSON. Anything unexpected ends the process with a sentence.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from benchmarks import processes
from benchmarks.request_frames import request_frame
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol import apis
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from odradek.protocol.message import Message
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.support.wire_client import WireClient

JOIN_VERSION: Final = 9
SYNC_VERSION: Final = 5
HEARTBEAT_VERSION: Final = 4
LEAVE_VERSION: Final = 5
CONSUMER_HEARTBEAT_VERSION: Final = 1
EMBEDDED_VERSION: Final = 3
PROTOCOL_NAME: Final = "cooperative-sticky"
# What clients have by default.
HEARTBEAT_INTERVAL_S: Final = 3.0
SESSION_TIMEOUT_MS: Final = 45_000
REBALANCE_TIMEOUT_MS: Final = 300_000
# Clients of a deployment start one after another, and close to each other.
START_INTERVAL_S: Final = 0.01
# Long enough after the group has become stable that everybody knows, and in the middle between two heartbeats.
LEAVE_AFTER_S: Final = 1.0
STABLE_SECONDS_MAX: Final = 90.0
LEAVING_EPOCH: Final = -1

ResponseType = TypeVar("ResponseType", bound=Message)


class UnexpectedAnswer(Exception):
    """The broker answered something that no measurement can go on with."""


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Connection:
        return cls(*await asyncio.open_connection(*address))

    async def request(self, request: Message, response_type: type[ResponseType], version: int) -> ResponseType:
        """The response to `request`."""
        self._writer.write(request_frame(request, version))
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        frame = await self._reader.readexactly(size)
        response, _ = response_type.decode(frame, 4 + apis.response_header_version(response_type.API_KEY, version), version)
        return response

    def close(self) -> None:
        self._writer.close()


class Ownership:
    """Which partitions each member owns by what it knows, and when all was shared."""

    def __init__(self, partition_count: int) -> None:
        self._partition_count = partition_count
        self._by_member: dict[int, frozenset[int]] = {}
        self._changed = asyncio.Event()

    def set(self, member: int, partitions: Sequence[int]) -> None:
        """Raises UnexpectedAnswer when a partition is somebody else's."""
        own = frozenset(partitions)
        for other, owned in self._by_member.items():
            if other != member and not own.isdisjoint(owned):
                raise UnexpectedAnswer(f"partition {min(own & owned)} belongs to two members at once")
        self._by_member[member] = own
        self._changed.set()

    def forget(self, member: int) -> None:
        del self._by_member[member]

    def of(self, member: int) -> frozenset[int]:
        return self._by_member.get(member, frozenset())

    async def stable(self, member_count: int) -> None:
        """Wait until `member_count` members share all partitions fairly."""
        while not self._is_stable(member_count):
            self._changed.clear()
            await self._changed.wait()

    def _is_stable(self, member_count: int) -> bool:
        share, rest = divmod(self._partition_count, member_count)
        counts = [len(owned) for owned in self._by_member.values()]
        return (
            len(counts) == member_count
            and sum(counts) == self._partition_count
            and min(counts) == share
            and max(counts) <= share + (rest > 0)
        )


class Member(Protocol):
    """One member; `run` goes on until it is cancelled."""

    async def run(self) -> None: ...

    async def leave(self) -> None:
        """Say goodbye, over the connection that `run` had."""
        ...


class ClassicMember:
    """A member of the classic protocol."""

    def __init__(self, number: int, address: tuple[str, int], group: str, topic: str, partition_count: int, ownership: Ownership) -> None:
        self._number = number
        self._address = address
        self._group = group
        self._topic = topic
        self._partition_count = partition_count
        self._ownership = ownership
        self._member_id = ""
        self._generation = -1
        self._connection: Connection | None = None

    async def run(self) -> None:
        self._connection = connection = await Connection.open(self._address)
        while True:
            joined = await self._join(connection)
            if not await self._sync(connection, joined):
                continue
            while await self._heartbeat(connection):
                pass

    async def _join(self, connection: Connection) -> JoinGroupResponse:
        owned = ConsumerProtocolSubscriptionTopicPartition(self._topic, sorted(self._ownership.of(self._number)))
        subscription = ConsumerProtocolSubscription(
            topics=[self._topic], owned_partitions=[owned] if owned.partitions else [], generation_id=self._generation
        )
        while True:
            request = JoinGroupRequest(
                group_id=self._group,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
                member_id=self._member_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(PROTOCOL_NAME, _embedded(subscription))],
            )
            response = await connection.request(request, JoinGroupResponse, JOIN_VERSION)
            if response.error_code == ErrorCode.NONE:
                self._generation = response.generation_id
                return response
            if response.error_code != ErrorCode.MEMBER_ID_REQUIRED:
                raise UnexpectedAnswer(f"JoinGroup: error code {response.error_code}")
            self._member_id = response.member_id

    async def _sync(self, connection: Connection, joined: JoinGroupResponse) -> bool:
        """Take up what the leader assigned; False if another rebalance is under way, or has to be."""
        request = SyncGroupRequest(self._group, self._generation, self._member_id, None, "consumer", PROTOCOL_NAME)
        if joined.leader == self._member_id:
            owned = {member.member_id: _owned(member.metadata) for member in joined.members}
            request.assignments = [
                SyncGroupRequestAssignment(member_id, _assignment(self._topic, partitions))
                for member_id, partitions in cooperatively_assigned(owned, self._partition_count).items()
            ]
        response = await connection.request(request, SyncGroupResponse, SYNC_VERSION)
        if response.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
            return False
        if response.error_code != ErrorCode.NONE:
            raise UnexpectedAnswer(f"SyncGroup: error code {response.error_code}")
        assigned = _assigned(response.assignment)
        had = self._ownership.of(self._number)
        self._ownership.set(self._number, sorted(assigned))
        # Whoever gives up something says so by joining again, so that others can have it.
        return had <= assigned

    async def _heartbeat(self, connection: Connection) -> bool:
        await asyncio.sleep(HEARTBEAT_INTERVAL_S)
        request = HeartbeatRequest(self._group, self._generation, self._member_id)
        response = await connection.request(request, HeartbeatResponse, HEARTBEAT_VERSION)
        if response.error_code not in (ErrorCode.NONE, ErrorCode.REBALANCE_IN_PROGRESS):
            raise UnexpectedAnswer(f"Heartbeat: error code {response.error_code}")
        return response.error_code == ErrorCode.NONE

    async def leave(self) -> None:
        assert self._connection is not None, "a member that never was cannot leave"
        request = LeaveGroupRequest(self._group, members=[MemberIdentity(self._member_id, None, "measured")])
        response = await self._connection.request(request, LeaveGroupResponse, LEAVE_VERSION)
        if response.error_code != ErrorCode.NONE:
            raise UnexpectedAnswer(f"LeaveGroup: error code {response.error_code}")
        self._connection.close()


def cooperatively_assigned(owned: Mapping[str, frozenset[int]], partition_count: int) -> dict[str, list[int]]:
    """Fair shares in which everybody keeps as much of what it owns as fits; what has to change hands is nobody's until it is given up."""
    share, larger_count = divmod(partition_count, len(owned))
    kept: dict[str, list[int]] = {}
    for member_id in sorted(owned, key=lambda member_id: (-len(owned[member_id]), member_id)):
        is_larger = larger_count > 0 and len(owned[member_id]) > share
        larger_count -= is_larger
        kept[member_id] = sorted(owned[member_id])[: share + is_larger]
    free = sorted(set(range(partition_count)).difference(*owned.values()), reverse=True)
    for member_id in sorted(kept, key=lambda member_id: (len(kept[member_id]), member_id)):
        is_larger = larger_count > 0 and len(kept[member_id]) <= share
        wanted = share + is_larger - len(kept[member_id])
        larger_count -= is_larger
        kept[member_id] += [free.pop() for _ in range(min(wanted, len(free)))]
    return kept


def _embedded(message: Message) -> bytes:
    out = bytearray(EMBEDDED_VERSION.to_bytes(2, "big"))
    message.encode(out, EMBEDDED_VERSION)
    return bytes(out)


def _owned(metadata: bytes) -> frozenset[int]:
    subscription, _ = ConsumerProtocolSubscription.decode(metadata, 2, EMBEDDED_VERSION)
    return frozenset(index for topic in subscription.owned_partitions for index in topic.partitions)


def _assignment(topic: str, partitions: list[int]) -> bytes:
    return _embedded(ConsumerProtocolAssignment(assigned_partitions=[ConsumerProtocolAssignmentTopicPartition(topic, partitions)]))


def _assigned(assignment: bytes) -> frozenset[int]:
    decoded, _ = ConsumerProtocolAssignment.decode(assignment, 2, EMBEDDED_VERSION)
    return frozenset(index for topic in decoded.assigned_partitions for index in topic.partitions)


class ConsumerMember:
    """A member of the protocol of KIP-848."""

    def __init__(self, number: int, address: tuple[str, int], group: str, topic: str, topic_id: Uuid, ownership: Ownership) -> None:
        self._number = number
        self._address = address
        self._group = group
        self._topic = topic
        self._topic_id = topic_id
        self._ownership = ownership
        self._member_id = f"{group}-member-{number:03}"
        self._epoch = 0
        self._connection: Connection | None = None

    async def run(self) -> None:
        self._connection = connection = await Connection.open(self._address)
        response = await self._heartbeat(
            connection, subscribed_topic_names=[self._topic], rebalance_timeout_ms=REBALANCE_TIMEOUT_MS, topic_partitions=[]
        )
        while True:
            if response.assignment is not None:
                partitions = sorted(index for topic in response.assignment.topic_partitions for index in topic.partitions)
                self._ownership.set(self._number, partitions)
                owned = ConsumerGroupHeartbeatRequestTopicPartitions(self._topic_id, partitions)
                response = await self._heartbeat(connection, topic_partitions=[owned] if partitions else [])
            else:
                await asyncio.sleep(response.heartbeat_interval_ms / 1000)
                response = await self._heartbeat(connection)

    async def _heartbeat(self, connection: Connection, **fields: object) -> ConsumerGroupHeartbeatResponse:
        request = ConsumerGroupHeartbeatRequest(self._group, self._member_id, self._epoch)
        for name, value in fields.items():
            setattr(request, name, value)
        response = await connection.request(request, ConsumerGroupHeartbeatResponse, CONSUMER_HEARTBEAT_VERSION)
        if response.error_code != ErrorCode.NONE:
            raise UnexpectedAnswer(f"ConsumerGroupHeartbeat: error code {response.error_code} {response.error_message or ''}")
        self._epoch = response.member_epoch
        return response

    async def leave(self) -> None:
        assert self._connection is not None, "a member that never was cannot leave"
        self._epoch = LEAVING_EPOCH
        await self._heartbeat(self._connection)
        self._connection.close()


async def measured(members: Sequence[Member], ownership: Ownership, process_id: int) -> dict[str, float]:
    """Seconds, and the broker's processor time, until the group was stable: all members from nothing, and those that stay when one leaves.

    Raises:
        UnexpectedAnswer: an answer that no client would go on after, or the group did not become stable.
    """
    running = [asyncio.create_task(_started(member, number * START_INTERVAL_S)) for number, member in enumerate(members)]
    cold_s, cold_cpu_s = await _timed(ownership.stable(len(members)), running, process_id)
    await asyncio.sleep(LEAVE_AFTER_S)
    # Whoever leaves stops its heartbeats first; between two of them nothing is under way.
    running[-1].cancel()
    ownership.forget(len(members) - 1)

    async def left() -> None:
        await members[-1].leave()
        await ownership.stable(len(members) - 1)

    leave_s, leave_cpu_s = await _timed(left(), running[:-1], process_id)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for member in members[:-1]:
        await member.leave()
    return {"cold_s": cold_s, "cold_cpu_s": cold_cpu_s, "leave_s": leave_s, "leave_cpu_s": leave_cpu_s}


async def _started(member: Member, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await member.run()


async def _timed(awaited: Coroutine[None, None, None], running: Sequence[asyncio.Task[None]], process_id: int) -> tuple[float, float]:
    """How long it takes, while no member fails."""
    began, cpu_began_s = time.monotonic(), processes.cpu_s(process_id)
    waiting = asyncio.create_task(awaited)
    done, _ = await asyncio.wait([waiting, *running], timeout=STABLE_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
    if waiting not in done:
        for task in done:
            task.result()
        raise UnexpectedAnswer(f"the group was not stable after {STABLE_SECONDS_MAX:.0f} s")
    waiting.result()
    return time.monotonic() - began, processes.cpu_s(process_id) - cpu_began_s


def _topic_id(address: tuple[str, int], topic: str) -> Uuid:
    client = WireClient(*address)
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    try:
        return client.request(request, MetadataResponse, 12).topics[0].topic_id
    finally:
        client.close()


async def _main(address_text: str, topic: str, partition_count: int, member_count: int, protocol: str, process_id: int) -> dict[str, float]:
    host, _, port = address_text.rpartition(":")
    address = (host, int(port))
    ownership = Ownership(partition_count)
    members: list[Member] = []
    if protocol == "classic":
        members += [ClassicMember(number, address, topic, topic, partition_count, ownership) for number in range(member_count)]
    else:
        topic_id = _topic_id(address, topic)
        members += [ConsumerMember(number, address, topic, topic, topic_id, ownership) for number in range(member_count)]
    return await measured(members, ownership, process_id)


def main() -> int:
    address, topic, partition_count, member_count, protocol, process_id = sys.argv[1:]
    print(json.dumps(asyncio.run(_main(address, topic, int(partition_count), int(member_count), protocol, int(process_id)))))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnexpectedAnswer as failure:
        sys.exit(f"group load: {failure}")
