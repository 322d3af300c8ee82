"""`odradek group delete-offsets`: has a group forget what it committed for topics that no member reads
(`kafka-consumer-groups --delete-offsets`).
"""

from __future__ import annotations

import argparse

from odradek.cli.cluster_command import Report, add_change_arguments, add_cluster_arguments, change, failed, is_wanted, not_wanted
from odradek.cli.partition_arguments import compact, partition_selection, selected
from odradek.cli.table import lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.errors import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP")
    parser.add_argument(
        "--topic", type=partition_selection, action="append", required=True, metavar="TOPIC[:P,...]", help="can be repeated"
    )
    add_cluster_arguments(parser)
    add_change_arguments(parser)


def run(options: argparse.Namespace) -> int:
    async def deed(admin: AdminClient) -> Report:
        whole = [selection.topic for selection in options.topic if selection.partitions is None]
        partitions = selected(options.topic, await admin.describe_topics(whole))
        committed = (await admin.committed_offsets([options.group])).single()
        rows: list[dict[str, object]] = [
            {
                "group": options.group,
                "topic": one.topic,
                "partition": one.partition,
                "current_offset": committed[one].offset if one in committed else None,
            }
            for one in partitions
        ]
        columns = ("group", "topic", "partition", "current_offset")
        if options.dry_run:
            return Report(lines_of(options.output, columns, rows))
        if not is_wanted(options, f"Forget what {options.group} has committed for {compact(partitions)}?"):
            return not_wanted()
        try:
            errors = await admin.delete_offsets(options.group, partitions)
        except Refused as error:
            raise failed(f'no offset of group "{options.group}" is deleted', error) from error
        done = [row for row, partition in zip(rows, partitions, strict=True) if errors.get(partition) is None]
        report = Report(lines_of(options.output, columns, done) if done else [], done_count=len(done))
        report.failures += [
            failed(f"the offset of {partition} is not deleted", error) for partition, error in errors.items() if error is not None
        ]
        return report

    return change(options, deed)
