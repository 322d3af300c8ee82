"""`odradek transaction abort`: ends a transaction that hangs in a partition (`kafka-transactions abort`).

The leader writes an abort marker for the producer. The coordinator is not asked: for a transaction that it still has in mind this would
break its promise to the producer, so only what `find-hanging` has found is to be ended like this.
"""

from __future__ import annotations

import argparse

from odradek.base.identifiers import TopicPartition
from odradek.cli.cluster_command import Report, add_change_arguments, add_cluster_arguments, change, failed, is_wanted, not_wanted
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.table import lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.errors import Refused

_COLUMNS = ("topic", "partition", "producer_id", "producer_epoch", "coordinator_epoch", "result")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partition", type=int, required=True)
    parser.add_argument("--start-offset", type=int, metavar="OFFSET", help="where the transaction begins, as find-hanging says")
    parser.add_argument("--producer-id", type=int, metavar="ID", help="instead of --start-offset, with both epochs")
    parser.add_argument("--producer-epoch", type=int, metavar="EPOCH")
    parser.add_argument("--coordinator-epoch", type=int, metavar="EPOCH")
    add_cluster_arguments(parser)
    add_change_arguments(parser)


def run(options: argparse.Namespace) -> int:
    by_producer = [options.producer_id, options.producer_epoch, options.coordinator_epoch]
    is_by_producer = None not in by_producer
    if (options.start_offset is not None) == (by_producer != [None, None, None]) or (options.start_offset is None and not is_by_producer):
        raise CommandFailed(
            "which transaction? add --start-offset, or --producer-id with --producer-epoch and --coordinator-epoch",
            code=ExitCode.WRONG_USAGE,
        )
    partition = TopicPartition(options.topic, options.partition)

    async def deed(admin: AdminClient) -> Report:
        producer_id, producer_epoch, coordinator_epoch = (
            by_producer if is_by_producer else await _producer_at(admin, partition, options.start_offset)
        )
        row = {
            "topic": partition.topic,
            "partition": partition.partition,
            "producer_id": producer_id,
            "producer_epoch": producer_epoch,
            # A producer whose first transaction hangs has never been told of a coordinator: 0 is no newer than any there is.
            "coordinator_epoch": max(coordinator_epoch, 0),
        }
        if options.dry_run:
            return Report(lines_of(options.output, _COLUMNS, [row | {"result": "would be aborted"}]))
        if not is_wanted(options, f"Abort the transaction of producer {producer_id} (epoch {producer_epoch}) in {partition}?"):
            return not_wanted()
        try:
            await admin.abort_transaction(
                partition,
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                coordinator_epoch=max(coordinator_epoch, 0),
            )
        except Refused as error:
            raise failed(f"the transaction of producer {producer_id} in {partition} is not aborted", error) from error
        return Report(lines_of(options.output, _COLUMNS, [row | {"result": "aborted"}]))

    return change(options, deed)


async def _producer_at(admin: AdminClient, partition: TopicPartition, start_offset: int) -> tuple[int, int, int]:
    """Id, epoch and coordinator's epoch of the producer whose open transaction begins there; -1 for an epoch that is not known."""
    try:
        producers = (await admin.describe_producers([partition])).single()
    except Refused as error:
        raise failed(f"the producers of {partition} cannot be described", error) from error
    for producer in producers:
        if producer.transaction_start_offset == start_offset:
            coordinator_epoch = producer.coordinator_epoch
            return producer.producer_id, producer.producer_epoch, -1 if coordinator_epoch is None else coordinator_epoch
    raise CommandFailed(
        f"no transaction that is open in {partition} begins at offset {start_offset}",
        help_line=f"odradek transaction describe-producers --topic {partition.topic} --partition {partition.partition}",
    )
