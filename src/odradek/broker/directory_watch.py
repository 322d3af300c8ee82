"""What a node does when one of its log directories fails while it runs (`ReplicaManager#handleLogDirFailure`).

The partitions in it are offline at once, and whoever waits for them is told; the controller hears of it with the next heartbeat, which is
sent now, and has others lead where there are others. The node goes on with the directories that are left. Without the one that holds the
metadata log, or without any, it cannot, and ends.
"""

from __future__ import annotations

import asyncio

from odradek.base.errors import StorageFailure
from odradek.broker.broker_lifecycle import BrokerLifecycle
from odradek.broker.partitions import PartitionRegistry
from odradek.storage.log_directories import LogDirectories
from odradek.storage.log_directory import LogDirectory


class DirectoryWatch:
    """Hears of failed directories (`LogDirectories.on_directory_failure`)."""

    def __init__(self, logs: LogDirectories, partitions: PartitionRegistry, lifecycle: BrokerLifecycle, *, metadata_directory: str) -> None:
        self._logs = logs
        self._partitions = partitions
        self._lifecycle = lifecycle
        self._metadata_directory = metadata_directory
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()

    def on_failure(self, directory: LogDirectory) -> None:
        """It has failed, in the midst of whatever was being done: act on it as soon as that is over."""
        self._loop.call_soon(self._act, directory)

    async def run(self) -> None:
        """Wait for a failure that the node cannot go on after.

        Raises:
            StorageFailure: there was one.
        """
        for directory in self._logs.directories:
            if not directory.is_online:
                # It failed between its opening and now.
                self._act(directory)
        await self._end

    def _act(self, directory: LogDirectory) -> None:
        self._partitions.drop_failed()
        if directory.directory_id is not None:
            self._lifecycle.report_failed_directory(directory.directory_id)
        if self._end.done():
            return
        if directory.path == self._metadata_directory:
            self._end.set_exception(
                StorageFailure(
                    f"the node ends: the log directory {directory.path} holds the metadata log and has failed ({directory.failure})"
                )
            )
        elif not any(other.is_online for other in self._logs.directories):
            self._end.set_exception(
                StorageFailure(f"the node ends: its last log directory, {directory.path}, has failed ({directory.failure})")
            )
