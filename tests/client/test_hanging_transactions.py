"""Which open transactions hang (KIP-664)."""

from __future__ import annotations

from odradek.base.identifiers import TopicPartition
from odradek.client.core.hanging_transactions import OpenTransaction, hanging, open_longer_than
from odradek.client.core.transaction_calls import ProducerDescription, TransactionDescription

FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)
NOW_MS = 1_000_000


def producer(producer_id: int, *, last_timestamp_ms: int, start_offset: int | None) -> ProducerDescription:
    return ProducerDescription(
        producer_id=producer_id,
        producer_epoch=0,
        coordinator_epoch=None,
        last_sequence=0,
        last_timestamp_ms=last_timestamp_ms,
        transaction_start_offset=start_offset,
    )


def described(*partitions: TopicPartition) -> TransactionDescription:
    return TransactionDescription(
        transactional_id="copier",
        coordinator_id=1,
        state="Ongoing",
        producer_id=7,
        producer_epoch=0,
        timeout_ms=60_000,
        start_ms=0,
        partitions=partitions,
    )


def test_candidates_are_open_and_older_than_any_transaction_may_get() -> None:
    old = producer(1, last_timestamp_ms=NOW_MS - 501, start_offset=3)
    young = producer(2, last_timestamp_ms=NOW_MS - 500, start_offset=4)
    closed = producer(3, last_timestamp_ms=0, start_offset=None)

    assert open_longer_than({SECOND: [old], FIRST: [young, closed]}, 500, NOW_MS) == [OpenTransaction(SECOND, old)]


def test_transaction_hangs_unless_its_coordinator_still_means_to_end_it_there() -> None:
    candidate = OpenTransaction(FIRST, producer(7, last_timestamp_ms=0, start_offset=3))

    assert hanging([candidate], {}, {}) == [candidate]
    assert hanging([candidate], {7: "copier"}, {}) == [candidate]
    assert hanging([candidate], {7: "copier"}, {"copier": described(SECOND)}) == [candidate]
    assert hanging([candidate], {7: "copier"}, {"copier": described(FIRST, SECOND)}) == []
