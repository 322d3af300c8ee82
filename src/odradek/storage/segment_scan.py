"""Going through all batches of a segment after a crash: which are good, and what follows from them.

Recovery is bound by reading and checksums, so what happens per batch is compiled and makes objects only for batches of producers that
carry more than data. The blocks come from `log_recovery`, which knows files; here a block is bytes. What a batch means for the segment's
end and indexes goes straight to `SegmentEnd`, what it means for an ordinary producer straight to its entry; the beginnings of leader
epochs are gathered, and transactions are the owner's.

A batch is good if its size, magic and checksum are right and its offsets go on where the last one's ended. The scan is over with the
first that is not (`LogSegment.recover`).
"""

from __future__ import annotations

from typing import Final, Protocol, final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.records.header import (
    ATTRIBUTES_POSITION,
    CONTROL_FLAG,
    CURRENT_MAGIC,
    HEADER_SIZE,
    LENGTH_END,
    MAGIC_POSITION,
    MAX_TIMESTAMP_POSITION,
    SEQUENCE_MAX,
    TRANSACTIONAL_FLAG,
    batch_size_at,
    is_crc_right,
)
from odradek.storage.batch_walk import LAST_OFFSET_DELTA_POSITION
from odradek.storage.log_tail import INT32_MAX, SegmentEnd
from odradek.storage.producer_entry import ProducerEntry

LEADER_EPOCH_POSITION: Final[i64] = 12
PRODUCER_ID_POSITION: Final[i64] = 43
PRODUCER_EPOCH_POSITION: Final[i64] = 51
BASE_SEQUENCE_POSITION: Final[i64] = 53


class ScanOwner(Protocol):
    """What the scan leaves to recovery."""

    def begin_transaction(self, producer_id: int, first_offset: int) -> None: ...

    def note_marker(self, block: bytes, start: int) -> None:
        """A control batch of a producer begins at `start` of `block`."""
        ...


@final
class SegmentScan:
    """The scan of the segment that begins at `base_offset`. `producers` stand at its beginning, and follow."""

    __slots__ = ("base_offset", "end", "epoch_starts", "is_over", "latest_epoch", "next_offset", "owner", "producers")

    def __init__(self, owner: ScanOwner, base_offset: i64, end: SegmentEnd, producers: dict[int, ProducerEntry], latest_epoch: i64) -> None:
        self.owner = owner
        self.base_offset = base_offset
        self.end = end
        self.producers = producers
        self.latest_epoch = latest_epoch
        self.next_offset = base_offset
        # (leader epoch, first offset) of each epoch above those that were known.
        self.epoch_starts: list[tuple[int, int]] = []
        self.is_over = False

    def take(self, block: bytes) -> i64:
        """Account for the good batches from the beginning of `block` on; how many bytes they have.

        What is left is the beginning of a batch, unless the scan is over.
        """
        index: i64 = 0
        limit: i64 = len(block)
        while True:
            size = batch_size_at(block, index, limit)
            if size == 0:
                return index
            if size < HEADER_SIZE or i64(block[index + MAGIC_POSITION]) != CURRENT_MAGIC or not is_crc_right(block, index, size):
                self.is_over = True
                return index
            base_offset = read_i64_be(block, index)
            last_offset_delta = i64(read_i32_be(block, index + LAST_OFFSET_DELTA_POSITION))
            last_offset = base_offset + last_offset_delta
            if base_offset < self.next_offset or last_offset - self.base_offset > INT32_MAX:
                self.is_over = True
                return index
            self.end.note_batch(last_offset, read_i64_be(block, index + MAX_TIMESTAMP_POSITION), size)
            leader_epoch = i64(read_i32_be(block, index + LEADER_EPOCH_POSITION))
            if leader_epoch > self.latest_epoch:
                self.latest_epoch = leader_epoch
                self.epoch_starts.append((leader_epoch, base_offset))
            producer_id = read_i64_be(block, index + PRODUCER_ID_POSITION)
            if producer_id >= 0:
                self._replay(block, index, producer_id, base_offset, last_offset_delta)
            self.next_offset = last_offset + 1
            index += size

    def _replay(self, block: bytes, index: i64, producer_id: i64, base_offset: i64, last_offset_delta: i64) -> None:
        attributes = i64(read_i16_be(block, index + ATTRIBUTES_POSITION))
        if attributes & CONTROL_FLAG != 0:
            self.owner.note_marker(block, index)
            return
        epoch = i64(read_i16_be(block, index + PRODUCER_EPOCH_POSITION))
        entry = self.producers.get(producer_id)
        if entry is None:
            entry = ProducerEntry(producer_id, epoch)
            self.producers[producer_id] = entry
        base_sequence = i64(read_i32_be(block, index + BASE_SEQUENCE_POSITION))
        last_sequence: i64 = -1
        if base_sequence >= 0:
            last_sequence = (base_sequence + last_offset_delta) & SEQUENCE_MAX
        max_timestamp = read_i64_be(block, index + MAX_TIMESTAMP_POSITION)
        entry.add_batch(epoch, last_sequence, base_offset + last_offset_delta, last_offset_delta, max_timestamp)
        if attributes & TRANSACTIONAL_FLAG != 0 and entry.transaction_first_offset < 0:
            entry.transaction_first_offset = base_offset
            self.owner.begin_transaction(producer_id, base_offset)


def size_announced(rest: bytes) -> i64:
    """The size that the batch at the beginning of `rest` says it has, 0 where too little of it is there to know."""
    if len(rest) < LENGTH_END:
        return 0
    return i64(read_i32_be(rest, 8)) + LENGTH_END
