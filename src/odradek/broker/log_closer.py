"""Closes the node's logs in threads when it stops: each has to wait for the disk several times, and a disk serves many waits at once.

As many threads as `num.recovery.threads.per.data.dir` says for each directory, as with Kafka, but never so few that the disk is idle
between two waits. Nobody else touches the logs any more when this begins, and no log touches what another one owns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor

from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.log_directory import LogDirectory

# A disk that answers a flush in a millisecond or ten does eight of them in little more: a journal takes them together.
THREADS_PER_DIRECTORY_MIN = 8
# Logs that one thread closes in one go.
LOGS_PER_PORTION = 16

Portion = tuple[LogDirectory, Sequence[Log]]


async def close_logs(logs: LogDirectories, pool: Executor, *, threads_per_directory: int, broker_epoch: int) -> None:
    """Close every log, then write the checkpoints and mark as clean what is in order (`LogDirectories.close`)."""
    loop = asyncio.get_running_loop()

    async def work(portions: deque[Portion]) -> None:
        while portions:
            await loop.run_in_executor(pool, logs.close_some, *portions.popleft())

    by_directory: list[deque[Portion]] = []
    for directory, held in logs.begin_closing():
        by_directory.append(deque((directory, held[first : first + LOGS_PER_PORTION]) for first in range(0, len(held), LOGS_PER_PORTION)))
    await asyncio.gather(*(work(portions) for portions in by_directory for _ in range(min(threads_per_directory, len(portions)))))
    await loop.run_in_executor(pool, logs.end_closing, broker_epoch)


def threads_for(setting: int) -> int:
    """How many threads close the logs of one directory."""
    return max(setting, THREADS_PER_DIRECTORY_MIN)
