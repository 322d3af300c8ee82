"""A write that does not fit leaves the log as it was: nothing torn, no producer that has moved on, no offset lost or given twice.

The large test keeps two logs. One is on a disk that refuses at random, in the middle of writes, of rolls, of index entries and of the
cut that follows; the other is on one that never does, and gets exactly those batches that the first has taken. After every turn both have
to be in the same state, whatever has been refused in between.
"""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import StorageFailure
from odradek.config.log_configuration import LogConfiguration
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.header import parse_header
from odradek.storage.delayed_deletions import DelayedDeletions
from odradek.storage.errors import NoRoom
from odradek.storage.log import Log
from odradek.storage.log_place import LogPlace
from odradek.storage.open_files import OpenFiles
from odradek.storage.producer_entry import CACHED_BATCHES_MAX, ProducerEntry
from odradek.testing.disk_faults import FailFrom, FailOnce, disk_error
from odradek.testing.disk_operations import WRITES, Fault, Faults, Operation
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.building import LOG_PATH, PARTITION, START_MS, Shelf, batch, idempotent, read_values, small_segments

NEEDS_ROOM = WRITES | {Operation.CREATE, Operation.RENAME, Operation.MAKE_DIRECTORY}


def shelf_on(faults: Faults | None = None, configuration: LogConfiguration | None = None) -> tuple[Shelf, SimulatedDisk]:
    clock = ManualClock(START_MS)
    disk = SimulatedDisk(clock.now_ms)
    return Shelf(configuration, disk.mount(faults)), disk


# One thing at a time


def test_write_that_fits_in_part_leaves_no_part_of_it() -> None:
    shelf, disk = shelf_on()
    shelf.append("before")
    size = disk.used_bytes
    disk.capacity_bytes = size + 100

    with pytest.raises(NoRoom):
        shelf.append("x" * 200)

    assert disk.used_bytes == size
    assert shelf.log.log_end_offset == 1
    disk.capacity_bytes = 1 << 20
    assert shelf.append("after") == 1
    assert [value for _, value in read_values(shelf.log)] == [b"before", b"after"]


def test_producer_whose_batch_did_not_fit_sends_it_again_and_it_is_there_once() -> None:
    shelf, disk = shelf_on()
    for sequence in range(7):
        shelf.append_batch(idempotent(sequence))
    before = disk.used_bytes
    disk.capacity_bytes = before

    with pytest.raises(NoRoom):
        shelf.append_batch(idempotent(7))
    repeated = shelf.log.append(idempotent(2), 1, START_MS)
    disk.capacity_bytes = 1 << 20

    # The oldest of the last five batches has not made way for one that never came to be.
    assert (repeated.is_duplicate, repeated.base_offset) == (True, 2)
    assert shelf.append_batch(idempotent(7)) == 7
    assert shelf.log.append(idempotent(7), 1, START_MS).is_duplicate
    assert shelf.log.log_end_offset == 8


def test_batches_of_a_turn_that_did_not_fit_have_not_begun_a_transaction_nor_ended_one() -> None:
    shelf, disk = shelf_on()
    shelf.append_batch(idempotent(0, producer_id=1, is_transactional=True))
    tail = shelf.log.tail
    for data in (marker(ControlType.ABORT, 1), idempotent(0, producer_id=2, is_transactional=True)):
        assert tail.stage(data, 0, parse_header(data, 0), 1, START_MS).error_code == 0
    disk.capacity_bytes = disk.used_bytes

    with pytest.raises(NoRoom):
        shelf.log.write_staged()

    shelf.log.high_watermark = shelf.log.log_end_offset
    assert shelf.log.last_stable_offset == 0
    assert sorted(shelf.log.producers.entries) == [1]
    assert shelf.log.aborted_transactions(0, 10) == []
    disk.capacity_bytes = 1 << 20
    shelf.append_batch(marker(ControlType.COMMIT, 1))
    shelf.log.high_watermark = shelf.log.log_end_offset
    assert shelf.log.last_stable_offset == shelf.log.log_end_offset


def test_index_entries_that_do_not_fit_wait_and_the_recovery_point_with_them() -> None:
    shelf, disk = shelf_on(configuration=LogConfiguration(index_interval_bytes=0))
    for number in range(20):
        shelf.append(f"value {number}", timestamp=START_MS + number)
    disk.capacity_bytes = disk.used_bytes

    with pytest.raises(NoRoom):
        shelf.log.flush()

    assert shelf.log.recovery_point == 0
    assert not shelf.log.is_offline
    assert shelf.log.offset_for_timestamp(START_MS + 7) is not None
    disk.capacity_bytes = 1 << 20
    shelf.log.flush()
    assert shelf.log.recovery_point == 20
    again = shelf.reopen_cleanly()
    assert [value for _, value in read_values(again)] == [f"value {number}".encode() for number in range(20)]


