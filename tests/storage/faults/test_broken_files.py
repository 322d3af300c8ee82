"""Each file broken alone: what is rebuilt, what is ignored, and what keeps a directory or a node from being used, beside what Kafka does.

A row names the file, the damage, how the node had stopped, and the outcome. Where the outcome is not Kafka's the row says why. Facts of
Kafka are those of 4.3: `LogLoader`, `LogSegment.sanityCheck`, `ProducerStateManager.loadFromSnapshot`, `CheckpointFile`,
`LogManager.loadLogs`, `FileQuorumStateStore`, `MetaPropertiesEnsemble`.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import CorruptRecords, StartRefused
from odradek.storage.filesystem import FileSystem
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.building import START_MS
from tests.storage.faults.judging import batches_in, judge
from tests.storage.faults.life import Life, formatted_disk
from tests.storage.faults.model import Known
from tests.storage.faults.script import ORDERS, PAYMENTS, run

Damage = Callable[[bytes], bytes | None]


def missing(content: bytes) -> None:
    return None


def empty(content: bytes) -> bytes:
    return b""


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2 + 1]


def zeros(content: bytes) -> bytes:
    return bytes(len(content))


def garbage(content: bytes) -> bytes:
    return random.Random(7).randbytes(max(len(content), 20))


@dataclass(frozen=True, slots=True)
class Stopped:
    """A node's disk after the script, and what was known then."""

    disk: SimulatedDisk
    known: Known
    now_ms: int

    def start(self) -> Life:
        life = Life(self.disk.mount(), ManualClock(self.now_ms), self.known)
        life.start()
        return life


def stopped(*, cleanly: bool) -> Stopped:
    clock = ManualClock(START_MS)
    disk = formatted_disk(clock)
    life = Life(disk.mount(), clock)
    run(life)
    if cleanly:
        life.close()
    disk.crash(CrashKind.PROCESS, random.Random(0))
    return Stopped(disk, life.known, clock.now_ms())


def damage_files(disk: SimulatedDisk, directory: str, suffix: str, damage: Damage) -> list[str]:
    """Damage the files of a directory whose names end with `suffix`; which these were."""
    filesystem = disk.mount()
    found = [f"{directory}/{name}" for name in filesystem.list_names(directory) if name.endswith(suffix)]
    for path in found:
        _damage(filesystem, path, damage)
    return found


def _damage(filesystem: FileSystem, path: str, damage: Damage) -> None:
    content = damage(filesystem.read_bytes(path))
    if content is None:
        filesystem.unlink(path)
    else:
        filesystem.write_bytes(path, content, sync=True)


@dataclass(frozen=True, slots=True)
class Row:
    """`kafka` is what Kafka does; `why` is there where we differ."""

    directory: str
    suffix: str
    damages: tuple[Damage, ...]
    after: tuple[str, ...]
    kafka: str
    why: str = ""
    # After a power cut producers without records may be forgotten, after a process crash not.
    kind: CrashKind = CrashKind.PROCESS


