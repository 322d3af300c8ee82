"""One partition in two log directories, after a power cut tore the topic id in both: nobody knows whose they are; nothing is durable."""

from __future__ import annotations

import random

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import StartRefused
from odradek.base.identifiers import TopicPartition, Uuid, random_uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.file_names import PARTITION_METADATA, STRAY_DIRECTORY_SUFFIX
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, write_meta_properties

TOPIC_ID = Uuid(b"the topic's id 0")
PARTITION = TopicPartition("orders", 0)


def started(contents: dict[str, bytes | None]) -> tuple[LogDirectories, MemoryFileSystem]:
    """The logs of a node whose directories hold `orders-0`, each with such a `partition.metadata`."""
    filesystem, clock, dice = MemoryFileSystem(), ManualClock(), random.Random(1)
    for path, content in contents.items():
        filesystem.make_directories(f"{path}/orders-0")
        write_meta_properties(filesystem, path, MetaProperties(cluster_id="cluster", node_id=1, directory_id=random_uuid(dice)), 0)
        if content is not None:
            filesystem.write_bytes(f"{path}/orders-0/{PARTITION_METADATA}", content, sync=True)
    logs = LogDirectories.open(filesystem, list(contents), clock, dice, node_id=1)
    logs.topic_id_of = {"orders": TOPIC_ID}.get
    logs.open_existing(lambda topic: LogConfiguration())
    return logs, filesystem


@pytest.mark.parametrize("contents", [{"/a": bytes(43), "/b": bytes(43)}, {"/a": b"", "/b": None}, {"/a": None, "/b": b"version"}])
def test_one_of_two_torn_logs_begins_anew_and_the_other_is_set_aside(contents: dict[str, bytes | None]) -> None:
    logs, filesystem = started(contents)

    log = logs.get(PARTITION)
    assert log is not None
    assert log.topic_id is None
    names = [name for path in contents for name in filesystem.list_directories(path)]
    assert sorted(name.endswith(STRAY_DIRECTORY_SUFFIX) for name in names) == [False, True]


def test_two_logs_that_say_nothing_of_their_topic_refuse_the_start() -> None:
    """They may be of an old release, with all their records: the operator has to look."""
    with pytest.raises(StartRefused, match="both /a and /b hold orders-0"):
        started({"/a": None, "/b": None})
