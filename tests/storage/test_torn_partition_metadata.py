"""What a power cut can leave of `partition.metadata`, which is not waited for before the log's first flush."""

from __future__ import annotations

import pytest

from odradek.base.clock import ManualClock
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.file_names import PARTITION_METADATA
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem

DIRECTORY = "/data/orders-0"
TOPIC_ID = Uuid(b"the topic's id 0")


def log_with(content: bytes, *, recovery_point: int = 0, log_start_offset: int = 0, was_clean: bool = False) -> Log:
    """A log of five records that is opened again after its `partition.metadata` has become `content`."""
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/data")
    partition = TopicPartition("orders", 0)
    before = Log.open(filesystem, DIRECTORY, partition, LogConfiguration(), ManualClock(), topic_id=TOPIC_ID)
    before.append(encode_batch([Record(value=b"of a topic that may be deleted")] * 5), 0, 0)
    before.close()
    filesystem.write_bytes(f"{DIRECTORY}/{PARTITION_METADATA}", content, sync=True)
    return Log.open(
        filesystem,
        DIRECTORY,
        partition,
        LogConfiguration(),
        ManualClock(),
        recovery_point=recovery_point,
        log_start_offset=log_start_offset,
        was_clean=was_clean,
    )


@pytest.mark.parametrize("content", [b"", bytes(43), b"version: 0\ntopic_id: " + bytes(20), b"version: 0\ntopic"])
def test_log_that_was_never_flushed_begins_anew_when_its_id_is_torn(content: bytes) -> None:
    """Whose records they were nobody knows, and nobody was promised that they stay; the node must not refuse to start for ever."""
    log = log_with(content)

    assert (log.topic_id, log.log_start_offset, log.log_end_offset) == (None, 0, 0)
    log.assign_topic_id(TOPIC_ID)
    assert log.append(encode_batch([Record(value=b"new")]), 0, 0).base_offset == 0


def test_what_was_deleted_stays_deleted_in_a_log_that_begins_anew() -> None:
    """DeleteRecords moves the recovery point with the log start, and is answered when the log start is on the disk."""
    log = log_with(bytes(43), recovery_point=3, log_start_offset=3)

    assert (log.topic_id, log.log_start_offset, log.log_end_offset) == (None, 3, 3)


@pytest.mark.parametrize("was_clean", [False, True])
def test_log_with_something_durable_does_not_lose_its_id_in_silence(was_clean: bool) -> None:
    with pytest.raises(CorruptCheckpoint):
        log_with(bytes(43), recovery_point=4, log_start_offset=3, was_clean=was_clean)


def test_first_flush_of_a_log_that_began_anew_waits_for_its_id_and_its_names() -> None:
    """The recovery point stands at the log end already, and yet nothing of what was made at the start is durable."""
    log = log_with(bytes(43), recovery_point=3, log_start_offset=3)
    log.assign_topic_id(TOPIC_ID)
    log.append(encode_batch([Record(value=b"new")]), 0, 0)

    work = log.begin_flush()

    assert work is not None
    assert (work.directory, work.parent) == (DIRECTORY, "/data")
    assert f"{DIRECTORY}/{PARTITION_METADATA}" in work.paths


def test_first_flush_waits_for_the_name_of_a_segment_that_the_start_has_made() -> None:
    """All files of the log are missing, and its log start says where it goes on."""
    filesystem = MemoryFileSystem()
    filesystem.make_directories(DIRECTORY)
    log = Log.open(
        filesystem, DIRECTORY, TopicPartition("orders", 0), LogConfiguration(), ManualClock(), recovery_point=3, log_start_offset=3
    )
    log.append(encode_batch([Record(value=b"new")]), 0, 0)

    work = log.begin_flush()

    assert work is not None
    assert work.directory == DIRECTORY
