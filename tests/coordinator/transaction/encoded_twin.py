"""Holds the decisions of a shard that come as batches to those that come as outcomes: asked for the same, a twin must say the same.

The twin has the transactions of the shard before it is asked; nobody changes a transaction, so they share them.
"""

from __future__ import annotations

from odradek.coordinator.shard import Encoded, Moment, Outcome
from odradek.coordinator.transaction.producer_requests import EndRequest, ProducerRequest
from odradek.coordinator.transaction.settings import TransactionSettings
from odradek.coordinator.transaction.shard import MarkersDue, TransactionShard
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.coordinator.transaction.transaction_fields import fields_of

Producer = tuple[int, int]


class EncodedTwin:
    """A shard as another one is now. Whatever is checked, the other one has decided, and taken in, already."""

    def __init__(self, shard: TransactionShard, image: MetadataImage, now: Moment) -> None:
        self._other = shard
        self.shard = TransactionShard(TransactionSettings)
        self.shard.on_loaded(image, now)
        self.shard._transactions.update({transaction.transactional_id: transaction for transaction in shard})
        self._now = now

    def check_join(self, name: str, producer: Producer, places: frozenset[tuple[str, int]], client_version: int, outcome: Outcome) -> None:
        """`outcome` is what `add_partitions` has said."""
        encoded = self.shard.add_partitions_encoded(name, producer, places, client_version, self._now)
        assert (encoded is not None) == bool(outcome.records)
        self._check(name, encoded, outcome)

    def check_end(self, name: str, producer: Producer, outcome: Outcome, *, is_commit: bool, client_version: int) -> None:
        """`outcome` is what `end` has said. An end that takes another producer id is not for the short way."""
        request = EndRequest(ProducerRequest(0, 0, name, *producer), is_commit)
        encoded = self.shard.end_encoded(request, client_version, self._now)
        before = self.shard.get(name)
        assert (encoded is not None) == (bool(outcome.records) and before is not None and not before.is_epoch_exhausted)
        self._check(name, encoded, outcome)
        if encoded is not None:
            ((_, response),) = outcome.answers
            assert isinstance(response, EndTxnResponse)
            assert (response.producer_id, response.producer_epoch) == (request.next_producer_id, request.next_epoch)

    def check_markers(self, due: MarkersDue, outcome: Outcome) -> None:
        """`outcome` is what `markers_written` has said."""
        encoded = self.shard.markers_written_encoded(due, self._now)
        assert (encoded is not None) == bool(outcome.records)
        self._check(due.transactional_id, encoded, outcome)

    def _check(self, name: str, encoded: Encoded | None, outcome: Outcome) -> None:
        if encoded is None:
            return
        wall_ms = self._now.wall_ms
        records = [Record(0, wall_ms, record.encoded_key(), record.encoded_value()) for record in outcome.records]
        assert encoded.batch == encode_batch(records)
        encoded.take_in(0)
        assert fields_of(self.shard.get(name)) == fields_of(self._other.get(name))
        assert [fields_of(deed.ended) for deed in encoded.deeds if isinstance(deed, MarkersDue)] == [
            fields_of(deed.ended) for deed in outcome.deeds if isinstance(deed, MarkersDue)
        ]
