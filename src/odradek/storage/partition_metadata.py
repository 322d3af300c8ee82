"""`partition.metadata`: the id of the topic that a log belongs to (`PartitionMetadataFile.java`, KIP-516).

Two lines without a line break at the end. A log whose topic id is not that of the topic of this name belongs to a deleted topic.
"""

from __future__ import annotations

from odradek.base.identifiers import ZERO_UUID, Uuid, uuid_from_text, uuid_to_text
from odradek.storage.errors import CorruptCheckpoint
from odradek.storage.file_names import PARTITION_METADATA
from odradek.storage.filesystem import FileSystem

METADATA_VERSION = 0


def read_partition_metadata(filesystem: FileSystem, directory: str) -> Uuid | None:
    """The topic id, None when there is no file.

    Raises:
        CorruptCheckpoint: the file does not hold one.
    """
    path = f"{directory}/{PARTITION_METADATA}"
    try:
        lines = filesystem.read_bytes(path).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return None
    try:
        if lines[0].split(":")[1].strip() != str(METADATA_VERSION):
            raise CorruptCheckpoint(f"{path} is not of version {METADATA_VERSION}")
        topic_id = uuid_from_text(lines[1].split(":")[1].strip())
    except (IndexError, ValueError):
        raise CorruptCheckpoint(f"{path} does not hold a topic id") from None
    if topic_id == ZERO_UUID:
        raise CorruptCheckpoint(f"{path} holds the zero topic id")
    return topic_id


def write_partition_metadata(filesystem: FileSystem, directory: str, topic_id: Uuid) -> None:
    """Write the file. Not synced: it is written before the first record, and the directory's first flush covers it."""
    text = f"version: {METADATA_VERSION}\ntopic_id: {uuid_to_text(topic_id)}"
    filesystem.replace(f"{directory}/{PARTITION_METADATA}", text.encode("utf-8"), sync=False)
