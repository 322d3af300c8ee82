"""Writing a checkpoint of every log directory without stopping the loop: the waiting half, to be run in a pool.

Begun on the loop (`LogDirectories.begin_checkpoint`), which looks at the logs; run anywhere; ended on the loop
(`LogDirectories.end_checkpoint`), which takes a directory offline whose disk refused. Works may overtake each other in the pool: each has
a number, and what is older than what was written last is not written any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from odradek.base.identifiers import TopicPartition
from odradek.storage.checkpoint_file import LOG_START_OFFSET_CHECKPOINT, RECOVERY_POINT_CHECKPOINT, REPLICATION_OFFSET_CHECKPOINT
from odradek.storage.log_directory import LogDirectory


class Checkpoint(Enum):
    """Which checkpoint; the value is the name of its file."""

    RECOVERY_POINTS = RECOVERY_POINT_CHECKPOINT
    LOG_STARTS = LOG_START_OFFSET_CHECKPOINT
    HIGH_WATERMARKS = REPLICATION_OFFSET_CHECKPOINT


@dataclass(slots=True, kw_only=True)
class CheckpointWork:
    """What one checkpoint said of each directory at the moment `number`. `failures` has the directories whose disk refused."""

    checkpoint: Checkpoint
    number: int
    offsets: list[tuple[LogDirectory, Mapping[TopicPartition, int]]]
    # Logs that are gone, and in no checkpoint any more once this one is written.
    gone: frozenset[TopicPartition]
    failures: list[tuple[LogDirectory, OSError]] = field(default_factory=list)

    def run(self) -> None:
        """Wait for the disks. Never raises: a disk that refuses is told by `failures`."""
        for directory, offsets in self.offsets:
            try:
                directory.write_checkpoint(self.checkpoint.value, self.number, offsets)
            except OSError as error:
                self.failures.append((directory, error))
