"""The names of the files and directories of a log, as Kafka gives them (`LogFileUtils.java`, `LocalLog.java`)."""

from __future__ import annotations

import random

from odradek.base.identifiers import TopicPartition

LOG_SUFFIX = ".log"
OFFSET_INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TRANSACTION_INDEX_SUFFIX = ".txnindex"
PRODUCER_SNAPSHOT_SUFFIX = ".snapshot"
DELETED_SUFFIX = ".deleted"
CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"

LEADER_EPOCH_CHECKPOINT = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"

DELETE_DIRECTORY_SUFFIX = "-delete"
FUTURE_DIRECTORY_SUFFIX = "-future"
STRAY_DIRECTORY_SUFFIX = "-stray"

OFFSET_DIGITS = 20
DIRECTORY_NAME_SIZE_MAX = 255


def offset_name(offset: int) -> str:
    """Twenty digits, so that names sort as offsets do."""
    return f"{offset:020d}"


def offset_of(name: str) -> int | None:
    """The offset that a file's name begins with, None if it is not the name of a log's file."""
    digits, point, _ = name.partition(".")
    return int(digits) if point and len(digits) >= OFFSET_DIGITS and digits.isdecimal() else None


def log_directory_name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"


def leaving_directory_name(partition: TopicPartition, suffix: str, dice: random.Random) -> str:
    """A name under which a log's directory waits for its removal; the topic is cut where 255 bytes are not enough."""
    tail = f"-{partition.partition}.{dice.getrandbits(128):032x}{suffix}"
    return partition.topic[: DIRECTORY_NAME_SIZE_MAX - len(tail)] + tail


def parse_log_directory_name(name: str) -> TopicPartition | None:
    """The partition whose live log a directory of this name holds, None if it is no such name."""
    topic, dash, index = name.rpartition("-")
    if not dash or not topic or not index.isascii() or not index.isdecimal():
        return None
    return TopicPartition(topic, int(index))
