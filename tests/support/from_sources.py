"""A module in a process of its own that runs from the sources: machine code calls what it was compiled with, whatever is patched."""

from __future__ import annotations

import os
import subprocess
import sys


def told_from_sources(module: str, *arguments: object, seconds_max: float) -> str:
    """What `python -m module arguments` writes to standard output. Its exit code has to be 0."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "ODRADEK_PURE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds_max, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
