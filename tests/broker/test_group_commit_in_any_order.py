"""Group commit against all orders of things: who is told "durable" has his bytes on the disk, and everybody is told something, once.

The disks here remember how long each file was when they last waited for it, and refuse when they are told to.
"""

from __future__ import annotations

import errno
import random
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.base.identifiers import Uuid
from odradek.broker.group_commit import Outcome
from odradek.broker.partition import Partition
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.filesystem import File
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from tests.broker.small_node import NODE_ID, SmallNode
from tests.broker.test_group_commit import Desk

PARTITIONS = 4
DISKS = ("/one", "/two")


class RememberingFile:
    """A file in memory that notes its size at every fsync in `synced`."""

    def __init__(self, file: MemoryFile, path: str, filesystem: RememberingFileSystem) -> None:
        self._file, self._path, self._filesystem = file, path, filesystem

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def fsync(self) -> None:
        if self._path.startswith(tuple(self._filesystem.refusing)):
            raise OSError(errno.EIO, "the disk refuses")
        self._filesystem.synced[self._path] = self._file.size()


class RememberingFileSystem(MemoryFileSystem):
    __slots__ = ("refusing", "synced")

    def __init__(self) -> None:
        super().__init__()
        self.synced: dict[str, int] = {}
        self.refusing: set[str] = set()

    def open(self, path: str, *, create: bool = False) -> File:  # type: ignore[override]
        return cast(File, RememberingFile(super().open(path, create=create), path, self))


class Office(Desk):
    """Partitions on two disks, and what is true of them."""

    def __init__(self) -> None:
        self.filesystem = RememberingFileSystem()
        node = SmallNode(log_configuration=LogConfiguration(flush_messages=1, segment_bytes=300))
        for number, path in enumerate(DISKS):
            self.filesystem.make_directories(path)
            directory_id = Uuid(bytes(15) + bytes([100 + number]))
            write_meta_properties(self.filesystem, path, MetaProperties(cluster_id="small", node_id=NODE_ID, directory_id=directory_id), 0)
        node.logs = LogDirectories.open(self.filesystem, DISKS, node.clock, random.Random(3), node_id=NODE_ID)
        node.partitions._logs = node.logs
        node.create_topic("orders", PARTITIONS)
        super().__init__(node)
        self.partitions = [node.partition("orders", index) for index in range(PARTITIONS)]
        self.asked = 0

    def append_and_ask(self, indexes: list[int]) -> None:
        """A request that brings a batch to each partition that still takes one, and waits for all of them."""
        chosen = [self.partitions[index] for index in dict.fromkeys(indexes) if not self.partitions[index].log.is_offline]
        if not chosen:
            return
        for partition in chosen:
            self.node.append("orders", b"x" * 40, index=partition.index)
        self.asked += 1
        name, sizes = str(self.asked), {partition: self._sizes(partition) for partition in chosen}

        def done(outcome: Outcome) -> None:
            self.told.append((name, set(outcome)))
            for partition in chosen:
                if partition not in outcome:
                    for path, size in sizes[partition].items():
                        assert self.filesystem.synced.get(path, 0) >= size, f"{path} has {size} bytes that nobody has waited for"

        self.commits.commit(chosen, done)

    def check(self) -> None:
        """Nobody sees or counts on what no disk was waited for."""
        for partition in self.partitions:
            log = partition.log
            assert partition.high_watermark <= max(log.recovery_point, 0)
            assert log.recovery_point <= log.log_end_offset

    @staticmethod
    def _sizes(partition: Partition) -> dict[str, int]:
        return {segment.log.path: segment.size for segment in partition.log.segments}


steps = st.one_of(
    st.tuples(st.just("ask"), st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=3)),
    st.tuples(st.just("ask"), st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=3)),
    st.tuples(st.just("work"), st.lists(st.integers(0, 1), min_size=1, max_size=1)),
    st.tuples(st.just("refuse"), st.lists(st.integers(0, 1), min_size=1, max_size=1)),
)


@settings(max_examples=100)
@given(st.lists(steps, max_size=25))
def test_everybody_is_told_once_and_nobody_too_early(script: list[tuple[str, list[int]]]) -> None:
    office = Office()
    for name, numbers in script:
        if name == "ask":
            office.append_and_ask(numbers)
        elif name == "work" and office.pool.waiting:
            office.work(numbers[0] % len(office.pool.waiting))
        elif name == "refuse":
            office.filesystem.refusing.add(DISKS[numbers[0]])
        office.check()
    while office.pool.waiting:
        office.work()
        office.check()

    assert sorted(name for name, _ in office.told) == sorted(str(number + 1) for number in range(office.asked))
    for partition in office.partitions:
        refused_since = next((position for position, (_, refused) in enumerate(office.told) if partition in refused), None)
        if refused_since is None:
            assert partition.log.recovery_point == partition.log.log_end_offset
        else:
            assert partition.log.is_offline
    office.loop.close()
