"""`.kafka_cleanshutdown`: there only while the node is stopped, and only if it stopped in good order (`CleanShutdownFileHandler.java`).

It spares the scan at the next start, and carries the broker's epoch, so that the controller knows that nothing was lost.
"""

from __future__ import annotations

import json

from odradek.storage.filesystem import FileSystem

CLEAN_SHUTDOWN_FILE = ".kafka_cleanshutdown"
FILE_VERSION = 0
NO_BROKER_EPOCH = -1


def has_clean_shutdown(filesystem: FileSystem, directory: str) -> bool:
    return filesystem.exists(f"{directory}/{CLEAN_SHUTDOWN_FILE}")


def read_broker_epoch(filesystem: FileSystem, directory: str) -> int:
    """The broker epoch of the last clean stop, -1 if there was none or it is not known."""
    try:
        content = json.loads(filesystem.read_bytes(f"{directory}/{CLEAN_SHUTDOWN_FILE}"))
        epoch = content["brokerEpoch"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return NO_BROKER_EPOCH
    return epoch if isinstance(epoch, int) else NO_BROKER_EPOCH


def write_clean_shutdown(filesystem: FileSystem, directory: str, broker_epoch: int) -> None:
    """Say durably that everything in `directory` is as it should be."""
    content = json.dumps({"version": FILE_VERSION, "brokerEpoch": broker_epoch}, separators=(",", ":"))
    filesystem.write_bytes(f"{directory}/{CLEAN_SHUTDOWN_FILE}", content.encode(), sync=True)
    filesystem.fsync_directory(directory)


def remove_clean_shutdown(filesystem: FileSystem, directory: str) -> None:
    """The directory is in use again: from now on a crash has to be noticed."""
    filesystem.unlink(f"{directory}/{CLEAN_SHUTDOWN_FILE}")
    filesystem.fsync_directory(directory)
