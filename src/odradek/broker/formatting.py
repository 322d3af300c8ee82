"""Makes directories into those of a node, as `kafka-storage format` does: who they are, what a new cluster starts with, who votes.

Every log directory gets `meta.properties` and `bootstrap.checkpoint`; the one of the metadata log also gets, for a quorum whose voters
can change, the snapshot at 0-0 that names this node as the only voter (KIP-853). `meta.properties` comes last: a directory is formatted
when it has one, so a format that was interrupted is simply done again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from odradek.base.clock import Clock, SystemClock
from odradek.base.errors import StartRefused
from odradek.base.identifiers import Uuid, random_uuid, uuid_to_text
from odradek.broker.quorum_voters import local_voter
from odradek.config.broker_node_settings import CONTROLLER_QUORUM_VOTERS, NODE_ID, PROCESS_ROLES
from odradek.config.listeners import controller_listeners, told_endpoints
from odradek.config.precedence import log_directories, metadata_log_directory
from odradek.config.settings import Settings
from odradek.controller.activation import bootstrap_records
from odradek.metadata.feature_levels import METADATA_VERSION_LATEST, METADATA_VERSION_NAMES
from odradek.metadata.record_codec import encode_metadata_record
from odradek.raft import metadata_log
from odradek.raft.control_records import QuorumHistory
from odradek.raft.snapshot_files import BOOTSTRAP_SNAPSHOT, encode_snapshot, write_snapshot
from odradek.raft.voters import VoterSet
from odradek.storage.filesystem import FileSystem, RealFileSystem
from odradek.storage.meta_properties import META_PROPERTIES, MetaProperties, read_meta_properties, write_meta_properties

BOOTSTRAP_CHECKPOINT = "bootstrap.checkpoint"
# What may lie in a directory that nobody has used yet: a mount point has the first, a start that was refused leaves the second.
HARMLESS_NAMES = frozenset({"lost+found", ".lock"})
# Where a controller that is its own whole quorum listens on every interface, this is the address by which it reaches itself.


class InitialQuorum(Enum):
    """Who votes in the cluster that a formatted node belongs to."""

    STANDALONE = "this node alone"
    NONE = "others; this node finds them"
    STATIC = "the nodes of controller.quorum.voters"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRequest:
    """What to format for. Directories that are formatted already are refused unless `ignore_formatted`."""

    cluster_id: str
    quorum: InitialQuorum
    metadata_version: int = METADATA_VERSION_LATEST
    ignore_formatted: bool = False


def format_directories(
    settings: Settings, request: FormatRequest, *, filesystem: FileSystem, clock: Clock, dice: random.Random
) -> list[str]:
    """Format every log directory that is not; one sentence for each that was, for the operator.

    Raises:
        StartRefused: a directory is formatted, or belongs to another cluster or node, or the settings do not fit the quorum.
    """
    _check_quorum(settings, request.quorum)
    if not request.cluster_id or request.cluster_id.strip() != request.cluster_id:
        raise StartRefused("the cluster id is empty or has spaces around it; `odradek storage random-uuid` makes one")
    directories = _all_directories(settings)
    existing = {directory: _identity_of(filesystem, directory) for directory in directories}
    formatted = {directory: meta for directory, meta in existing.items() if meta is not None}
    _check_formatted(formatted, request, settings[NODE_ID])
    said = [
        _format(directory, settings, request, filesystem=filesystem, clock=clock, dice=dice)
        for directory in directories
        if directory not in formatted
    ]
    return said or ["All of the log directories are already formatted."]


def format_if_empty(
    settings: Settings,
    *,
    filesystem: FileSystem | None = None,
    clock: Clock | None = None,
    dice: random.Random | None = None,
) -> str | None:
    """Make a new cluster of one node where nothing is yet; its id, or None where the directories are formatted.

    Raises:
        StartRefused: a directory is not formatted but holds something.
    """
    filesystem = filesystem or RealFileSystem()
    directories = _all_directories(settings)
    if any(_may_be_formatted(filesystem, directory) for directory in directories):
        return None
    for directory in directories:
        _check_empty(filesystem, directory)
    dice = dice or random.SystemRandom()
    quorum = InitialQuorum.STATIC if settings[CONTROLLER_QUORUM_VOTERS] else InitialQuorum.STANDALONE
    request = FormatRequest(cluster_id=uuid_to_text(random_uuid(dice)), quorum=quorum)
    format_directories(settings, request, filesystem=filesystem, clock=clock or SystemClock(), dice=dice)
    return request.cluster_id


def _may_be_formatted(filesystem: FileSystem, directory: str) -> bool:
    try:
        return filesystem.exists(f"{directory}/{META_PROPERTIES}")
    except OSError:
        # Nobody makes a new cluster of a disk that cannot be looked at. The start says what is wrong with it, or does without it.
        return True


def _identity_of(filesystem: FileSystem, directory: str) -> MetaProperties | None:
    try:
        return read_meta_properties(filesystem, directory)
    except OSError as error:
        raise StartRefused(f"{directory}/{META_PROPERTIES} cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class DirectoriesReport:
    """What `storage info` says: the directories, their common identity, and what is wrong with them."""

    directories: Sequence[str]
    meta: MetaProperties | None
    problems: Sequence[str]


def inspect_directories(settings: Settings, filesystem: FileSystem) -> DirectoriesReport:
    """Look at the log directories of a node without touching them."""
    directories = _all_directories(settings)
    problems: list[str] = []
    found: MetaProperties | None = None
    for directory in directories:
        if not filesystem.is_directory(directory):
            problems.append(f"{directory} is not a directory" if filesystem.exists(directory) else f"{directory} does not exist")
            continue
        try:
            meta = _identity_of(filesystem, directory)
        except StartRefused as refused:
            problems.append(str(refused))
            continue
        if meta is None:
            problems.append(f"{directory} is not formatted.")
            continue
        if found is not None and found.cluster_id != meta.cluster_id:
            problems.append(f"{directory} belongs to cluster {meta.cluster_id}, another directory to {found.cluster_id}")
        if meta.node_id != settings[NODE_ID]:
            problems.append(f"{directory} belongs to node {meta.node_id}, and node.id is {settings[NODE_ID]}")
        found = found or meta
    return DirectoriesReport(directories, found, problems)


def _all_directories(settings: Settings) -> list[str]:
    # The metadata log may have a directory of its own, which is then formatted like the others.
    return list(dict.fromkeys([*log_directories(settings), metadata_log_directory(settings)]))


def _check_quorum(settings: Settings, quorum: InitialQuorum) -> None:
    is_controller = "controller" in settings[PROCESS_ROLES]
    voters = settings[CONTROLLER_QUORUM_VOTERS]
    if quorum is InitialQuorum.STANDALONE and not is_controller:
        raise StartRefused("a standalone quorum needs this node to be a controller; process.roles does not say so")
    if quorum is not InitialQuorum.STATIC and voters:
        raise StartRefused("controller.quorum.voters names the voters: leave out --standalone and --no-initial-controllers, or the setting")
    if quorum is InitialQuorum.STATIC and is_controller and not voters:
        raise StartRefused(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
            "--standalone, --initial-controllers, or --no-initial-controllers."
        )


def _check_formatted(formatted: dict[str, MetaProperties], request: FormatRequest, node_id: int) -> None:
    for directory, meta in formatted.items():
        if not request.ignore_formatted:
            raise StartRefused(
                f"Log directory {directory} is already formatted. Use --ignore-formatted to ignore this directory and format the others."
            )
        if meta.cluster_id != request.cluster_id:
            raise StartRefused(
                f"Invalid cluster.id in: {directory}/{META_PROPERTIES}. Expected {request.cluster_id}, but read {meta.cluster_id}"
            )
        if meta.node_id != node_id:
            raise StartRefused(f"Invalid node.id in: {directory}/{META_PROPERTIES}. Expected {node_id}, but read {meta.node_id}")


def _check_empty(filesystem: FileSystem, directory: str) -> None:
    if not filesystem.is_directory(directory):
        if filesystem.exists(directory):
            raise StartRefused(f"{directory} is not a directory")
        return
    names = set(filesystem.list_names(directory)) - HARMLESS_NAMES
    if names:
        raise StartRefused(
            f"{directory} is not formatted and is not empty (it holds {min(names)}): give an empty directory, or format this one "
            "with odradek storage format"
        )


def _format(
    directory: str, settings: Settings, request: FormatRequest, *, filesystem: FileSystem, clock: Clock, dice: random.Random
) -> str:
    try:
        return _write(directory, settings, request, filesystem=filesystem, clock=clock, dice=dice)
    except OSError as error:
        raise StartRefused(f"{directory} cannot be formatted: {(error.strerror or str(error)).lower()}") from error


def _write(directory: str, settings: Settings, request: FormatRequest, *, filesystem: FileSystem, clock: Clock, dice: random.Random) -> str:
    now_ms = clock.now_ms()
    directory_id = random_uuid(dice)
    filesystem.make_directories(directory)
    values = [encode_metadata_record(record, request.metadata_version) for record in bootstrap_records(request.metadata_version)]
    batches = b"".join(encode_snapshot(values, epoch=0, last_contained_log_timestamp_ms=0, now_ms=now_ms))
    filesystem.replace(f"{directory}/{BOOTSTRAP_CHECKPOINT}", batches, sync=True)
    kind = "data directory"
    if directory == metadata_log_directory(settings):
        kind = "metadata directory"
        if request.quorum is InitialQuorum.STANDALONE:
            kind = "dynamic metadata voter directory"
            _write_voters(directory, settings, directory_id, filesystem=filesystem, now_ms=now_ms)
    meta = MetaProperties(cluster_id=request.cluster_id, node_id=settings[NODE_ID], directory_id=directory_id)
    write_meta_properties(filesystem, directory, meta, now_ms)
    return f"Formatting {kind} {directory} with metadata.version {METADATA_VERSION_NAMES[request.metadata_version]}."


def _write_voters(directory: str, settings: Settings, directory_id: Uuid, *, filesystem: FileSystem, now_ms: int) -> None:
    log_directory = metadata_log.metadata_log_directory(directory)
    filesystem.make_directories(log_directory)
    voter = local_voter(settings, directory_id, told_endpoints(settings, controller_listeners(settings), {}))
    quorum = QuorumHistory(kraft_version=1, voters=VoterSet.of([voter]))
    batches = encode_snapshot([], epoch=0, last_contained_log_timestamp_ms=now_ms, now_ms=now_ms, quorum=quorum)
    write_snapshot(filesystem, log_directory, BOOTSTRAP_SNAPSHOT, batches)
