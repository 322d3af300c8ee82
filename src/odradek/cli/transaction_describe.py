"""`odradek transaction describe`: how transactional ids stand (`kafka-transactions describe`)."""

from __future__ import annotations

import argparse
import time
from typing import Final

from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, failed, look
from odradek.cli.durations import iso_text, local_text
from odradek.cli.partition_arguments import as_data, compact
from odradek.cli.table import JSON, json_lines, table_lines
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.transaction_calls import TransactionDescription

_COLUMNS: Final = (
    "transactional_id",
    "coordinator_id",
    "producer_id",
    "producer_epoch",
    "state",
    "timeout_ms",
    "start_time",
    "duration_ms",
    "partitions",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("transactional_ids", metavar="ID", nargs="+", help="one transactional id or several")
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    async def report(admin: AdminClient) -> Report:
        outcomes = await admin.describe_transactions(list(dict.fromkeys(options.transactional_ids)))
        now_ms = time.time_ns() // 1_000_000
        is_json = options.output == JSON
        rows = [_row(found, now_ms, is_json=is_json) for found in outcomes.done.values()]
        lines = json_lines(rows) if is_json else table_lines(_COLUMNS, rows) if rows else []
        refused = outcomes.refused.items()
        failures = [
            failed(f'transactional id "{name}" cannot be described', error, "`odradek transaction list` shows what there is")
            for name, error in refused
        ]
        return Report(lines, failures, len(rows))

    return look(options, report)


def _row(found: TransactionDescription, now_ms: int, *, is_json: bool) -> dict[str, object]:
    start_ms = found.start_ms
    return {
        "transactional_id": found.transactional_id,
        "coordinator_id": found.coordinator_id,
        "producer_id": found.producer_id,
        "producer_epoch": found.producer_epoch,
        "state": found.state,
        "timeout_ms": found.timeout_ms,
        "start_time": None if start_ms is None else iso_text(start_ms) if is_json else local_text(start_ms),
        "duration_ms": None if start_ms is None else max(now_ms - start_ms, 0),
        "partitions": as_data(found.partitions) if is_json else compact(found.partitions),
    }