def test_aborted_transaction_that_does_not_fit_into_its_index_is_not_forgotten() -> None:
    faults = FailOnce(1, only=WRITES, error_number=errno.ENOSPC, written_ratio=0.5, under=f"{LOG_PATH}/{0:020d}.txnindex")
    faults.count = 1
    shelf, _ = shelf_on(faults)
    shelf.append_batch(idempotent(0, producer_id=1, is_transactional=True))

    shelf.append_batch(marker(ControlType.ABORT, 1))

    assert faults.struck is not None
    aborted = shelf.log.aborted_transactions(0, 10)
    assert [(entry.producer_id, entry.first_offset, entry.last_offset) for entry in aborted] == [(1, 0, 1)]
    assert shelf.reopen_cleanly().aborted_transactions(0, 10) == aborted


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG, errno.EDQUOT])
def test_want_of_descriptors_or_memory_is_no_broken_disk(number: int) -> None:
    shelf, disk = shelf_on()
    shelf.append("before")
    shelf.log.close()
    disk.crash(CrashKind.PROCESS, random.Random(0))
    faults = FailOnce(0, only={Operation.OPEN, *WRITES}, error_number=number, under=f"{LOG_PATH}/{0:020d}.log")
    faults.count = 1
    shelf.filesystem = disk.mount(faults)
    log = shelf.open(was_clean=True)
    faults.count = 0

    with pytest.raises(NoRoom):
        shelf.append("refused")

    assert faults.struck is not None
    assert not log.is_offline
    assert shelf.append("after") == 1
    assert [value for _, value in read_values(log)] == [b"before", b"after"]


