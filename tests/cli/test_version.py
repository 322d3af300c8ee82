"""`odradek version` tells what runs."""

from __future__ import annotations

import json

import pytest

from odradek.base.interpreted import hot_modules
from odradek.cli.main import main


def test_version_names_every_hot_module_and_how_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "-o", "json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert sorted(told["compiled"] + told["interpreted"]) == sorted(hot_modules())
    assert told["kafka"] == "4.3"


def test_version_is_a_line_a_module_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("odradek ")
    assert all(f"  {name} " in printed for name in hot_modules())
