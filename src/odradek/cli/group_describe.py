"""`odradek group describe`: how groups of consumers stand, and how far they are behind in each partition
(`kafka-consumer-groups --describe`, its state and its offsets in one).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Final

from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, broker_data, broker_name, look
from odradek.cli.group_arguments import add_group_arguments, described_groups
from odradek.cli.table import JSON, table_lines
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.group_description import GroupDescription
from odradek.client.core.group_lag import PartitionLag, total_lag

_COLUMNS: Final = ("topic", "partition", "current_offset", "log_end_offset", "lag", "member", "client_id", "host")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_group_arguments(parser)
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    async def report(admin: AdminClient) -> Report:
        groups, told = await described_groups(admin, options)
        lags = await admin.group_lags(groups)
        for number, group in enumerate(groups):
            rows = lags[group.group_id]
            if options.output == JSON:
                told.lines.append(json.dumps(_as_data(admin, group, rows), ensure_ascii=False))
            else:
                told.lines += ([""] if number else []) + _as_lines(admin, group, rows)
        return told

    return look(options, report)


def _as_data(admin: AdminClient, group: GroupDescription, rows: Sequence[PartitionLag]) -> dict[str, object]:
    return {
        "group": group.group_id,
        "type": group.type,
        "protocol": group.protocol_type or None,
        "state": group.state,
        "assignor": group.assignor or None,
        "epoch": group.epoch,
        "assignment_epoch": group.assignment_epoch,
        "members": len(group.members),
        "lag": total_lag(row.lag for row in rows),
        **broker_data(admin, group.coordinator_id),
        "partitions": [_row(row) for row in rows],
    }


def _as_lines(admin: AdminClient, group: GroupDescription, rows: Sequence[PartitionLag]) -> list[str]:
    facts = {
        "state": group.state,
        "type": group.type,
        "assignor": group.assignor or None,
        "epoch": group.epoch,
        "assignment epoch": group.assignment_epoch,
        "members": len(group.members),
        "lag": total_lag(row.lag for row in rows),
        "coordinator": broker_name(admin, group.coordinator_id),
    }
    lines = [f"group {group.group_id}", "   ".join(f"{name} {value}" for name, value in facts.items() if value is not None)]
    if not rows:
        return [*lines, "nothing is assigned, and nothing is committed"]
    return [*lines, *table_lines(_COLUMNS, [_row(row) for row in rows])]


def _row(row: PartitionLag) -> dict[str, object]:
    return {
        "topic": row.partition.topic,
        "partition": row.partition.partition,
        "current_offset": row.committed.offset if row.committed is not None else None,
        "leader_epoch": row.committed.leader_epoch if row.committed is not None else None,
        "log_end_offset": row.log_end_offset,
        "lag": row.lag,
        "member": row.member.member_id if row.member is not None else None,
        "client_id": row.member.client_id if row.member is not None else None,
        "host": row.member.host if row.member is not None else None,
    }
