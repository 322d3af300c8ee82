"""Loads of our own that are Python: each is a module that runs in a process of its own and tells what it measured as one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from benchmarks.brokers import pinned
from benchmarks.odradek_install import CHECKOUT, NotMeasurable

ERROR_SIZE_MAX: Final = 300


def told_by(module: str, *arguments: object, seconds_max: float, processor: int | None = None) -> dict[str, Any]:
    """What `python -m module arguments` says, run on one `processor` only where one is given.

    Raises:
        NotMeasurable: it failed; with the end of what it wrote about that.
    """
    command = pinned([sys.executable, "-m", module, *map(str, arguments)], processor)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds_max, cwd=CHECKOUT)
    if done.returncode != 0:
        raise NotMeasurable(f"{module} failed: {done.stderr.strip()[-ERROR_SIZE_MAX:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told
