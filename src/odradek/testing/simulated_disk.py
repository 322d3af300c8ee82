"""A disk in memory that outlives the processes that use it, and what a crash leaves on it.

    disk = SimulatedDisk(clock.now_ms)
    node = start(disk.mount(CrashBefore(17)))     # dies before its eighteenth operation
    disk.crash(CrashKind.POWER, dice)
    node = start(disk.mount())                    # finds what the dice have left

A process that is killed leaves everything that it has written, because the page cache is the kernel's. A power cut leaves what was
waited for (`fsync` of the file and of its directory), and of the rest whatever the dice say: the rules are in `disk_contents`. `copy` costs
no bytes until one of the two is written to, so a test can go on from one moment through hundreds of different crashes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum

from odradek.testing.disk_contents import StoredDirectory
from odradek.testing.disk_operations import Faults, MachineCrashed, Step
from odradek.testing.simulated_filesystem import SimulatedFileSystem, Volume

__all__ = ["CAPACITY_BYTES_DEFAULT", "CrashKind", "MachineCrashed", "SimulatedDisk"]

CAPACITY_BYTES_DEFAULT = 1 << 40


class CrashKind(Enum):
    """How a machine stops without having been asked."""

    # kill -9, or an error that ends the process: what was written is in the page cache and stays.
    PROCESS = "process"
    # The plug is pulled, or the kernel panics: what was not waited for is lost, kept or torn.
    POWER = "power"


class SimulatedDisk:
    """What is on the platter and what only in the page cache. `now_ms` dates the files."""

    __slots__ = ("_mounts", "_volume")

    def __init__(self, now_ms: Callable[[], int], *, capacity_bytes: int = CAPACITY_BYTES_DEFAULT) -> None:
        self._volume = Volume(now_ms, capacity_bytes)
        self._mounts: list[SimulatedFileSystem] = []

    @property
    def capacity_bytes(self) -> int:
        return self._volume.capacity_bytes

    @capacity_bytes.setter
    def capacity_bytes(self, capacity_bytes: int) -> None:
        """May go below what is in use: then every write that needs room fails until enough has been removed."""
        self._volume.capacity_bytes = capacity_bytes

    @property
    def used_bytes(self) -> int:
        """Bytes of all files that have a name or an opener."""
        return self._volume.used_bytes

    @property
    def operations_count(self) -> int:
        """How many operations there have been, of all mounts."""
        return self._volume.operations_count

    @property
    def changes_count(self) -> int:
        """How many of the operations were such that change what is on the disk (`disk_operations.CHANGES`)."""
        return self._volume.changes_count

    def mount(self, faults: Faults | None = None) -> SimulatedFileSystem:
        """A file system for one process. The first mount of a disk finds it empty."""
        mounted = SimulatedFileSystem(self._volume, faults)
        self._mounts.append(mounted)
        return mounted

    def start_journal(self) -> list[Step]:
        """Write down every operation from now on; the list grows until `stop_journal`."""
        self._volume.journal = []
        return self._volume.journal

    def stop_journal(self) -> None:
        self._volume.journal = None

    def crash(self, kind: CrashKind, dice: random.Random) -> None:
        """End all processes, and lose what a crash of this kind loses."""
        for mount in self._mounts:
            mount.end()
        self._mounts.clear()
        volume = self._volume
        volume.locked.clear()
        if kind is CrashKind.POWER:
            volume.root = volume.root.after_power_cut(dice)
        _recount(volume, volume.root)

    def settle(self) -> None:
        """Everything that has been written is durable from now on, as after `sync(1)`."""
        self._volume.root.settle()

    def flip_bit(self, path: str, dice: random.Random, *, first: int = 0, end: int | None = None) -> int:
        """Turn one bit of a file over, somewhere from `first` to before `end`; at which byte."""
        stored = SimulatedFileSystem(self._volume, None).stored_file(path)
        position = dice.randrange(first, len(stored.content) if end is None else end)
        stored.flip_bit(position, dice.randrange(8))
        return position

    def copy(self) -> SimulatedDisk:
        """The disk as it is at this moment, without its processes: `crash` it, then `mount` it."""
        volume = self._volume
        made = SimulatedDisk(volume.now_ms, capacity_bytes=volume.capacity_bytes)
        made._volume.root = volume.root.copy({})
        made._volume.operations_count = volume.operations_count
        made._volume.changes_count = volume.changes_count
        _recount(made._volume, made._volume.root)
        return made


def _recount(volume: Volume, root: StoredDirectory) -> None:
    """Nobody has a file open: only names hold room."""
    volume.used_bytes = 0
    for stored in root.files():
        stored.links, stored.openers = 1, 0
        volume.used_bytes += len(stored.content)
