"""`odradek group reset-offsets`: sets groups that nobody is in to other offsets (`kafka-consumer-groups --reset-offsets`).

What would be committed is shown first. Then it is asked for (`--yes` says it beforehand), where Kafka's tool wants `--execute`;
`--dry-run` stops before that. A group with members is refused: they would go on from where they are, and commit over it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.cli.cluster_command import Report, add_change_arguments, add_cluster_arguments, change, failed, is_wanted, not_wanted
from odradek.cli.durations import duration_ms, timestamp_ms
from odradek.cli.group_arguments import add_group_arguments, named_groups
from odradek.cli.partition_arguments import partition_selection, refuse_unusable, selected
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.reset_file import OffsetsByGroup, plan_line, read_plan
from odradek.cli.table import JSON, TABLE, lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.group_description import DEAD, EMPTY
from odradek.client.core.offset_calls import CommittedByPartition, ErrorByPartition
from odradek.client.core.offset_plan import (
    OffsetPlan,
    ResetTarget,
    ShiftBy,
    ToCurrent,
    ToEarliest,
    ToGiven,
    ToLatest,
    ToOffset,
    ToTimestamp,
)
from odradek.client.errors import ClientError, DeadlinePassed, NobodyReached, Refused

CSV: Final = "csv"
_COLUMNS: Final = ("group", "topic", "partition", "current_offset", "new_offset")


@dataclass(slots=True)
class _GroupPlan:
    group_id: str
    committed: CommittedByPartition
    plan: OffsetPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s GROUP... (--topic TOPIC[:P,...] | --all-topics) WHERE-TO [options]"
    add_group_arguments(parser)
    scope = parser.add_argument_group("which partitions").add_mutually_exclusive_group()
    scope.add_argument("--topic", type=partition_selection, action="append", default=[], metavar="TOPIC[:P,...]", help="can be repeated")
    scope.add_argument("--all-topics", action="store_true", help="every partition that the group has committed an offset for")
    where = parser.add_argument_group("where to").add_mutually_exclusive_group(required=True)
    where.add_argument("--to-earliest", dest="target", action="store_const", const=ToEarliest(), help="the first record there is")
    where.add_argument("--to-latest", dest="target", action="store_const", const=ToLatest(), help="the end")
    where.add_argument("--to-current", dest="target", action="store_const", const=ToCurrent(), help="what is committed, else the end")
    where.add_argument("--to-offset", dest="target", type=_to_offset, metavar="N", help="kept within what there is")
    where.add_argument("--shift-by", dest="target", type=_shift_by, metavar="N", help="from what is committed; may be negative")
    where.add_argument(
        "--to-datetime",
        dest="target",
        type=_to_datetime,
        metavar="TIME",
        help="ISO 8601; UTC without a zone",
    )
    where.add_argument("--by-duration", type=duration_ms, metavar="SPAN", help="that long before now: 90m, 7d, PT2H")
    where.add_argument("--from-file", type=Path, metavar="FILE", help="CSV, as -o csv prints it")
    add_cluster_arguments(parser, outputs=(TABLE, JSON, CSV))
    add_change_arguments(parser)


def run(options: argparse.Namespace) -> int:
    has_scope = bool(options.topic) or options.all_topics
    if not has_scope and options.from_file is None:
        raise CommandFailed("which partitions? add --topic TOPIC, TOPIC:0,1 or --all-topics", code=ExitCode.WRONG_USAGE)
    if has_scope and options.from_file is not None:
        raise CommandFailed("--from-file says which partitions; leave --topic and --all-topics out", code=ExitCode.WRONG_USAGE)

    async def deed(admin: AdminClient) -> Report:
        group_ids = await named_groups(admin, options)
        given = read_plan(options.from_file, group_ids) if options.from_file is not None else None
        plans, failures = await _plans(admin, options, group_ids, given)
        if not options.dry_run and plans:
            if not options.yes:
                for line in _lines(TABLE, plans, {}):
                    print(line)
            if not is_wanted(options, "Commit these offsets?"):
                return not_wanted()
        report = await _carried_out(admin, options, plans)
        report.failures = failures + report.failures
        return report

    return change(options, deed)


def _to_offset(text: str) -> ToOffset:
    return ToOffset(_number(text))


def _shift_by(text: str) -> ShiftBy:
    return ShiftBy(_number(text))


def _to_datetime(text: str) -> ToTimestamp:
    return ToTimestamp(timestamp_ms(text))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


async def _plans(
    admin: AdminClient, options: argparse.Namespace, group_ids: Sequence[str], given: OffsetsByGroup | None
) -> tuple[list[_GroupPlan], list[CommandFailed]]:
    """What is to be committed for each group, and why it cannot be for the others; nothing is changed."""
    described_groups = await admin.describe_groups(group_ids)
    committed = (await admin.committed_offsets(group_ids)).all()
    plans: list[_GroupPlan] = []
    failures: list[CommandFailed] = []
    for group_id in group_ids:
        try:
            refusal = described_groups.refused.get(group_id)
            # A group that does not exist comes into being with its first offset.
            if refusal is not None and not (isinstance(refusal, Refused) and refusal.code == ErrorCode.GROUP_ID_NOT_FOUND):
                raise refusal
            if refusal is None and described_groups.done[group_id].state not in (EMPTY, DEAD):
                raise Refused(
                    ErrorCode.NON_EMPTY_GROUP, f"it is {described_groups.done[group_id].state}, and its members would commit over it"
                )
            plans.append(_GroupPlan(group_id, committed[group_id], await _plan(admin, options, group_id, committed[group_id], given)))
        except (DeadlinePassed, NobodyReached):
            raise
        except ClientError as error:
            failures.append(failed(f'group "{group_id}" is not reset', error))
    for one in plans:
        for warning in one.plan.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return plans, failures


async def _plan(
    admin: AdminClient, options: argparse.Namespace, group_id: str, committed: CommittedByPartition, given: OffsetsByGroup | None
) -> OffsetPlan:
    target = _target(options, group_id, given)
    if isinstance(target, ToGiven):
        names = {partition.topic for partition in target.offsets}
    else:
        names = {selection.topic for selection in options.topic} or {partition.topic for partition in committed}
    cluster = await admin.describe_topics(names)
    if isinstance(target, ToGiven):
        partitions = list(target.offsets)
    else:
        partitions = list(committed) if options.all_topics else selected(options.topic, cluster)
    if not partitions:
        raise ClientError("it has committed nothing" if options.all_topics else "the file says nothing of it")
    refuse_unusable(partitions, cluster)
    return await admin.plan_offsets(target, partitions, committed)


def _target(options: argparse.Namespace, group_id: str, given: OffsetsByGroup | None) -> ResetTarget:
    if given is not None:
        return ToGiven(given.get(group_id, {}))
    if options.by_duration is not None:
        return ToTimestamp(time.time_ns() // 1_000_000 - options.by_duration)
    target: ResetTarget = options.target
    return target


async def _carried_out(admin: AdminClient, options: argparse.Namespace, plans: Sequence[_GroupPlan]) -> Report:
    """Commit what is planned, unless nothing is to be done; what is shown is what was."""
    report = Report()
    errors_by_group: dict[str, ErrorByPartition] = {}
    done: list[_GroupPlan] = []
    for one in plans:
        if not options.dry_run:
            try:
                errors_by_group[one.group_id] = await admin.commit_offsets(one.group_id, one.plan.offsets)
            except Refused as error:
                report.failures.append(failed(f'group "{one.group_id}" is not reset', error))
                continue
        done.append(one)
    for group_id, errors in errors_by_group.items():
        report.failures += [
            failed(f'{partition} of group "{group_id}" is not reset', error) for partition, error in errors.items() if error is not None
        ]
    report.lines = _lines(options.output, done, errors_by_group)
    report.done_count = sum(_is_done(errors_by_group, one.group_id, partition) for one in done for partition in one.plan.offsets)
    return report


def _is_done(errors_by_group: Mapping[str, ErrorByPartition], group_id: str, partition: TopicPartition) -> bool:
    return errors_by_group.get(group_id, {}).get(partition) is None


def _lines(output: str, plans: Sequence[_GroupPlan], errors_by_group: Mapping[str, ErrorByPartition]) -> list[str]:
    changes = [
        (one, partition, offset)
        for one in plans
        for partition, offset in one.plan.offsets.items()
        if _is_done(errors_by_group, one.group_id, partition)
    ]
    if output == CSV:
        return [plan_line(one.group_id, partition, offset) for one, partition, offset in changes]
    rows = [
        {
            "group": one.group_id,
            "topic": partition.topic,
            "partition": partition.partition,
            "current_offset": one.committed[partition].offset if partition in one.committed else None,
            "new_offset": offset,
        }
        for one, partition, offset in changes
    ]
    return lines_of(output, _COLUMNS, rows) if rows else []
