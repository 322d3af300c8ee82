"""`odradek transaction describe-producers`: who has written to a partition (`kafka-transactions describe-producers`)."""

from __future__ import annotations

import argparse
from typing import Final

from odradek.base.identifiers import TopicPartition
from odradek.cli.cluster_command import Report, add_cluster_arguments, add_watch_argument, failed, look
from odradek.cli.durations import iso_text, local_text
from odradek.cli.table import JSON, lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.core.transaction_calls import ProducerDescription
from odradek.client.errors import Refused

_COLUMNS: Final = ("producer_id", "producer_epoch", "coordinator_epoch", "last_sequence", "last_time", "transaction_start_offset")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partition", type=int, required=True)
    parser.add_argument("--broker-id", type=int, metavar="ID", help="ask this broker instead of the partition's leader")
    add_cluster_arguments(parser)
    add_watch_argument(parser)


def run(options: argparse.Namespace) -> int:
    partition = TopicPartition(options.topic, options.partition)

    async def report(admin: AdminClient) -> Report:
        try:
            producers = (await admin.describe_producers([partition], broker_id=options.broker_id)).single()
        except Refused as error:
            raise failed(f"the producers of {partition} cannot be described", error) from error
        is_json = options.output == JSON
        return Report(lines_of(options.output, _COLUMNS, [producer_row(producer, is_json=is_json) for producer in producers]))

    return look(options, report)


def producer_row(producer: ProducerDescription, *, is_json: bool) -> dict[str, object]:
    """A producer as these commands show it."""
    last_ms = producer.last_timestamp_ms
    return {
        "producer_id": producer.producer_id,
        "producer_epoch": producer.producer_epoch,
        "coordinator_epoch": producer.coordinator_epoch,
        "last_sequence": producer.last_sequence,
        "last_time": None if last_ms < 0 else iso_text(last_ms) if is_json else local_text(last_ms),
        "transaction_start_offset": producer.transaction_start_offset,
    }
