"""`meta.properties`: which cluster, node and directory this is (`MetaProperties.java`, KAFKA-FACTS §2.6).

Written by formatting, read at every start, and compared: a directory of another cluster or node is refused before anything is
touched. Version 1 has `cluster.id`, `node.id` and `directory.id`; version 0, of the ZooKeeper era, calls the node `broker.id`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from odradek.base.errors import StartRefused
from odradek.base.identifiers import Uuid, is_reserved_uuid, uuid_from_text, uuid_to_text
from odradek.config.properties import format_properties, parse_properties
from odradek.storage.filesystem import FileSystem

META_PROPERTIES = "meta.properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaProperties:
    """The identity of one log directory. `directory_id` is None in one that was formatted before directories had ids."""

    cluster_id: str
    node_id: int
    directory_id: Uuid | None
    version: int = 1


def read_meta_properties(filesystem: FileSystem, directory: str) -> MetaProperties | None:
    """The identity of `directory`, None when it has not been formatted.

    Raises:
        StartRefused: the file does not hold an identity.
        OSError: the disk failed.
    """
    path = f"{directory}/{META_PROPERTIES}"
    try:
        text = filesystem.read_bytes(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    try:
        return _parsed(parse_properties(text))
    except KeyError as missing:
        raise StartRefused(f"{path} has no {missing.args[0]}") from None
    except ValueError as error:
        raise StartRefused(f"{path} cannot be understood: {error}") from None


def write_meta_properties(filesystem: FileSystem, directory: str, properties: MetaProperties, now_ms: int) -> None:
    """Replace the file durably."""
    values = {"version": "1", "cluster.id": properties.cluster_id, "node.id": str(properties.node_id)}
    if properties.directory_id is not None:
        values["directory.id"] = uuid_to_text(properties.directory_id)
    date = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(now_ms // 1000))
    filesystem.replace(f"{directory}/{META_PROPERTIES}", f"#\n#{date}\n{format_properties(values)}".encode(), sync=True)


def _parsed(values: dict[str, str]) -> MetaProperties:
    version = int(values.get("version", "0"))
    if version not in (0, 1):
        raise ValueError(f"version {version} is unknown")
    directory_id = uuid_from_text(values["directory.id"]) if "directory.id" in values else None
    if directory_id is not None and is_reserved_uuid(directory_id):
        raise ValueError(f"directory.id {values['directory.id']} is reserved")
    return MetaProperties(
        cluster_id=values["cluster.id"],
        node_id=int(values["broker.id" if version == 0 else "node.id"]),
        directory_id=directory_id,
        version=version,
    )
