"""Every command: where it is, what `--help` says of it, and two lines to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: the module that runs it, the sentence in `--help`, commands below it, and other names that it answers to."""

    summary: str
    module: str = ""
    verbs: Mapping[str, Entry] | None = None
    examples: Sequence[str] = ()
    aliases: Sequence[str] = ()


COMMANDS: Final[Mapping[str, Entry]] = {
    "up": Entry(
        "start a node here and now; sets up its data directory the first time",
        "odradek.cli.up",
        examples=("odradek up", "odradek up --data ./data --port 19092 --set num.partitions=3"),
    ),
    "start": Entry(
        "start a node that is formatted, from a server.properties",
        "odradek.cli.start",
        examples=("odradek start server.properties", "odradek start server.properties --override log.retention.hours=1"),
    ),
    "storage": Entry(
        "set up and look at data directories",
        verbs={
            "format": Entry(
                "set up the directories of a node, as kafka-storage format does",
                "odradek.cli.storage_format",
                examples=(
                    'odradek storage format --standalone -t "$(odradek storage random-uuid)" -c server.properties',
                    "odradek storage format --standalone --ignore-formatted -t 5L6g3nShT-eMCtK--X86sw -c server.properties",
                ),
            ),
            "info": Entry(
                "what is in the directories of a node",
                "odradek.cli.storage_info",
                examples=("odradek storage info -c server.properties", "odradek storage info --data ./data"),
            ),
            "random-uuid": Entry(
                "print a new random id for a cluster or a directory",
                "odradek.cli.storage_random_uuid",
                examples=("odradek storage random-uuid", 'odradek storage format -t "$(odradek storage random-uuid)" -c server.properties'),
            ),
        },
    ),
    "log": Entry(
        "look into the files of a partition",
        verbs={
            "dump": Entry(
                "print segments, indexes, snapshots and checkpoints",
                "odradek.cli.log_dump",
                examples=("odradek log dump data/orders-0/00000000000000000000.log", "odradek log dump data/__cluster_metadata-0/*.log"),
            ),
        },
    ),
    "group": Entry(
        "look at consumer groups, and move them",
        verbs={
            "list": Entry(
                "the groups of the cluster, and on request how far behind they are",
                "odradek.cli.group_list",
                examples=("odradek group list --lag", "odradek group list --state Empty -o json"),
            ),
            "describe": Entry(
                "how groups stand, and how far they are behind in each partition",
                "odradek.cli.group_describe",
                examples=("odradek group describe readers", "odradek group describe --all-groups -o json"),
            ),
            "members": Entry(
                "who is in groups, and what each member has and shall have",
                "odradek.cli.group_members",
                examples=("odradek group members readers", "odradek group members --all-groups -o json"),
            ),
            "reset-offsets": Entry(
                "set groups that nobody is in to other offsets",
                "odradek.cli.group_reset_offsets",
                examples=(
                    "odradek group reset-offsets readers --topic orders --to-earliest --dry-run",
                    "odradek group reset-offsets readers --all-topics --by-duration 2h --yes",
                ),
            ),
            "delete": Entry(
                "forget groups that nobody is in, and what they have committed",
                "odradek.cli.group_delete",
                examples=("odradek group delete readers --dry-run", "odradek group delete readers --yes"),
            ),
            "delete-offsets": Entry(
                "forget what a group has committed for some topics",
                "odradek.cli.group_delete_offsets",
                examples=(
                    "odradek group delete-offsets readers --topic orders:0 --dry-run",
                    "odradek group delete-offsets readers --topic orders --yes",
                ),
            ),
        },
    ),
    "transaction": Entry(
        "look at transactions, and end those that hang",
        verbs={
            "list": Entry(
                "the transactional ids of the cluster",
                "odradek.cli.transaction_list",
                examples=("odradek transaction list --state Ongoing", "odradek transaction list --running-longer-than 15m -o json"),
            ),
            "describe": Entry(
                "how transactional ids stand, and which partitions wait for their end",
                "odradek.cli.transaction_describe",
                examples=("odradek transaction describe copier", "odradek transaction describe copier -o json"),
            ),
            "describe-producers": Entry(
                "who has written to a partition, and whose transaction is open in it",
                "odradek.cli.transaction_describe_producers",
                examples=(
                    "odradek transaction describe-producers --topic orders --partition 0",
                    "odradek transaction describe-producers --topic orders --partition 0 -o json",
                ),
            ),
            "find-hanging": Entry(
                "transactions that are open in a partition and that nobody will end",
                "odradek.cli.transaction_find_hanging",
                examples=(
                    "odradek transaction find-hanging --topic orders",
                    "odradek transaction find-hanging --broker-id 1 --max-transaction-timeout 1h",
                ),
            ),
            "abort": Entry(
                "end a transaction that hangs in a partition, by an abort marker",
                "odradek.cli.transaction_abort",
                examples=(
                    "odradek transaction abort --topic orders --partition 0 --start-offset 0 --dry-run",
                    "odradek transaction abort --topic orders --partition 0 --start-offset 0 --yes",
                ),
            ),
            "force-terminate": Entry(
                "take a transactional id from whoever has it, and abort its transaction",
                "odradek.cli.transaction_force_terminate",
                examples=("odradek transaction force-terminate copier --dry-run", "odradek transaction force-terminate copier --yes"),
                aliases=("forceTerminateTransaction",),
            ),
        },
    ),
    "version": Entry(
        "which version this is, and which of its modules run compiled",
        "odradek.cli.version",
        examples=("odradek version", "odradek version -o json"),
    ),
}
