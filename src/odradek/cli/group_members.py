"""`odradek group members`: who is in groups of consumers, and what each has, shall have and wants
(`kafka-consumer-groups --describe --members --verbose`).
"""

from __future__ import annotations

import argparse
from typing import Final

from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, look
from odradek.cli.group_arguments import add_group_arguments, described_groups
from odradek.cli.partition_arguments import as_data, compact
from odradek.cli.table import JSON, json_lines, table_lines
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.group_description import GroupDescription, MemberDescription

_COLUMNS: Final = ("group", "member", "client_id", "host", "partitions", "assignment")
# Only some groups have these; a table leaves them out where there is none.
_FURTHER_COLUMNS: Final = ("target_assignment", "epoch", "assignment_epoch", "instance", "rack", "protocol", "subscription")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_group_arguments(parser)
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    async def report(admin: AdminClient) -> Report:
        groups, told = await described_groups(admin, options)
        is_json = options.output == JSON
        rows = [_row(group, member, is_json=is_json) for group in groups for member in group.members]
        if is_json:
            told.lines += json_lines(rows)
        elif groups:
            further = [name for name in _FURTHER_COLUMNS if any(row[name] is not None for row in rows)]
            told.lines += table_lines([*_COLUMNS, *further], rows)
        return told

    return look(options, report)


def _row(group: GroupDescription, member: MemberDescription, *, is_json: bool) -> dict[str, object]:
    shown = as_data if is_json else compact
    target = member.target_assignment
    return {
        "group": group.group_id,
        "member": member.member_id,
        "instance": member.instance_id,
        "client_id": member.client_id,
        "host": member.host,
        "rack": member.rack_id,
        "protocol": None if member.is_classic is None else "classic" if member.is_classic else "consumer",
        "epoch": member.epoch,
        "assignment_epoch": group.assignment_epoch,
        "partitions": len(member.assignment),
        "assignment": shown(member.assignment),
        "target_assignment": None if target is None else shown(target),
        "subscription": list(member.subscribed_topics) if is_json else _subscription(member),
        "subscription_regex": member.subscribed_regex,
    }


def _subscription(member: MemberDescription) -> str | None:
    wanted = [*member.subscribed_topics, *([f"/{member.subscribed_regex}/"] if member.subscribed_regex else [])]
    return ",".join(wanted) or None
