"""Opening a log after a clean stop, after a crash, and with files that are missing, broken or left over (KAFKA-FACTS 2.1)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.storage.checkpoint_file import EpochStart
from odradek.storage.filesystem import File, FileSystem
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.storage.building import LOG_PATH, START_MS, Shelf, idempotent, random_batches, read_values, small_segments


def filled(count: int = 8, *, segment_bytes: int = 500) -> Shelf:
    """A log of several segments, each record with a time and an epoch of its own."""
    shelf = Shelf(small_segments(segment_bytes))
    for index in range(count):
        shelf.append(bytes(100), timestamp=START_MS + index, leader_epoch=1 + index // 3)
    return shelf


def last_log_file(shelf: Shelf) -> str:
    return f"{LOG_PATH}/{[name for name in shelf.names() if name.endswith('.log')][-1]}"


def index_files(log: Log) -> list[tuple[int, list[tuple[int, int]], list[tuple[int, int]]]]:
    return [(segment.base_offset, segment.offset_index.all_entries(), segment.time_index.all_entries()) for segment in log.segments]


def test_clean_restart_keeps_everything() -> None:
    shelf = filled()
    before = (read_values(shelf.log), index_files_after_close(shelf), shelf.log.leader_epochs.entries)

    log = shelf.open(was_clean=True)

    assert (read_values(log), index_files(log), log.leader_epochs.entries) == before
    assert (log.log_end_offset, log.recovery_point) == (8, 8)
    assert shelf.append("next", leader_epoch=3) == 8


def index_files_after_close(shelf: Shelf) -> list[tuple[int, list[tuple[int, int]], list[tuple[int, int]]]]:
    shelf.log.close()
    return index_files(shelf.log)


class CountingFileSystem(MemoryFileSystem):
    """Counts what is read of each file."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.removed: list[str] = []

    def open(self, path: str, *, create: bool = False):  # type: ignore[no-untyped-def]
        self.opened.append(path)
        return super().open(path, create=create)


def test_clean_restart_opens_no_segment_but_the_last() -> None:
    filesystem = CountingFileSystem()
    shelf = Shelf(small_segments(500), filesystem)
    for index in range(20):
        shelf.append(bytes(100), timestamp=START_MS + index)
    shelf.log.close()
    last = f"{shelf.log.segments.active.base_offset:020d}"
    filesystem.opened.clear()

    shelf.open(was_clean=True)

    assert {path.rpartition("/")[2].partition(".")[0] for path in filesystem.opened} == {last}


@pytest.mark.parametrize("excess", [1, 11, 60, 100, 171])
def test_crash_cuts_the_torn_batch_and_nothing_else(excess: int) -> None:
    """Whatever part of the last batch reached the disk: the log ends before it."""
    shelf = filled(7)
    path = last_log_file(shelf)
    file = shelf.filesystem.open(path)
    whole = file.size()
    shelf.append(bytes(100), timestamp=START_MS + 7)
    if file.size() == whole:
        path, whole = last_log_file(shelf), 0
        file = shelf.filesystem.open(path)
    file.truncate(whole + min(excess, file.size() - whole - 1))

    log = shelf.open()

    assert log.log_end_offset == 7
    assert [offset for offset, _ in read_values(log)] == list(range(7))
    assert file.size() == whole
    assert shelf.append("again") == 7


def test_crash_cuts_at_a_bad_checksum_and_drops_the_segments_behind() -> None:
    shelf = filled()
    first = shelf.filesystem.read_bytes(f"{LOG_PATH}/{2:020d}.log")
    damaged = bytearray(first)
    damaged[-1] ^= 0xFF
    shelf.filesystem.write_bytes(f"{LOG_PATH}/{2:020d}.log", bytes(damaged), sync=False)

    log = shelf.open()

    assert log.log_end_offset == 3
    assert log.segments.base_offsets == [0, 2]
    assert log.leader_epochs.entries == [EpochStart(1, 0)]
    assert f"{4:020d}.log.deleted" in shelf.names()


