"""What a process costs, read from the kernel: processor time to the nanosecond, resident memory, and who listens on a port."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

# How Linux names the clock of another process: the complement of its id, and the kind that the scheduler keeps (clock_getcpuclockid(3)).
_CPU_CLOCK_KIND: Final = 2
_LISTENING: Final = "0A"


def cpu_s(process_id: int) -> float:
    """Processor time of a process so far, of all its threads, those that ended too.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime((~process_id << 3) | _CPU_CLOCK_KIND)


def resident_bytes(process_id: int) -> int:
    """The resident set of a process.

    Raises:
        OSError: there is no such process.
    """
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(process_id)


def process_listening_on(port: int) -> int | None:
    """The process of this machine that listens on `port`, or None where it is not ours to see."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal() and _holds_one_of(directory / "fd", inodes):
            return int(directory.name)
    return None


def _holds_one_of(directory: Path, inodes: set[str]) -> bool:
    with suppress(OSError):
        for entry in directory.iterdir():
            with suppress(OSError):
                if os.readlink(entry) in inodes:
                    return True
    return False


def free_port() -> int:
    """A port of the loopback address that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dirty_bytes() -> int:
    """What the page cache of this machine still has to write to its disk."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Dirty:"):
            return int(line.split()[1]) * 1024
    return 0
