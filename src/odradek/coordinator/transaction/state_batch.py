"""The record of a transactional id as the batch in which it is written: what the generated codec makes of `TransactionLogKey` and
`TransactionLogValue`, and `records.builder` of that. Compiled by mypyc.

Three are written for each transaction. A test holds the bytes to those of the codec.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.coordinator.transaction.transaction import Transaction, TransactionState
from odradek.records.plain_batch import PlainBatch
from odradek.wire.frame_writing import write_length, write_unsigned_varint

NO_SEQUENCE: Final[i64] = -1
KEY_TYPE: Final[i16] = 0
# From this transaction version on records are flexible and know of other producer ids.
FLEXIBLE_SINCE_TRANSACTION_VERSION: Final = 1
# Tagged fields: number and size.
PREVIOUS_PRODUCER_ID_TAG: Final = b"\x00\x08"
NEXT_PRODUCER_ID_TAG: Final = b"\x01\x08"
CLIENT_VERSION_TAG: Final = b"\x02\x02"


def encode_transaction(transaction: Transaction, transaction_version: int, timestamp_ms: i64) -> bytes:
    """The batch of one record that says what `transaction` is; `transaction_version` is the cluster's."""
    key = BytesWriter()
    write_i16_be(key, KEY_TYPE)
    write_name(key, transaction.transactional_id.encode(), False)
    batch = PlainBatch(timestamp_ms)
    batch.add(key.getvalue(), encode_state(transaction, transaction_version >= FLEXIBLE_SINCE_TRANSACTION_VERSION))
    return batch.encoded(NO_SEQUENCE)


def encode_state(transaction: Transaction, is_flexible: bool) -> bytes:
    """The value, in version 1 if it is flexible, else in version 0."""
    out = BytesWriter()
    write_i16_be(out, i16(1 if is_flexible else 0))
    write_i64_be(out, transaction.producer_id)
    write_i16_be(out, i16(transaction.epoch))
    write_i32_be(out, i32(transaction.timeout_ms))
    out.append(int(transaction.state))
    write_partitions(out, transaction, is_flexible)
    write_i64_be(out, transaction.update_ms)
    write_i64_be(out, transaction.start_ms)
    if is_flexible:
        write_tags(out, transaction)
    return out.getvalue()


def write_partitions(out: BytesWriter, transaction: Transaction, is_flexible: bool) -> None:
    """Topics in the order of their names, each with its partitions; null where no transaction has been."""
    if transaction.state is TransactionState.EMPTY:
        write_length(out, -1, is_flexible)
        return
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(transaction.partitions):
        by_topic.setdefault(topic, []).append(index)
    write_length(out, len(by_topic), is_flexible)
    for topic, indexes in by_topic.items():
        write_name(out, topic.encode(), is_flexible)
        write_length(out, len(indexes), is_flexible)
        for index in indexes:
            write_i32_be(out, i32(index))
        if is_flexible:
            out.append(0)


def write_name(out: BytesWriter, name: bytes, is_flexible: bool) -> None:
    if is_flexible:
        write_unsigned_varint(out, len(name) + 1)
    else:
        write_i16_be(out, i16(len(name)))
    out.write(name)


def write_tags(out: BytesWriter, transaction: Transaction) -> None:
    """What differs from its default, by the number of its tag."""
    has_previous = transaction.previous_producer_id != NO_PRODUCER_ID
    has_next = transaction.next_producer_id != NO_PRODUCER_ID
    has_client_version = transaction.client_version != 0
    out.append(int(has_previous) + int(has_next) + int(has_client_version))
    if has_previous:
        out.write(PREVIOUS_PRODUCER_ID_TAG)
        write_i64_be(out, transaction.previous_producer_id)
    if has_next:
        out.write(NEXT_PRODUCER_ID_TAG)
        write_i64_be(out, transaction.next_producer_id)
    if has_client_version:
        out.write(CLIENT_VERSION_TAG)
        write_i16_be(out, i16(transaction.client_version))
