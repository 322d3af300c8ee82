"""Installing with a compiler, without one, with one that fails: the same program each time, and an honest word about it.

The project's own `setup.py` builds a small tree of the same shape: the rooms that `odradek version` needs and one hot module, so that
a compile takes seconds. The real modules are compiled by `make compile`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOT_MODULE = "odradek.wire.doubling"
HOT_SOURCE = """
from mypy_extensions import i64

def doubled(number: i64) -> i64:
    return number + number
"""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@dataclass
class Tree:
    """A checkout in small."""

    root: Path

    def build(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Compile in place, as `make compile` does."""
        command = [sys.executable, "setup.py", "-q", *(arguments or ("build_ext", "--inplace"))]
        return self._run(command, environment or {})

    def version(self, environment: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """What `odradek version` says in this tree."""
        done = self._run([sys.executable, "-m", "odradek", "version", "-o", "json"], environment or {})
        told: dict[str, list[str]] = json.loads(done.stdout)
        return told

    def doubled(self, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """What the hot module computes, and the ending of the file that it was loaded from."""
        program = "import odradek.wire.doubling as module; print(module.doubled(21), module.__file__)"
        result, file = self._run([sys.executable, "-c", program], environment or {}).stdout.split()
        return int(result), Path(file).suffix

    def note(self) -> str:
        return (self.root / "src" / "odradek" / "compilation.txt").read_text(encoding="utf-8")

    def libraries(self) -> list[str]:
        return sorted(path.name.split(".")[0] for path in (self.root / "src").rglob("*.so"))

    def script(self, text: str) -> str:
        """The path of a new executable shell script."""
        path = self.root / "script"
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        path.chmod(0o755)
        return str(path)

    def _run(self, command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("ODRADEK_")}
        mine |= {"PYTHONPATH": str(self.root / "src"), **environment}
        done = subprocess.run(command, cwd=self.root, env=mine, capture_output=True, text=True, check=False)
        done.stdout += "" if done.returncode == 0 else f"\n{done.stderr}"
        return done


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, tmp_path / name)
    package = tmp_path / "src" / "odradek"
    for room in ("base", "cli"):
        shutil.copytree(PROJECT / "src" / "odradek" / room, package / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("__init__.py", "__main__.py", "py.typed"):
        shutil.copy(PROJECT / "src" / "odradek" / name, package / name)
    (package / "wire").mkdir()
    (package / "wire" / "__init__.py").touch()
    (package / "wire" / "doubling.py").write_text(HOT_SOURCE, encoding="ascii")
    (package / "compiled_modules.txt").write_text(f"# a comment\n{HOT_MODULE}\n", encoding="ascii")
    return Tree(tmp_path)


@needs_compiler
def test_hot_modules_are_compiled_and_can_still_run_as_source(tree: Tree) -> None:
    built = tree.build()

    assert built.returncode == 0, built.stdout
    assert f"the hot modules are compiled: {HOT_MODULE}" in built.stdout
    assert tree.note() == f"compiled: {HOT_MODULE}\n"
    assert tree.version()["compiled"] == [HOT_MODULE]
    assert tree.doubled() == (42, ".so")
    assert tree.version({"ODRADEK_PURE": "1"})["interpreted"] == [HOT_MODULE]
    assert tree.doubled({"ODRADEK_PURE": "1"}) == (42, ".py")

    # A source that was saved without a change makes the same C, which is not compiled again: the library counts as new all the same.
    for library in tree.root.rglob("*.so"):
        os.utime(library, (0, 0))
    assert tree.version()["stale"] == [HOT_MODULE]
    tree.build()
    assert tree.version()["stale"] == []

    # What fails later leaves no machine code of the earlier build: it would run instead of the newer source.
    rebuilt = tree.build(environment={"CC": "/bin/false"})

    assert rebuilt.returncode == 0, rebuilt.stdout
    assert tree.libraries() == []
    assert tree.doubled() == (42, ".py")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"ODRADEK_PURE": "1"}, "interpreted, because ODRADEK_PURE=1 was set"),
        ({"CC": "no-such-compiler"}, "interpreted, because there is no C compiler (no-such-compiler: No such file or directory)"),
        ({"CC": "false"}, "interpreted, because the C compiler does not work (false: exit code 1)"),
    ],
)
def test_install_goes_on_and_says_why_when_nothing_can_be_compiled(tree: Tree, environment: Mapping[str, str], reason: str) -> None:
    built = tree.build(environment=environment)

    assert built.returncode == 0, built.stdout
    assert built.stdout.count("WARNING") == 1
    assert reason in built.stdout
    assert tree.note() == f"{reason}\n"
    assert tree.libraries() == []
    assert tree.doubled() == (42, ".py")


@needs_compiler
def test_install_goes_on_when_the_compiler_fails_on_the_real_code(tree: Tree) -> None:
    compiler = tree.script('case "$*" in *__native*) echo "internal compiler error" >&2; exit 1;; *) exec cc "$@";; esac')

    built = tree.build(environment={"CC": compiler})

    assert built.returncode == 0, built.stdout
    assert tree.note().startswith("interpreted, because the C compiler failed")
    assert tree.libraries() == []
    assert tree.doubled() == (42, ".py")


@needs_compiler
def test_install_goes_on_when_the_types_of_a_hot_module_are_wrong(tree: Tree) -> None:
    source = tree.root / "src" / "odradek" / "wire" / "doubling.py"
    source.write_text(HOT_SOURCE + "\nwrong: str = doubled(1)\n", encoding="ascii")

    built = tree.build()

    assert built.returncode == 0, built.stdout
    assert "Incompatible types in assignment" in built.stdout
    assert tree.note().startswith("interpreted, because mypyc refuses the sources")
    assert tree.doubled() == (42, ".py")


@needs_compiler
def test_name_without_a_file_is_left_out_and_said(tree: Tree) -> None:
    with (tree.root / "src" / "odradek" / "compiled_modules.txt").open("a", encoding="ascii") as listed:
        listed.write("odradek.wire.planned\n")

    built = tree.build()

    assert "odradek.wire.planned is to be compiled but has no source file; it is left out" in built.stdout
    assert tree.version()["compiled"] == [HOT_MODULE]


def test_build_fails_without_compiler_when_compiling_is_required(tree: Tree) -> None:
    built = tree.build(environment={"CC": "false", "ODRADEK_REQUIRE_COMPILED": "1"})

    assert built.returncode != 0


def test_wheel_is_built_and_carries_the_reason_when_there_is_no_compiler(tree: Tree) -> None:
    built = tree.build("bdist_wheel", environment={"CC": "false"})

    assert built.returncode == 0, built.stdout
    (wheel,) = (tree.root / "dist").glob("odradek-*.whl")
    unpacked = tree.root / "unpacked"
    shutil.unpack_archive(wheel, unpacked, "zip")
    assert (unpacked / "odradek" / "compilation.txt").read_text(encoding="utf-8").startswith("interpreted, because")
    assert (unpacked / "odradek" / "compiled_modules.txt").is_file()
    assert (unpacked / "odradek" / "wire" / "doubling.py").is_file()
