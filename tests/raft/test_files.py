"""What a replica keeps on disk: election state, snapshots, batches; and when snapshots come and go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import Uuid
from odradek.raft.batches import pack, read_batches
from odradek.raft.control_records import QuorumHistory
from odradek.raft.election_state import ElectionState
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import SnapshotId, encode_snapshot, list_snapshots, read_snapshot, snapshot_name, write_snapshot
from odradek.raft.snapshot_schedule import (
    AFTER_START_MS,
    REPLAYED_BYTES_MAX,
    KeptSnapshot,
    SnapshotSchedule,
    SnapshotSettings,
    snapshots_to_delete,
)
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet
from odradek.storage.memory_filesystem import MemoryFileSystem

DIRECTORY_ID = Uuid(b"\x09" * 16)
VOTERS = VoterSet.of([Voter(key=VoterKey(1, DIRECTORY_ID), endpoints=(VoterEndpoint("CONTROLLER", "127.0.0.1", 9093),))])


def test_election_state_is_written_as_kafka_writes_it() -> None:
    """The very lines of a 4.3.1 node."""
    led = ElectionState(epoch=1, leader_id=1)

    assert led.to_json(1, [1]) == (
        '{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}'
    )
    assert led.to_json(0, [1]) == (
        '{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}'
    )


@given(
    st.builds(
        ElectionState,
        epoch=st.integers(0, 2**31 - 1),
        leader_id=st.integers(-1, 5),
        voted=st.none() | st.builds(VoterKey, st.integers(0, 5), st.binary(min_size=16, max_size=16).map(Uuid)),
    )
)
def test_election_state_is_read_as_it_was_written(state: ElectionState) -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")
    file = QuorumStateFile(filesystem, "/log")

    file.write(state, 1, VOTERS)

    assert file.read() == state


def test_replica_that_never_took_part_has_no_epoch() -> None:
    assert QuorumStateFile(MemoryFileSystem(), "/log").read() == ElectionState()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"leaderId":"x","leaderEpoch":1,"votedId":-1}'])
def test_damaged_election_state_is_said(text: str) -> None:
    with pytest.raises(CorruptRecords):
        ElectionState.from_json(text)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=40), st.integers(0, 2**31 - 1))
def test_snapshot_is_read_as_it_was_written(values: list[bytes], epoch: int) -> None:
    quorum = QuorumHistory(kraft_version=1, voters=VOTERS)
    data = b"".join(encode_snapshot(values, epoch=epoch, last_contained_log_timestamp_ms=5, now_ms=6, quorum=quorum))

    snapshot = read_snapshot(data)

    assert snapshot.values == values
    assert snapshot.last_contained_log_timestamp_ms == 5
    assert snapshot.quorum == quorum
    assert {batch.epoch for batch in read_batches(data)} == {epoch}


def test_offsets_in_a_snapshot_begin_at_zero_and_have_no_gaps() -> None:
    data = b"".join(encode_snapshot([b"v"] * 3000, epoch=2, last_contained_log_timestamp_ms=0, now_ms=0))

    batches = list(read_batches(data))

    assert [batch.base_offset for batch in batches] == [0, 1, 1025, 2049, 3001]
    assert [batch.next_offset for batch in batches[:-1]] == [batch.base_offset for batch in batches[1:]]


def test_snapshot_without_its_end_is_damaged() -> None:
    batches = list(encode_snapshot([b"v"], epoch=2, last_contained_log_timestamp_ms=0, now_ms=0))

    with pytest.raises(CorruptRecords):
        read_snapshot(b"".join(batches[:-1]))


def test_snapshot_has_its_final_name_only_when_it_is_whole() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")

    def interrupted() -> list[bytes]:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_snapshot(filesystem, "/log", SnapshotId(7, 1), (batch for _ in range(1) for batch in interrupted()))
    assert list_snapshots(filesystem, "/log") == []

    write_snapshot(filesystem, "/log", SnapshotId(7, 1), encode_snapshot([], epoch=1, last_contained_log_timestamp_ms=0, now_ms=0))
    assert list_snapshots(filesystem, "/log") == [SnapshotId(7, 1)]
    assert snapshot_name(SnapshotId(7, 1)) == "00000000000000000007-0000000001.checkpoint"
    assert filesystem.list_names("/log") == [snapshot_name(SnapshotId(7, 1))]


def test_decisions_share_a_batch_but_none_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odradek.raft.batches.BATCH_SIZE_MAX", 10)

    batches = pack([[b"aaaa"], [b"bbbb"], [], [b"cccc", b"dddd", b"eeee"], [b"f"]], timestamp_ms=1)

    assert [batch.record_count for batch in batches] == [2, 3, 1]


def test_snapshot_is_due_by_bytes_or_by_time_but_not_for_nothing() -> None:
    schedule = SnapshotSchedule(SnapshotSettings(record_bytes_between_snapshots_max=100, interval_ms_max=1000), now_ms=0)

    assert not schedule.is_due(5000)
    schedule.on_records(99)
    assert not schedule.is_due(999)
    assert schedule.is_due(1000)
    schedule.on_records(1)
    assert schedule.is_due(0)
    schedule.on_snapshot(0)
    assert not schedule.is_due(5000)


def test_snapshot_is_due_soon_after_a_start_that_had_to_read_much() -> None:
    schedule = SnapshotSchedule(SnapshotSettings(), now_ms=0)
    schedule.on_records(REPLAYED_BYTES_MAX)
    schedule.on_start(now_ms=10)

    assert not schedule.is_due(10 + AFTER_START_MS - 1)
    assert schedule.is_due(10 + AFTER_START_MS)
    schedule.on_snapshot(10 + AFTER_START_MS)
    schedule.on_records(100)
    assert not schedule.is_due(10 + 2 * AFTER_START_MS)


def test_start_that_read_little_needs_no_snapshot() -> None:
    schedule = SnapshotSchedule(SnapshotSettings(), now_ms=0)
    schedule.on_records(REPLAYED_BYTES_MAX - 1)
    schedule.on_start(now_ms=10)

    assert not schedule.is_due(10 + 2 * AFTER_START_MS)


def test_old_snapshots_go_but_never_the_newest() -> None:
    settings = SnapshotSettings(retention_bytes=100, retention_ms=1000)
    kept = [KeptSnapshot(SnapshotId(offset, 1), 40, offset) for offset in (0, 10, 20)]

    assert snapshots_to_delete(kept, 30, settings, now_ms=500) == [SnapshotId(0, 1), SnapshotId(10, 1)]
    assert snapshots_to_delete(kept, 0, SnapshotSettings(retention_bytes=0, retention_ms=1000), now_ms=1005) == [SnapshotId(0, 1)]
    assert snapshots_to_delete(kept[-1:], 10**9, settings, now_ms=10**9) == []
