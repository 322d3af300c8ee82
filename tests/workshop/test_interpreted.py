"""The finder that `ODRADEK_PURE=1` activates, and what counts as stale."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odradek.base import interpreted
from odradek.base.interpreted import INSTALL_MOMENT_S, SourceFinder, hot_modules, is_compiled, stale_modules


def test_finder_finds_source_files_of_the_project() -> None:
    import odradek.base

    specification = SourceFinder.find_spec("odradek.base.clock", odradek.base.__path__)

    assert specification is not None
    assert specification.origin is not None
    assert specification.origin.endswith("odradek/base/clock.py")


@pytest.mark.parametrize("name", ["json", "json.decoder", "odradekish.module"])
def test_finder_leaves_other_packages_alone(name: str) -> None:
    assert SourceFinder.find_spec(name, ["/nowhere"]) is None


def test_finder_leaves_missing_modules_to_others() -> None:
    import odradek.base

    assert SourceFinder.find_spec("odradek.base.no_such_module", odradek.base.__path__) is None


def test_module_that_is_not_listed_is_not_compiled() -> None:
    assert not is_compiled("odradek.base.interpreted")


def test_every_listed_module_is_named_once() -> None:
    assert len(set(hot_modules())) == len(hot_modules())


def test_module_is_stale_when_its_source_is_newer_than_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "stale_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "compiled_modules.txt").write_text("stale_package.hot\n", encoding="ascii")
    source = package / "hot.py"
    source.touch()
    library = package / f"hot{_library_suffix()}"
    library.touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(interpreted, "_PACKAGE_DIRECTORY", package)
    compiled_at = library.stat().st_mtime

    os.utime(source, (compiled_at, compiled_at + INSTALL_MOMENT_S / 2))
    assert stale_modules() == []

    os.utime(source, (compiled_at, compiled_at + INSTALL_MOMENT_S * 2))
    assert stale_modules() == ["stale_package.hot"]


def _library_suffix() -> str:
    from importlib.machinery import EXTENSION_SUFFIXES

    return EXTENSION_SUFFIXES[0]