def test_nothing_below_the_recovery_point_is_scanned() -> None:
    shelf = filled()
    shelf.log.flush()
    damaged = bytearray(shelf.filesystem.read_bytes(f"{LOG_PATH}/{0:020d}.log"))
    damaged[-1] ^= 0xFF
    shelf.filesystem.write_bytes(f"{LOG_PATH}/{0:020d}.log", bytes(damaged), sync=False)

    log = shelf.open(recovery_point=8)

    assert log.log_end_offset == 8
    assert log.recovery_point == 8


def test_second_recovery_finds_nothing_to_do() -> None:
    shelf = filled()
    shelf.filesystem.open(last_log_file(shelf)).append(b"half a batch")
    shelf.open()
    names = shelf.names()
    contents = {name: shelf.filesystem.read_bytes(f"{LOG_PATH}/{name}") for name in names}

    shelf.open()

    assert {name: shelf.filesystem.read_bytes(f"{LOG_PATH}/{name}") for name in shelf.names()} == contents


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), segment_bytes=st.integers(700, 4000), interval=st.integers(0, 600), cut=st.integers(0, 400))
def test_rebuilt_indexes_are_those_that_appending_made(seed: int, segment_bytes: int, interval: int, cut: int) -> None:
    shelf = Shelf(small_segments(segment_bytes, interval))
    for data in random_batches(random.Random(seed), 30):
        shelf.append_batch(data)
    values = read_values(shelf.log)
    shelf.log.close()
    made = index_files(shelf.log)
    for name in shelf.names():
        if name.endswith((".index", ".timeindex")):
            content = shelf.filesystem.read_bytes(f"{LOG_PATH}/{name}")
            shelf.filesystem.write_bytes(f"{LOG_PATH}/{name}", content[: cut % (len(content) + 1)], sync=False)

    log = shelf.open()

    assert read_values(log) == values
    log.close()
    assert index_files(log) == made


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("was_clean", [True, False])
def test_missing_index_is_made_anew_even_after_a_clean_stop(suffix: str, was_clean: bool) -> None:
    shelf = filled()
    shelf.log.close()
    made = index_files(shelf.log)
    shelf.filesystem.unlink(f"{LOG_PATH}/{0:020d}{suffix}")

    log = shelf.open(was_clean=was_clean, recovery_point=8)

    assert index_files(log) == made
    assert len(read_values(log)) == 8


def test_index_of_the_last_segment_that_cannot_be_right_is_made_anew() -> None:
    shelf = filled(3, segment_bytes=5000)
    shelf.log.close()
    made = index_files(shelf.log)
    shelf.filesystem.write_bytes(f"{LOG_PATH}/{0:020d}.index", bytes.fromhex("00000001 7fffffff"), sync=False)

    assert index_files(shelf.open(was_clean=True)) == made


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_zeros_that_kafka_had_reserved_in_an_index_do_not_outlive_a_recovery(suffix: str) -> None:
    """A second kill would leave them to Kafka's tools, which take them for entries and the index for corrupt."""
    shelf = filled(3, segment_bytes=5000)
    shelf.log.close()
    path = f"{LOG_PATH}/{0:020d}{suffix}"
    entries = shelf.filesystem.read_bytes(path)
    shelf.filesystem.write_bytes(path, entries + bytes(1200), sync=False)

    log = shelf.open()

    assert entries.startswith(shelf.filesystem.read_bytes(path))
    log.close()
    assert shelf.filesystem.read_bytes(path) == entries


def test_zeros_behind_the_last_batch_are_cut_off() -> None:
    """A file system may have grown the file before it wrote the data."""
    shelf = filled()
    shelf.filesystem.open(last_log_file(shelf)).append(bytes(5000))

    assert shelf.open().log_end_offset == 8


def test_producers_are_rebuilt_from_an_older_snapshot_when_the_newest_is_torn() -> None:
    shelf = Shelf(small_segments())
    for sequence in range(10):
        shelf.append_batch(idempotent(sequence))
    shelf.log.close()
    newest = [name for name in shelf.names() if name.endswith(".snapshot")][-1]
    shelf.filesystem.write_bytes(f"{LOG_PATH}/{newest}", b"\x00\x01torn", sync=False)

    log = shelf.open(was_clean=True)

    assert log.producers.entries[7].last_sequence() == 9
    assert shelf.append_batch(idempotent(10)) == 10


