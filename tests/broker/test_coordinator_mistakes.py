"""A mistake of ours in what a coordinator does by the clock: its state is read again from the log, and everybody goes on."""

from __future__ import annotations

import time

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_rebalance import ClassicRebalance
from odradek.coordinator.shard import Moment, Outcome
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

SETTINGS = {"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1", "group.min.session.timeout.ms": "100"}
NOT_YET = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)
WAIT_S_MAX = 20


def join(client: WireClient, group: str, instance_id: str) -> JoinGroupResponse:
    """Ask until there is a coordinator that can be asked."""
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=300,
        rebalance_timeout_ms=10_000,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"meta")],
    )
    deadline_s = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < deadline_s:
        client.request(FindCoordinatorRequest(key=group), FindCoordinatorResponse, 1)
        response = client.request(request, JoinGroupResponse, 9)
        if response.error_code not in NOT_YET:
            return response
    raise AssertionError("there is no coordinator")


def stay(client: WireClient, group: str, member_id: str, instance_id: str) -> None:
    """Be in a stable generation, which is written down."""
    request = SyncGroupRequest(
        group_id=group,
        generation_id=1,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"all")],
    )
    assert client.request(request, SyncGroupResponse, 5).error_code == ErrorCode.NONE


def test_mistake_by_the_clock_costs_nobody_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks anything meanwhile: a session that the failed turn should have ended is ended by a later one."""
    session_over = ClassicRebalance._session_over
    moments: list[Moment] = []

    def fail_once(rebalance: ClassicRebalance, group_id: str, member_id: str, now: Moment) -> Outcome:
        moments.append(now)
        if len(moments) == 1:
            raise RuntimeError("a mistake of ours")
        return session_over(rebalance, group_id, member_id, now)

    with NodeInProcess(SETTINGS) as node:
        client = node.client()
        member_id = join(client, "readers", "one").member_id
        monkeypatch.setattr(ClassicRebalance, "_session_over", fail_once)
        stay(client, "readers", member_id, "one")
        deadline_s = time.monotonic() + WAIT_S_MAX
        while len(moments) < 2 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        heartbeat = HeartbeatRequest(group_id="readers", generation_id=1, member_id=member_id, group_instance_id="one")
        code = client.request(heartbeat, HeartbeatResponse, 4).error_code
        client.close()

    assert len(moments) > 1, "the clock stands still"
    assert code == ErrorCode.UNKNOWN_MEMBER_ID
