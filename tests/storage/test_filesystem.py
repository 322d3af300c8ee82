"""All file systems do the same: these tests are the contract that the log relies on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.storage import filesystem as filesystem_module
from odradek.storage.filesystem import FileSystem, RealFileSystem
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.testing.simulated_disk import SimulatedDisk

Place = tuple[FileSystem, str]


def simulated_filesystem() -> FileSystem:
    return SimulatedDisk(lambda: 0).mount()


FILE_SYSTEMS: dict[str, Callable[[], FileSystem]] = {"real": RealFileSystem, "memory": MemoryFileSystem, "simulated": simulated_filesystem}


@pytest.fixture(params=sorted(FILE_SYSTEMS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A file system and an empty directory in it."""
    made: FileSystem = FILE_SYSTEMS[request.param]()
    root = str(tmp_path / "root")
    made.make_directories(root)
    return made, root


def test_file_is_appended_to_and_read_anywhere(place: Place) -> None:
    filesystem, root = place
    file = filesystem.open(f"{root}/a", create=True)

    file.append(b"one")
    file.append(bytearray(b"two"))
    file.append_gathered([b"three", memoryview(b"--four")[2:]])

    assert file.size() == 15
    assert file.pread(5, 2) == b"etwot"
    assert file.pread(100, 6) == b"threefour"
    assert file.pread(10, 15) == b""
    assert file.pread_cached(3, 0) == b"one"


def test_two_openers_of_a_file_see_each_others_writes(place: Place) -> None:
    filesystem, root = place
    first = filesystem.open(f"{root}/a", create=True)
    second = filesystem.open(f"{root}/a")

    first.append(b"12")
    second.append(b"34")

    assert first.pread(10, 0) == b"1234"


def test_gathered_write_takes_more_parts_than_one_call_can(place: Place) -> None:
    filesystem, root = place
    file = filesystem.open(f"{root}/a", create=True)

    file.append_gathered([bytes([index % 256]) for index in range(3000)])

    assert file.pread(4000, 0) == bytes(index % 256 for index in range(3000))


def test_truncated_file_goes_on_at_its_new_end(place: Place) -> None:
    filesystem, root = place
    file = filesystem.open(f"{root}/a", create=True)
    file.append(b"abcdef")

    file.truncate(2)
    file.append(b"X")

    assert file.pread(10, 0) == b"abX"


def test_removed_and_renamed_files_live_on_for_who_has_them_open(place: Place) -> None:
    filesystem, root = place
    removed = filesystem.open(f"{root}/removed", create=True)
    renamed = filesystem.open(f"{root}/renamed", create=True)
    removed.append(b"still here")
    renamed.append(b"moved")

    filesystem.unlink(f"{root}/removed")
    filesystem.rename(f"{root}/renamed", f"{root}/elsewhere")

    assert removed.pread(20, 0) == b"still here"
    assert renamed.pread(20, 0) == b"moved"
    assert filesystem.list_names(root) == ["elsewhere"]


def test_absent_file_is_an_error_unless_it_may_be_made(place: Place) -> None:
    filesystem, root = place

    with pytest.raises(FileNotFoundError):
        filesystem.open(f"{root}/a")
    with pytest.raises(FileNotFoundError):
        filesystem.read_bytes(f"{root}/a")
    with pytest.raises(FileNotFoundError):
        filesystem.size(f"{root}/a")
    with pytest.raises(FileNotFoundError):
        filesystem.rename(f"{root}/a", f"{root}/b")
    with pytest.raises(FileNotFoundError):
        filesystem.open(f"{root}/missing/a", create=True)
    filesystem.unlink(f"{root}/a")
    filesystem.remove_tree(f"{root}/missing")


@pytest.mark.parametrize("sync", [False, True])
def test_replaced_file_has_the_new_content_and_leaves_nothing_behind(place: Place, sync: bool) -> None:
    filesystem, root = place
    filesystem.write_bytes(f"{root}/a", b"a long old content", sync=sync)

    filesystem.replace(f"{root}/a", b"new", sync=sync)

    assert filesystem.read_bytes(f"{root}/a") == b"new"
    assert filesystem.list_names(root) == ["a"]


def test_directory_is_renamed_with_all_that_is_in_it(place: Place) -> None:
    filesystem, root = place
    filesystem.make_directories(f"{root}/orders-0/deep")
    filesystem.write_bytes(f"{root}/orders-0/deep/a", b"a", sync=False)

    filesystem.rename(f"{root}/orders-0", f"{root}/orders-0.x-delete")

    assert filesystem.read_bytes(f"{root}/orders-0.x-delete/deep/a") == b"a"
    assert not filesystem.exists(f"{root}/orders-0")
    assert filesystem.list_directories(root) == ["orders-0.x-delete"]


def test_tree_is_removed_whole(place: Place) -> None:
    filesystem, root = place
    filesystem.make_directories(f"{root}/a/b")
    filesystem.write_bytes(f"{root}/a/b/c", b"", sync=False)
    filesystem.write_bytes(f"{root}/ab", b"", sync=False)

    filesystem.remove_tree(f"{root}/a")

    assert filesystem.list_names(root) == ["ab"]
    assert not filesystem.is_directory(f"{root}/a")


def test_lock_is_held_until_released(place: Place) -> None:
    filesystem, root = place
    held = filesystem.lock(f"{root}/.lock")
    assert held is not None

    assert filesystem.lock(f"{root}/.lock") is None

    held.release()
    again = filesystem.lock(f"{root}/.lock")
    assert again is not None
    again.release()


def test_space_is_known(place: Place) -> None:
    filesystem, root = place

    assert 0 < filesystem.usable_bytes(root) <= filesystem.total_bytes(root)


def test_what_cannot_be_looked_at_is_not_taken_for_absent(tmp_path: Path) -> None:
    """A replica whose disk fails at the wrong moment must not believe that it never voted."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    for look in (RealFileSystem().exists, RealFileSystem().is_directory):
        with pytest.raises(OSError, match="symbolic links"):
            look(f"{tmp_path}/loop")
        assert not look(f"{tmp_path}/absent/deeper")


def test_syncing_reaches_files_and_directories(place: Place) -> None:
    filesystem, root = place
    file = filesystem.open(f"{root}/a", create=True)
    file.append(b"x")

    file.fsync()
    filesystem.fsync(f"{root}/a")
    filesystem.fsync_directory(root)

    with pytest.raises(FileNotFoundError):
        filesystem.fsync(f"{root}/b")


@pytest.mark.parametrize("switch", ["CAN_READ_WITHOUT_WAITING", "CAN_WRITE_GATHERED"])
def test_portable_ways_do_what_the_calls_of_linux_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setattr(filesystem_module, switch, False)
    file = RealFileSystem().open(f"{tmp_path}/a", create=True)

    file.append_gathered([b"gathered", b" ", b"parts"])

    assert file.pread_cached(14, 0) == b"gathered parts"


def test_descriptor_is_closed_when_the_file_is_forgotten(tmp_path: Path) -> None:
    file = RealFileSystem().open(f"{tmp_path}/a", create=True)
    descriptor = file.fileno()
    assert descriptor is not None
    os.fstat(descriptor)

    del file

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
