"""`odradek group list`: every group of the cluster, of whatever kind, and on request how far it is behind (`kafka-groups --list`)."""

from __future__ import annotations

import argparse
from typing import Final

from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, broker_data, broker_name, look
from odradek.cli.one_of import OneOf
from odradek.cli.table import JSON, lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.group_calls import GroupListing
from odradek.client.core.group_description import GroupDescription
from odradek.client.core.group_lag import total_lag

# `GroupState.java`, `GroupType.java`.
STATES: Final = ("Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "NotReady", "Dead")
TYPES: Final = ("Classic", "Consumer", "Share", "Streams")
_COLUMNS: Final = ("group", "type", "protocol", "state", "coordinator")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=OneOf(STATES), action="extend", default=[], metavar="STATE,...", help=f"of {', '.join(STATES)}")
    parser.add_argument("--type", type=OneOf(TYPES), action="extend", default=[], metavar="TYPE,...", help=f"of {', '.join(TYPES)}")
    parser.add_argument("--lag", action="store_true", help="also how many members it has, and its lag over all partitions")
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    async def report(admin: AdminClient) -> Report:
        groups = await admin.list_groups(states=options.state, types=options.type)
        rows = [_row(admin, group, options.output) for group in groups]
        columns = list(_COLUMNS)
        if options.lag:
            columns += ["members", "lag"]
            await _add_lag(admin, rows)
        return Report(lines_of(options.output, columns, rows))

    return look(options, report)


async def _add_lag(admin: AdminClient, rows: list[dict[str, object]]) -> None:
    # A group that is not one of consumers, or has gone meanwhile, has no lag to tell of.
    described = (await admin.describe_groups([str(row["group"]) for row in rows])).done
    lags = await admin.group_lags(described.values())
    for row in rows:
        group: GroupDescription | None = described.get(str(row["group"]))
        row["members"] = None if group is None else len(group.members)
        row["lag"] = None if group is None else total_lag(one.lag for one in lags[group.group_id])


def _row(admin: AdminClient, group: GroupListing, output: str) -> dict[str, object]:
    coordinator = broker_data(admin, group.coordinator_id) if output == JSON else {"coordinator": broker_name(admin, group.coordinator_id)}
    return {
        "group": group.group_id,
        "type": group.type or None,
        "protocol": group.protocol_type or None,
        "state": group.state or None,
        **coordinator,
    }
