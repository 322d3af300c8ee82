"""What a power cut can leave of `partition.metadata`, which is not waited for before the log's first flush."""

from __future__ import annotations

import pytest

from odradek.base.clock import ManualClock
from odradek.base.identifiers import ZERO_UUID, TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.file_names import PARTITION_METADATA
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem

DIRECTORY = "/data/orders-0"
TOPIC_ID = Uuid(b"the topic's id 0")


def log_with(content: bytes, *, recovery_point: int = 0, was_clean: bool = False) -> Log:
    """A log that is opened again after its `partition.metadata` has become `content`."""
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/data")
    partition = TopicPartition("orders", 0)
    Log.open(filesystem, DIRECTORY, partition, LogConfiguration(), ManualClock(), topic_id=TOPIC_ID).close()
    filesystem.write_bytes(f"{DIRECTORY}/{PARTITION_METADATA}", content, sync=True)
    return Log.open(filesystem, DIRECTORY, partition, LogConfiguration(), ManualClock(), recovery_point=recovery_point, was_clean=was_clean)


@pytest.mark.parametrize("content", [b"", bytes(43), b"version: 0\ntopic_id: " + bytes(20), b"version: 0\ntopic"])
def test_log_that_was_never_flushed_belongs_to_no_topic_when_its_id_is_torn(content: bytes) -> None:
    """It is set aside then, and its partition begins anew, instead of the node refusing to start for ever."""
    assert log_with(content).topic_id == ZERO_UUID


def test_empty_log_that_was_left_in_good_order_belongs_to_no_topic_when_its_id_is_torn() -> None:
    """A stop waits for records, and there were none: what is set aside is empty."""
    assert log_with(bytes(43), was_clean=True).topic_id == ZERO_UUID


@pytest.mark.parametrize("was_clean", [False, True])
def test_log_with_something_durable_does_not_lose_its_id_in_silence(was_clean: bool) -> None:
    with pytest.raises(CorruptCheckpoint):
        log_with(bytes(43), recovery_point=1, was_clean=was_clean)
