"""Of which sources an environment was built, and what a report says about it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import odradek_install
from benchmarks.odradek_install import InstalledOdradek, NotMeasurable, installed


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a source, whose installing is only noted."""
    checkout = tmp_path / "checkout"
    (checkout / "src").mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "src/module.py"):
        (checkout / name).write_text("1\n")
    git(checkout, "init", "-q")
    commit(checkout)
    monkeypatch.setattr(odradek_install, "CHECKOUT", checkout)
    monkeypatch.setattr(odradek_install, "BUILD_DIRECTORY", tmp_path / "build")
    monkeypatch.setattr(odradek_install, "_install", lambda environment, *_: environment.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(InstalledOdradek, "interpreted_modules", lambda self: [])
    return checkout


def git(checkout: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.run(["git", "-C", checkout, *identity, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def commit(checkout: Path) -> str:
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "a change")
    return git(checkout, "describe", "--always")


def test_a_build_is_told_by_the_commit_it_was_made_of_not_by_the_one_that_came_later(checkout: Path) -> None:
    built_from = git(checkout, "describe", "--always")

    odradek = installed()
    (checkout / "src" / "module.py").write_text("2\n")
    later = commit(checkout)

    assert odradek.commit == built_from != later


def test_a_build_of_sources_that_were_changed_since_says_so(checkout: Path) -> None:
    (checkout / "src" / "module.py").write_text("2\n")

    assert installed().commit == git(checkout, "describe", "--always") + "-dirty"


def test_an_environment_that_is_used_again_is_told_by_the_commit_with_the_same_sources(checkout: Path) -> None:
    installed()
    later = commit(checkout)

    assert installed().commit == later


def test_an_environment_that_somebody_else_made_is_of_an_unknown_commit() -> None:
    assert InstalledOdradek(Path("bin/python")).commit == "unknown"


def test_sources_that_change_while_they_are_copied_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "src").mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (checkout / name).write_text("1\n")
    monkeypatch.setattr(odradek_install, "CHECKOUT", checkout)
    monkeypatch.setattr("venv.create", lambda environment, *, with_pip: Path(environment).mkdir(parents=True))

    with pytest.raises(NotMeasurable, match="changed while they were copied"):
        odradek_install._install(tmp_path / "environment", False, "the digest of something else")
