"""`odradek transaction list`: the transactional ids of the cluster (`kafka-transactions list`)."""

from __future__ import annotations

import argparse
from typing import Final

from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, look
from odradek.cli.durations import duration_ms
from odradek.cli.one_of import OneOf
from odradek.cli.table import lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.transaction_calls import TransactionFilter

# `TransactionState.java`, as coordinators say them.
STATES: Final = ("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "PrepareEpochFence", "Dead")
_COLUMNS: Final = ("transactional_id", "coordinator_id", "producer_id", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=OneOf(STATES), action="extend", default=[], metavar="STATE,...", help=f"of {', '.join(STATES)}")
    parser.add_argument("--producer-id", action="append", default=[], type=int, metavar="ID", help="can be repeated")
    parser.add_argument(
        "--running-longer-than", "--duration-filter", type=duration_ms, metavar="TIME", help="only transactions that are open for longer"
    )
    parser.add_argument("--transactional-id-pattern", metavar="REGEX", help="only ids that match as a whole; a regular expression of RE2")
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    duration = options.running_longer_than
    wanted = TransactionFilter(options.state, options.producer_id, -1 if duration is None else duration, options.transactional_id_pattern)

    async def report(admin: AdminClient) -> Report:
        rows = [
            {
                "transactional_id": found.transactional_id,
                "coordinator_id": found.coordinator_id,
                "producer_id": found.producer_id,
                "state": found.state,
            }
            for found in await admin.list_transactions(wanted)
        ]
        return Report(lines_of(options.output, _COLUMNS, rows))

    return look(options, report)
