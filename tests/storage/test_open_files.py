"""The bounded set of open files: what was touched lately stays open, and nobody loses a file in use."""

from __future__ import annotations

from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.open_files import FileHandle, OpenFiles


def handles(open_files: OpenFiles, count: int) -> list[FileHandle]:
    made = [FileHandle(open_files, f"/{index}") for index in range(count)]
    for handle in made:
        open_files.filesystem.open(handle.path, create=True)
    return made


def test_no_more_files_are_open_than_allowed() -> None:
    open_files = OpenFiles(MemoryFileSystem(), files_max=3)

    for handle in handles(open_files, 20):
        handle.file()
        assert len(open_files) <= 3


def test_file_that_is_touched_again_and_again_stays_open() -> None:
    open_files = OpenFiles(MemoryFileSystem(), files_max=3)
    busy, *others = handles(open_files, 10)
    first = busy.file()

    for handle in others:
        handle.file()
        assert busy.file() is first
    assert busy.is_open


def test_forgotten_file_opens_again_under_its_new_name() -> None:
    filesystem = MemoryFileSystem()
    open_files = OpenFiles(filesystem, files_max=1)
    handle, other = handles(open_files, 2)
    handle.file().append(b"kept")
    handle.rename("/renamed")

    other.file()

    assert not handle.is_open
    assert handle.file().pread(10, 0) == b"kept"
    assert not filesystem.exists("/0")


def test_closed_handle_is_not_counted_twice_when_opened_again() -> None:
    open_files = OpenFiles(MemoryFileSystem(), files_max=2)
    handle, other = handles(open_files, 2)

    for _ in range(5):
        handle.file()
        handle.close()
    handle.file()
    other.file()

    assert handle.is_open
    assert other.is_open
