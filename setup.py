"""Builds the hot modules with mypyc where that is possible, and never fails an install because it is not.

Everything else about the distribution is in pyproject.toml. The modules are the ones that `src/odradek/compiled_modules.txt`
names. What happened is printed, and written into `odradek/compilation.txt` beside the code, because pip hides what a build
prints: `odradek version` shows it.

`ODRADEK_PURE=1` skips compiling. `ODRADEK_REQUIRE_COMPILED=1` turns every reason not to compile into a failed build, for CI.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext

ROOT: Final = Path(__file__).resolve().parent
SOURCE: Final = Path("src")
# One name for the library that all compiled modules share, whatever the list holds, so that a rebuild replaces it.
GROUP_NAME: Final = "odradek"
SHARED_LIBRARY: Final = f"{GROUP_NAME}__mypyc"


class NotCompiled(Exception):
    """Why the modules stay interpreted."""


class WithExtensions(Distribution):
    """Says that there will be extensions before they are known: to know them, mypy has to read the sources."""

    def has_ext_modules(self) -> bool:
        return True


class BuildCompiled(build_ext):
    """Compiles all of the modules or none: they share one library, so half of them could not be loaded."""

    def run(self) -> None:
        is_in_place = self.inplace
        target = ROOT / SOURCE if is_in_place else Path(self.build_lib)
        remove_compiled(target)
        for name in sorted(set(listed_modules()) - set(hot_modules())):
            print(f"odradek: {name} is to be compiled but has no source file; it is left out")
        try:
            self.compile()
            # A source that was saved without a change makes the same C, which is not compiled again: the library is of now all the same.
            for library in libraries_in(target):
                os.utime(library)
            outcome = f"compiled: {', '.join(hot_modules())}"
        except NotCompiled as reason:
            remove_compiled(target)
            self.extensions = []
            outcome = f"interpreted, because {reason}"
        self.inplace = is_in_place
        write_note(target, outcome)

    def compile(self) -> None:
        """Translate to C and build.

        Raises:
            NotCompiled: for any reason.
        """
        if os.environ.get("ODRADEK_PURE") == "1":
            raise NotCompiled("ODRADEK_PURE=1 was set")
        check_compiler()
        self.distribution.ext_modules = translated_to_c(hot_modules())
        # The second time, now that there are extensions to finalize; what the first time made of this option is no input.
        self.swig_opts = None
        self.finalize_options()
        try:
            super().run()
        except (Exception, SystemExit) as error:
            raise NotCompiled(f"the C compiler failed ({error})") from error


def listed_modules() -> list[str]:
    """The names in the list."""
    lines = (ROOT / SOURCE / "odradek" / "compiled_modules.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def hot_modules() -> list[str]:
    """The names in the list that have a source file."""
    return [name for name in listed_modules() if source_of(name).is_file()]


def source_of(module_name: str) -> Path:
    """The source file of a module, from the root of the project, where every build runs."""
    return SOURCE / Path(*module_name.split(".")).with_suffix(".py")


def check_compiler() -> None:
    """Try the C compiler on two lines, before mypy reads for ten seconds what could then not be compiled.

    Raises:
        NotCompiled: there is no compiler, or it does not find Python's headers.
    """
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "probe.c"
        source.write_text("#include <Python.h>\nint probe(void) { return 0; }\n", encoding="ascii")
        arguments = [f"-I{sysconfig.get_paths()['include']}", "-c", str(source), "-o", f"{source}.o"]
        try:
            probe = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        except OSError as error:
            raise NotCompiled(f"there is no C compiler ({command[0]}: {error.strerror})") from error
    if probe.returncode != 0:
        complaint = (probe.stderr.strip() or f"exit code {probe.returncode}").splitlines()[0]
        raise NotCompiled(f"the C compiler does not work ({command[0]}: {complaint})")


def translated_to_c(names: list[str]) -> list[Extension]:
    """The extensions that mypyc makes of the modules; checks their types on the way.

    Raises:
        NotCompiled: mypyc is missing, or refuses the sources.
    """
    try:
        from mypyc.build import mypycify
    except ImportError as error:
        raise NotCompiled(f"mypyc is not there ({error})") from error
    os.environ["MYPYPATH"] = str(SOURCE)
    # No configuration file: a newer mypy that is stricter about style must not make an install slower to run.
    options = ["--config-file=", "--explicit-package-bases", "--follow-imports=silent", "--ignore-missing-imports"]
    try:
        return mypycify(
            [*options, *(str(source_of(name)) for name in names)], group_name=GROUP_NAME, target_dir=str(ROOT / "build" / "mypyc")
        )
    except (Exception, SystemExit) as error:
        # mypyc ends the process on a type error; what it found is already printed.
        raise NotCompiled(f"mypyc refuses the sources ({type(error).__name__}: {error})") from error


def libraries_in(target: Path) -> Iterator[Path]:
    """Every file that compiling makes in `target`, whichever version of Python it is for."""
    for name in [*hot_modules(), SHARED_LIBRARY]:
        path = target / Path(*name.split("."))
        for suffix in ("so", "pyd"):
            yield from path.parent.glob(f"{path.name}.*{suffix}")


def remove_compiled(target: Path) -> None:
    """Remove what an earlier build left: an old library would run instead of a newer source."""
    for library in list(libraries_in(target)):
        library.unlink()


def write_note(target: Path, outcome: str) -> None:
    """Say what happened, now and in `odradek version`.

    Raises:
        SystemExit: nothing was compiled although it was required.
    """
    is_compiled = outcome.startswith("compiled")
    advice = "" if is_compiled else ". Everything works, only slower"
    print(f"odradek: {'' if is_compiled else 'WARNING: '}the hot modules are {outcome}{advice}.")
    if not is_compiled and os.environ.get("ODRADEK_REQUIRE_COMPILED") == "1":
        raise SystemExit("odradek: ODRADEK_REQUIRE_COMPILED=1 was set, so this is a failure")
    note = target / "odradek" / "compilation.txt"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{outcome}\n", encoding="utf-8")


setup(distclass=WithExtensions, cmdclass={"build_ext": BuildCompiled})
