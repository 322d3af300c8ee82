"""What the storage of a node has been told and has answered, as plain lists: the judge of what it may have forgotten.

Everything here is immutable and replaced, so that a moment is kept by keeping the reference: the test that crashes between any two
operations holds hundreds of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from odradek.base.identifiers import TopicPartition, Uuid
from odradek.raft.election_state import ElectionState
from odradek.raft.snapshot_files import SnapshotId
from odradek.records.control import ControlType
from odradek.records.header import BatchHeader
from odradek.storage.log_recovery import marker_in
from odradek.storage.producer_entry import ProducerEntry


class Written(NamedTuple):
    """One batch: where it stands, what it is (by its checksum, which covers neither offset nor epoch), and whose it is."""

    base_offset: int
    last_offset: int
    crc: int
    leader_epoch: int
    timestamp: int
    producer_id: int
    producer_epoch: int
    last_sequence: int
    is_transactional: bool
    marker: ControlType | None
    coordinator_epoch: int


def written(header: BatchHeader, data: bytes, position: int, *, base_offset: int, leader_epoch: int) -> Written:
    """The batch at `position` of `data` as it stands in a log once it has got its offset and epoch."""
    marker = marker_in(data, position) if header.is_control() else None
    return Written(
        base_offset=base_offset,
        last_offset=base_offset + int(header.last_offset_delta),
        crc=int(header.crc),
        leader_epoch=leader_epoch,
        timestamp=int(header.max_timestamp),
        producer_id=int(header.producer_id),
        producer_epoch=int(header.producer_epoch),
        last_sequence=int(header.last_sequence()),
        is_transactional=header.is_transactional(),
        marker=None if marker is None else marker.control_type,
        coordinator_epoch=-1 if marker is None else marker.coordinator_epoch,
    )


class Producer(NamedTuple):
    """What a snapshot keeps of a producer."""

    epoch: int
    last_sequence: int
    last_offset: int
    last_timestamp: int
    coordinator_epoch: int
    transaction_first_offset: int


def producer_in(entry: ProducerEntry) -> Producer:
    """The same of an entry of the log."""
    return Producer(
        int(entry.epoch),
        int(entry.last_sequence()),
        int(entry.last_data_offset()),
        int(entry.last_timestamp),
        int(entry.coordinator_epoch),
        int(entry.transaction_first_offset),
    )


def producers_after(batches: Iterable[Written]) -> dict[int, Producer]:
    """The producers of a log that consists of `batches`, by going through all of them."""
    producers: dict[int, Producer] = {}
    for batch in batches:
        if batch.producer_id < 0:
            continue
        known = producers.get(batch.producer_id, Producer(batch.producer_epoch, -1, -1, -1, -1, -1))
        if known.epoch != batch.producer_epoch:
            known = known._replace(epoch=batch.producer_epoch, last_sequence=-1, last_offset=-1)
        known = known._replace(last_timestamp=batch.timestamp)
        if batch.marker is not None:
            known = known._replace(coordinator_epoch=batch.coordinator_epoch, transaction_first_offset=-1)
        else:
            first = known.transaction_first_offset
            if batch.is_transactional and first < 0:
                first = batch.base_offset
            known = known._replace(last_sequence=batch.last_sequence, last_offset=batch.last_offset, transaction_first_offset=first)
        producers[batch.producer_id] = known
    return producers


class Aborted(NamedTuple):
    """A transaction that was aborted, from its first record to its marker."""

    producer_id: int
    first_offset: int
    last_offset: int


def aborted_in(batches: Iterable[Written]) -> list[Aborted]:
    """The aborted transactions of a log, in the order of their markers."""
    first_offset_of: dict[int, int] = {}
    found = []
    for batch in batches:
        if batch.marker is ControlType.ABORT and batch.producer_id in first_offset_of:
            found.append(Aborted(batch.producer_id, first_offset_of[batch.producer_id], batch.last_offset))
        if batch.marker is not None:
            first_offset_of.pop(batch.producer_id, None)
        elif batch.is_transactional:
            first_offset_of.setdefault(batch.producer_id, batch.base_offset)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLog:
    """One log. `batches` is everything that was ever acknowledged, `attempted` what was under way when the last call failed."""

    topic_id: Uuid
    directory: str
    batches: tuple[Written, ...] = ()
    attempted: tuple[Written, ...] = ()
    flushed_to: int = 0
    # Where the log began when that was last put on the disk, and where somebody last asked it to begin.
    promised_start: int = 0
    asked_start: int = 0

    @property
    def end_offset(self) -> int:
        return self.batches[-1].last_offset + 1 if self.batches else 0

    def attempting(self, *batches: Written) -> KnownLog:
        return replace(self, attempted=batches)

    def acknowledged(self, first_offset: int) -> KnownLog:
        """What was attempted was acknowledged, and stands at `first_offset`.

        A call before it that failed and of which something was there after all has taken the offsets before.
        """
        shift = first_offset - self.attempted[0].base_offset
        assert shift == 0, f"acknowledged at {first_offset}, expected {self.attempted[0].base_offset}"
        return replace(self, batches=self.batches + self.attempted, attempted=())

    def flushed(self, up_to: int) -> KnownLog:
        return replace(self, flushed_to=max(self.flushed_to, up_to))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuorum:
    """The metadata log, its snapshots, and the election state. The attempts are those whose outcome nobody was told."""

    records: tuple[bytes, ...] = ()
    attempted: tuple[bytes, ...] = ()
    flushed_count: int = 0
    snapshots: tuple[SnapshotId, ...] = ()
    attempted_snapshots: tuple[SnapshotId, ...] = ()
    doomed_snapshots: tuple[SnapshotId, ...] = ()
    state: ElectionState = field(default_factory=ElectionState)
    attempted_states: tuple[ElectionState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All of a node's storage at one moment."""

    logs: Mapping[TopicPartition, KnownLog] = field(default_factory=dict)
    # Logs whose creation was asked for and not yet answered; logs that were deleted, the last of each name.
    creating: Mapping[TopicPartition, Uuid] = field(default_factory=dict)
    deleted: Mapping[TopicPartition, KnownLog] = field(default_factory=dict)
    deleting: frozenset[TopicPartition] = frozenset()
    quorum: KnownQuorum = field(default_factory=KnownQuorum)

    def with_log(self, partition: TopicPartition, log: KnownLog) -> Known:
        return replace(self, logs={**self.logs, partition: log})
