"""`odradek group delete`: forgets groups that have no members, and all that they have committed (`kafka-consumer-groups --delete`)."""

from __future__ import annotations

import argparse

from odradek.base.error_codes import ErrorCode
from odradek.cli.cluster_command import Report, add_change_arguments, add_cluster_arguments, change, failed, is_wanted, not_wanted
from odradek.cli.group_arguments import add_group_arguments, named_groups
from odradek.cli.table import lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.errors import ClientError, Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_group_arguments(parser)
    add_cluster_arguments(parser)
    add_change_arguments(parser)


def run(options: argparse.Namespace) -> int:
    async def deed(admin: AdminClient) -> Report:
        group_ids = await named_groups(admin, options)
        if options.dry_run:
            return await _preview(admin, group_ids, options.output)
        if not is_wanted(options, f"Delete {', '.join(group_ids)} with all committed offsets?"):
            return not_wanted()
        outcomes = await admin.delete_groups(group_ids)
        return _report(list(outcomes.done), outcomes.refused, "deleted", options.output)

    return change(options, deed)


async def _preview(admin: AdminClient, group_ids: list[str], output: str) -> Report:
    outcomes = await admin.describe_groups(group_ids)
    refused: dict[str, ClientError] = dict(outcomes.refused)
    for group_id, group in outcomes.done.items():
        if group.has_members:
            refused[group_id] = Refused(ErrorCode.NON_EMPTY_GROUP)
    return _report([group_id for group_id in group_ids if group_id not in refused], refused, "would be deleted", output)


def _report(deleted: list[str], refused: dict[str, ClientError], result: str, output: str) -> Report:
    rows = [{"group": group_id, "result": result} for group_id in deleted]
    report = Report(lines_of(output, ("group", "result"), rows) if rows else [], done_count=len(rows))
    report.failures += [failed(f'group "{group_id}" is not deleted', error) for group_id, error in refused.items()]
    return report
