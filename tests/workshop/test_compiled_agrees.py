"""The same source, compiled and interpreted, makes the same bytes and the same refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odradek.base.interpreted import hot_modules, is_compiled

PROJECT = Path(__file__).resolve().parents[2]


def test_hot_modules_make_the_same_bytes_compiled_and_interpreted() -> None:
    interpreted = scenario(is_pure=True)
    interpreted_names = [name for name in hot_modules() if not is_compiled(name)]
    if interpreted_names and os.environ.get("ODRADEK_REQUIRE_COMPILED") != "1":
        pytest.skip(f"not compiled: {', '.join(interpreted_names)}; `make compile` does it where there is a C compiler")
    assert interpreted_names == []

    compiled = scenario(is_pure=False)

    differing = [(mine, other) for mine, other in zip(interpreted, compiled, strict=True) if mine != other]
    assert differing == []


def scenario(*, is_pure: bool) -> list[str]:
    """The lines that the scenario prints in a process of its own."""
    environment = {**os.environ, "ODRADEK_PURE": "1" if is_pure else "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.workshop.hot_scenario"]
    lines = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) > 1000
    return lines
