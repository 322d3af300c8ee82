"""Transactions of metadata records: what stands between a Begin and an End becomes visible at once, or with an Abort never (KIP-868).

Batches are atomic by themselves; a transaction joins several. A reader feeds records in order and gets back those that are now in force.
"""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.errors import CorruptRecords
from odradek.metadata.record_codec import MetadataRecord

BEGIN = "BeginTransactionRecord"
END = "EndTransactionRecord"
ABORT = "AbortTransactionRecord"


class MetadataTransactions:
    """Holds back the records of the open transaction."""

    __slots__ = ("_held_back",)

    def __init__(self) -> None:
        self._held_back: list[MetadataRecord] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._held_back is not None

    def feed(self, record: MetadataRecord) -> Sequence[MetadataRecord]:
        """The records that came into force by `record`.

        Raises:
            CorruptRecords: the record begins a second transaction, or ends one that nobody began.
        """
        if record.NAME == BEGIN:
            if self._held_back is not None:
                raise CorruptRecords("the metadata log begins a transaction inside another")
            self._held_back = []
            return ()
        if record.NAME in (END, ABORT):
            if self._held_back is None:
                raise CorruptRecords(f"the metadata log holds an {record.NAME} but no transaction was begun")
            ended, self._held_back = self._held_back, None
            return ended if record.NAME == END else ()
        if self._held_back is not None:
            self._held_back.append(record)
            return ()
        return (record,)
