"""How commands are told which groups they are about, and how they describe them first."""

from __future__ import annotations

import argparse

from odradek.cli.cluster_command import Report, failed
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.group_description import CLASSIC, CONSUMER, CONSUMER_PROTOCOL_TYPE, GroupDescription


def add_group_arguments(parser: argparse.ArgumentParser) -> None:
    """Groups by name, or all."""
    parser.add_argument("groups", metavar="GROUP", nargs="*", help="one group or several")
    parser.add_argument("--all-groups", action="store_true", help="every group of consumers there is")


async def named_groups(admin: AdminClient, options: argparse.Namespace) -> list[str]:
    """The groups that are meant, each once.

    Raises:
        CommandFailed: none is named, or all and some.
    """
    if bool(options.groups) == options.all_groups:
        raise CommandFailed("name a group or several, or take --all-groups", code=ExitCode.WRONG_USAGE)
    if not options.all_groups:
        return list(dict.fromkeys(options.groups))
    listed = await admin.list_groups(types=(CLASSIC, CONSUMER))
    return [group.group_id for group in listed if group.protocol_type in ("", CONSUMER_PROTOCOL_TYPE)]


async def described_groups(admin: AdminClient, options: argparse.Namespace) -> tuple[list[GroupDescription], Report]:
    """The groups that are meant, in the order they were named, and a report that has those that cannot be described."""
    wanted = await named_groups(admin, options)
    outcomes = await admin.describe_groups(wanted)
    report = Report(done_count=len(outcomes.done))
    for group_id in wanted:
        if group_id in outcomes.refused:
            report.failures.append(
                failed(f'group "{group_id}" cannot be described', outcomes.refused[group_id], "`odradek group list` shows what there is")
            )
    return [outcomes.done[group_id] for group_id in wanted if group_id in outcomes.done], report