ANY = ("a clean stop", "a crash")
# Files without which nothing is lost: afterwards everything is as if they had been whole.
MADE_ANEW = (
    Row("/b/payments-0", ".index", (missing,), ANY, "recovers a segment whose offset index is missing"),
    Row(
        "/b/payments-0",
        ".timeindex",
        (missing,),
        ANY,
        "takes an empty one, and finds times in that segment by searching from its beginning",
        "a segment without it would also look as old as its file to retention",
    ),
    Row("/a/orders-0", "12.index", (empty, cut, zeros, garbage), ("a crash",), "writes indexes behind the recovery point anew"),
    Row("/a/orders-0", "12.timeindex", (empty, cut, zeros, garbage), ("a crash",), "writes indexes behind the recovery point anew"),
    Row(
        "/b/payments-0",
        "24.timeindex",
        (empty, cut, garbage),
        ("a clean stop",),
        "does not look at them since 4.0",
        "the last segment is looked at in any case, since its end has to be found",
    ),
    Row("/b/payments-0", ".txnindex", (garbage, zeros), ANY, "recovers a segment whose index of aborted transactions cannot be right"),
    Row("/b/payments-0", "24.snapshot", (missing, empty, cut, zeros, garbage), ANY, "uses the snapshot before, and the batches"),
    Row(
        "/b/payments-0",
        ".snapshot",
        (empty, cut, zeros, garbage),
        ("a crash",),
        "uses the batches when no snapshot is good, and forgets who has none left",
        kind=CrashKind.POWER,
    ),
    Row(
        "/b/payments-0", "leader-epoch-checkpoint", (missing, empty), ANY, "knows no epochs until the next one begins", "batches have them"
    ),
    Row(
        "/b/payments-0",
        "leader-epoch-checkpoint",
        (cut, zeros, garbage),
        ANY,
        "takes the log directory offline",
        "the file is replaced without waiting for the disk here, so a power cut may tear it",
    ),
    Row("/b", "recovery-point-offset-checkpoint", (missing, empty, cut, zeros, garbage), ANY, "scans everything"),
    Row(
        "/b",
        "replication-offset-checkpoint",
        (missing, empty, cut, zeros, garbage),
        ANY,
        "begins at the log start; what cannot be read takes the directory offline",
        "a high watermark is found anew, and nothing is lost with it",
    ),
    Row(
        "/b",
        ".kafka_cleanshutdown",
        (empty, cut, garbage),
        ("a clean stop",),
        "trusts that it is there, and does not know the broker epoch",
    ),
    Row("/b", ".kafka_cleanshutdown", (missing,), ("a clean stop",), "recovers every log"),
)


def cases(rows: tuple[Row, ...]) -> list[object]:
    return [
        pytest.param(row, damage, after == "a clean stop", id=f"{row.directory} {row.suffix} {damage.__name__} after {after}")
        for row in rows
        for damage in row.damages
        for after in row.after
    ]


@pytest.mark.parametrize(("row", "damage", "cleanly"), cases(MADE_ANEW))
def test_nothing_is_lost_with_a_file_that_can_be_made_anew(row: Row, damage: Damage, cleanly: bool) -> None:
    before = stopped(cleanly=cleanly)
    assert damage_files(before.disk, row.directory, row.suffix, damage), "nothing was damaged"

    life = before.start()

    judge(life, row.kind, before.known)
    assert life.logs.directories[1].is_online


@pytest.mark.parametrize("damage", [missing, empty, cut, zeros, garbage])
def test_lost_log_starts_show_deleted_records_again(damage: Damage) -> None:
    """Kafka resets them to the beginning of the first segment, and says so."""
    before = stopped(cleanly=False)
    assert damage_files(before.disk, "/a", "log-start-offset-checkpoint", damage)

    log = before.start().logs.get(ORDERS)

    assert log is not None
    assert log.log_start_offset == log.segments.first.base_offset < before.known.logs[ORDERS].promised_start


@pytest.mark.parametrize("damage", [empty, cut, zeros, garbage])
@pytest.mark.parametrize("cleanly", [True, False])
def test_directory_goes_offline_with_a_topic_id_that_was_durable_and_cannot_be_read(damage: Damage, cleanly: bool) -> None:
    """As Kafka's does: nobody knows any more whose records these are. The other directory serves on."""
    before = stopped(cleanly=cleanly)
    assert damage_files(before.disk, "/b/payments-0", "partition.metadata", damage)

    life = before.start()

    assert [directory.is_online for directory in life.logs.directories] == [True, False]
    assert life.logs.get(ORDERS) is not None


@pytest.mark.parametrize("damage", [missing, empty, zeros, garbage])
def test_directory_without_identity_is_refused(damage: Damage) -> None:
    """Kafka refuses when the directory of the metadata log has none."""
    before = stopped(cleanly=True)
    assert damage_files(before.disk, "/a", "meta.properties", damage)

    with pytest.raises(StartRefused):
        before.start()