def test_log_goes_offline_when_a_torn_tail_cannot_be_cut() -> None:
    class Broken:
        is_broken = False

        def before(self, operation: Operation, path: str, size: int) -> Fault | None:
            if not self.is_broken or not path.endswith(".log"):
                return None
            if operation in WRITES:
                return Fault(disk_error(errno.ENOSPC), size // 2)
            return Fault(disk_error(errno.EIO)) if operation is Operation.TRUNCATE else None

    faults = Broken()
    shelf, _ = shelf_on(faults)
    shelf.append("before")
    faults.is_broken = True

    with pytest.raises(StorageFailure):
        shelf.append("lost")
    faults.is_broken = False

    assert shelf.log.is_offline
    with pytest.raises(StorageFailure):
        shelf.append("after")
    assert [value for _, value in read_values(shelf.open())] == [b"before"]


def test_torn_tail_that_cannot_be_cut_for_want_of_room_is_cut_before_the_next_write() -> None:
    """A copy-on-write file system needs room even to make a file shorter."""

    class Full:
        is_full = False

        def before(self, operation: Operation, path: str, size: int) -> Fault | None:
            if not self.is_full or operation not in WRITES | {Operation.TRUNCATE}:
                return None
            return Fault(disk_error(errno.ENOSPC), size // 2 if operation in WRITES else 0)

    faults = Full()
    shelf, _ = shelf_on(faults)
    shelf.append("before")
    faults.is_full = True
    for _ in range(2):
        with pytest.raises(NoRoom):
            shelf.append("does not fit")
    faults.is_full = False

    assert shelf.append("after") == 1
    assert [value for _, value in read_values(shelf.reopen_cleanly())] == [b"before", b"after"]


def test_error_of_the_disk_takes_the_log_offline_whatever_is_staged() -> None:
    shelf, disk = shelf_on(FailFrom(0, only=WRITES, under=f"{LOG_PATH}/{0:020d}.log"))

    with pytest.raises(StorageFailure):
        shelf.append("never")

    assert shelf.log.is_offline
    assert not shelf.log.write_staged()
    assert shelf.log.log_end_offset == 0
    disk.crash(CrashKind.PROCESS, random.Random(0))
    shelf.filesystem = disk.mount()
    assert shelf.open().log_end_offset == 0


def test_log_is_recovered_on_a_full_disk_and_catches_up_when_there_is_room() -> None:
    configuration = small_segments(index_interval_bytes=0)
    shelf, disk = shelf_on(configuration=configuration)
    for sequence in range(30):
        shelf.append_batch(idempotent(sequence, producer_id=1, is_transactional=True))
    shelf.append_batch(marker(ControlType.ABORT, 1))
    expected = (read_values(shelf.log), shelf.log.aborted_transactions(0, 100), indexes_of(shelf.log))
    disk.crash(CrashKind.PROCESS, random.Random(0))
    shelf.filesystem = disk.mount()
    for name in shelf.names():
        if not name.endswith(".log"):
            shelf.filesystem.unlink(f"{LOG_PATH}/{name}")
    disk.capacity_bytes = disk.used_bytes

    log = shelf.open()

    assert (read_values(log), log.aborted_transactions(0, 100)) == expected[:2]
    with pytest.raises(NoRoom):
        shelf.append_batch(idempotent(30, producer_id=1))
    assert log.append(idempotent(29, producer_id=1, is_transactional=True), 1, START_MS).is_duplicate
    disk.capacity_bytes = 1 << 20
    shelf.append_batch(idempotent(30, producer_id=1))
    again = shelf.reopen_cleanly()
    assert indexes_of(again)[:-1] == expected[2][:-1]
    assert again.append(idempotent(30, producer_id=1), 1, START_MS).is_duplicate


# Two logs


def marker(kind: ControlType, producer_id: int, *, epoch: int = 0) -> bytes:
    return encode_end_marker(kind, coordinator_epoch=0, producer_id=producer_id, producer_epoch=epoch, timestamp=START_MS + 50)


class RandomShortage:
    """Now and then there is no room: a write does in part, everything else not at all."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.ratio = 0.0
        self.count = 0

    def before(self, operation: Operation, path: str, size: int) -> Fault | None:
        is_asking = operation in NEEDS_ROOM or (operation is Operation.TRUNCATE and self.dice.random() < 0.2)
        if not is_asking or self.dice.random() >= self.ratio:
            return None
        self.count += 1
        error = disk_error(self.dice.choice((errno.ENOSPC, errno.EDQUOT)), path)
        return Fault(error, self.dice.randrange(size + 1) if operation in WRITES else 0)


@dataclass
class Client:
    """A producer that sends a batch until it is acknowledged, and now and then one that was already."""

    producer_id: int
    epoch: int = 0
    sequence: int = 0
    is_in_transaction: bool = False
    waiting: list[bytes] = field(default_factory=list)
    acknowledged: list[tuple[bytes, int]] = field(default_factory=list)

    def next_batch(self, dice: random.Random, sent_before: int) -> bytes:
        """The first batch that is not acknowledged, behind those that are on their way."""
        if len(self.waiting) == sent_before:
            self.waiting.append(self._new(dice))
        return self.waiting[sent_before]

    def _new(self, dice: random.Random) -> bytes:
        if self.is_in_transaction and dice.random() < 0.3:
            self.is_in_transaction = False
            return marker(dice.choice((ControlType.ABORT, ControlType.COMMIT)), self.producer_id, epoch=self.epoch)
        if not self.is_in_transaction and dice.random() < 0.1:
            self.epoch += 1
            self.sequence = 0
        is_transactional = self.is_in_transaction or dice.random() < 0.3
        self.is_in_transaction = is_transactional
        count = dice.randrange(1, 4)
        data = batch(
            *[f"{self.producer_id}:{self.epoch}:{self.sequence + index}" for index in range(count)],
            timestamp=START_MS + dice.randrange(100),
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
            is_transactional=is_transactional,
        )
        self.sequence += count
        return data


def open_log(disk: SimulatedDisk, clock: ManualClock, configuration: LogConfiguration, faults: Faults | None) -> tuple[Log, list[object]]:
    """A log that refuses everything until the functions in the list are called, as in a node until the turn is over."""
    filesystem = disk.mount(faults)
    filesystem.make_directories(LOG_PATH.rpartition("/")[0])
    releases: list[object] = []

    def refuse(error: OSError, accept_again: object) -> bool:
        releases.append(accept_again)
        return True

    place = LogPlace(OpenFiles(filesystem), LOG_PATH, PARTITION, clock, random.Random(1), DelayedDeletions(filesystem), on_shortage=refuse)
    return Log.load(place, configuration), releases


def described(entry: ProducerEntry) -> tuple[object, ...]:
    kept = [(kept.last_sequence, kept.last_offset, kept.offset_delta, kept.timestamp) for kept in entry.batches]
    state = (entry.epoch, entry.coordinator_epoch, entry.last_timestamp, entry.transaction_first_offset)
    return (entry.producer_id, *state, kept[-CACHED_BATCHES_MAX:])


def indexes_of(log: Log) -> list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
    return [(segment.offset_index.all_entries(), segment.time_index.all_entries()) for segment in log.segments]


def state_of(log: Log) -> dict[str, object]:
    """All that the next batch, a reader or a coordinator could tell."""
    end = log.tail.end
    end_offset = log.log_end_offset
    return {
        "end": (log.tail.staged_end_offset, end_offset, end.size, end.written_size),
        "segments": [(segment.base_offset, segment.size) for segment in log.segments],
        "account": (end.first_timestamp, end.max_timestamp, end.offset_of_max_timestamp, end.bytes_since_index_entry),
        "indexes": indexes_of(log),
        "producers": sorted(described(entry) for entry in log.producers.entries.values()),
        "unstable": log.producers.first_unstable_offset(0),
        "aborted": log.aborted_transactions(0, end_offset),
        "epochs": [entry for entry in log.leader_epochs.entries if entry.start_offset < end_offset],
        "bytes": b"".join(segment.log.file().pread(segment.size, 0) for segment in log.segments),
    }


class TwoLogs:
    """The log on the disk that fails, and its twin that gets what that one has taken."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = ManualClock(START_MS)
        self.faults = RandomShortage(self.dice)
        self.configuration = small_segments(segment_bytes=self.dice.choice((600, 2000, 1 << 20)), index_interval_bytes=100)
        self.disk, twin_disk = SimulatedDisk(self.clock.now_ms), SimulatedDisk(self.clock.now_ms)
        self.log, self.releases = open_log(self.disk, self.clock, self.configuration, self.faults)
        self.twin, _ = open_log(twin_disk, self.clock, self.configuration, None)
        self.clients = [Client(number) for number in range(4)]
        self.leader_epoch = 1
        self.refused_count = 0

    def turn(self) -> None:
        if self.dice.random() < 0.1:
            self.leader_epoch += 1
        staged: list[tuple[Client, bytes, int, int]] = []
        for _ in range(self.dice.randrange(1, 7)):
            client = self.dice.choice(self.clients)
            staged_before = sum(client is sender for sender, *_ in staged)
            if client.acknowledged and not staged_before and self.dice.random() < 0.2:
                self._send_again(client)
                continue
            data = client.next_batch(self.dice, staged_before)
            try:
                outcome = self.log.tail.stage(data, 0, parse_header(data, 0), self.leader_epoch, START_MS)
            except NoRoom:
                self.refused_count += 1
                continue
            assert outcome.error_code == 0
            staged.append((client, data, int(outcome.base_offset), int(outcome.last_offset)))
        try:
            self.log.write_staged()
        except NoRoom:
            self.refused_count += 1
        for release in self.releases:
            release()  # type: ignore[operator]
        self.releases.clear()
        for client, data, base_offset, last_offset in staged:
            if last_offset < self.log.log_end_offset:
                client.waiting.pop(0)
                client.acknowledged.append((data, base_offset))
                again = self.twin.tail.stage(data, 0, parse_header(data, 0), self.leader_epoch, START_MS)
                assert (again.error_code, again.base_offset) == (0, base_offset)
        self.twin.write_staged()
        if self.log.segments.active.base_offset > self.twin.segments.active.base_offset:
            # A batch that needed a new segment found room for that and not for itself.
            self.twin.roll()

    def _send_again(self, client: Client) -> None:
        """One of the last five batches of an epoch is known again, however many did not fit since."""
        recent = client.acknowledged[-CACHED_BATCHES_MAX:]
        data, base_offset = self.dice.choice(recent)
        header = parse_header(data, 0)
        if header.is_control() or any(parse_header(other, 0).producer_epoch != header.producer_epoch for other, _ in recent):
            return
        entry = self.log.producers.entries[client.producer_id]
        if entry.epoch != header.producer_epoch:
            return
        try:
            outcome = self.log.tail.stage(data, 0, header, self.leader_epoch, START_MS)
        except NoRoom:
            return
        assert (outcome.is_duplicate, outcome.base_offset) == (True, base_offset)


@pytest.mark.parametrize("seed", range(40))
def test_log_on_a_disk_that_is_full_now_and_then_is_always_as_one_that_never_heard_of_what_was_refused(seed: int) -> None:
    two = TwoLogs(seed)
    for number in range(60):
        two.faults.ratio = two.dice.choice((0.0, 0.1, 0.5, 1.0))
        two.turn()
        two.faults.ratio = 0.0
        assert state_of(two.log) == state_of(two.twin), f"seed {seed}, turn {number}"
        if two.dice.random() < 0.1:
            two.log.flush()
            two.twin.flush()
    assert two.faults.count > 5

    # What of a refused write could not be cut off goes with the next one.
    for log in (two.log, two.twin):
        log.append(batch("last"), two.leader_epoch, START_MS)
    expected = state_of(two.twin)
    two.disk.crash(CrashKind.PROCESS, two.dice)
    recovered, _ = open_log(two.disk, two.clock, two.configuration, None)
    for topic in ("segments", "bytes", "epochs", "aborted"):
        assert state_of(recovered)[topic] == expected[topic], f"seed {seed}, {topic} after a crash"
