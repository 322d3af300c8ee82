"""Formatting: byte for byte what `kafka-storage format --standalone` of 4.3.1 writes, and every reason not to."""

from __future__ import annotations

import random

import pytest

from odradek.base.clock import ManualClock
from odradek.base.errors import StartRefused
from odradek.base.identifiers import uuid_to_text
from odradek.broker.formatting import FormatRequest, InitialQuorum, format_directories, format_if_empty, inspect_directories
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.settings import Settings
from odradek.raft.snapshot_files import read_snapshot
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.meta_properties import read_meta_properties

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
VOTERS_CHECKPOINT = "/a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"


def a_node(**changes: str) -> Settings:
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": "127.0.0.1:9093",
        "log.dirs": "/a,/b",
    }
    properties |= {name.replace("_", "."): value for name, value in changes.items()}
    return load_broker_settings({name: value for name, value in properties.items() if value})


def format_node(
    filesystem: MemoryFileSystem, settings: Settings | None = None, quorum: InitialQuorum = InitialQuorum.STANDALONE, **request: object
) -> list[str]:
    return format_directories(
        settings or a_node(),
        FormatRequest(**{"cluster_id": CLUSTER_ID, "quorum": quorum, **request}),  # type: ignore[arg-type]
        filesystem=filesystem,
        clock=ManualClock(),
        dice=random.Random(1),
    )


def test_every_directory_gets_an_identity_and_the_first_one_the_voters() -> None:
    filesystem = MemoryFileSystem()

    said = format_node(filesystem)

    assert said == [
        "Formatting dynamic metadata voter directory /a with metadata.version 4.3-IV0.",
        "Formatting data directory /b with metadata.version 4.3-IV0.",
    ]
    first, second = read_meta_properties(filesystem, "/a"), read_meta_properties(filesystem, "/b")
    assert first is not None
    assert second is not None
    assert (first.cluster_id, first.node_id) == (CLUSTER_ID, 1)
    assert first.directory_id != second.directory_id
    voters = read_snapshot(filesystem.read_bytes(VOTERS_CHECKPOINT)).quorum
    assert voters is not None
    assert voters.voters is not None
    assert [(voter.key.node_id, voter.key.directory_id) for voter in voters.voters.by_node_id.values()] == [(1, first.directory_id)]
    assert voters.voters.by_node_id[1].endpoints[0].port == 9093


def test_bootstrap_checkpoint_has_the_size_and_the_records_of_kafkas() -> None:
    """411 bytes, as a 4.3.1 `kafka-storage` writes; 241 for the voters of one controller at 127.0.0.1."""
    filesystem = MemoryFileSystem()
    format_node(filesystem, a_node(listeners="PLAINTEXT://127.0.0.1:39092,CONTROLLER://127.0.0.1:39093"))

    data = filesystem.read_bytes("/a/bootstrap.checkpoint")

    assert (len(data), filesystem.size(VOTERS_CHECKPOINT)) == (411, 241)
    assert [value[4 : 4 + value[3] - 1].decode() for value in read_snapshot(data).values] == [
        "metadata.version",
        "eligible.leader.replicas.version",
        "group.version",
        "share.version",
        "streams.version",
        "transaction.version",
    ]


def test_formatted_directory_is_refused_unless_that_is_ignored() -> None:
    filesystem = MemoryFileSystem()
    format_node(filesystem, a_node(log_dirs="/a"))

    with pytest.raises(StartRefused, match="Log directory /a is already formatted"):
        format_node(filesystem)
    assert format_node(filesystem, ignore_formatted=True) == ["Formatting data directory /b with metadata.version 4.3-IV0."]
    assert format_node(filesystem, ignore_formatted=True) == ["All of the log directories are already formatted."]


def test_directory_of_another_cluster_is_refused() -> None:
    filesystem = MemoryFileSystem()
    format_node(filesystem)

    with pytest.raises(StartRefused, match=f"Expected other, but read {CLUSTER_ID}"):
        format_node(filesystem, cluster_id="other", ignore_formatted=True)


def test_quorum_has_to_be_said() -> None:
    with pytest.raises(StartRefused, match="you must specify one of the following"):
        format_node(MemoryFileSystem(), quorum=InitialQuorum.STATIC)


def test_voters_in_the_settings_and_a_standalone_quorum_contradict() -> None:
    static = a_node(controller_quorum_bootstrap_servers="", controller_quorum_voters="1@127.0.0.1:9093")

    with pytest.raises(StartRefused, match="names the voters"):
        format_node(MemoryFileSystem(), static)


def test_static_quorum_has_no_voters_on_disk() -> None:
    filesystem = MemoryFileSystem()
    static = a_node(controller_quorum_bootstrap_servers="", controller_quorum_voters="1@127.0.0.1:9093")

    format_node(filesystem, static, quorum=InitialQuorum.STATIC)

    assert not filesystem.exists(VOTERS_CHECKPOINT)


def test_up_formats_what_is_empty_and_leaves_alone_what_is_formatted() -> None:
    filesystem = MemoryFileSystem()

    cluster_id = format_if_empty(a_node(), filesystem=filesystem, clock=ManualClock(), dice=random.Random(1))

    meta = read_meta_properties(filesystem, "/a")
    assert meta is not None
    assert meta.cluster_id == cluster_id
    assert format_if_empty(a_node(), filesystem=filesystem) is None


def test_up_does_not_format_over_what_somebody_else_keeps_there() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/a")
    filesystem.write_bytes("/a/thesis.tex", b"x", sync=False)

    with pytest.raises(StartRefused, match="is not empty"):
        format_if_empty(a_node(), filesystem=filesystem)


def test_info_tells_what_is_there_and_what_is_wrong() -> None:
    filesystem = MemoryFileSystem()
    format_node(filesystem, a_node(log_dirs="/a"))

    report = inspect_directories(a_node(log_dirs="/a,/b"), filesystem)

    assert report.directories == ["/a", "/b"]
    assert report.meta == read_meta_properties(filesystem, "/a")
    assert report.meta is not None
    assert report.meta.directory_id is not None
    assert len(uuid_to_text(report.meta.directory_id)) == 22
    assert report.problems == ["/b does not exist"]