@pytest.mark.parametrize("damage", [empty, cut, zeros, garbage])
def test_election_state_that_cannot_be_read_is_refused(damage: Damage) -> None:
    """Kafka too: a replica that has forgotten its vote could vote twice."""
    before = stopped(cleanly=True)
    assert damage_files(before.disk, "/a/__cluster_metadata-0", "quorum-state", damage)
    life = before.start()

    with pytest.raises(CorruptRecords):
        life.quorum_file.read()


def test_lost_election_state_is_that_of_a_replica_that_never_took_part() -> None:
    before = stopped(cleanly=True)
    assert damage_files(before.disk, "/a/__cluster_metadata-0", "quorum-state", missing)

    assert before.start().quorum_file.read().epoch == 0


def test_bit_rot_behind_the_recovery_point_ends_the_log_there_and_is_never_served() -> None:
    """Kafka cuts at the first batch whose checksum is wrong, and drops the segments behind."""
    for seed in range(40):
        before = stopped(cleanly=False)
        (path,) = damage_files(before.disk, "/b/payments-0", "24.log", lambda content: content)
        before.disk.flip_bit(path, random.Random(seed), first=16)

        log = before.start().logs.get(PAYMENTS)

        assert log is not None
        assert log.log_end_offset == 24
        assert [batch.last_offset for batch in batches_in(log)][-1] == 23


def test_bit_rot_below_the_recovery_point_is_not_looked_for() -> None:
    """As with Kafka; whoever fetches the batch finds its checksum wrong, and the records around it are served."""
    before = stopped(cleanly=False)
    (path,) = damage_files(before.disk, "/b/payments-0", "15.log", lambda content: content)
    before.disk.flip_bit(path, random.Random(1), first=61, end=90)

    log = before.start().logs.get(PAYMENTS)

    assert log is not None
    assert log.log_end_offset == before.known.logs[PAYMENTS].end_offset
    assert log.read(19, 1 << 20).read()
    with pytest.raises(AssertionError, match="damaged"):
        batches_in(log)


def test_torn_header_at_the_end_of_a_log_that_was_stopped_cleanly_is_cut() -> None:
    """Kafka's start fails on it. A medium that forgets what it had confirmed may do so; the records before are good."""
    before = stopped(cleanly=True)
    (path,) = damage_files(before.disk, "/b/payments-0", "24.log", lambda content: bytes(len(content)))
    assert path

    log = before.start().logs.get(PAYMENTS)

    assert log is not None
    assert log.log_end_offset == 24


def legacy_batch(offset: int, magic: int, value: bytes) -> bytes:
    """A message of the formats before Kafka 0.11."""
    body = bytes([magic, 0]) + (b"\0" * 8 if magic else b"") + struct.pack(">i", -1) + struct.pack(">i", len(value)) + value
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("cleanly", [True, False])
def test_batches_from_before_magic_2_are_not_taken_for_damage(magic: int, cleanly: bool) -> None:
    """Kafka 4.3 writes none but still serves what it has. This release refuses the directory, and leaves every byte where it is."""
    before = stopped(cleanly=cleanly)
    legacy = legacy_batch(30, magic, b"from 2016")
    (path,) = damage_files(before.disk, "/b/payments-0", "24.log", lambda content: content + legacy)
    content = before.disk.mount().read_bytes(path)

    life = before.start()

    assert [directory.is_online for directory in life.logs.directories] == [True, False]
    assert "magic 2" in str(life.logs.directories[1].failure)
    assert before.disk.mount().read_bytes(path) == content


def test_damage_that_says_it_is_of_magic_1_is_cut() -> None:
    before = stopped(cleanly=False)
    torn = legacy_batch(30, 1, b"from 2016")[:-1]
    assert damage_files(before.disk, "/b/payments-0", "24.log", lambda content: content + torn)

    judge(before.start(), CrashKind.PROCESS, before.known)
