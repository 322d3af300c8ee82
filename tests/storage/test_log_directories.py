"""All logs of a node: identity, placement, deletion, checkpoints, clean stop, crash, failing directories."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import StartRefused, StorageFailure
from odradek.base.identifiers import TopicPartition, Uuid, random_uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.checkpoint_work import Checkpoint
from odradek.storage.filesystem import FileSystem, RealFileSystem
from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, read_meta_properties, write_meta_properties
from odradek.testing.simulated_disk import SimulatedDisk
from tests.storage.building import START_MS, batch, read_values, small_segments

TOPIC_ID = Uuid(bytes(range(100, 116)))
FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Machine:
    """A file system with formatted log directories, and the node's logs on it."""

    def __init__(self, paths: Sequence[str] = ("/data",), filesystem: FileSystem | None = None) -> None:
        self.clock = ManualClock(START_MS)
        self.filesystem = filesystem if filesystem is not None else MemoryFileSystem(self.clock.now_ms)
        self.paths = list(paths)
        self.dice = random.Random(3)
        self.configuration = small_segments(500)
        for path in paths:
            self.format(path)

    def format(self, path: str, *, cluster_id: str = "cluster", node_id: int = 1, directory_id: Uuid | None = None) -> None:
        self.filesystem.make_directories(path)
        meta = MetaProperties(cluster_id=cluster_id, node_id=node_id, directory_id=directory_id or random_uuid(self.dice))
        write_meta_properties(self.filesystem, path, meta, START_MS)

    def look(self, *, cluster_id: str | None = None) -> LogDirectories:
        return LogDirectories.open(self.filesystem, self.paths, self.clock, self.dice, node_id=1, cluster_id=cluster_id)

    def start(self) -> LogDirectories:
        logs = self.look()
        logs.open_existing(lambda topic: self.configuration)
        return logs

    def crash_and_start(self, crashed: LogDirectories) -> LogDirectories:
        for directory in crashed.directories:
            directory.release()
        return self.start()


def append(log: Log, count: int) -> None:
    for _ in range(count):
        log.append(batch(bytes(100)), 1, START_MS)
    log.high_watermark = log.log_end_offset


def test_clean_stop_and_start_keep_everything_without_a_scan() -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(log, 7)
    log.delete_records_before(3)
    logs.close(broker_epoch=12)
    assert machine.filesystem.read_bytes("/data/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":12}'
    assert machine.filesystem.read_bytes("/data/recovery-point-offset-checkpoint") == b"0\n1\norders 0 7\n"
    assert machine.filesystem.read_bytes("/data/log-start-offset-checkpoint") == b"0\n1\norders 0 3\n"
    assert machine.filesystem.read_bytes("/data/replication-offset-checkpoint") == b"0\n1\norders 0 7\n"

    again = machine.start()

    assert again.previous_broker_epoch == 12
    assert not machine.filesystem.exists("/data/.kafka_cleanshutdown")
    found = again.get(FIRST)
    assert found is not None
    assert (found.log_start_offset, found.log_end_offset, found.high_watermark, found.topic_id) == (3, 7, 7, TOPIC_ID)
    assert len(read_values(found)) == 4


def test_crash_is_noticed_and_recovered_from() -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(log, 5)
    logs.checkpoint(Checkpoint.HIGH_WATERMARKS)
    machine.filesystem.open(log.segments.active.log.path).append(b"torn")

    again = machine.crash_and_start(logs)

    assert again.previous_broker_epoch == -1
    found = again.get(FIRST)
    assert found is not None
    assert (found.log_end_offset, found.high_watermark, found.topic_id) == (5, 5, TOPIC_ID)


def test_start_that_was_given_up_leaves_the_directory_clean() -> None:
    machine = Machine()
    machine.start().close(broker_epoch=4)

    machine.look().close()

    assert machine.start().previous_broker_epoch == 4


def test_new_log_goes_to_the_directory_with_the_fewest() -> None:
    machine = Machine(["/a", "/b", "/c"])
    logs = machine.start()

    for index in range(7):
        logs.create(TopicPartition("orders", index), TOPIC_ID, machine.configuration)

    counts = [len(logs.logs_in(directory)) for directory in logs.directories]
    assert counts == [3, 2, 2]


def test_cordoned_directory_gets_no_new_log() -> None:
    """KIP-1066."""
    machine = Machine(["/a", "/b"])
    logs = machine.start()
    logs.cordoned_paths = frozenset(["/a"])

    for index in range(3):
        logs.create(TopicPartition("orders", index), TOPIC_ID, machine.configuration)

    assert [len(logs.logs_in(directory)) for directory in logs.directories] == [0, 3]


def test_deleted_log_gets_another_name_and_goes_after_its_delay() -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(log, 3)

    logs.delete_async(FIRST)

    (name,) = machine.filesystem.list_directories("/data")
    assert name.startswith("orders-0.")
    assert name.endswith("-delete")
    assert logs.get(FIRST) is None
    assert len(logs.create(FIRST, TOPIC_ID, machine.configuration).segments) == 1
    assert logs.deletions.remove_due(machine.clock.now_ms() + 59_999) == 0
    assert logs.deletions.remove_due(machine.clock.now_ms() + 60_000) == 1
    assert machine.filesystem.list_directories("/data") == ["orders-0"]


