"""How the settings of a node come together from what `up` chooses, a file, and options."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.cli.node_properties import (
    controller_port,
    data_directory_default,
    parse_assignments,
    read_properties_file,
    up_properties,
)
from odradek.cli.problems import CommandFailed, ExitCode

NOTHING: dict[str, str] = {}
DATA = Path("/somewhere/data")


def test_up_is_broker_and_controller_on_the_default_port_when_told_nothing() -> None:
    properties = up_properties(host=None, port=None, data=DATA, file=NOTHING, assignments=NOTHING)

    assert properties["process.roles"] == "broker,controller"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:10092"
    assert properties["controller.listener.names"] == "CONTROLLER"
    assert properties["controller.quorum.bootstrap.servers"] == "127.0.0.1:10092"
    assert properties["log.dirs"] == "/somewhere/data"


def test_up_replicates_internal_topics_once_because_there_is_one_node() -> None:
    properties = up_properties(host=None, port=None, data=DATA, file=NOTHING, assignments=NOTHING)

    factors = {name: value for name, value in properties.items() if name.endswith("replication.factor")}
    assert factors
    assert set(factors.values()) == {"1"}


def test_up_takes_any_free_port_for_the_controller_too_when_port_is_zero() -> None:
    properties = up_properties(host=None, port=0, data=DATA, file=NOTHING, assignments=NOTHING)

    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"


def test_up_brackets_an_ipv6_host() -> None:
    properties = up_properties(host="::1", port=9092, data=DATA, file=NOTHING, assignments=NOTHING)

    assert properties["listeners"].startswith("PLAINTEXT://[::1]:9092,")


def test_up_keeps_the_listeners_and_directories_of_a_file_and_adds_the_controller() -> None:
    file = {"listeners": "PLAINTEXT://:19092", "log.dirs": "/from/file", "num.partitions": "7"}

    properties = up_properties(host=None, port=None, data=None, file=file, assignments=NOTHING)

    assert properties["listeners"] == "PLAINTEXT://:19092,CONTROLLER://127.0.0.1:20092"
    assert properties["log.dirs"] == "/from/file"
    assert properties["num.partitions"] == "7"


def test_up_prefers_an_option_to_the_file_and_an_assignment_to_both() -> None:
    file = {"listeners": "PLAINTEXT://:19092", "num.partitions": "7", "log.dirs": "/from/file"}

    properties = up_properties(host=None, port=29092, data=DATA, file=file, assignments={"num.partitions": "9"})

    assert properties["listeners"].startswith("PLAINTEXT://127.0.0.1:29092,")
    assert properties["log.dirs"] == str(DATA)
    assert properties["num.partitions"] == "9"


def test_up_adds_no_controller_listener_when_one_is_named() -> None:
    file = {"listeners": "CLIENTS://:1,QUORUM://:2", "controller.listener.names": "QUORUM"}

    properties = up_properties(host=None, port=None, data=DATA, file=file, assignments=NOTHING)

    assert properties["listeners"] == "CLIENTS://:1,QUORUM://:2"
    assert "controller.quorum.bootstrap.servers" not in properties


def test_data_directory_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    properties = up_properties(host=None, port=None, data=Path("here"), file=NOTHING, assignments=NOTHING)

    assert properties["log.dirs"] == str(tmp_path / "here")


def test_data_directory_with_a_comma_is_refused_because_it_would_be_two() -> None:
    with pytest.raises(CommandFailed, match="comma"):
        up_properties(host=None, port=None, data=Path("/a,b"), file=NOTHING, assignments=NOTHING)


def test_controller_port_stays_inside_the_range_of_ports() -> None:
    assert controller_port(9092) == 10092
    assert controller_port(64_535) == 65_535
    assert controller_port(64_536) == 63_536
    assert controller_port(0) == 0


def test_data_directory_follows_the_environment_when_it_names_an_absolute_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/newcomer")

    assert data_directory_default({}) == Path("/home/newcomer/.local/share/odradek")
    assert data_directory_default({"XDG_DATA_HOME": "/data"}) == Path("/data/odradek")
    assert data_directory_default({"XDG_DATA_HOME": "relative"}) == Path("/home/newcomer/.local/share/odradek")


def test_assignment_splits_at_the_first_equals_sign() -> None:
    assert parse_assignments(["a.b=c=d", " e = f "], option="--set") == {"a.b": "c=d", "e": "f"}


@pytest.mark.parametrize("assignment", ["num.partitions", "=3", " =3"])
def test_assignment_is_wrong_usage_when_it_has_no_name_or_no_value(assignment: str) -> None:
    with pytest.raises(CommandFailed, match="name=value") as failed:
        parse_assignments([assignment], option="--set")

    assert failed.value.code == ExitCode.WRONG_USAGE


def test_properties_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"cannot read .*missing\.properties: no such file or directory"):
        read_properties_file(tmp_path / "missing.properties")


def test_properties_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(b"a=b\n\xff\xfe")

    with pytest.raises(CommandFailed, match="byte 4 is not UTF-8"):
        read_properties_file(file)


def test_properties_file_with_a_broken_escape_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken"
    file.write_text("a=\\u12")

    with pytest.raises(CommandFailed, match="is not a properties file"):
        read_properties_file(file)
