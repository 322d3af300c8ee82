"""Records of `__transaction_state`: one for each transactional id (`TransactionLog.java`)."""

from __future__ import annotations

from typing import Final

from odradek.coordinator.record import CoordinatorRecord, RecordTypes
from odradek.coordinator.transaction.state_batch import FLEXIBLE_SINCE_TRANSACTION_VERSION
from odradek.coordinator.transaction.transaction import Transaction, TransactionState
from odradek.protocol.internal_records.transaction import PartitionsSchema, TransactionLogKey, TransactionLogValue

RECORD_TYPES: Final[RecordTypes] = {0: (TransactionLogKey, TransactionLogValue)}


def record_of(transaction: Transaction, transaction_version: int) -> CoordinatorRecord:
    """The transaction as it is now, which the shard that wrote it knows already."""
    is_flexible = transaction_version >= FLEXIBLE_SINCE_TRANSACTION_VERSION
    partitions: list[PartitionsSchema] | None = None
    if transaction.state is not TransactionState.EMPTY:
        by_topic: dict[str, list[int]] = {}
        for topic, index in sorted(transaction.partitions):
            by_topic.setdefault(topic, []).append(index)
        partitions = [PartitionsSchema(topic=topic, partition_ids=indexes) for topic, indexes in by_topic.items()]
    value = TransactionLogValue(
        producer_id=transaction.producer_id,
        producer_epoch=transaction.epoch,
        transaction_timeout_ms=transaction.timeout_ms,
        transaction_status=transaction.state,
        transaction_partitions=partitions,
        transaction_last_update_timestamp_ms=transaction.update_ms,
        transaction_start_timestamp_ms=transaction.start_ms,
    )
    if is_flexible:
        value.previous_producer_id = transaction.previous_producer_id
        value.next_producer_id = transaction.next_producer_id
        value.client_transaction_version = transaction.client_version
    return CoordinatorRecord(TransactionLogKey(transaction.transactional_id), value, int(is_flexible), is_applied=True)


def tombstone(transactional_id: str) -> CoordinatorRecord:
    """The transactional id is forgotten."""
    return CoordinatorRecord(TransactionLogKey(transactional_id), None, is_applied=True)


def transaction_of(transactional_id: str, value: TransactionLogValue) -> Transaction:
    """The transaction that a record describes."""
    return Transaction(
        transactional_id=transactional_id,
        producer_id=value.producer_id,
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        state=TransactionState(value.transaction_status),
        partitions=frozenset((entry.topic, index) for entry in value.transaction_partitions or () for index in entry.partition_ids),
        start_ms=value.transaction_start_timestamp_ms,
        update_ms=value.transaction_last_update_timestamp_ms,
        client_version=value.client_transaction_version,
    )