def test_epochs_are_read_from_the_batches_when_their_file_is_lost() -> None:
    shelf = filled()
    epochs = shelf.log.leader_epochs.entries
    shelf.filesystem.write_bytes(f"{LOG_PATH}/leader-epoch-checkpoint", b"0\n3\n1 0", sync=False)

    assert shelf.open().leader_epochs.entries == epochs


def test_epochs_behind_the_log_end_are_forgotten() -> None:
    shelf = filled()
    shelf.log.leader_epochs.assign(9, 8)
    shelf.log.leader_epochs.write_changes()

    assert shelf.open().leader_epochs.latest_epoch == 3


def test_leftovers_of_a_deletion_and_of_an_interrupted_cleaning_are_removed() -> None:
    shelf = filled()
    shelf.log.close()
    for name in (f"{0:020d}.log.deleted", f"{0:020d}.snapshot.deleted", f"{4:020d}.log.cleaned", f"{6:020d}.log.swap", f"{99:020d}.index"):
        shelf.filesystem.write_bytes(f"{LOG_PATH}/{name}", b"x", sync=False)
    before = read_values(shelf.log)

    log = shelf.open(was_clean=True)

    assert read_values(log) == before
    assert not any(name.endswith((".deleted", ".cleaned", ".swap")) or name.startswith(f"{99:020d}") for name in shelf.names())


def test_swap_that_was_agreed_on_is_completed() -> None:
    """A cleaner's new segment replaces those whose offsets it covers."""
    shelf, cleaned = filled(6), filled(6, segment_bytes=5000)
    shelf.log.close()
    cleaned.log.close()
    for suffix in (".log", ".index", ".timeindex"):
        content = cleaned.filesystem.read_bytes(f"{LOG_PATH}/{0:020d}{suffix}")
        shelf.filesystem.write_bytes(f"{LOG_PATH}/{0:020d}{suffix}.swap", content, sync=False)

    log = shelf.open(was_clean=True)

    assert log.segments.base_offsets == [0]
    assert read_values(log) == read_values(cleaned.log)


def test_log_whose_files_are_gone_begins_at_its_log_start() -> None:
    shelf = filled()
    shelf.log.close()

    log = shelf.open(was_clean=True, log_start_offset=50)

    assert (log.log_start_offset, log.log_end_offset) == (50, 50)
    assert shelf.append("a") == 50


def test_stray_snapshots_are_removed_but_for_the_newest() -> None:
    shelf = filled()
    shelf.log.close()
    good = shelf.filesystem.read_bytes(f"{LOG_PATH}/{8:020d}.snapshot")
    for offset in (1, 3, 5):
        shelf.filesystem.write_bytes(f"{LOG_PATH}/{offset:020d}.snapshot", good, sync=False)

    shelf.open(was_clean=True)

    assert [int(name[:20]) for name in shelf.names() if name.endswith(".snapshot")] == [2, 4, 6, 8]


def test_snapshot_that_a_crash_interrupted_at_a_roll_is_whole_after_recovery() -> None:
    """The new segment is there and empty, and the snapshot at its beginning has been made and not written."""
    shelf = Shelf(small_segments())
    shelf.append_batch(idempotent(0, 3))
    shelf.log.roll()
    snapshot = f"{LOG_PATH}/{3:020d}.snapshot"
    whole = shelf.filesystem.read_bytes(snapshot)
    shelf.filesystem.write_bytes(snapshot, b"", sync=False)

    shelf.open()

    assert shelf.filesystem.read_bytes(snapshot) == whole


def test_file_system_protocol_is_what_the_memory_offers() -> None:
    filesystem: FileSystem = MemoryFileSystem()
    filesystem.make_directories("/a")
    file: File = filesystem.open("/a/b", create=True)

    assert file.size() == 0


def test_empty_epoch_in_the_file_does_not_come_back_over_records_of_an_older_one() -> None:
    """The file says more than the log holds; what is appended next corrects it, even where it belongs to an epoch that is known."""
    shelf = filled(2)
    shelf.log.leader_epochs.assign(9, 2)
    shelf.log.leader_epochs.write_changes()
    shelf.open()

    shelf.append("of the old reign", leader_epoch=1)

    assert shelf.open(recovery_point=3).leader_epochs.entries == [EpochStart(1, 0)]
