"""`odradek transaction find-hanging`: transactions that hold readers of committed records up, and that nobody will end
(`kafka-transactions find-hanging`).
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, look
from odradek.cli.durations import duration_ms
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.table import JSON, lines_of
from odradek.cli.transaction_describe_producers import producer_row
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.cluster import Cluster
from odradek.client.errors import Refused

# `transaction.max.timeout.ms`: what is younger may still be ended by its producer.
MAX_TRANSACTION_TIMEOUT_DEFAULT: Final = "15m"
_COLUMNS: Final = (
    "topic",
    "partition",
    "producer_id",
    "producer_epoch",
    "coordinator_epoch",
    "transaction_start_offset",
    "last_time",
    "duration_ms",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", help="look in this topic only")
    parser.add_argument("--partition", type=int, help="look in this partition of --topic only")
    parser.add_argument("--broker-id", type=int, metavar="ID", help="look in the partitions that this broker holds, as it knows them")
    parser.add_argument(
        "--max-transaction-timeout",
        type=duration_ms,
        default=MAX_TRANSACTION_TIMEOUT_DEFAULT,
        metavar="TIME",
        help=f"only transactions whose last record is older; default: {MAX_TRANSACTION_TIMEOUT_DEFAULT}",
    )
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    if options.topic is None and options.broker_id is None:
        raise CommandFailed("where to look? add --topic or --broker-id", code=ExitCode.WRONG_USAGE)
    if options.partition is not None and options.topic is None:
        raise CommandFailed("--partition needs --topic", code=ExitCode.WRONG_USAGE)

    async def report(admin: AdminClient) -> Report:
        cluster = await admin.describe_topics(None if options.topic is None else [options.topic])
        now_ms = time.time_ns() // 1_000_000
        found = await admin.hanging_transactions(
            _partitions(options, cluster), older_than_ms=options.max_transaction_timeout, now_ms=now_ms, broker_id=options.broker_id
        )
        rows = [
            {"topic": one.partition.topic, "partition": one.partition.partition}
            | producer_row(one.producer, is_json=options.output == JSON)
            | {"duration_ms": now_ms - one.producer.last_timestamp_ms}
            for one in found
        ]
        return Report(lines_of(options.output, _COLUMNS, rows))

    return look(options, report)


def _partitions(options: argparse.Namespace, cluster: Cluster) -> list[TopicPartition]:
    for topic in cluster.topics.values():
        if topic.error_code != ErrorCode.NONE:
            raise CommandFailed(f'topic "{topic.name}" cannot be described: {Refused(topic.error_code)}')
    found = [
        TopicPartition(topic.name, partition.index)
        for topic in cluster.topics.values()
        for partition in topic.partitions.values()
        if options.partition in (None, partition.index) and (options.broker_id is None or options.broker_id in partition.replica_ids)
    ]
    if options.partition is not None and not found:
        where = "" if options.broker_id is None else f" on broker {options.broker_id}"
        raise CommandFailed(f"there is no partition {TopicPartition(options.topic, options.partition)}{where}")
    return found
