"""Rebuilding what can be lost from what cannot: indexes, producers and epochs from the batches themselves.

`recover_segment` reads a segment whole, checks every checksum, and cuts the file where the first bad or torn batch begins.
`rebuild_producers` reads only headers, from the newest producer snapshot to the end of the log (`LogSegment.recover`,
`UnifiedLog.rebuildProducerState`).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from zlib import crc32

from odradek.base.errors import CorruptRecords
from odradek.config.log_configuration import LogConfiguration
from odradek.records.batch import decode_records
from odradek.records.control import ControlType, EndMarker, control_type_of, end_marker_of
from odradek.records.header import HEADER_SIZE, BatchHeader, parse_header
from odradek.storage.errors import LegacyBatches, room_can_wait
from odradek.storage.filesystem import File
from odradek.storage.leader_epochs import LeaderEpochs
from odradek.storage.producer_states import CompletedTransaction, ProducerStates
from odradek.storage.segment import Segment
from odradek.storage.segment_scan import SegmentScan, size_announced
from odradek.storage.segments import Segments
from odradek.storage.transaction_index import AbortedTransaction

# Read at a time. Large enough that batches of a megabyte are not read twice, small enough that the checksum finds it in a near cache.
RECOVERY_BLOCK_BYTES = 2 << 20

_LEGACY_HEADER = Struct(">qiIB")
# What the checksum covers begins here; the size counts the checksum and all behind it: magic, attributes, and two lengths at least.
_LEGACY_CHECKSUM_END = 16
_LEGACY_SIZE_MIN = 14

# Hears how many bytes more have been scanned. What it raises ends the recovery where it is; the segment's files are as they were.
ScanListener = Callable[[int], None]


def nobody_listens(scanned_bytes: int) -> None:
    return


def recover_segment(
    segment: Segment,
    configuration: LogConfiguration,
    producers: ProducerStates,
    leader_epochs: LeaderEpochs,
    on_scanned: ScanListener = nobody_listens,
) -> int:
    """Scan a segment, make its indexes anew, replay its producers and epochs, and cut off what is bad; how many bytes went.

    `producers` has to stand at the segment's beginning, and stands at its end afterwards. The entries of the indexes wait in memory, as
    after appending: they are written when the segment is left, or flushed.

    Raises:
        LegacyBatches: what would have to be cut off is whole, in a format that this release does not know.
        OSError: the disk failed.
    """
    end = segment.forget_end(0)
    segment.apply_configuration(configuration)
    owner = _SegmentProducers(segment, producers)
    scan = SegmentScan(owner, segment.base_offset, end, producers.entries, leader_epochs.latest_epoch)
    _scan_file(segment.log.file(), scan, on_scanned)
    if is_legacy_batch_at(segment.log.file(), int(end.size)):
        raise LegacyBatches(f"{segment.log.path} has batches of a format before magic 2 at {int(end.size)}: let Kafka write them anew")
    for epoch, start_offset in scan.epoch_starts:
        leader_epochs.assign(epoch, start_offset)
    # A full disk keeps nobody from reading: what is written anew here waits for the first flush, and until then the recovery point stays.
    if scan.epoch_starts:
        with room_can_wait():
            leader_epochs.write_changes()
    with room_can_wait():
        owner.complete_all()
    end.written_size = end.size
    producers.end_offset = int(scan.next_offset)
    return segment.cut_at(segment.size)


def is_legacy_batch_at(file: File, position: int) -> bool:
    """Whether a whole batch of magic 0 or 1 stands there: offset, size, CRC-32 of what follows, magic (`LegacyRecord.java`)."""
    front = file.pread(_LEGACY_HEADER.size, position)
    if len(front) < _LEGACY_HEADER.size:
        return False
    _, size, checksum, magic = _LEGACY_HEADER.unpack(front)
    if magic not in (0, 1) or not _LEGACY_SIZE_MIN <= size <= file.size() - position - _LEGACY_CHECKSUM_END + 4:
        return False
    return crc32(file.pread(size - 4, position + _LEGACY_CHECKSUM_END)) == int(checksum)


def _scan_file(file: File, scan: SegmentScan, on_scanned: ScanListener) -> None:
    """Feed the file to the scan, block by block; each block begins with a batch."""
    position, size = 0, file.size()
    wanted = RECOVERY_BLOCK_BYTES
    while position < size and not scan.is_over:
        block = file.pread(min(wanted, size - position), position)
        taken = int(scan.take(block))
        on_scanned(taken)
        position += taken
        announced = int(size_announced(block[taken : taken + HEADER_SIZE]))
        if announced > size - position or (not taken and announced <= len(block)):
            # Torn: the rest of this batch never reached the disk.
            return
        wanted = max(RECOVERY_BLOCK_BYTES, announced)


class _SegmentProducers:
    """What a scan of one segment finds of transactions. Aborted ones go to the segment's index when the scan is over."""

    __slots__ = ("_aborted", "_producers", "_segment")

    def __init__(self, segment: Segment, producers: ProducerStates) -> None:
        self._segment = segment
        self._producers = producers
        self._aborted: list[AbortedTransaction] = []

    def begin_transaction(self, producer_id: int, first_offset: int) -> None:
        self._producers.begin_transaction(producer_id, first_offset)

    def note_marker(self, block: bytes, start: int) -> None:
        completed = replay_batch(self._producers, parse_header(block, start), block, start)
        if completed is not None:
            aborted = self._producers.complete(completed)
            if aborted is not None:
                self._aborted.append(aborted)

    def complete_all(self) -> None:
        self._segment.transaction_index.replace_all(self._aborted)


