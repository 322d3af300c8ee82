"""The next producer id that nobody holds yet. The controller hands out blocks; each block moves this number (KIP-730)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odradek.protocol.internal_records.metadata import ProducerIdsRecord


@dataclass(frozen=True, slots=True)
class ProducerIdsImage:
    """`next_producer_id` is None until the first block was handed out."""

    next_producer_id: int | None = None

    def records(self) -> Iterator[ProducerIdsRecord]:
        """The record that makes this image out of nothing. Whom the last block went to is not kept: only the number matters."""
        if self.next_producer_id is not None:
            yield ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=self.next_producer_id)


NO_PRODUCER_IDS = ProducerIdsImage()


class ProducerIdsDelta:
    """Records on top of one `ProducerIdsImage`."""

    __slots__ = ("_next_producer_id", "before")

    def __init__(self, before: ProducerIdsImage) -> None:
        self.before = before
        self._next_producer_id = before.next_producer_id

    def replay_producer_ids(self, record: ProducerIdsRecord) -> None:
        self._next_producer_id = record.next_producer_id

    def apply(self) -> ProducerIdsImage:
        """The image after this delta; the very same object when nothing changed."""
        if self._next_producer_id == self.before.next_producer_id:
            return self.before
        return ProducerIdsImage(self._next_producer_id)
