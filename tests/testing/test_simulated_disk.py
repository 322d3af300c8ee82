"""The simulated disk loses what a real one may lose, and nothing else.

What a program sees of it is tested with the real file system in `tests/storage/test_filesystem.py`.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest

from odradek.storage.filesystem import FileSystem
from odradek.testing.disk_faults import CrashBefore, FailFrom, FailOnce, Watch
from odradek.testing.disk_operations import MachineCrashed, Operation
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk

ROUNDS = 300


def empty_disk(**settings: int) -> SimulatedDisk:
    """A disk with the directory `/d`, and everything on it durable."""
    disk = SimulatedDisk(lambda: 1_000, **settings)
    disk.mount().make_directories("/d")
    disk.settle()
    return disk


def found_after_power_cuts(disk: SimulatedDisk, look: Callable[[FileSystem], object]) -> set[object]:
    """What `look` finds after power cuts of many kinds, all at this moment."""
    found = set()
    for seed in range(ROUNDS):
        copy = disk.copy()
        copy.crash(CrashKind.POWER, random.Random(seed))
        found.add(look(copy.mount()))
    return found


def content(filesystem: FileSystem) -> bytes:
    return filesystem.read_bytes("/d/a")


def names(filesystem: FileSystem) -> tuple[str, ...]:
    return tuple(sorted(filesystem.list_names("/d")))


def write_durably(filesystem: FileSystem, path: str, data: bytes) -> None:
    filesystem.write_bytes(path, data, sync=True)
    filesystem.fsync_directory(path.rpartition("/")[0])


def test_killed_process_loses_nothing_and_its_locks() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    filesystem.write_bytes("/d/a", b"written", sync=False)
    assert filesystem.lock("/d/.lock") is not None

    disk.crash(CrashKind.PROCESS, random.Random(1))

    after = disk.mount()
    assert content(after) == b"written"
    assert after.lock("/d/.lock") is not None


def test_dead_process_can_do_nothing_any_more() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    file = filesystem.open("/d/a", create=True)

    disk.crash(CrashKind.PROCESS, random.Random(1))

    for attempt in (lambda: file.append(b"x"), lambda: filesystem.unlink("/d/a"), file.size, lambda: filesystem.exists("/d/a")):
        with pytest.raises(MachineCrashed):
            attempt()


def test_power_cut_keeps_what_was_synced_and_a_torn_part_of_the_rest() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    write_durably(filesystem, "/d/a", b"durable")
    filesystem.open("/d/a").append(b"-rest")

    found = found_after_power_cuts(disk, content)

    assert all(isinstance(data, bytes) and data.startswith(b"durable") for data in found)
    assert {b"durable" + b"-rest"[:size] for size in range(6)} <= found
    assert b"durable" + bytes(5) in found, "the size without the bytes"


def test_sectors_of_an_unsynced_write_reach_the_disk_in_any_order() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    write_durably(filesystem, "/d/a", b"")
    filesystem.open("/d/a").append(b"x" * 2048)

    found = found_after_power_cuts(disk, content)

    assert any(isinstance(data, bytes) and data[:512] == bytes(512) and data.endswith(b"x" * 512) for data in found)


def test_truncation_has_happened_or_not() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    write_durably(filesystem, "/d/a", b"0123456789")
    file = filesystem.open("/d/a")
    file.truncate(4)
    file.append(b"XY")

    found = found_after_power_cuts(disk, content)
    assert {b"0123456789", b"0123", b"0123X", b"0123XY"} <= found

    file.fsync()
    assert found_after_power_cuts(disk, content) == {b"0123XY"}


def test_synced_bytes_of_a_file_whose_name_was_not_synced_may_be_nowhere() -> None:
    disk = empty_disk()
    disk.mount().write_bytes("/d/a", b"x", sync=True)

    assert found_after_power_cuts(disk, names) == {(), ("a",)}


def test_renamed_file_has_one_of_its_names() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    write_durably(filesystem, "/d/a", b"x")
    filesystem.rename("/d/a", "/d/b")
    filesystem.rename("/d/b", "/d/c")

    assert found_after_power_cuts(disk, names) == {("a",), ("b",), ("c",)}

    filesystem.fsync_directory("/d")
    assert found_after_power_cuts(disk, names) == {("c",)}


def test_directory_renamed_with_all_that_is_in_it_is_found_whole() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    filesystem.make_directories("/d/orders-0")
    filesystem.fsync_directory("/d")
    write_durably(filesystem, "/d/orders-0/a", b"x")
    filesystem.rename("/d/orders-0", "/d/gone")

    def look(filesystem: FileSystem) -> object:
        (name,) = filesystem.list_names("/d")
        return name, filesystem.read_bytes(f"/d/{name}/a")

    assert found_after_power_cuts(disk, look) == {("orders-0", b"x"), ("gone", b"x")}


def test_removed_file_may_come_back_until_its_directory_is_synced() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    write_durably(filesystem, "/d/a", b"x")
    filesystem.unlink("/d/a")

    assert found_after_power_cuts(disk, names) == {(), ("a",)}

    filesystem.fsync_directory("/d")
    assert found_after_power_cuts(disk, names) == {()}


def test_synced_replacement_is_found_old_or_new_at_every_operation() -> None:
    """The promise of `FileSystem.replace`, and that a crash can be put between any two operations."""
    disk = empty_disk()
    write_durably(disk.mount(), "/d/a", b"a long old content")
    disk.crash(CrashKind.PROCESS, random.Random(0))
    copies: list[SimulatedDisk] = []
    disk.mount(Watch(lambda *_: copies.append(disk.copy()))).replace("/d/a", b"new", sync=True)

    assert len(copies) >= 5
    for copy in copies:
        assert found_after_power_cuts(copy, content) <= {b"a long old content", b"new"}
    assert found_after_power_cuts(disk, content) == {b"new"}


def test_failed_fsync_abandons_the_bytes_and_the_next_one_succeeds_without_them() -> None:
    """Linux marks pages clean whether they could be written or not ("fsyncgate", 2018)."""
    disk = empty_disk()
    write_durably(disk.mount(), "/d/a", b"old")
    file = disk.mount(FailOnce(0, only={Operation.SYNC})).open("/d/a")
    file.append(b"lost")
    with pytest.raises(OSError, match="Input/output"):
        file.fsync()
    file.append(b"later")

    file.fsync()

    assert file.pread(20, 0) == b"oldlostlater"
    assert found_after_power_cuts(disk, content) == {b"oldlostlater", b"old" + bytes(4) + b"later"}


def test_full_disk_takes_what_fits_and_has_room_again_when_something_goes() -> None:
    disk = empty_disk(capacity_bytes=10)
    filesystem = disk.mount()
    filesystem.write_bytes("/d/b", b"123456", sync=False)
    file = filesystem.open("/d/a", create=True)

    with pytest.raises(OSError, match="No space left") as raised:
        file.append(b"abcdefgh")

    assert raised.value.errno == errno.ENOSPC
    assert file.pread(20, 0) == b"abcd"
    assert (disk.used_bytes, filesystem.usable_bytes("/d")) == (10, 0)
    reader = filesystem.open("/d/b")
    filesystem.unlink("/d/b")
    assert disk.used_bytes == 10, "who reads a removed file keeps its room"
    del reader
    assert disk.used_bytes == 4
    file.append(b"efghij")
    assert disk.used_bytes == 10


def test_room_is_counted_anew_after_a_crash() -> None:
    disk = empty_disk(capacity_bytes=100)
    filesystem = disk.mount()
    file = filesystem.open("/d/a", create=True)
    file.append(bytes(30))
    filesystem.unlink("/d/a")
    filesystem.write_bytes("/d/b", bytes(20), sync=False)

    disk.crash(CrashKind.PROCESS, random.Random(0))
    del file

    assert disk.used_bytes == 20


def test_nth_operation_fails_and_no_other() -> None:
    disk = empty_disk()
    faults = FailOnce(1, error_number=errno.ENOSPC, written_ratio=0.5, only={Operation.WRITE, Operation.WRITE_GATHERED})
    file = disk.mount(faults).open("/d/a", create=True)
    file.append(b"first")

    with pytest.raises(OSError, match="No space left"):
        file.append_gathered([b"sec", b"ond."])
    file.append(b"third")

    assert file.pread(20, 0) == b"firstsecthird"
    assert faults.struck == (Operation.WRITE_GATHERED, "/d/a")


def test_broken_disk_stays_broken() -> None:
    disk = empty_disk()
    filesystem = disk.mount(FailFrom(1))
    assert names(filesystem) == ()

    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            filesystem.list_names("/d")


@pytest.mark.parametrize("at", range(5))
def test_machine_dies_before_the_nth_operation_and_stays_dead(at: int) -> None:
    disk = empty_disk()
    filesystem = disk.mount(CrashBefore(at))

    for number in range(at):
        filesystem.make_directories(f"/d/{number}")
    with pytest.raises(MachineCrashed):
        filesystem.make_directories(f"/d/{at}")

    with pytest.raises(MachineCrashed):
        filesystem.exists("/d")
    disk.crash(CrashKind.PROCESS, random.Random(0))
    assert names(disk.mount()) == tuple(str(number) for number in range(at))


def test_flipped_bit_is_one_bit_and_survives_a_power_cut() -> None:
    disk = empty_disk()
    write_durably(disk.mount(), "/d/a", bytes(20))

    position = disk.flip_bit("/d/a", random.Random(5), first=4, end=8)

    assert 4 <= position < 8
    found = found_after_power_cuts(disk, content)
    (data,) = found
    assert isinstance(data, bytes)
    assert sum(byte.bit_count() for byte in data) == 1
    assert data[position] != 0


def test_copy_and_original_go_their_own_ways() -> None:
    disk = empty_disk()
    file = disk.mount().open("/d/a", create=True)
    file.append(b"both")

    copy = disk.copy()
    other = copy.mount()
    other.open("/d/a").append(b"-copy")
    other.write_bytes("/d/b", b"", sync=False)
    file.append(b"-original")

    assert content(other) == b"both-copy"
    assert content(disk.mount()) == b"both-original"
    assert names(disk.mount()) == ("a",)
    assert (copy.used_bytes, disk.used_bytes) == (9, 13)


def test_same_dice_leave_the_same_disk() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    for number in range(20):
        filesystem.write_bytes(f"/d/{number}", bytes([number]) * 600, sync=number % 3 == 0)

    def found(seed: int) -> dict[str, bytes]:
        copy = disk.copy()
        copy.crash(CrashKind.POWER, random.Random(seed))
        after = copy.mount()
        return {name: after.read_bytes(f"/d/{name}") for name in after.list_names("/d")}

    assert [found(seed) for seed in range(20)] == [found(seed) for seed in range(20)]
    assert len({str(found(seed)) for seed in range(20)}) > 10


def test_journal_names_every_operation() -> None:
    disk = empty_disk()
    filesystem = disk.mount()
    journal = disk.start_journal()

    filesystem.replace("/d/a", b"abc", sync=True)

    told = [(step.operation, step.path.rpartition("/")[2]) for step in journal]
    assert told == [
        (Operation.CREATE, "a.tmp"),
        (Operation.WRITE, "a.tmp"),
        (Operation.SYNC, "a.tmp"),
        (Operation.RENAME, "a.tmp"),
        (Operation.SYNC_DIRECTORY, "d"),
    ]
    assert str(journal[1]).endswith("write /d/a.tmp 3")
