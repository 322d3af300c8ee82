"""Logs and batches for the tests of this room, with everything that a test does not care about already chosen."""

from __future__ import annotations

import random
from collections.abc import Sequence

from odradek.base.clock import ManualClock
from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import assemble_batch, encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from odradek.storage.filesystem import FileSystem
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.open_files import OPEN_FILES_MAX, OpenFiles

PARTITION = TopicPartition("orders", 0)
LOG_PATH = "/data/orders-0"
START_MS = 1_700_000_000_000


def batch(*values: bytes | str, timestamp: int = START_MS, codec: Codec = Codec.NONE, **producer: int | bool) -> bytes:
    """A batch with one record for each of `values`; `producer` is `producer_id`, `producer_epoch`, `base_sequence`, `is_transactional`."""
    records = [Record(0, timestamp, None, value.encode() if isinstance(value, str) else value, []) for value in values]
    return encode_batch(records, compression=codec, **producer)  # type: ignore[arg-type]


def batch_around(body: bytes, *, record_count: int, codec: int = 0, max_timestamp: int = START_MS) -> bytes:
    """A batch with a right checksum around any body at all, as a hostile or broken producer sends it."""
    return assemble_batch(
        body,
        base_offset=0,
        leader_epoch=0,
        attributes=codec,
        last_offset_delta=record_count - 1,
        base_timestamp=START_MS,
        max_timestamp=max_timestamp,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        record_count=record_count,
    )


def idempotent(sequence: int, count: int = 1, *, producer_id: int = 7, epoch: int = 0, is_transactional: bool = False) -> bytes:
    """A batch of `count` records of an idempotent producer."""
    return batch(
        *[f"{sequence + index}" for index in range(count)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
    )


class Shelf:
    """A file system with one log directory, and the log in it, which can be closed, crashed and opened again."""

    def __init__(self, configuration: LogConfiguration | None = None, filesystem: FileSystem | None = None, path: str = LOG_PATH) -> None:
        self.clock = ManualClock(START_MS)
        self.filesystem = filesystem if filesystem is not None else MemoryFileSystem(self.clock.now_ms)
        self.configuration = configuration or LogConfiguration()
        self.path = path
        self.open_files_max = OPEN_FILES_MAX
        self.filesystem.make_directories(path.rpartition("/")[0])
        self.log = self.open()

    def open(self, *, was_clean: bool = False, recovery_point: int = 0, log_start_offset: int = 0) -> Log:
        self.log = Log.open(
            self.filesystem,
            self.path,
            PARTITION,
            self.configuration,
            self.clock,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            was_clean=was_clean,
            dice=random.Random(1),
            open_files=OpenFiles(self.filesystem, self.open_files_max),
        )
        return self.log

    def reopen_cleanly(self) -> Log:
        start = self.log.log_start_offset
        self.log.close()
        return self.open(was_clean=True, log_start_offset=start)

    def append(self, *values: bytes | str, leader_epoch: int = 1, timestamp: int = START_MS) -> int:
        """Append one batch; its base offset."""
        return self.append_batch(batch(*values, timestamp=timestamp), leader_epoch=leader_epoch)

    def append_batch(self, data: bytes, *, leader_epoch: int = 1) -> int:
        staged = self.log.append(data, leader_epoch, self.clock.now_ms())
        assert staged.error_code == 0, f"refused with {staged.error_code}"
        return int(staged.base_offset)

    def names(self) -> list[str]:
        return sorted(self.filesystem.list_names(self.path))


def read_values(
    log: Log, offset: int | None = None, *, bytes_max: int = 1 << 20, upper_bound: int | None = None
) -> list[tuple[int, bytes]]:
    """Every record from `offset` (the log start) on, slice by slice, as (offset, value)."""
    position = log.log_start_offset if offset is None else offset
    first = position
    found: list[tuple[int, bytes]] = []
    while True:
        piece = log.read(position, bytes_max, upper_bound=upper_bound)
        if not piece.size:
            return [pair for pair in found if pair[0] >= first]
        found.extend(values_in(piece.read()))
        assert piece.next_offset > position
        position = piece.next_offset


def values_in(data: bytes) -> list[tuple[int, bytes]]:
    """The records of whole batches as (offset, value)."""
    found: list[tuple[int, bytes]] = []
    position = 0
    for item in iterate_batches(data):
        found.extend((record.offset, record.value or b"") for record in decode_records(data, item.position))
        position = item.position + int(item.header.size)
    assert position == len(data), "a slice ends inside a batch"
    return found


def small_segments(segment_bytes: int = 500, index_interval_bytes: int = 100, **settings: int) -> LogConfiguration:
    """Settings under which everything that is rare happens often."""
    return LogConfiguration(segment_bytes=segment_bytes, index_interval_bytes=index_interval_bytes, **settings)  # type: ignore[arg-type]


def random_batches(dice: random.Random, count: int) -> Sequence[bytes]:
    """Batches of different sizes, codecs and times."""
    made = []
    for number in range(count):
        values = [dice.randbytes(dice.randrange(1, 60)) for _ in range(dice.randrange(1, 6))]
        made.append(batch(*values, timestamp=START_MS + number * 10 + dice.randrange(-50, 50), codec=dice.choice(list(Codec))))
    return made
