"""Markers and the coordinator of groups: what it takes up with them, it takes up at their place in the log, or not at all."""

from __future__ import annotations

import asyncio

from odradek.base.error_codes import ErrorCode
from odradek.broker.append_turn import AppendTurn
from odradek.broker.group_commit import GroupCommit
from odradek.broker.group_coordinator import GroupCoordinator
from odradek.broker.transaction_markers import TransactionMarkers
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.net.turn import Turn
from tests.broker.small_node import SmallNode


def test_marker_waits_for_the_coordinator_that_loads_its_partition() -> None:
    """Whoever loads may have read up to the end of the log already: offsets of the transaction would stay undecided for ever."""
    node = SmallNode()
    node.create_topic(GROUP_METADATA_TOPIC, 1)
    partition = node.partitions.get(GROUP_METADATA_TOPIC, 0)
    assert partition is not None

    async def write() -> ErrorCode:
        loop = asyncio.get_running_loop()
        appends = AppendTurn(Turn(loop.call_soon), node.purgatory, node.clock, GroupCommit(loop, node.pool))
        # It follows no metadata, so that it is as one that cannot be asked yet.
        node.groups = GroupCoordinator(node.as_node, appends, asyncio.TaskGroup(), loop)  # type: ignore[attr-defined]
        markers = TransactionMarkers(node.as_node, appends, lambda delay_s, retry: None)
        return await markers.write((GROUP_METADATA_TOPIC, 0), 7, 1, 0, is_commit=True, transaction_version=2)

    code = asyncio.run(write())

    assert code is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.log.staged_end_offset == 0
