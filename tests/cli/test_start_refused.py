"""Every reason for which a node does not start: one clear sentence on stderr, exit code 1, nothing left behind."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from odradek.cli.main import main
from odradek.cli.problems import ExitCode
from odradek.storage.filesystem import RealFileSystem
from tests.cli.test_storage import CLUSTER_ID, properties_file


@pytest.fixture
def formatted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Path]:
    """A server.properties and its one directory, formatted."""
    data = tmp_path / "data"
    file = str(properties_file(tmp_path, [data]))
    assert main(["storage", "format", "--standalone", "-t", CLUSTER_ID, "-c", file]) == ExitCode.DONE
    capsys.readouterr()
    return file, data


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which the command refuses; it is the only thing that it says."""
    assert main(arguments) == ExitCode.REFUSED
    assert gc.isenabled(), "whoever calls the command from a program of his own goes on without a collector"
    said = capsys.readouterr()
    assert said.out == ""
    first, *others = said.err.splitlines()
    assert first.startswith("error: ")
    assert all(line.startswith(("  why:  ", "  help: ")) for line in others)
    return said.err.removeprefix("error: ")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("num.partition=3", ["num.partition=3", "did you mean num.partitions"]),
        ("num.partitions=many", ["num.partitions", "many"]),
        ("num.partitions=0", ["num.partitions", "0", "at least 1"]),
        ("log.cleanup.policy=shrink", ["log.cleanup.policy", "shrink", "compact", "delete"]),
        ("compression.type=rar", ["compression.type", "rar", "zstd"]),
        ("listeners=PLAINTEXT:9092", ["listeners", "PLAINTEXT:9092", "NAME://host:port"]),
        ("zookeeper.connect=here:2181", ["zookeeper.connect", "Kafka removed"]),
        ("process.roles=broker,banker", ["process.roles", "banker"]),
        ("broker.id=7", ["broker.id", "7", "node.id", "1"]),
    ],
)
def test_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], assignment: str, words: list[str]
) -> None:
    error = error_of(["up", "--data", str(tmp_path / "data"), "--port", "0", "--set", assignment], capsys)

    assert [word for word in words if word not in error] == []
    assert not (tmp_path / "data").exists()


def test_wrong_setting_in_a_file_stops_start_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = properties_file(tmp_path, [tmp_path / "data"], log_retention_hours="soon")

    error = error_of(["start", str(file)], capsys)

    assert "log.retention.hours" in error
    assert "soon" in error


def test_two_settings_that_contradict_are_both_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = properties_file(tmp_path, [tmp_path / "data"], listeners="PLAINTEXT://127.0.0.1:0")

    error = error_of(["start", str(file)], capsys)

    assert "controller.listener.names" in error
    assert "listeners" in error.replace("controller.listener.names", "")


def test_port_in_use_is_said_with_who_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], taken_port: int) -> None:
    error = error_of(["up", "--data", str(tmp_path / "data"), "--port", str(taken_port)], capsys)

    assert f"cannot listen on port {taken_port} of 127.0.0.1 for listener PLAINTEXT: process {os.getpid()} (" in error
    assert "help: stop it, or choose another port" in error
    assert not (tmp_path / "data").exists()


def test_port_of_the_controller_in_use_is_said_as_well(
    formatted: tuple[str, Path], capsys: pytest.CaptureFixture[str], taken_port: int
) -> None:
    listeners = f"PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{taken_port}"

    error = error_of(["start", formatted[0], "--override", f"listeners={listeners}"], capsys)

    assert "for listener CONTROLLER" in error


def test_address_of_another_machine_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of(["up", "--data", str(tmp_path / "data"), "--host", "192.0.2.1", "--port", "0"], capsys)

    assert "192.0.2.1" in error


def test_directory_locked_by_another_node_is_named(formatted: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    file, data = formatted
    lock = RealFileSystem().lock(f"{data}/.lock")
    assert lock is not None
    try:
        error = error_of(["start", file], capsys)
    finally:
        lock.release()

    assert str(data) in error
    assert "in use by another node" in error


def test_start_refuses_an_unformatted_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()

    error = error_of(["start", str(properties_file(tmp_path, [tmp_path / "data"]))], capsys)

    assert str(tmp_path / "data") in error
    assert "odradek storage format" in error


def test_up_refuses_a_directory_with_something_else_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").touch()

    error = error_of(["up", "--data", str(tmp_path), "--port", "0"], capsys)

    assert "is not formatted and is not empty (it holds holiday.jpg)" in error
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_directories_of_two_clusters_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory, cluster_id in ((first, CLUSTER_ID), (second, "AAAAAAAAAAAAAAAAAAAAQQ")):
        file = str(properties_file(tmp_path, [directory]))
        assert main(["storage", "format", "--standalone", "-t", cluster_id, "-c", file]) == ExitCode.DONE
    capsys.readouterr()

    error = error_of(["start", str(properties_file(tmp_path, [first, second]))], capsys)

    assert f"{second} belongs to cluster AAAAAAAAAAAAAAAAAAAAQQ, not to {CLUSTER_ID}" in error


def test_directory_of_another_node_is_refused(formatted: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of(["start", formatted[0], "--set", "node.id=2"], capsys)

    assert "belongs to node 1, and node.id is 2" in error


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("nothing of use", "cluster.id"),
        ("version=1\ncluster.id=x\nnode.id=one\n", "one"),
        ("version=7\ncluster.id=x\nnode.id=1\n", "version 7"),
    ],
)
def test_meta_properties_that_make_no_sense_are_named(
    formatted: tuple[str, Path], capsys: pytest.CaptureFixture[str], content: str, word: str
) -> None:
    file, data = formatted
    (data / "meta.properties").write_text(content, encoding="ascii")

    error = error_of(["start", file], capsys)

    assert str(data / "meta.properties") in error
    assert word in error


def test_meta_properties_that_cannot_be_read_are_named(formatted: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    file, data = formatted
    (data / "meta.properties").unlink()
    (data / "meta.properties").mkdir()

    error = error_of(["start", file], capsys)

    assert f"{data}/meta.properties cannot be read" in error


def test_level_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--log-level", "LOUD"]) == ExitCode.WRONG_USAGE
    assert "there is no level 'LOUD'; there are TRACE," in capsys.readouterr().err
