"""On what and when was measured: a sentence about this machine, the date, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

UNKNOWN = "unknown"
GIBIBYTE = 1024**3


def description() -> str:
    """Processors, memory and kernel."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE
    return f"{os.cpu_count()} × {_processor()}, {memory_gib:.0f} GiB of memory, {platform.system()} {platform.release().split('-')[0]}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def commit(checkout: Path) -> str:
    """The commit that is checked out, and whether something is changed since."""
    return first_line(["git", "-C", str(checkout), "describe", "--always", "--dirty"])


def first_line(command: Sequence[str]) -> str:
    """The first line that a command prints, or that it is unknown."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else UNKNOWN
