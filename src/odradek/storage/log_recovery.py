"""Rebuilding what can be lost from what cannot: indexes, producers and epochs from the batches themselves.

`recover_segment` reads a segment whole, checks every checksum, and cuts the file where the first bad or torn batch begins.
`rebuild_producers` reads only headers, from the newest producer snapshot to the end of the log (`LogSegment.recover`,
`UnifiedLog.rebuildProducerState`).
"""

from __future__ import annotations

from odradek.base.errors import CorruptRecords
from odradek.config.log_configuration import LogConfiguration
from odradek.records.batch import decode_records
from odradek.records.control import ControlType, EndMarker, control_type_of, end_marker_of
from odradek.records.header import BatchHeader
from odradek.storage.batch_scan import scan_whole
from odradek.storage.leader_epochs import LeaderEpochs
from odradek.storage.log_tail import INT32_MAX
from odradek.storage.producer_states import CompletedTransaction, ProducerStates
from odradek.storage.segment import Segment
from odradek.storage.segments import Segments
from odradek.storage.transaction_index import AbortedTransaction


def recover_segment(segment: Segment, configuration: LogConfiguration, producers: ProducerStates, leader_epochs: LeaderEpochs) -> int:
    """Scan a segment, write its indexes anew, replay its producers and epochs, and cut off what is bad; how many bytes went.

    `producers` has to stand at the segment's beginning, and stands at its end afterwards.
    """
    size = segment.log.file().size()
    end = segment.forget_end(0)
    segment.apply_configuration(configuration)
    next_offset = segment.base_offset
    for found, block, index in scan_whole(segment.log.file(), size):
        header = found.header
        if header.base_offset < next_offset or header.last_offset() - segment.base_offset > INT32_MAX:
            break
        end.note_batch(header.last_offset(), header.max_timestamp, header.size)
        if header.partition_leader_epoch > leader_epochs.latest_epoch:
            leader_epochs.assign(int(header.partition_leader_epoch), int(header.base_offset))
        completed = replay_batch(producers, header, block, index)
        if completed is not None:
            complete_transaction(segment, producers, completed)
        next_offset = int(header.next_offset())
    leader_epochs.write_changes()
    end.written_size = end.size
    producers.end_offset = next_offset
    truncated = segment.cut_at(segment.size)
    segment.leave()
    return truncated


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


def complete_transaction(segment: Segment, producers: ProducerStates, completed: CompletedTransaction) -> None:
    """Let the last stable offset move on, and put an aborted transaction into the segment's index.

    Raises:
        OSError: it is in the index, but not in its file.
    """
    last_stable_offset = producers.last_stable_offset_of(completed)
    producers.complete(completed)
    if completed.is_aborted:
        segment.transaction_index.append(
            AbortedTransaction(
                producer_id=completed.producer_id,
                first_offset=completed.first_offset,
                last_offset=completed.last_offset,
                last_stable_offset=last_stable_offset,
            )
        )


def rebuild_producers(
    producers: ProducerStates, segments: Segments, *, log_start_offset: int, log_end_offset: int, now_ms: int, was_clean: bool = False
) -> None:
    """Bring `producers` to `log_end_offset` from the newest snapshot, and leave snapshots where a later start will want them."""
    if was_clean and not producers.snapshot_offsets:
        # A clean stop that left no snapshot had no producer to remember; reading the whole log would only confirm it.
        producers.end_offset = log_end_offset
        producers.take_snapshot(sync=False)
        return
    producers.reload(log_start_offset, log_end_offset, now_ms)
    if producers.end_offset >= log_end_offset:
        return
    last_bases = segments.base_offsets[-2:]
    for segment in segments.between(producers.end_offset, log_end_offset):
        if segment.base_offset in last_bases and segment.base_offset > producers.end_offset:
            producers.end_offset = segment.base_offset
            producers.take_snapshot(sync=False)
        _replay_segment(producers, segment, max(producers.end_offset, log_start_offset), log_end_offset)
    producers.end_offset = log_end_offset
    producers.take_snapshot(sync=False)


def _replay_segment(producers: ProducerStates, segment: Segment, first_offset: int, upper_bound: int) -> None:
    for found in segment.batches(first_offset, upper_bound):
        header = found.header
        if header.producer_id < 0:
            continue
        data = segment.log.file().pread(int(header.size), found.position) if header.is_control() else b""
        completed = replay_batch(producers, header, data, 0)
        if completed is not None:
            producers.complete(completed)
