"""What readers may see of a log with `flush.messages` when it is opened again: all that is found, though not all of it is durable yet."""

from __future__ import annotations

from odradek.base.clock import ManualClock
from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem

CLOCK = ManualClock()


def opened(filesystem: MemoryFileSystem) -> Log:
    """The log after a kill, which no checkpoint knows of."""
    return Log.open(filesystem, "/data/orders-0", TopicPartition("orders", 0), LogConfiguration(flush_messages=1), CLOCK)


def append(log: Log) -> None:
    log.append(encode_batch([Record(value=b"a"), Record(value=b"b")]), 0, CLOCK.now_ms())


def test_what_is_found_at_the_start_is_not_held_back_until_the_next_flush() -> None:
    """It was acknowledged, or seen, in the life before: who asks now must not be told that the log ends earlier."""
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/data")
    before = opened(filesystem)
    append(before)
    assert before.tail.promised_end() == 0

    after = opened(filesystem)
    assert after.tail.promised_end() == 2
    append(after)
    assert after.tail.promised_end() == 2
    after.flush()
    assert after.tail.promised_end() == 4


def test_what_was_found_and_then_cut_off_is_not_seen() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/data")
    for _ in range(2):
        append(opened(filesystem))

    log = opened(filesystem)
    log.truncate_to(2)
    append(log)

    assert (log.log_end_offset, log.tail.promised_end()) == (4, 2)