def test_deleted_log_gives_its_room_on_the_disk_back() -> None:
    """A file that has lost its name takes its room as long as somebody has it open."""
    disk = SimulatedDisk(ManualClock(START_MS).now_ms)
    machine = Machine(filesystem=disk.mount())
    logs = machine.start()
    used_before = disk.used_bytes
    append(logs.create(FIRST, TOPIC_ID, machine.configuration), 30)
    assert disk.used_bytes > used_before + 3000

    logs.delete_async(FIRST)
    logs.deletions.remove_due(machine.clock.now_ms() + 60_000)

    assert disk.used_bytes == used_before


def test_new_log_does_not_inherit_the_offsets_of_a_deleted_one_of_its_name() -> None:
    machine = Machine()
    logs = machine.start()
    former = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(former, 9)
    former.delete_records_before(7)
    former.flush()
    logs.checkpoint(Checkpoint.RECOVERY_POINTS)
    logs.checkpoint(Checkpoint.LOG_STARTS)
    logs.delete_async(FIRST)
    append(logs.create(FIRST, TOPIC_ID, machine.configuration), 3)

    found = machine.crash_and_start(logs).get(FIRST)

    assert found is not None
    assert (found.log_start_offset, found.log_end_offset, found.recovery_point) == (0, 3, 0)


def test_new_log_does_not_inherit_the_offsets_of_one_that_was_deleted_before_a_crash() -> None:
    """The crash came before the checkpoints forgot the deleted log; the topic is created again only after the restart."""
    machine = Machine()
    logs = machine.start()
    former = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(former, 9)
    former.delete_records_before(7)
    for checkpoint in Checkpoint:
        logs.checkpoint(checkpoint)
    logs.delete_async(FIRST)

    restarted = machine.crash_and_start(logs)
    append(restarted.create(FIRST, TOPIC_ID, machine.configuration), 3)
    found = machine.crash_and_start(restarted).get(FIRST)

    assert found is not None
    assert (found.log_start_offset, found.log_end_offset, found.recovery_point, found.high_watermark) == (0, 3, 0, 0)


def test_checkpoint_that_was_overtaken_in_the_pool_is_not_written() -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(log, 9)
    log.high_watermark = 9
    log.delete_records_before(3)
    slow = logs.begin_checkpoint(Checkpoint.LOG_STARTS)
    log.delete_records_before(7)
    quick = logs.begin_checkpoint(Checkpoint.LOG_STARTS)

    for work in (quick, slow):
        work.run()
        logs.end_checkpoint(work)

    assert logs.directories[0].log_start_offsets() == {FIRST: 7}


@pytest.mark.parametrize("is_clean", [True, False])
def test_log_start_of_deleted_records_outlives_a_restart(is_clean: bool) -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    append(log, 9)
    log.delete_records_before(7)
    if is_clean:
        logs.close()
    else:
        logs.checkpoint(Checkpoint.LOG_STARTS)

    found = (machine.start() if is_clean else machine.crash_and_start(logs)).get(FIRST)

    assert found is not None
    assert (found.log_start_offset, found.log_end_offset) == (7, 9)
    assert [offset for offset, _ in read_values(found)] == [7, 8]


def test_deletion_that_waited_when_the_node_stopped_is_done_by_the_next() -> None:
    machine = Machine()
    logs = machine.start()
    logs.create(FIRST, TOPIC_ID, machine.configuration)
    logs.delete_async(FIRST)
    logs.close()

    again = machine.start()

    assert len(again) == 0
    assert again.deletions.remove_due(machine.clock.now_ms() + 60_000) == 1
    assert machine.filesystem.list_directories("/data") == []


def test_deleted_log_takes_no_more_batches() -> None:
    machine = Machine()
    logs = machine.start()
    log = logs.create(FIRST, TOPIC_ID, machine.configuration)
    logs.delete_async(FIRST)

    with pytest.raises(StorageFailure):
        append(log, 1)


def test_rolled_segments_are_flushed_and_checkpointed_by_the_driver() -> None:
    machine = Machine()
    logs = machine.start()
    append(logs.create(FIRST, TOPIC_ID, machine.configuration), 5)
    append(logs.create(SECOND, TOPIC_ID, machine.configuration), 1)

    for log in logs.logs_to_flush():
        log.flush(log.segments.active.base_offset)
    logs.checkpoint(Checkpoint.RECOVERY_POINTS)

    assert logs.logs_to_flush() == []
    assert machine.filesystem.read_bytes("/data/recovery-point-offset-checkpoint") == b"0\n2\norders 0 4\norders 1 0\n"


def test_log_of_the_quorum_is_left_alone() -> None:
    machine = Machine()
    machine.filesystem.make_directories("/data/__cluster_metadata-0")

    assert len(machine.start()) == 0


