"""Which modules run compiled, and how to run their source instead.

An install compiles a few hot modules (`compiled_modules.txt`) and leaves their source beside the machine code, so that either
can run. Python prefers the machine code; with `ODRADEK_PURE=1` in the environment the finder of this module stands before
Python's own and only knows source files, which turns every module of the project back into what a debugger can step through.
A test runs both and compares their bytes.

`odradek/__init__.py` calls `prefer_source` before anything else is imported, because a module that is loaded stays as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

PACKAGE: Final = "odradek"
_PACKAGE_DIRECTORY: Final = Path(__file__).resolve().parent.parent


class SourceFinder:
    """Finds the project's modules as source files, never as extension modules."""

    @classmethod
    def find_spec(cls, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The specification of a source module, or None to let Python's own finders look (packages of others, namespaces)."""
        if path is None or not fullname.startswith(f"{PACKAGE}."):
            return None
        for entry in path:
            specification = FileFinder(entry, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname, target)
            if specification is not None and specification.loader is not None:
                return specification
        return None


def prefer_source() -> None:
    """Load every module of the project that is not loaded yet from its source."""
    if SourceFinder not in sys.meta_path:
        sys.meta_path.insert(0, SourceFinder)


def hot_modules() -> list[str]:
    """The names in `compiled_modules.txt`."""
    lines = (_PACKAGE_DIRECTORY / "compiled_modules.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_compiled(module_name: str) -> bool:
    """Whether importing `module_name` runs machine code; looks for the file without running it."""
    specification = find_spec(module_name)
    origin = specification.origin if specification is not None else None
    return origin is not None and not origin.endswith(tuple(SOURCE_SUFFIXES))


def stale_modules() -> list[str]:
    """Compiled modules whose source was changed after they were compiled: they run something else than what one reads."""
    return [name for name in hot_modules() if _is_stale(name)]


def compilation_note() -> str:
    """What the install wrote down about compiling, one sentence; empty for a source tree that was never compiled."""
    note = _PACKAGE_DIRECTORY / "compilation.txt"
    return note.read_text(encoding="utf-8").strip() if note.is_file() else ""


def _is_stale(module_name: str) -> bool:
    source = _PACKAGE_DIRECTORY.parent / Path(*module_name.split(".")).with_suffix(".py")
    if not source.is_file() or not is_compiled(module_name):
        return False
    specification = find_spec(module_name)
    assert specification is not None
    assert specification.origin is not None
    # Installing writes source and machine code within moments of each other, in either order.
    return source.stat().st_mtime > Path(specification.origin).stat().st_mtime + INSTALL_MOMENT_S


# Files of one wheel are written by one run of the installer; a person needs longer to edit, save and start again.
INSTALL_MOMENT_S: Final = 2.0
