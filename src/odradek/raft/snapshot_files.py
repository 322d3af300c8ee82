"""Snapshots of the metadata log as files: `<end offset>-<epoch>.checkpoint` beside the segments (KIP-630; `Snapshots.java`).

A snapshot stands for every record below its end offset. It is a run of batches with offsets of their own, from 0: a control batch
that begins it and names the voters, batches of values, and a control batch that ends it. It is written under another name and renamed
when it is whole and on disk, so that a file with the final name is always complete. `bootstrap.checkpoint` of a log directory has the
same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from odradek.base.errors import CorruptRecords
from odradek.protocol.internal_records.raft import SnapshotHeaderRecord
from odradek.raft.batches import BATCH_SIZE_MAX, read_batches
from odradek.raft.control_records import QuorumHistory, quorum_records, snapshot_footer, snapshot_header
from odradek.records.builder import encode_batch
from odradek.records.control import ControlRecord, ControlType, encode_control_batch
from odradek.records.record import Record
from odradek.storage.filesystem import File, FileSystem

CHECKPOINT_SUFFIX = ".checkpoint"
PARTIAL_SUFFIX = ".checkpoint.part"
# How many values go into one batch of a snapshot: enough to make headers cheap, few enough to be decoded in one go.
VALUES_PER_BATCH = 1024
_NAME = re.compile(r"(\d{20})-(\d{10})\.checkpoint", re.ASCII)


class SnapshotId(NamedTuple):
    """Which records a snapshot stands for: all below `end_offset`, the last of them written in `epoch`."""

    end_offset: int
    epoch: int


BOOTSTRAP_SNAPSHOT = SnapshotId(0, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was read. `quorum` is None when it names neither a protocol level nor voters."""

    last_contained_log_timestamp_ms: int
    quorum: QuorumHistory | None
    values: Sequence[bytes]


def snapshot_name(snapshot_id: SnapshotId) -> str:
    return f"{snapshot_id.end_offset:020d}-{snapshot_id.epoch:010d}{CHECKPOINT_SUFFIX}"


def list_snapshots(filesystem: FileSystem, directory: str) -> list[SnapshotId]:
    """The whole snapshots of a metadata log, oldest first."""
    matches = (_NAME.fullmatch(name) for name in filesystem.list_names(directory))
    return sorted(SnapshotId(int(match[1]), int(match[2])) for match in matches if match is not None)


def encode_snapshot(
    values: Iterable[bytes],
    *,
    epoch: int,
    last_contained_log_timestamp_ms: int,
    now_ms: int,
    quorum: QuorumHistory | None = None,
) -> Iterator[bytes]:
    """The batches of a snapshot, one after the other."""
    opening: list[ControlRecord] = [snapshot_header(last_contained_log_timestamp_ms)]
    if quorum is not None and quorum.kraft_version >= 1 and quorum.voters is not None:
        opening += quorum_records(quorum.kraft_version, quorum.voters)
    yield encode_control_batch(opening, timestamp=now_ms, leader_epoch=epoch)
    offset = len(opening)
    for gathered in _gather(values):
        records = [Record(0, now_ms, None, value) for value in gathered]
        yield encode_batch(records, base_offset=offset, leader_epoch=epoch)
        offset += len(gathered)
    yield encode_control_batch([snapshot_footer()], timestamp=now_ms, base_offset=offset, leader_epoch=epoch)


def write_snapshot(filesystem: FileSystem, directory: str, snapshot_id: SnapshotId, batches: Iterable[bytes]) -> int:
    """Write a whole snapshot and make it durable; its size in bytes.

    Raises:
        OSError: there is no snapshot, and what was begun takes no room any more.
    """
    final_path = f"{directory}/{snapshot_name(snapshot_id)}"
    partial_path = final_path.removesuffix(CHECKPOINT_SUFFIX) + PARTIAL_SUFFIX
    filesystem.unlink(partial_path)
    try:
        size = _write_batches(filesystem.open(partial_path, create=True), batches)
        filesystem.rename(partial_path, final_path)
    except OSError:
        with suppress(OSError):
            filesystem.unlink(partial_path)
        raise
    filesystem.fsync_directory(directory)
    return size


def _write_batches(file: File, batches: Iterable[bytes]) -> int:
    size = 0
    for batch in batches:
        file.append(batch)
        size += len(batch)
    file.fsync()
    return size


def read_snapshot(data: bytes) -> Snapshot:
    """What a snapshot file holds.

    Raises:
        CorruptRecords: it is damaged, does not begin with a header, or is not whole.
    """
    timestamp_ms: int | None = None
    is_ended = False
    quorum: QuorumHistory | None = None
    values: list[bytes] = []
    for batch in read_batches(data):
        if timestamp_ms is None and not batch.control_records:
            raise CorruptRecords("the snapshot does not begin with its header")
        for record in batch.control_records:
            if record.control_type is ControlType.SNAPSHOT_HEADER:
                timestamp_ms = SnapshotHeaderRecord.decode(record.value, 0, 0)[0].last_contained_log_timestamp
            elif record.control_type is ControlType.SNAPSHOT_FOOTER:
                is_ended = True
            else:
                quorum = quorum or QuorumHistory()
                # In a snapshot the voters have no offset of their own; who reads it says where the log takes up.
                quorum.replay(record, quorum.voters_offset)
        values.extend(batch.values)
    if timestamp_ms is None or not is_ended:
        raise CorruptRecords("the snapshot is not whole: its footer is missing")
    return Snapshot(timestamp_ms, quorum, values)


def _gather(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    gathered: list[bytes] = []
    size = 0
    for value in values:
        if len(gathered) == VALUES_PER_BATCH or size + len(value) > BATCH_SIZE_MAX:
            yield gathered
            gathered, size = [], 0
        gathered.append(value)
        size += len(value)
    if gathered:
        yield gathered
