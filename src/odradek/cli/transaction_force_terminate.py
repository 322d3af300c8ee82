"""`odradek transaction force-terminate`: ends the open transaction of a transactional id, whoever has it
(`kafka-transactions forceTerminateTransaction`, KIP-939).

The coordinator gives the id to nobody: its producer is fenced, and its transaction aborted, one that was prepared for two-phase commit too.
"""

from __future__ import annotations

import argparse

from odradek.cli.cluster_command import Report, add_change_arguments, add_cluster_arguments, change, failed, is_wanted, not_wanted
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.cli.table import lines_of
from odradek.client.admin.admin_client import AdminClient
from odradek.client.errors import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("transactional_id", metavar="ID", nargs="?", help="the transactional id")
    parser.add_argument("--transactional-id", "--transactionalId", dest="named_id", metavar="ID", help="the same, as Kafka's tool takes it")
    add_cluster_arguments(parser)
    add_change_arguments(parser)


def run(options: argparse.Namespace) -> int:
    if (options.transactional_id is None) == (options.named_id is None):
        raise CommandFailed("which transactional id? name one", code=ExitCode.WRONG_USAGE)
    transactional_id: str = options.transactional_id if options.transactional_id is not None else options.named_id

    async def deed(admin: AdminClient) -> Report:
        # The coordinator would make up an id that it does not know; a name that was mistyped shall not become one.
        try:
            found = (await admin.describe_transactions([transactional_id])).single()
        except Refused as error:
            raise failed(f'transactional id "{transactional_id}" is not terminated', error) from error
        row = {"transactional_id": transactional_id, "state": found.state, "producer_id": found.producer_id}
        columns = ("transactional_id", "state", "producer_id", "producer_epoch", "result")
        if options.dry_run:
            shown = row | {"producer_epoch": found.producer_epoch, "result": "would be terminated"}
            return Report(lines_of(options.output, columns, [shown]))
        if not is_wanted(options, f"Fence the producer of {transactional_id} and abort its transaction ({found.state})?"):
            return not_wanted()
        try:
            fenced = await admin.fence_producer(transactional_id)
        except Refused as error:
            raise failed(f'transactional id "{transactional_id}" is not terminated', error) from error
        after = row | {"producer_id": fenced.producer_id, "producer_epoch": fenced.producer_epoch, "result": "terminated"}
        return Report(lines_of(options.output, columns, [after]))

    return change(options, deed)
