"""Odradek as a user has it: installed from this checkout into an environment of its own, compiled.

The sources are copied first, because compiling in the checkout would leave libraries there that are older than the next edit. The
environment is kept in `build/benchmarks` and used again as long as no source has changed; a digest beside it says of which it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import machine

CHECKOUT: Final = Path(__file__).resolve().parents[1]
BUILD_DIRECTORY: Final = CHECKOUT / "build" / "benchmarks"
INSTALLED_FROM: Final = ("src", "setup.py", "pyproject.toml", "README.md", "LICENSE")
_NOT_INSTALLED: Final = shutil.ignore_patterns("*.so", "*.pyc", "__pycache__", "*.egg-info", "compilation.txt")


class NotMeasurable(Exception):
    """What is there must not be measured, or cannot be."""


@dataclass(frozen=True, slots=True)
class InstalledOdradek:
    """The commands of one environment. `commit` is the one whose sources it was built from, with `-dirty` where they were changed since."""

    python: Path
    commit: str = machine.UNKNOWN

    @property
    def command(self) -> Path:
        return self.python.with_name("odradek")

    def interpreted_modules(self) -> list[str]:
        """The hot modules that do not run as machine code, and those whose machine code is of another source."""
        done = subprocess.run([self.command, "version", "-o", "json"], capture_output=True, text=True, check=True, env=clean_environment())
        told: dict[str, list[str]] = json.loads(done.stdout)
        return sorted({*told["interpreted"], *told["stale"]})


def installed(*, allow_interpreted: bool = False) -> InstalledOdradek:
    """The environment of the checkout as it is now; made or renewed where needed, which takes a minute or two.

    Raises:
        NotMeasurable: it could not be installed, or is not compiled although it has to be.
    """
    environment = BUILD_DIRECTORY / ("environment-interpreted" if allow_interpreted else "environment")
    # Now, with the digest of the same sources, and not when a report is written: by then another commit may be checked out.
    odradek = InstalledOdradek(environment / "bin" / "python", machine.commit(CHECKOUT))
    digest_file = environment / "sources.sha256"
    digest = sources_digest(CHECKOUT)
    if not digest_file.exists() or digest_file.read_text() != digest:
        _install(environment, allow_interpreted, digest)
        digest_file.write_text(digest)
    interpreted = odradek.interpreted_modules()
    if interpreted and not allow_interpreted:
        digest_file.unlink()
        raise NotMeasurable(f"these modules are not compiled: {', '.join(interpreted)}; --interpreted measures all the same")
    return odradek


def sources_digest(checkout: Path) -> str:
    """A digest of everything that an install takes from `checkout`."""
    digest = hashlib.sha256()
    for file in _source_files(checkout):
        digest.update(str(file.relative_to(checkout)).encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(checkout: Path) -> Iterator[Path]:
    for name in INSTALLED_FROM:
        path = checkout / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            ignored = _NOT_INSTALLED(str(file.parent), [file.name])
            if file.is_file() and not ignored and "__pycache__" not in file.parts:
                yield file


def _install(environment: Path, allow_interpreted: bool, digest: str) -> None:
    print(f"installing Odradek {'interpreted' if allow_interpreted else 'compiled'} into {environment}", file=sys.stderr)
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=True)
    copy = environment / "checkout"
    copy.mkdir()
    for name in INSTALLED_FROM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=_NOT_INSTALLED)
        else:
            shutil.copy(source, copy / name)
    if sources_digest(copy) != digest:
        raise NotMeasurable("the sources were changed while they were copied")
    setting = {"ODRADEK_PURE": "1"} if allow_interpreted else {"ODRADEK_REQUIRE_COMPILED": "1"}
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment() | setting)
    if done.returncode != 0:
        raise NotMeasurable(f"Odradek could not be installed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def clean_environment() -> dict[str, str]:
    """This process's environment without what would make Python find other code, or forget its bytecode."""
    unwanted = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "ODRADEK_PURE", "ODRADEK_REQUIRE_COMPILED"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}
