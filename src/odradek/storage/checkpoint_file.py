"""Kafka's text checkpoints: a version, a count, and one entry a line (`CheckpointFile.java`, KAFKA-FACTS §2.5).

A file is replaced whole, so a reader finds the old or the new one. An absent file is an empty one; what cannot be read is an error,
and who reads decides whether it may be forgotten (a lost recovery point only costs a longer scan).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from odradek.base.identifiers import TopicPartition
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.filesystem import FileSystem

CHECKPOINT_VERSION = 0

RECOVERY_POINT_CHECKPOINT = "recovery-point-offset-checkpoint"
LOG_START_OFFSET_CHECKPOINT = "log-start-offset-checkpoint"
REPLICATION_OFFSET_CHECKPOINT = "replication-offset-checkpoint"
CLEANER_OFFSET_CHECKPOINT = "cleaner-offset-checkpoint"


class EpochStart(NamedTuple):
    """A leader epoch and the offset of its first record."""

    epoch: int
    start_offset: int


def read_offset_checkpoint(filesystem: FileSystem, path: str) -> dict[TopicPartition, int]:
    """The offset of each partition in a checkpoint of a log directory, empty when there is no file.

    Raises:
        CorruptCheckpoint: the file is not of this form.
    """
    offsets: dict[TopicPartition, int] = {}
    for fields in _read_entries(filesystem, path, fields_count=3):
        topic, partition, offset = fields
        offsets[TopicPartition(topic, _number(partition, path))] = _number(offset, path)
    return offsets


def write_offset_checkpoint(filesystem: FileSystem, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Replace the checkpoint durably."""
    lines = [f"{partition.topic} {partition.partition} {offset}" for partition, offset in offsets.items()]
    filesystem.replace(path, _text(lines), sync=True)


def read_epoch_checkpoint(filesystem: FileSystem, path: str) -> list[EpochStart]:
    """The entries of a `leader-epoch-checkpoint`, empty when there is no file.

    Raises:
        CorruptCheckpoint: the file is not of this form.
    """
    return [
        EpochStart(_number(epoch, path), _number(start_offset, path))
        for epoch, start_offset in _read_entries(filesystem, path, fields_count=2)
    ]


def write_epoch_checkpoint(filesystem: FileSystem, path: str, epochs: Iterable[EpochStart], *, sync: bool) -> None:
    """Replace a `leader-epoch-checkpoint`."""
    filesystem.replace(path, _text([f"{entry.epoch} {entry.start_offset}" for entry in epochs]), sync=sync)


def _read_entries(filesystem: FileSystem, path: str, *, fields_count: int) -> list[list[str]]:
    try:
        text = filesystem.read_bytes(path).decode("utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise CorruptCheckpoint(f"{path} is not text") from None
    if not text:
        # Kafka makes its checkpoints empty and writes them when there is something to say.
        return []
    lines = text.split("\n")
    if len(lines) < 3 or lines[-1] or _number(lines[0], path) != CHECKPOINT_VERSION:
        raise CorruptCheckpoint(f"{path} is not a checkpoint of version {CHECKPOINT_VERSION}")
    entries = [line.split() for line in lines[2:-1]]
    if len(entries) != _number(lines[1], path):
        raise CorruptCheckpoint(f"{path} announces {lines[1]} entries and has {len(entries)}")
    if any(len(fields) != fields_count for fields in entries):
        raise CorruptCheckpoint(f"{path} has an entry that is not of {fields_count} fields")
    return entries


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in [str(CHECKPOINT_VERSION), str(len(lines)), *lines]).encode("utf-8")


def _number(text: str, path: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CorruptCheckpoint(f"{path} has {text!r} where a number belongs") from None
