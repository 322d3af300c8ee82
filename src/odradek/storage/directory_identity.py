"""Whether the log directories of a node belong together and to it (`MetaPropertiesEnsemble.verify`)."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.errors import StartRefused
from odradek.base.identifiers import Uuid, uuid_to_text
from odradek.storage.log_directory import LogDirectory


def check_identities(directories: Sequence[LogDirectory], *, node_id: int, cluster_id: str | None) -> str:
    """The cluster id that all directories have; `cluster_id` is the expected one where there is any.

    Raises:
        StartRefused: a directory belongs to another cluster or node, or two have the same id.
    """
    assert directories, "a node has at least one log directory"
    expected = cluster_id if cluster_id is not None else directories[0].meta.cluster_id
    path_by_id: dict[Uuid, str] = {}
    for directory in directories:
        meta = directory.meta
        if meta.cluster_id != expected:
            raise StartRefused(f"{directory.path} belongs to cluster {meta.cluster_id}, not to {expected}")
        if meta.node_id != node_id:
            raise StartRefused(f"{directory.path} belongs to node {meta.node_id}, and node.id is {node_id}")
        if meta.directory_id is None:
            continue
        if meta.directory_id in path_by_id:
            raise StartRefused(
                f"{directory.path} and {path_by_id[meta.directory_id]} have the same directory.id {uuid_to_text(meta.directory_id)}"
            )
        path_by_id[meta.directory_id] = directory.path
    return expected