class FailingFileSystem(MemoryFileSystem):
    """Refuses to write into files below one path, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: str | None = None

    def _judge(self, path: str) -> None:
        if self.failing is not None and path.startswith(self.failing):
            raise OSError(errno.EIO, "Input/output error", path)

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        self._judge(path)
        return super().open(path, create=create)

    def replace(self, path: str, data: bytes, *, sync: bool) -> None:
        self._judge(path)
        super().replace(path, data, sync=sync)


def test_failing_directory_goes_offline_and_the_others_serve_on() -> None:
    filesystem = FailingFileSystem()
    machine = Machine(["/a", "/b"], filesystem)
    logs = machine.start()
    sick, healthy = (logs.create(partition, TOPIC_ID, machine.configuration) for partition in (FIRST, SECOND))
    append(sick, 2)
    filesystem.failing = "/a"

    # The segment is full: the next batch needs a new file.
    with pytest.raises(StorageFailure):
        append(sick, 1)
    with pytest.raises(StorageFailure):
        append(sick, 1)
    append(healthy, 4)
    logs.create(TopicPartition("orders", 2), TOPIC_ID, machine.configuration)
    logs.checkpoint(Checkpoint.RECOVERY_POINTS)
    logs.close(broker_epoch=1)

    assert [directory.is_online for directory in logs.directories] == [False, True]
    assert (sick.is_offline, healthy.is_offline) == (True, False)
    assert len(read_values(sick)) == 2
    assert [filesystem.exists(f"{path}/.kafka_cleanshutdown") for path in ("/a", "/b")] == [False, True]


def test_unformatted_directory_refuses_the_start() -> None:
    machine = Machine()
    machine.paths.append("/new")
    machine.filesystem.make_directories("/new")

    with pytest.raises(StartRefused, match=r"/new has no meta\.properties: format it first"):
        machine.look()
    machine.paths.pop()
    machine.look().close()


def test_foreign_cluster_refuses_the_start() -> None:
    machine = Machine()

    with pytest.raises(StartRefused, match="/data belongs to cluster cluster, not to another"):
        machine.look(cluster_id="another")


def test_foreign_node_refuses_the_start() -> None:
    machine = Machine(["/a", "/b"])
    machine.format("/b", node_id=2)

    with pytest.raises(StartRefused, match=r"/b belongs to node 2, and node\.id is 1"):
        machine.look()


def test_same_directory_id_twice_refuses_the_start() -> None:
    machine = Machine(["/a", "/b"])
    for path in machine.paths:
        machine.format(path, directory_id=TOPIC_ID)

    with pytest.raises(StartRefused, match=r"/b and /a have the same directory\.id"):
        machine.look()


def test_directory_in_use_refuses_the_start(tmp_path: Path) -> None:
    machine = Machine([f"{tmp_path}/data"], RealFileSystem())
    running = machine.start()

    with pytest.raises(StartRefused, match=r"is in use by another node: its \.lock is held"):
        machine.look()
    running.close()
    machine.start().close()


def test_same_partition_in_two_directories_refuses_the_start() -> None:
    machine = Machine(["/a", "/b"])
    for path in machine.paths:
        machine.filesystem.make_directories(f"{path}/orders-0")

    with pytest.raises(StartRefused, match="both /a and /b hold orders-0"):
        machine.start()


def test_directory_without_an_id_gets_one() -> None:
    machine = Machine()
    machine.filesystem.write_bytes("/data/meta.properties", b"version=1\ncluster.id=cluster\nnode.id=1\n", sync=False)

    directory_id = machine.look().directories[0].directory_id

    meta = read_meta_properties(machine.filesystem, "/data")
    assert meta is not None
    assert directory_id is not None
    assert meta.directory_id == directory_id


def test_unreadable_checkpoint_counts_as_empty() -> None:
    machine = Machine()
    logs = machine.start()
    append(logs.create(FIRST, TOPIC_ID, machine.configuration), 3)
    logs.close()
    for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"):
        machine.filesystem.write_bytes(f"/data/{name}", b"nonsense", sync=False)

    found = machine.start().get(FIRST)

    assert found is not None
    assert (found.log_start_offset, found.log_end_offset, found.high_watermark) == (0, 3, 0)


def test_few_files_are_open_however_many_logs_there_are(tmp_path: Path) -> None:
    machine = Machine([f"{tmp_path}/data"], RealFileSystem())
    logs = LogDirectories.open(machine.filesystem, machine.paths, machine.clock, machine.dice, node_id=1, open_files_max=8)
    logs.open_existing(lambda topic: LogConfiguration())
    made = [logs.create(TopicPartition("orders", index), TOPIC_ID, machine.configuration) for index in range(50)]

    for turn in range(3):
        for log in made:
            log.append(batch(f"{turn}"), 1, START_MS)

    assert all([value for _, value in read_values(log)] == [b"0", b"1", b"2"] for log in made)
    logs.close()
