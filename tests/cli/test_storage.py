"""`odradek storage format` and `info` on real directories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from odradek.cli.main import main
from odradek.cli.problems import ExitCode

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"


def properties_file(directory: Path, log_directories: Sequence[Path], **settings: str) -> Path:
    """A server.properties of a combined node; `_` in the names stands for `.`."""
    file = directory / "server.properties"
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": "127.0.0.1:10092",
        "log.dirs": ",".join(map(str, log_directories)),
        **{name.replace("_", "."): value for name, value in settings.items()},
    }
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return file


def test_format_makes_every_directory_and_info_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directories = [tmp_path / "first", tmp_path / "second"]
    file = str(properties_file(tmp_path, directories))

    assert main(["storage", "format", "--standalone", "-t", CLUSTER_ID, "-c", file]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert main(["storage", "info", "-c", file]) == ExitCode.DONE
    shown = capsys.readouterr().out

    assert said.splitlines() == [
        f"Formatting dynamic metadata voter directory {directories[0]} with metadata.version 4.3-IV0.",
        f"Formatting data directory {directories[1]} with metadata.version 4.3-IV0.",
    ]
    assert shown.startswith(
        f"Found log directories:\n  {directories[0]}\n  {directories[1]}\n\nFound metadata: {{cluster.id={CLUSTER_ID}, "
    )
    assert "node.id=1, version=1}" in shown
    assert {path.name for path in directories[0].iterdir()} == {"meta.properties", "bootstrap.checkpoint", "__cluster_metadata-0"}
    assert {path.name for path in directories[1].iterdir()} == {"meta.properties", "bootstrap.checkpoint"}


def test_format_refuses_a_formatted_directory_unless_told_to_ignore_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(properties_file(tmp_path, [tmp_path / "data"]))
    format_again = ["storage", "format", "--standalone", "-t", CLUSTER_ID, "-c", file]
    assert main(format_again) == ExitCode.DONE

    assert main(format_again) == ExitCode.REFUSED
    assert "is already formatted. Use --ignore-formatted" in capsys.readouterr().err
    assert main([*format_again, "--ignore-formatted"]) == ExitCode.DONE
    assert "already formatted" in capsys.readouterr().out


def test_format_refuses_to_put_two_clusters_into_one_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(properties_file(tmp_path, [tmp_path / "data"]))
    assert main(["storage", "format", "--standalone", "-t", CLUSTER_ID, "-c", file]) == ExitCode.DONE

    assert main(["storage", "format", "--standalone", "-g", "-t", "AAAAAAAAAAAAAAAAAAAAQQ", "-c", file]) == ExitCode.REFUSED
    assert f"Expected AAAAAAAAAAAAAAAAAAAAQQ, but read {CLUSTER_ID}" in capsys.readouterr().err


def test_format_asks_who_votes_when_nothing_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(properties_file(tmp_path, [tmp_path / "data"]))

    assert main(["storage", "format", "-t", CLUSTER_ID, "-c", file]) == ExitCode.REFUSED
    assert "--standalone" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("flags", "level"), [(["-r", "4.0"], "4.0-IV3"), (["-r", "3.6-IV1"], "3.6-IV1"), (["-f", "metadata.version=22"], "4.0-IV0")]
)
def test_format_begins_with_the_metadata_of_an_earlier_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], level: str
) -> None:
    file = str(properties_file(tmp_path, [tmp_path / "data"]))

    assert main(["storage", "format", "-s", "-t", CLUSTER_ID, "-c", file, *flags]) == ExitCode.DONE
    assert f"with metadata.version {level}." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["-r", "2.8"], "--release-version 2.8 is unknown; there are 3.3,"),
        (["-f", "metadata.version=99"], "the level is a number from 7 to 30"),
        (["-f", "share.version=1"], "--feature share.version cannot be chosen"),
        (["-f", "nonsense"], "is not of the form name=value"),
        (["-s", "-N"], "not allowed with"),
    ],
)
def test_format_is_wrong_usage_when_a_flag_makes_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    file = str(properties_file(tmp_path, [tmp_path / "data"]))

    assert main(["storage", "format", "-s", "-t", CLUSTER_ID, "-c", file, *flags]) == ExitCode.WRONG_USAGE
    assert sentence in capsys.readouterr().err


def test_info_names_every_problem_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    file = str(properties_file(tmp_path, [tmp_path / "absent", tmp_path / "file", tmp_path / "empty"]))

    assert main(["storage", "info", "-c", file, "-o", "json"]) == ExitCode.REFUSED

    told = json.loads(capsys.readouterr().out)
    assert told["metadata"] == {}
    assert told["problems"] == [
        f"{tmp_path / 'absent'} does not exist",
        f"{tmp_path / 'file'} is not a directory",
        f"{tmp_path / 'empty'} is not formatted.",
    ]
