"""Whether what is found after a crash is what was promised: the storage on one side, `model.Known` on the other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from odradek.base.clock import ManualClock
from odradek.base.identifiers import ZERO_UUID, TopicPartition
from odradek.raft.snapshot_files import SnapshotId
from odradek.records.batch import iterate_batches
from odradek.records.header import is_crc_right
from odradek.storage.file_names import DELETED_SUFFIX
from odradek.storage.log import Log
from odradek.testing.disk_operations import CHANGES, Operation, Step
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.faults.life import PATHS, Life
from tests.storage.faults.model import Known, KnownLog, KnownQuorum, Written, aborted_in, producer_in, producers_after, written

# What stands for the topic id of a log whose `partition.metadata` a power cut took before it was waited for.
NO_TOPIC = (None, ZERO_UUID)


def recover_and_judge(disk: SimulatedDisk, kind: CrashKind, dice: random.Random, known: Known, clock: ManualClock) -> None:
    """Crash `disk`, start, compare; crash again, start again, and make sure that there was nothing left to do."""
    disk.crash(kind, dice)
    life = Life(disk.mount(), clock, known)
    life.start()
    judge(life, kind, known)
    before = contents(disk)
    disk.crash(CrashKind.PROCESS, dice)
    again = Life(disk.mount(), clock, known)
    journal = disk.start_journal()
    again.start()
    disk.stop_journal()
    assert_nothing_to_do(journal)
    assert contents(disk) == before
    judge(again, kind, known)


def judge(life: Life, kind: CrashKind, known: Known) -> None:
    for partition, log in known.logs.items():
        held = life.logs.get(partition)
        if partition in known.deleting and held is None:
            continue
        if held is None:
            assert kind is CrashKind.POWER, f"a process crash has lost the log of {partition}"
            assert not log.flushed_to, f"the log of {partition} is gone, and was durable up to {log.flushed_to}"
            continue
        if held.topic_id in NO_TOPIC:
            assert kind is CrashKind.POWER
            assert not log.flushed_to, f"the log of {partition} was durable and has forgotten its topic"
        elif held.topic_id != log.topic_id:
            _judge_predecessor(partition, held, kind, known)
            continue
        judge_log(held, log, kind)
    for partition in known.deleted:
        held = life.logs.get(partition)
        if held is not None and partition not in known.logs and partition not in known.creating:
            _judge_predecessor(partition, held, kind, known)
    judge_quorum(life, known.quorum, kind)


def _judge_predecessor(partition: TopicPartition, held: Log, kind: CrashKind, known: Known) -> None:
    """A power cut may bring a deleted log back whose removal nobody has waited for, but it has to be known for what it is."""
    assert kind is CrashKind.POWER, f"the deleted log of {partition} has come back"
    assert partition in known.deleted, f"{partition} belongs to topic {held.topic_id!r}"
    assert held.topic_id == known.deleted[partition].topic_id, "a deleted log that cannot be told from a new one"
    living = known.logs.get(partition)
    assert living is None or not living.flushed_to, "a deleted log in place of one that was durable"


def judge_log(log: Log, known: KnownLog, kind: CrashKind) -> None:
    name = log.topic_partition
    assert log.directory.rpartition("/")[0] == known.directory
    floor = known.end_offset if kind is CrashKind.PROCESS else known.flushed_to
    assert log.log_end_offset >= floor, f"{name} ends at {log.log_end_offset}, promised was {floor}"
    ceiling = max(known.promised_start, known.asked_start, known.end_offset if known.asked_start else 0)
    assert log.log_start_offset >= known.promised_start, f"{name} begins at {log.log_start_offset}, promised was {known.promised_start}"
    # Of a log that nobody has waited for, the first segment may be gone and a later one be there.
    assert log.log_start_offset <= ceiling or not floor, f"{name} begins at {log.log_start_offset}, nobody asked for more than {ceiling}"
    visible = batches_in(log)
    kept = _kept(log, known, visible, floor)
    _judge_lookups(log, visible)
    _judge_producers(log, known, kept, kind)
    _judge_epochs(log, visible)
    found = [(aborted.producer_id, aborted.first_offset, aborted.last_offset) for aborted in log.aborted_transactions(0, 1 << 62)]
    wanted = [aborted for aborted in aborted_in(kept) if aborted.last_offset >= log.log_start_offset]
    assert [aborted for aborted in found if aborted[2] >= log.log_start_offset] == wanted, f"{name} has aborted {found}, not {wanted}"


def _kept(log: Log, known: KnownLog, visible: Sequence[Written], floor: int) -> list[Written]:
    """What the log has kept of everything that it was told, records below its start included.

    Of what was promised everything is there. Of the rest the first part is there, in which the end of a segment may be missing: a power cut
    can take the unsynced tail of one file and leave the next file alone, and Kafka goes on behind such a gap as we do.
    """
    told = known.batches + known.attempted
    before = [batch for batch in told if batch.last_offset < log.log_start_offset]
    kept = [*before, *visible]
    following = iter(told)
    assert all(any(batch == other for other in following) for batch in kept), f"{log.topic_partition} holds {kept}, was told {told}"
    promised = range(max(known.asked_start, log.log_start_offset), floor)
    assert [batch for batch in told if batch.last_offset in promised] == [batch for batch in kept if batch.last_offset in promised]
    bases = log.segments.base_offsets
    for earlier, later in pairwise(kept):
        assert later.base_offset in (earlier.last_offset + 1, *bases), f"{log.topic_partition} has a hole before {later}"
    end = visible[-1].last_offset + 1 if visible else log.log_start_offset
    assert log.log_end_offset in (end, bases[-1]), f"{log.topic_partition} ends at {log.log_end_offset}, its last batch before {end}"
    return kept


def batches_in(log: Log) -> list[Written]:
    """Every batch from the log start on, each with its checksum verified."""
    found: list[Written] = []
    position = log.log_start_offset
    while True:
        piece = log.read(position, 700)
        if not piece.size:
            return found
        data = piece.read()
        for item in iterate_batches(data):
            assert is_crc_right(data, item.position, item.header.size), f"a damaged batch was served at {item.header.base_offset}"
            found.append(
                written(
                    item.header,
                    data,
                    item.position,
                    base_offset=int(item.header.base_offset),
                    leader_epoch=int(item.header.partition_leader_epoch),
                )
            )
        assert piece.next_offset > position
        position = piece.next_offset


def _judge_lookups(log: Log, visible: Sequence[Written]) -> None:
    """Every offset and every timestamp leads to its batch, as a search without an index would."""
    for batch in visible:
        offset = max(batch.base_offset, log.log_start_offset)
        first = next(iterate_batches(log.read(offset, 1).read()))
        assert int(first.header.base_offset) == batch.base_offset
    for timestamp in {batch.timestamp for batch in visible if batch.marker is None}:
        found = log.offset_for_timestamp(timestamp)
        reached = next(batch for batch in visible if batch.timestamp >= timestamp)
        assert found is not None
        assert reached.base_offset <= found.offset <= reached.last_offset


def _judge_producers(log: Log, known: KnownLog, kept: Sequence[Written], kind: CrashKind) -> None:
    """Each producer is remembered as the batches tell it, or as a snapshot does that also knew batches which fell into a hole."""
    found = {int(producer_id): producer_in(entry) for producer_id, entry in log.producers.entries.items()}
    by_batches = producers_after(kept)
    by_snapshot = producers_after(batch for batch in known.batches + known.attempted if batch.base_offset < log.log_end_offset)
    last_offset_of = {batch.producer_id: batch.last_offset for batch in kept}
    for producer_id in found.keys() | by_batches.keys():
        possible = [by_batches.get(producer_id), by_snapshot.get(producer_id)]
        if kind is CrashKind.POWER and last_offset_of.get(producer_id, -1) < log.log_start_offset:
            # Who has no record left in the log may be forgotten with the snapshot that knew him.
            possible.append(None)
        assert found.get(producer_id) in possible, (
            f"{log.topic_partition} remembers of {producer_id} {found.get(producer_id)}, not {possible}"
        )


def _judge_epochs(log: Log, visible: Sequence[Written]) -> None:
    for batch in visible:
        epoch = log.leader_epochs.epoch_for_offset(max(batch.base_offset, log.log_start_offset))
        assert epoch == batch.leader_epoch, f"{log.topic_partition} has epoch {epoch} at {batch}: {log.leader_epochs.entries}"
    if visible and visible[-1].last_offset + 1 == log.log_end_offset:
        assert log.leader_epochs.latest_epoch == visible[-1].leader_epoch


def judge_quorum(life: Life, known: KnownQuorum, kind: CrashKind) -> None:
    assert life.quorum_file.read() in (known.state, *known.attempted_states)
    snapshots = [kept.id for kept in life.metadata.snapshots()]
    _judge_snapshots(life, known, snapshots)
    values = [value for batch in life.metadata.read(life.metadata.start_offset) for value in batch.values]
    floor = known.flushed_count if kind is CrashKind.POWER else len(known.records)
    expected = known.records + known.attempted
    start, end = life.metadata.start_offset, life.metadata.end_offset
    assert end >= floor, f"the metadata log ends at {end}, promised was {floor}"
    # The first batch may begin before the log start.
    assert values[-(end - start) :] == list(expected[start:end]) if end > start else not values


def _judge_snapshots(life: Life, known: KnownQuorum, found: Sequence[SnapshotId]) -> None:
    assert set(known.snapshots) <= set(found), "a snapshot is gone"
    assert set(found) <= {*known.snapshots, *known.doomed_snapshots, *known.attempted_snapshots}
    records = known.records + known.attempted
    for snapshot_id in found:
        assert life.metadata.read_snapshot(snapshot_id).values == list(records[: snapshot_id.end_offset])
    if life.metadata.start_offset > 0:
        assert any(snapshot_id.end_offset >= life.metadata.start_offset for snapshot_id in found), "no snapshot covers the log start"


def contents(disk: SimulatedDisk) -> dict[str, bytes]:
    """Every file that is on the disk, but for those that only wait for their removal."""
    filesystem = disk.copy().mount()
    found: dict[str, bytes] = {}
    waiting = list(PATHS)
    while waiting:
        directory = waiting.pop()
        for name in filesystem.list_names(directory):
            path = f"{directory}/{name}"
            if filesystem.is_directory(path):
                waiting.append(path)
            elif not name.endswith(DELETED_SUFFIX):
                found[path] = filesystem.read_bytes(path)
    return found


def assert_nothing_to_do(journal: Sequence[Step]) -> None:
    """Nothing was changed but that the removals were finished which the recovery before had put off."""
    changes = [step for step in journal if step.operation in CHANGES]
    touched = [str(step) for step in changes if not (step.operation is Operation.UNLINK and step.path.endswith(DELETED_SUFFIX))]
    assert not touched, f"a second recovery had something to do: {touched}"
