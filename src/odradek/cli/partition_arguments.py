"""Partitions as one names them: `orders` for all of a topic, `orders:0,2` for some (as Kafka's tools), and as they are shown:
`orders:0,2`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.cli.problems import CommandFailed
from odradek.client.core.cluster import NO_LEADER, Cluster
from odradek.client.errors import Refused


@final
@dataclass(frozen=True, slots=True)
class PartitionSelection:
    """Partitions of one topic; all of them where `partitions` is None."""

    topic: str
    partitions: tuple[int, ...] | None


def partition_selection(text: str) -> PartitionSelection:
    """What `TOPIC` or `TOPIC:0,1` means; raises ArgumentTypeError, as argparse wants it."""
    topic, colon, numbers = text.partition(":")
    parts = numbers.split(",") if colon else []
    if not topic or not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not TOPIC or TOPIC:0,1")
    return PartitionSelection(topic, tuple(int(part) for part in parts) if colon else None)


def selected(selections: Iterable[PartitionSelection], cluster: Cluster) -> list[TopicPartition]:
    """The partitions that are meant, each once.

    Raises:
        CommandFailed: a topic that is named as a whole cannot be described.
    """
    found: dict[TopicPartition, None] = {}
    for selection in selections:
        partitions = selection.partitions
        if partitions is None:
            topic = cluster.topics.get(selection.topic)
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if topic is None else topic.error_code
            if topic is None or code != ErrorCode.NONE:
                raise CommandFailed(f'topic "{selection.topic}" cannot be described: {Refused(code)}')
            partitions = tuple(topic.partitions)
        found.update(dict.fromkeys(TopicPartition(selection.topic, index) for index in partitions))
    return list(found)


def refuse_unusable(partitions: Iterable[TopicPartition], cluster: Cluster) -> None:
    """Every partition has to exist and to have a leader.

    Raises:
        CommandFailed: one does not.
    """
    missing = [partition for partition in partitions if cluster.partition(partition) is None]
    if missing:
        raise CommandFailed(f"there is no {_listed(missing)}   [UNKNOWN_TOPIC_OR_PARTITION {int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)}]")
    headless = [one for one in partitions if (found := cluster.partition(one)) is not None and found.leader_id == NO_LEADER]
    if headless:
        raise CommandFailed(f"{_listed(headless)} has no leader now   [LEADER_NOT_AVAILABLE {int(ErrorCode.LEADER_NOT_AVAILABLE)}]")


def compact(partitions: Iterable[TopicPartition]) -> str | None:
    """Partitions for people: `orders:0,2 users:1`; None where there are none."""
    topics = groupby(sorted(partitions), key=lambda partition: partition.topic)
    return " ".join(f"{topic}:{','.join(str(one.partition) for one in members)}" for topic, members in topics) or None


def as_data(partitions: Iterable[TopicPartition]) -> list[dict[str, object]]:
    """Partitions for programs."""
    topics = groupby(sorted(partitions), key=lambda partition: partition.topic)
    return [{"topic": topic, "partitions": [one.partition for one in members]} for topic, members in topics]


def _listed(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"partition {partition}" for partition in partitions)
