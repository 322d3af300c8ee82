"""Opening many logs in pieces: the plan, a stop in between, a disk that fails, and threads that come to the same as one after the other."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from odradek.base.identifiers import TopicPartition, Uuid
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.filesystem import FileSystem, RealFileSystem
from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.log_opening import DirectoryOpening, LogToOpen, OpeningControl, OpeningStopped, busiest_first, look_at
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from tests.storage.building import START_MS, batch, idempotent, random_batches, read_values, small_segments
from tests.storage.test_log_directories import Machine

TOPIC_ID = Uuid(bytes(range(100, 116)))
# A few blocks of a scan: enough that the log is planned, and that a stop can come in the middle.
LARGE_BYTES = 5 << 20


def partition(index: int) -> TopicPartition:
    return TopicPartition("orders", index)


def crashed_machine(*, logs_count: int, large: tuple[int, ...] = (), filesystem: FileSystem | None = None, path: str = "/data") -> Machine:
    """A node whose process was killed; the logs in `large` have megabytes behind their recovery point, and more the higher their index."""
    machine = Machine((path,), filesystem)
    machine.configuration = small_segments(1 << 30)
    logs = machine.start()
    for index in range(logs_count):
        held = logs.create(partition(index), TOPIC_ID, machine.configuration)
        held.append(batch(f"record of {index}"), 1, START_MS)
        size = 0
        while index in large and size < LARGE_BYTES + index * 100_000:
            data = batch(bytes(90_000))
            held.append(data, 1, START_MS)
            size += len(data)
    for directory in logs.directories:
        directory.release()
    return machine


def opening_of(machine: Machine) -> tuple[LogDirectories, DirectoryOpening]:
    logs = machine.look()
    (opening,) = logs.begin_opening(lambda topic: machine.configuration)
    return logs, opening


def test_plan_begins_with_the_longest_scan_and_leaves_out_what_is_open() -> None:
    machine = crashed_machine(logs_count=5, large=(1, 3))
    _, opening = opening_of(machine)

    for portion in opening.portions():
        look_at(portion, OpeningControl())

    assert [waiting.topic_partition.partition for waiting in opening.plan()] == [3, 1]
    assert all(waiting.bytes_to_scan > LARGE_BYTES for waiting in opening.plan())
    assert [found.topic_partition.partition for found in opening.logs if found.log is not None] == [0, 2, 4]


def test_equal_scans_are_in_the_order_of_their_names() -> None:
    machine = crashed_machine(logs_count=3)
    _, opening = opening_of(machine)

    assert [found.topic_partition.partition for found in busiest_first(reversed(opening.logs))] == [0, 1, 2]


def test_only_what_lies_behind_the_recovery_point_is_foreseen() -> None:
    machine = Machine()
    logs = machine.start()
    held = logs.create(partition(0), TOPIC_ID, machine.configuration)
    for number in range(30):
        held.append(batch(bytes(100)), 1, START_MS + number)
    held.flush(held.segments.active.base_offset)
    logs.checkpoint(Checkpoint.RECOVERY_POINTS)
    active_size = held.segments.active.size
    for directory in logs.directories:
        directory.release()
    _, opening = opening_of(machine)

    opening.logs[0].survey()

    assert 0 < opening.logs[0].bytes_to_scan <= active_size


def test_clean_logs_are_not_even_looked_at() -> None:
    machine = Machine()
    logs = machine.start()
    logs.create(partition(0), TOPIC_ID, machine.configuration).append(batch("kept"), 1, START_MS)
    logs.close()
    _, opening = opening_of(machine)

    for portion in opening.portions():
        look_at(portion, OpeningControl())

    assert (opening.logs[0].bytes_to_scan, opening.logs[0].bytes_scanned, opening.plan()) == (0, 0, [])


def test_stop_in_the_middle_of_a_scan_changes_nothing_and_the_next_start_recovers() -> None:
    machine = crashed_machine(logs_count=2, large=(1,))
    files_before = contents(machine.filesystem, "/data/orders-1")
    logs, opening = opening_of(machine)
    waiting = opening.logs[1]
    waiting.survey()
    control = StoppingControl(after_checks=2)

    with pytest.raises(OpeningStopped):
        waiting.open(control)

    assert waiting.log is None
    assert 0 < waiting.bytes_scanned < waiting.bytes_to_scan
    assert contents(machine.filesystem, "/data/orders-1") == files_before
    assert machine.crash_and_start(logs).get(partition(1)).log_end_offset > 50  # type: ignore[union-attr]


class StoppingControl(OpeningControl):
    """Stopped by the n-th look at it."""

    __slots__ = ("_checks_left",)

    def __init__(self, after_checks: int) -> None:
        super().__init__()
        self._checks_left = after_checks

    def check(self) -> None:
        self._checks_left -= 1
        if self._checks_left <= 0:
            raise OpeningStopped


def contents(filesystem: FileSystem, directory: str) -> dict[str, bytes]:
    return {name: filesystem.read_bytes(f"{directory}/{name}") for name in filesystem.list_names(directory)}


class WornDisk(MemoryFileSystem):
    """Cannot read the files whose path has `worn` in it."""

    worn = "nothing"

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        if self.worn in path and path.endswith(".log"):
            raise OSError(errno.EIO, "worn out")
        return super().open(path, create=create)


def test_disk_that_fails_takes_its_own_directory_offline_and_no_other() -> None:
    filesystem = WornDisk()
    machine = Machine(("/a", "/b"), filesystem)
    logs = machine.start()
    for index in range(4):
        logs.create(partition(index), TOPIC_ID, machine.configuration).append(batch("kept"), 1, START_MS)
    filesystem.worn = "/a/"

    restarted = machine.crash_and_start(logs)

    assert [directory.is_online for directory in restarted.directories] == [False, True]
    assert all(held.directory.startswith("/b/") for held in restarted if not held.is_offline)
    assert len([held for held in restarted if not held.is_offline]) == 2


def filled_randomly(machine: Machine, seed: int) -> None:
    """Logs of many shapes: segments, producers, epochs, a torn end, a lost index; then the process is killed."""
    dice = random.Random(seed)
    logs = machine.start()
    for index in range(24):
        held = logs.create(partition(index), TOPIC_ID, machine.configuration)
        for number, data in enumerate(random_batches(dice, dice.randrange(0, 30))):
            held.append(data, 1 + number // 10, START_MS + number)
        for number in range(dice.randrange(0, 4)):
            held.append(idempotent(number * 2, 2), 4, START_MS)
        if dice.random() < 0.5:
            held.flush()
        torn = held.segments.active.log.path
        if dice.random() < 0.3:
            machine.filesystem.open(torn).append(dice.randbytes(dice.randrange(1, 90)))
        if dice.random() < 0.3:
            machine.filesystem.unlink(torn.replace(".log", ".index"))
    for directory in logs.directories:
        directory.release()


def shape_of(logs: LogDirectories) -> list[object]:
    """Everything that opening decides about each log."""
    return [
        (
            held.topic_partition,
            held.log_start_offset,
            held.log_end_offset,
            held.recovery_point,
            held.leader_epochs.entries,
            held.segments.base_offsets,
            [(segment.offset_index.all_entries(), segment.time_index.all_entries()) for segment in held.segments],
            sorted((int(entry.producer_id), int(entry.last_sequence())) for entry in held.producers.entries.values()),
            read_values(held),
        )
        for held in sorted(logs, key=by_partition)
    ]


def by_partition(held: Log) -> TopicPartition:
    return held.topic_partition


def open_inline(machine: Machine) -> LogDirectories:
    return machine.start()


def open_in_threads(machine: Machine) -> LogDirectories:
    logs, opening = opening_of(machine)
    control = OpeningControl()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda found: open_one(found, control), opening.logs))
    logs.take_in(opening, opening.logs)
    return logs


def open_one(found: LogToOpen, control: OpeningControl) -> None:
    found.survey()
    found.open(control)


def test_threads_come_to_the_same_as_one_after_the_other(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)

    def outcome(name: str, open_logs: Callable[[Machine], LogDirectories]) -> tuple[list[object], dict[str, dict[str, bytes]]]:
        path = str(tmp_path / name)
        machine = Machine((path,), RealFileSystem())
        filled_randomly(machine, seed)
        logs = open_logs(machine)
        shape = shape_of(logs)
        files = {str(held.topic_partition): contents(machine.filesystem, held.directory) for held in logs}
        logs.close()
        return shape, files

    assert outcome("threads", open_in_threads) == outcome("inline", open_inline), f"seed {seed}"


def test_opened_logs_hold_no_descriptor_and_share_the_files_of_the_node(tmp_path: Path) -> None:
    machine = crashed_machine(logs_count=5, filesystem=RealFileSystem(), path=str(tmp_path / "data"))
    logs = machine.start()

    assert not any(handle.is_open for held in logs for segment in held.segments for handle in segment.handles())
    assert {id(held.place.open_files) for held in logs} == {id(logs._open_files)}
    assert [value for held in sorted(logs, key=by_partition) for _, value in read_values(held)] == [
        f"record of {index}".encode() for index in range(5)
    ]
    logs.close()
