"""Which open transactions nobody will ever end (KIP-664, `TransactionsCommand.FindHangingTransactionsCommand`).

A partition holds a transaction open until a marker comes. It hangs if it is older than any transaction may get and no coordinator has it
in mind: no transactional id has its producer id, or the one that has does not name the partition among those that still wait for the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from odradek.base.identifiers import TopicPartition
from odradek.client.core.transaction_calls import ProducerDescription, TransactionDescription


@final
@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What a partition says of a transaction that is open in it."""

    partition: TopicPartition
    producer: ProducerDescription


def open_longer_than(
    producers_by_partition: Mapping[TopicPartition, Iterable[ProducerDescription]], duration_ms: int, now_ms: int
) -> list[OpenTransaction]:
    """The open transactions whose last record is older than `duration_ms`."""
    return [
        OpenTransaction(partition, producer)
        for partition, producers in sorted(producers_by_partition.items())
        for producer in producers
        if producer.transaction_start_offset is not None and now_ms - producer.last_timestamp_ms > duration_ms
    ]


def hanging(
    candidates: Iterable[OpenTransaction],
    transactional_id_by_producer_id: Mapping[int, str],
    descriptions: Mapping[str, TransactionDescription],
) -> list[OpenTransaction]:
    """Those of the candidates that no coordinator will end; `descriptions` lacks ids that have gone meanwhile."""
    found = []
    for candidate in candidates:
        transactional_id = transactional_id_by_producer_id.get(candidate.producer.producer_id)
        description = None if transactional_id is None else descriptions.get(transactional_id)
        if description is None or candidate.partition not in description.partitions:
            found.append(candidate)
    return found
