"""DescribeLogDirs (key 35): which directory holds which partitions, how large they are, and how much room is left (KIP-113, 827)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.config.precedence import log_directories
from odradek.metadata.feature_levels import CORDONED_DIRECTORIES_SINCE
from odradek.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from odradek.storage.log import Log
from odradek.storage.log_directory import LogDirectory

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
    """Every configured directory is answered, also one that has failed; without topics in the request, every partition."""
    if request.topics is None:

        def is_wanted(log: Log) -> bool:
            return True
    else:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}

        def is_wanted(log: Log) -> bool:
            return log.topic_partition in wanted

    found = [_describe(node, directory, is_wanted) for directory in node.logs.directories]
    return DescribeLogDirsResponse(results=found + _never_opened(node))


def _describe(node: Node, directory: LogDirectory, is_wanted: Callable[[Log], bool]) -> DescribeLogDirsResult:
    path = os.path.abspath(directory.path)
    if not directory.is_online:
        return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
    try:
        total_bytes, usable_bytes = directory.total_bytes(), directory.usable_bytes()
    except OSError:
        return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
    knows_cordoned = node.image.features.metadata_version_or_minimum >= CORDONED_DIRECTORIES_SINCE
    partitions_by_topic: dict[str, list[DescribeLogDirsPartition]] = defaultdict(list)
    for log in node.logs.logs_in(directory):
        if is_wanted(log):
            name = log.topic_partition
            partitions_by_topic[name.topic].append(
                DescribeLogDirsPartition(
                    partition_index=name.partition,
                    partition_size=log.size,
                    offset_lag=max(log.high_watermark - log.log_end_offset, 0),
                )
            )
    return DescribeLogDirsResult(
        log_dir=path,
        topics=[DescribeLogDirsTopic(name=topic, partitions=partitions) for topic, partitions in partitions_by_topic.items()],
        total_bytes=total_bytes,
        usable_bytes=usable_bytes,
        is_cordoned=knows_cordoned and directory.path in node.logs.cordoned_paths,
    )


def _never_opened(node: Node) -> list[DescribeLogDirsResult]:
    """The configured directories that could not be opened at the start."""
    opened = {os.path.abspath(directory.path) for directory in node.logs.directories}
    configured = [os.path.abspath(path) for path in log_directories(node.settings)]
    return [
        DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
        for path in dict.fromkeys(configured)
        if path not in opened
    ]
