"""Making a log durable without stopping the loop: the waiting half of a flush, to be run in a pool.

Begun on the loop (`Log.begin_flush`), which writes what waits in memory and gathers the files; run anywhere; ended on the loop
(`Log.end_flush`), which moves the recovery point. The files stay open as long as the work lives, whatever happens to their names.
"""

from __future__ import annotations

from dataclasses import dataclass

from odradek.base.errors import StorageFailure
from odradek.storage.filesystem import File, FileSystem


@dataclass(frozen=True, slots=True)
class FlushWork:
    """What has to be fsynced so that everything below `up_to` is durable."""

    up_to: int
    filesystem: FileSystem
    files: tuple[File, ...]
    paths: tuple[str, ...]
    # None when no name in the log's directory has changed since it was made durable.
    directory: str | None
    # What `Log.end_flush` may count as durable: changes of names, of the epochs, and how often the log had been cut when the work began.
    names_version: int = 0
    epochs_version: int = 0
    truncations_count: int = 0
    # The log directory, in which the name of the log's own directory may be new; None when it is durable.
    parent: str | None = None

    def run(self) -> None:
        """Wait for the disk.

        Raises:
            StorageFailure: the disk failed; nothing may be assumed of what was written since the last flush (`Log.flush_failed`).
        """
        try:
            self._sync()
        except OSError as error:
            raise StorageFailure(f"a log could not be made durable: {error}") from error

    def _sync(self) -> None:
        for file in self.files:
            file.fsync()
        for path in self.paths:
            try:
                self.filesystem.fsync(path)
            except FileNotFoundError:
                # Removed with its segment, or with the log, in the meantime.
                continue
        if self.directory is not None:
            try:
                self.filesystem.fsync_directory(self.directory)
            except FileNotFoundError:
                return
        if self.parent is not None:
            self.filesystem.fsync_directory(self.parent)
