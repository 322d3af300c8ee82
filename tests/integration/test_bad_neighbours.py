"""Groups that behave as badly as they can, over real sockets, do no harm to the one beside them: it is answered in its turn, and the memory
of the node has an end. All groups are in one partition of `__consumer_offsets`, where they are closest to each other.

Fairness is counted, not timed: how many of the bad group's requests are answered before the one of the good group that came after them.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.net.frame_connection import FRAMES_PER_TURN_MAX
from odradek.protocol.headers import RequestHeader, encode_request_header
from odradek.protocol.message import Message
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.conformance.eventually import eventually
from tests.support.odradek_node import OdradekNode
from tests.support.wire_client import WireClient

GOOD: Final = "good"
BAD: Final = "bad"
SESSION_MS: Final = 30_000
REBALANCE_MS: Final = 2_000
JOIN_VERSION: Final = 5
# The last in which a member is taken in by its first request.
JOIN_AT_ONCE_VERSION: Final = 3
SYNC_VERSION: Final = 3
HEARTBEAT_VERSION: Final = 3
DESCRIBE_VERSION: Final = 4
FIND_VERSION: Final = 2
NODE_SETTINGS: Final = {
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "group.initial.rebalance.delay.ms": "0",
}

BURST: Final = 6_000
# With the first one, more than the node remembers.
BURSTS: Final = 2
# Of a burst, what may be answered before a request of somebody else that came after it: some turns' worth, since it comes a moment later.
ANSWERED_BEFORE_MAX: Final = 10 * FRAMES_PER_TURN_MAX
MEGABYTE: Final = 1 << 20
GIANTS: Final = 60
# What the node may grow by, all allocators' habits included; what was sent to it is many times as much.
FLOOD_GROWTH_MAX: Final = 48 * MEGABYTE
GIANT_GROWTH_MAX: Final = 100 * MEGABYTE
SILENT_MEMBERS: Final = 30


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OdradekNode]:
    node = OdradekNode(tmp_path_factory.mktemp("neighbours"), NODE_SETTINGS)
    node.start()
    wire = connect(node)
    found = FindCoordinatorRequest(key=GOOD, key_type=0)
    eventually(lambda: ErrorCode(wire.request(found, FindCoordinatorResponse, FIND_VERSION).error_code), ErrorCode.NONE)
    wire.close()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def neighbour(node: OdradekNode) -> Neighbour:
    return Neighbour(node)


def connect(node: OdradekNode) -> WireClient:
    host, port = node.bootstrap.split(":")
    return WireClient(host, int(port))


def memory_of(node: OdradekNode) -> int:
    """The bytes that the process has in memory."""
    lines = Path(f"/proc/{node.process_id}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) * 1024


def join_request(group: str, metadata: bytes = b"", *, member_id: str = "", rebalance_ms: int = REBALANCE_MS) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=rebalance_ms,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
    )


class Neighbour:
    """The only member of a group that does everything as it should."""

    def __init__(self, node: OdradekNode) -> None:
        self._wire = connect(node)
        given = self._join("")
        assert given.error_code == ErrorCode.MEMBER_ID_REQUIRED, ErrorCode(given.error_code)
        self._member_id = given.member_id
        self._generation = 0
        self.rejoin()

    def _join(self, member_id: str) -> JoinGroupResponse:
        return self._wire.request(join_request(GOOD, b"metadata", member_id=member_id), JoinGroupResponse, JOIN_VERSION)

    def rejoin(self) -> None:
        """A whole rebalance."""
        joined = self._join(self._member_id)
        assert joined.error_code == ErrorCode.NONE, ErrorCode(joined.error_code)
        self._generation = joined.generation_id
        assignment = SyncGroupRequestAssignment(member_id=self._member_id, assignment=b"all")
        sync = SyncGroupRequest(group_id=GOOD, generation_id=self._generation, member_id=self._member_id, assignments=[assignment])
        synced = self._wire.request(sync, SyncGroupResponse, SYNC_VERSION)
        assert (synced.error_code, synced.assignment) == (ErrorCode.NONE, b"all")

    def heartbeat(self) -> ErrorCode:
        beat = HeartbeatRequest(group_id=GOOD, generation_id=self._generation, member_id=self._member_id)
        return ErrorCode(self._wire.request(beat, HeartbeatResponse, HEARTBEAT_VERSION).error_code)


class Pipe:
    """A connection that sends many requests before it reads an answer."""

    def __init__(self, node: OdradekNode) -> None:
        host, port = node.bootstrap.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._received = bytearray()

    def send(self, request: Message, version: int, count: int) -> None:
        """The same request so many times in one go."""
        frame = bytearray(4)
        encode_request_header(frame, RequestHeader(request.API_KEY, version, 1, "bad"))
        request.encode(frame, version)
        frame[0:4] = (len(frame) - 4).to_bytes(4, "big")
        self._socket.sendall(frame * count)

    def answers_here(self) -> int:
        """How many answers have come, without waiting for more."""
        while select.select([self._socket], [], [], 0)[0]:
            self._received += self._take()
        return self._frames()

    def await_answers(self, count: int) -> None:
        """Read so many answers, and forget them."""
        while self._frames() < count:
            self._received += self._take()
        for _ in range(count):
            del self._received[: 4 + int.from_bytes(self._received[:4], "big")]

    def close(self) -> None:
        self._socket.close()

    def _take(self) -> bytes:
        chunk = self._socket.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the node closed the connection")
        return chunk

    def _frames(self) -> int:
        count = position = 0
        while position + 4 <= len(self._received):
            position += 4 + int.from_bytes(self._received[position : position + 4], "big")
            count += position <= len(self._received)
        return count


def test_flood_of_joins_is_forgotten_and_its_neighbour_lives(node: OdradekNode, neighbour: Neighbour) -> None:
    """Each asks for a member id (KIP-394) that nobody comes back with."""
    pipe = Pipe(node)
    pipe.send(join_request(BAD), JOIN_VERSION, BURST)
    pipe.await_answers(BURST)
    before = memory_of(node)

    answered_before = []
    for _ in range(BURSTS):
        pipe.send(join_request(BAD), JOIN_VERSION, BURST)
        assert neighbour.heartbeat() is ErrorCode.NONE
        answered_before.append(pipe.answers_here())
        pipe.await_answers(BURST)
    grown = memory_of(node) - before
    pipe.close()

    assert grown < FLOOD_GROWTH_MAX, f"{grown / MEGABYTE:.1f} MiB"
    assert max(answered_before) <= ANSWERED_BEFORE_MAX


def test_members_with_giant_metadata_are_refused_before_they_fill_the_memory(node: OdradekNode, neighbour: Neighbour) -> None:
    group = "giant"
    before = memory_of(node)
    request = join_request(group, b"x" * MEGABYTE, rebalance_ms=60_000)
    waiting = [connect(node) for _ in range(GIANTS)]

    # The first makes a generation of its own at once and does not sync; all others wait for it, or are refused.
    first = waiting[0].request(request, JoinGroupResponse, JOIN_AT_ONCE_VERSION)
    for wire in waiting[1:]:
        wire.send(request, JOIN_AT_ONCE_VERSION)
        assert neighbour.heartbeat() is ErrorCode.NONE
    last = waiting[-1].receive(JoinGroupResponse, JOIN_AT_ONCE_VERSION)
    grown = memory_of(node) - before
    for wire in waiting:
        wire.close()

    assert first.error_code == ErrorCode.NONE
    assert last.error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert grown < GIANT_GROWTH_MAX, f"{grown / MEGABYTE:.1f} MiB"
    neighbour.rejoin()


def test_members_that_never_sync_stop_their_own_group_only_and_are_put_out(node: OdradekNode, neighbour: Neighbour) -> None:
    group = "silent"
    wires = [connect(node) for _ in range(SILENT_MEMBERS)]
    for wire in wires:
        wire.send(join_request(group, b"metadata"), JOIN_AT_ONCE_VERSION)
    steward = connect(node)

    def state() -> tuple[str, int]:
        described = steward.request(DescribeGroupsRequest(groups=[group]), DescribeGroupsResponse, DESCRIBE_VERSION).groups[0]
        return described.group_state, len(described.members)

    def state_after_a_beat() -> tuple[str, int]:
        assert neighbour.heartbeat() is ErrorCode.NONE
        neighbour.rejoin()
        return state()

    eventually(state_after_a_beat, ("Empty", 0))
    for wire in wires:
        wire.close()
