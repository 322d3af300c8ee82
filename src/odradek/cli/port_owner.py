"""Who listens on a port of this machine, as far as the system tells: so that "the address is in use" names whom to stop.

Linux shows the listening sockets in `/proc/net/tcp` and `tcp6`, each with the number of its inode, and every process's open sockets
under `/proc/<pid>/fd`. Another user's processes are closed to us, other systems have no `/proc`: then the answer is None.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# TCP_LISTEN in the kernel's numbering (include/net/tcp_states.h).
LISTENING: Final = "0A"
COMMAND_CHARACTERS_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A process that listens; `command` is its command line, cut to one line."""

    process_id: int
    command: str

    def __str__(self) -> str:
        return f"process {self.process_id} ({self.command})"


def owner_of(port: int, *, proc: Path = Path("/proc")) -> PortOwner | None:
    """The process that listens on `port`, or None if that cannot be found out."""
    inodes = set(_listening_inodes(port, proc))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.glob("[0-9]*"):
        if any(target in wanted for target in _open_files(process)):
            return PortOwner(int(process.name), _command_of(process))
    return None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for words in (line.split() for line in lines):
            # The second word is the local address as hexadecimal ADDRESS:PORT, the fourth the state, the tenth the inode.
            if words[3] == LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                yield words[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield os.readlink(entry)
        except OSError:
            continue


def _command_of(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    return " ".join(filter(None, words))[:COMMAND_CHARACTERS_MAX]
