"""A clean stop with many logs: the waits for the disk go side by side, and one log that cannot be closed leaves its directory unmarked."""

from __future__ import annotations

import asyncio
import errno
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from odradek.base.clock import ManualClock
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.broker.log_closer import close_logs
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.filesystem import FileSystem
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from odradek.testing.disk_faults import FailFrom
from odradek.testing.simulated_disk import SimulatedDisk
from tests.storage.building import START_MS, batch

TOPIC_ID = Uuid(b"\x09" * 16)
CLEAN = ".kafka_cleanshutdown"
LOGS = 80


def node_directories(filesystem: FileSystem, *paths: str) -> LogDirectories:
    """Formatted directories with dirty logs."""
    for number, path in enumerate(paths):
        filesystem.make_directories(path)
        meta = MetaProperties(cluster_id="c", node_id=1, directory_id=Uuid(bytes([number + 1]) * 16))
        write_meta_properties(filesystem, path, meta, START_MS)
    logs = LogDirectories.open(filesystem, paths, ManualClock(START_MS), random.Random(1), node_id=1)
    for index in range(LOGS):
        logs.create(TopicPartition("orders", index), TOPIC_ID, LogConfiguration()).append(batch("x"), 1, START_MS)
    return logs


def close(logs: LogDirectories, *, threads: int) -> None:
    async def story() -> None:
        with ThreadPoolExecutor(threads) as pool:
            await close_logs(logs, pool, threads_per_directory=threads, broker_epoch=7)

    asyncio.run(story())


def reopened(filesystem: FileSystem, *paths: str) -> LogDirectories:
    logs = LogDirectories.open(filesystem, paths, ManualClock(START_MS), random.Random(1), node_id=1)
    logs.open_existing(lambda topic: LogConfiguration())
    return logs


def test_waits_for_the_disk_go_side_by_side_and_everything_is_there_again() -> None:
    meeting = threading.Barrier(4, timeout=20)
    have_met = threading.Event()

    class Meeting(MemoryFile):
        __slots__ = ()

        def fsync(self) -> None:
            # As long as nobody has seen four of them at once, each waits for three others.
            if not have_met.is_set():
                meeting.wait()
                have_met.set()

    class MeetingFileSystem(MemoryFileSystem):
        def open(self, path: str, *, create: bool = False) -> MemoryFile:
            file = super().open(path, create=create)
            if path.endswith(".log"):
                file.__class__ = Meeting
            return file

    filesystem = MeetingFileSystem()
    logs = node_directories(filesystem, "/data")

    close(logs, threads=4)

    assert have_met.is_set()
    again = reopened(filesystem, "/data")
    assert again.previous_broker_epoch == 7
    assert [held.log_end_offset for held in again] == [1] * LOGS


def test_directory_with_a_log_that_cannot_be_closed_is_not_marked_clean_and_the_others_are() -> None:
    for number in (errno.EIO, errno.ENOSPC):
        disk = SimulatedDisk(lambda: START_MS)
        filesystem = disk.mount(FailFrom(0, error_number=number, under="/b/orders-7/00000000000000000001.snapshot"))
        logs = node_directories(filesystem, "/a", "/b")

        close(logs, threads=3)

        assert CLEAN in filesystem.list_names("/a")
        assert CLEAN not in filesystem.list_names("/b")
        assert logs.directories[1].is_online is (number == errno.ENOSPC)
        again = reopened(disk.mount(), "/a", "/b")
        assert sorted(held.log_end_offset for held in again) == [1] * LOGS
