"""Making a log durable while it goes on: what each flush waits for, and what counts as durable when it ends.

The disk here keeps account of what was waited for, so that "durable" can be asked for every byte and every name.
"""

from __future__ import annotations

from typing import cast

import pytest

from odradek.storage.filesystem import File
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from tests.storage.building import LOG_PATH, START_MS, Shelf, small_segments


class AccountedFile:
    """A file in memory that tells its file system of every fsync."""

    def __init__(self, file: MemoryFile, waits: list[str], path: str) -> None:
        self._file, self._waits, self._path = file, waits, path

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def fsync(self) -> None:
        self._waits.append(self._path)


class AccountedFileSystem(MemoryFileSystem):
    """`waits` has the path of every fsync, of files and directories, in order."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        super().__init__(lambda: START_MS)
        self.waits: list[str] = []

    def open(self, path: str, *, create: bool = False) -> File:  # type: ignore[override]
        return cast(File, AccountedFile(super().open(path, create=create), self.waits, path))

    def fsync(self, path: str) -> None:
        super().fsync(path)
        self.waits.append(path)

    def fsync_directory(self, path: str) -> None:
        super().fsync_directory(path)
        self.waits.append(path)


def rolled_shelf() -> tuple[Shelf, AccountedFileSystem]:
    """A durable log that has just begun a new segment."""
    filesystem = AccountedFileSystem()
    shelf = Shelf(small_segments(500), filesystem)
    for index in range(4):
        shelf.append(bytes(100), timestamp=START_MS + index)
    shelf.log.flush()
    for index in range(4, 6):
        shelf.append(bytes(100), timestamp=START_MS + index)
    del filesystem.waits[:]
    return shelf, filesystem


def test_flush_that_ends_before_an_earlier_one_has_waited_for_all_it_stands_on() -> None:
    """The name of a new segment is nobody's as long as the flush that found it first has not ended."""
    shelf, filesystem = rolled_shelf()
    first = shelf.log.begin_flush()
    shelf.append("later")
    second = shelf.log.begin_flush()
    assert first is not None
    assert second is not None

    second.run()
    shelf.log.end_flush(second)

    assert shelf.log.recovery_point == 7
    assert LOG_PATH in filesystem.waits
    newest = f"{LOG_PATH}/{4:020d}"
    assert {f"{newest}.log", f"{newest}.index", f"{newest}.timeindex", f"{newest}.snapshot"} <= set(filesystem.waits)


def test_names_are_waited_for_once() -> None:
    shelf, filesystem = rolled_shelf()
    shelf.log.flush()
    assert filesystem.waits.count(LOG_PATH) == 1

    shelf.append("nothing new but this")
    shelf.log.flush()

    assert filesystem.waits.count(LOG_PATH) == 1


def test_flush_that_fails_leaves_the_names_to_be_waited_for() -> None:
    shelf, _ = rolled_shelf()
    assert shelf.log.begin_flush() is not None

    again = shelf.log.begin_flush()

    assert again is not None
    assert again.directory == LOG_PATH


def test_replaced_file_of_epochs_is_waited_for_together_with_its_name() -> None:
    shelf, filesystem = rolled_shelf()
    shelf.log.flush()
    del filesystem.waits[:]

    shelf.append("in a new reign", leader_epoch=2)
    work = shelf.log.begin_flush()

    assert work is not None
    assert filesystem.waits == [], "beginning a flush must not wait for the disk"
    work.run()
    assert filesystem.waits.index(f"{LOG_PATH}/leader-epoch-checkpoint") < filesystem.waits.index(LOG_PATH)
    shelf.log.end_flush(work)
    assert shelf.log.leader_epochs.path_to_sync() is None


def test_epoch_noted_during_a_flush_waits_for_the_next() -> None:
    shelf, _ = rolled_shelf()
    shelf.append("second reign", leader_epoch=2)
    work = shelf.log.begin_flush()
    shelf.append("third reign", leader_epoch=3)
    assert work is not None
    work.run()
    shelf.log.end_flush(work)

    assert shelf.log.leader_epochs.path_to_sync() is not None


@pytest.mark.parametrize("cut_to", [0, 3, 5])
def test_records_that_took_the_place_of_flushed_ones_are_not_durable(cut_to: int) -> None:
    """A follower cut its log and wrote others while the disk was busy with the former ones."""
    shelf, _ = rolled_shelf()
    work = shelf.log.begin_flush()
    assert work is not None
    work.run()

    shelf.log.truncate_to(cut_to)
    _fill_up_to(shelf, 8)
    shelf.log.end_flush(work)

    assert shelf.log.recovery_point <= cut_to
    shelf.log.flush()
    assert shelf.log.recovery_point == 8


def test_log_that_was_emptied_waits_for_the_name_of_its_new_segment() -> None:
    shelf, filesystem = rolled_shelf()
    shelf.log.flush()
    shelf.log.truncate_fully_and_start_at(100)
    shelf.append("the first of the new life")
    del filesystem.waits[:]

    shelf.log.flush()

    assert LOG_PATH in filesystem.waits


def test_clean_stop_writes_where_the_epoch_begins_though_there_is_nothing_to_flush() -> None:
    shelf, filesystem = rolled_shelf()
    shelf.log.high_watermark = shelf.log.log_end_offset
    shelf.log.delete_records_before(shelf.log.log_end_offset)
    del filesystem.waits[:]

    shelf.log.close()

    assert filesystem.read_bytes(f"{LOG_PATH}/leader-epoch-checkpoint") == b"0\n1\n1 6\n"
    assert filesystem.waits.index(f"{LOG_PATH}/leader-epoch-checkpoint") < filesystem.waits.index(LOG_PATH)


def test_lost_file_of_epochs_is_filled_from_all_batches() -> None:
    """A power cut can leave the replaced file empty, and what lies below the recovery point is not scanned otherwise."""
    shelf, filesystem = rolled_shelf()
    shelf.append("second reign", leader_epoch=2)
    shelf.log.flush()
    epochs, recovery_point = shelf.log.leader_epochs.entries, shelf.log.recovery_point
    filesystem.write_bytes(f"{LOG_PATH}/leader-epoch-checkpoint", b"", sync=True)

    reopened = shelf.open(recovery_point=recovery_point)

    assert reopened.leader_epochs.entries == epochs


def _fill_up_to(shelf: Shelf, end: int) -> Log:
    while shelf.log.log_end_offset < end:
        shelf.append("x")
    return shelf.log
