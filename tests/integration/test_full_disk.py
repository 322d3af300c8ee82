"""A disk that is really full: a small file system of its own, filled by producers.

Produce is refused with KAFKA_STORAGE_ERROR while reads go on; when there is room again the same producers go on without a restart. What a
refused write has left in part is never seen by anybody, not even after a kill.

Only root may mount; elsewhere these tests are skipped and the simulated disk tells the same story (tests/storage, tests/broker).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.account import judge
from tests.integration.load import Load
from tests.integration.reading import Companion, read_everything
from tests.integration.torture import damage_in, partition_files
from tests.support.odradek_node import OdradekNode, free_port
from tests.support.raw_produce import batch_of, produce
from tests.support.wire_client import WireClient

DISK_BYTES: Final = 14 << 20
BALLAST_BYTES: Final = 6 << 20
# Too large for what is left of a disk that refused smaller ones.
PROBE: Final = bytes(300_000)
PARTITIONS: Final = [TopicPartition("kept", n) for n in range(3)]
CHANGE_SECONDS_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted file system, half of it taken by a file that nobody needs."""

    path: Path

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    def take_ballast(self) -> None:
        self.ballast.write_bytes(bytes(BALLAST_BYTES))

    def drop_ballast(self) -> None:
        self.ballast.unlink()

    @property
    def free_bytes(self) -> int:
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "odradek-full-disk", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command to mount a file system")
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    small = SmallDisk(path)
    small.take_ballast()
    try:
        yield small
    finally:
        # The node is gone by now, or going: lazily, so that a failed test does not leave a mount behind.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def eventually(what: Callable[[], bool], sentence: str) -> None:
    deadline = time.monotonic() + CHANGE_SECONDS_MAX
    while not what():
        assert time.monotonic() < deadline, sentence
        time.sleep(0.05)


class Probe:
    """Asks the node whether it takes a large batch."""

    def __init__(self, node: OdradekNode, topic: str = "probed") -> None:
        host, _, port = node.bootstrap.rpartition(":")
        self._client = WireClient(host, int(port))
        self._topic = topic

    def is_refused(self) -> bool:
        batch = batch_of([PROBE], timestamp_ms=int(time.time() * 1000))
        code = produce(self._client, self._topic, 0, batch).error_code
        assert code in (ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR), ErrorCode(code)
        return code == ErrorCode.KAFKA_STORAGE_ERROR

    def is_taken(self) -> bool:
        return not self.is_refused()


@pytest.mark.timeout(8 * CHANGE_SECONDS_MAX)
@pytest.mark.parametrize("has_metadata_apart", [True, False], ids=["metadata-on-another-disk", "metadata-on-the-same-disk"])
def test_a_full_disk_refuses_writes_serves_reads_and_takes_writes_again_when_there_is_room(
    tmp_path: Path, disk: SmallDisk, has_metadata_apart: bool
) -> None:
    node, bootstrap = started_node(tmp_path, disk, has_metadata_apart=has_metadata_apart)
    load, companion, probe = Load(bootstrap, PARTITIONS, seed=1), Companion(bootstrap, PARTITIONS), Probe(node)
    load.start()
    companion.start()

    eventually(probe.is_refused, "the disk does not become full")
    in_the_middle = read_everything(bootstrap, PARTITIONS)
    assert sum(map(len, in_the_middle.values())) > 1000, "reads go on"
    assert probe.is_refused(), "still full"
    disk.drop_ballast()
    eventually(probe.is_taken, f"writes are refused though there are {disk.free_bytes} free bytes")
    assert load.wait_for_answers(1000, CHANGE_SECONDS_MAX), "the producers go on"

    eventually(probe.is_refused, "the disk does not become full again")
    if has_metadata_apart:
        Librdkafka(bootstrap).delete_topic("leaving")
        # The producers take the room as soon as it is there; a probe would come too late.
        assert load.wait_for_answers(300, CHANGE_SECONDS_MAX), "a deleted topic makes no room"
        eventually(probe.is_refused, "the disk does not become full a third time")
    node.kill()
    make_room(disk)

    node.start()
    load.settle()
    read = read_everything(bootstrap, PARTITIONS)
    companion.stop()
    node.stop()
    for account in load.accounts:
        # A plain client has its next request ready when one is refused, and sends that first, however few it keeps in flight.
        account.keeps_order = account.is_idempotent
    verdict = judge(load.accounts, read)
    assert verdict.faults + companion.faults(read) == []
    assert verdict.acknowledged > 1000
    for partition, records in in_the_middle.items():
        assert read[partition][: len(records)] == records
    assert damage_in([file for name in ("kept-*", "probed-*") for file in partition_files(disk.path / "data", name)]) == []


def make_room(disk: SmallDisk) -> None:
    """Let the file system grow, as an operator does."""
    size = 3 * DISK_BYTES
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk.path)], check=True)


def started_node(directory: Path, disk: SmallDisk, *, has_metadata_apart: bool) -> tuple[OdradekNode, str]:
    data, other = disk.path / "data", directory / "other"
    settings = {
        "log.dirs": f"{data},{other}" if has_metadata_apart else str(data),
        "metadata.log.dir": str(other if has_metadata_apart else data),
        "log.segment.delete.delay.ms": "100",
        "auto.create.topics.enable": "false",
    }
    if has_metadata_apart:
        # Everything but the metadata goes to the small disk.
        settings["cordoned.log.dirs"] = str(other)
    node = OdradekNode(directory, settings, port=free_port())
    node.start()
    client = Librdkafka(node.bootstrap)
    small_segments = {"internal.segment.bytes": "500000"}
    client.create_topic("kept", partition_count=len(PARTITIONS), settings=small_segments)
    client.create_topic("leaving", partition_count=1, settings=small_segments)
    client.create_topic("probed", partition_count=1, settings=small_segments)
    filling = Probe(node, "leaving")
    for _ in range(8):
        assert filling.is_taken()
    return node, node.bootstrap