def replay_batch(producers: ProducerStates, header: BatchHeader, data: bytes, start: int) -> CompletedTransaction | None:
    """Count a batch that is in the log already; `data` holds it at `start`. The transaction that it ends, if it ends one."""
    if header.producer_id < 0:
        return None
    if not header.is_control():
        producers.replay_data(header)
        return None
    marker = marker_in(data, start)
    return None if marker is None else producers.end_transaction(header, marker, int(header.base_offset))


def marker_in(data: bytes, start: int) -> EndMarker | None:
    """The marker in the control batch at `start`; None if it ends no transaction, or cannot be read.

    Its checksum has been right, so an unreadable marker is of a kind that this release does not know.
    """
    try:
        record = decode_records(data, start)[0]
        if control_type_of(record.key) not in (ControlType.ABORT, ControlType.COMMIT):
            return None
        return end_marker_of(record)
    except (CorruptRecords, IndexError):
        return None


def rebuild_producers(
    producers: ProducerStates, segments: Segments, *, log_start_offset: int, log_end_offset: int, now_ms: int, was_clean: bool = False
) -> None:
    """Bring `producers` to `log_end_offset` from the newest snapshot, and leave snapshots where a later start will want them."""
    if was_clean and not producers.snapshot_offsets:
        # A clean stop that left no snapshot had no producer to remember; reading the whole log would only confirm it.
        producers.end_offset = log_end_offset
        return
    producers.remove_snapshots_beyond(log_end_offset)
    bring_producers(producers, segments, log_start_offset=log_start_offset, log_end_offset=log_end_offset, now_ms=now_ms)


def bring_producers(producers: ProducerStates, segments: Segments, *, log_start_offset: int, log_end_offset: int, now_ms: int) -> None:
    """As `rebuild_producers` when the log goes on behind `log_end_offset`."""
    # Records below the log start are no reader's any more, but what their producers have sent is still the last of it.
    first_offset = min(log_start_offset, segments.first.base_offset) if len(segments) else log_start_offset
    producers.return_to(first_offset, log_end_offset, now_ms)
    if producers.end_offset >= log_end_offset:
        return
    last_bases = segments.base_offsets[-2:]
    for segment in segments.between(producers.end_offset, log_end_offset):
        if segment.base_offset in last_bases and segment.base_offset > producers.end_offset:
            producers.end_offset = segment.base_offset
            producers.renew_snapshot()
        _replay_segment(producers, segment, producers.end_offset, log_end_offset)
    producers.end_offset = log_end_offset
    producers.renew_snapshot()


def _replay_segment(producers: ProducerStates, segment: Segment, first_offset: int, upper_bound: int) -> None:
    for found in segment.batches(first_offset, upper_bound):
        header = found.header
        if header.producer_id < 0:
            continue
        data = segment.log.file().pread(int(header.size), found.position) if header.is_control() else b""
        completed = replay_batch(producers, header, data, 0)
        if completed is not None:
            producers.complete(completed)
