"""What goes wrong in a simulation, and when: drawn by dice from a budget, then done one after the other.

The budget says how many of each kind there may be; what they may cost is said by the promises (`history`): a crash of the process
nothing, a power cut what was not waited for. After each fault the node is brought up again, as an operator or a supervisor does; a crash
can strike a start or a stop as well, and any single operation of the disk.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from odradek.storage.file_names import PRODUCER_SNAPSHOT_SUFFIX
from odradek.testing.disk_faults import disk_error
from odradek.testing.disk_operations import CHANGES, SYNCS, WRITES, Fault, MachineCrashed, Operation
from odradek.testing.scene import Scene
from odradek.testing.simulated_disk import CrashKind
from odradek.testing.simulated_node import NodeFailed


class FaultKind(Enum):
    """One thing that can go wrong, or is done on purpose."""

    CLEAN_RESTART = "clean restart"
    PROCESS_CRASH = "process crash"
    POWER_CUT = "power cut"
    # The machine dies before or in the n-th operation of its disk from now on.
    CRASH_IN_OPERATION = "crash in an operation"
    CONNECTION_RESET = "connection reset"
    # One operation of the disk fails, the machine lives on for a moment, and its power is cut: so nobody can count on a page cache
    # that claims to hold what the disk has refused.
    DISK_ERROR = "disk error"
    # There is no room for a while, then there is again.
    FULL_DISK = "full disk"
    # A machine that is down comes up with a damaged producer snapshot.
    ROTTEN_SNAPSHOT = "rotten snapshot"


@dataclass(frozen=True, slots=True)
class FaultBudget:
    """At most so many faults of each kind in a simulated minute."""

    per_minute_max: tuple[tuple[FaultKind, int], ...] = (
        (FaultKind.CLEAN_RESTART, 6),
        (FaultKind.PROCESS_CRASH, 6),
        (FaultKind.POWER_CUT, 6),
        (FaultKind.CRASH_IN_OPERATION, 9),
        (FaultKind.CONNECTION_RESET, 12),
        (FaultKind.DISK_ERROR, 3),
        (FaultKind.FULL_DISK, 3),
        (FaultKind.ROTTEN_SNAPSHOT, 3),
    )

    def draw(self, seconds: int, dice: random.Random) -> list[tuple[int, FaultKind]]:
        """When (milliseconds from the beginning) what goes wrong."""
        drawn = []
        for kind, count_max in self.per_minute_max:
            scaled_max = max(1, count_max * seconds // 60) if count_max else 0
            drawn += [(dice.randint(1_000, seconds * 1000), kind) for _ in range(dice.randint(0, scaled_max))]
        return sorted(drawn, key=lambda fault: fault[0])


# How far ahead an operation is chosen: a start or a stop has some hundred, a batch that is written a handful.
OPERATIONS_AHEAD_MAX = 60
WAIT_FOR_OPERATION_S = 20
DOWN_MS_MAX = 3_000
# After an error of its disk; long enough for a few answers, which have to be true.
LIVES_ON_MS_MAX = 2_000
FULL_MS_MAX = 6_000
STARTS_MAX = 8


class CrashInOperation:
    """Lets the machine die at the n-th change or wait of its disk from now on."""

    def __init__(self, operations_left: int, dice: random.Random) -> None:
        self._operations_left = operations_left
        self._dice = dice
        self.has_struck = asyncio.Event()

    def __call__(self, operation: Operation, path: str, size: int) -> Fault | None:
        if operation not in CHANGES and operation not in SYNCS:
            return None
        self._operations_left -= 1
        if self._operations_left >= 0:
            return None
        self.has_struck.set()
        written = self._dice.randint(0, size) if operation in WRITES else 0
        return Fault(MachineCrashed(f"crash before {operation.value} of {path}"), written)


class FailInOperation(CrashInOperation):
    """Lets the n-th change or wait of the disk fail, and nothing else."""

    def __call__(self, operation: Operation, path: str, size: int) -> Fault | None:
        if self.has_struck.is_set():
            return None
        fault = super().__call__(operation, path, size)
        return None if fault is None else Fault(disk_error(errno.EIO, path), fault.bytes_written)


class FailInDirectory(FailInOperation):
    """From the n-th change or wait in one directory on nothing works there any more; elsewhere all is well."""

    def __init__(self, operations_left: int, dice: random.Random, directory: str) -> None:
        super().__init__(operations_left, dice)
        self._inside = directory + "/"

    def __call__(self, operation: Operation, path: str, size: int) -> Fault | None:
        if not path.startswith(self._inside):
            return None
        if self.has_struck.is_set():
            return Fault(disk_error(errno.EIO, path))
        return super().__call__(operation, path, size)


class FaultSchedule:
    """Carries out what was drawn."""

    def __init__(self, scene: Scene, budget: FaultBudget, seconds: int, crash_kinds: Sequence[CrashKind] = tuple(CrashKind)) -> None:
        """`crash_kinds` are those that a crash may be of which the budget does not say."""
        self._scene = scene
        self._crash_kinds = crash_kinds
        self._node = scene.node
        self._dice = scene.dice_for("faults")
        self._drawn = budget.draw(seconds, self._dice)
        self._seconds = seconds

    async def run(self) -> None:
        """Do what was drawn at its time; at the end the node is up and nothing is the matter with it."""
        begin_ms = self._scene.now_ms
        for at_ms, kind in self._drawn:
            await asyncio.sleep(max(0, begin_ms + at_ms - self._scene.now_ms) / 1000)
            self._scene.note("fate", kind.value)
            self._scene.count(kind.value)
            await self._do(kind)
        await asyncio.sleep(max(0, begin_ms + self._seconds * 1000 - self._scene.now_ms) / 1000)

    async def _do(self, kind: FaultKind) -> None:
        match kind:
            case FaultKind.CONNECTION_RESET:
                connections = self._scene.around.network.host(self._node.name).connections()
                if connections:
                    self._dice.choice(connections).reset()
            case FaultKind.CLEAN_RESTART:
                await self._restart()
            case FaultKind.PROCESS_CRASH:
                await self._crash(CrashKind.PROCESS)
                await self._bring_up()
            case FaultKind.POWER_CUT:
                await self._crash(CrashKind.POWER)
                await self._bring_up()
            case FaultKind.CRASH_IN_OPERATION:
                await self._crash_in_operation(self._dice.randint(0, OPERATIONS_AHEAD_MAX))
                await self._bring_up()

            case FaultKind.DISK_ERROR:
                await self._fail_in_operation()
                await self._bring_up()
            case FaultKind.FULL_DISK:
                await self._fill_disk()
                await self._bring_up()
            case FaultKind.ROTTEN_SNAPSHOT:
                await self._crash(self._some_kind())
                self._damage_snapshot()
                await self._bring_up()

    async def _restart(self) -> None:
        """A stop in good order, in which at times the machine dies."""
        if self._dice.random() < 0.2:
            self._node.disk_fault = CrashInOperation(self._dice.randint(0, OPERATIONS_AHEAD_MAX), self._dice)
        try:
            await self._node.stop()
        except NodeFailed:
            if not self._node.is_dying:
                raise
            await self._crash(self._some_kind())
        else:
            for partition in self._scene.histories():
                partition.stopped()
        self._node.disk_fault = None
        await self._bring_up()

    async def _crash_in_operation(self, operations_ahead: int) -> None:
        fault = CrashInOperation(operations_ahead, self._dice)
        if not await self._has_struck(fault):
            return
        self._node.disk_fault = None
        await self._crash(self._some_kind())

    async def _has_struck(self, fault: CrashInOperation) -> bool:
        """Hand the disk over to `fault` until it strikes; False, with the disk whole again, if the node had not that much to do."""
        self._node.disk_fault = fault
        try:
            async with asyncio.timeout(WAIT_FOR_OPERATION_S):
                await fault.has_struck.wait()
        except TimeoutError:
            self._node.disk_fault = None
            return False
        return True

    async def _fail_in_operation(self) -> None:
        operations_ahead = self._dice.randint(0, OPERATIONS_AHEAD_MAX)
        fault: CrashInOperation = FailInOperation(operations_ahead, self._dice)
        if len(self._node.log_directories) > 1 and self._dice.random() < 0.7:
            fault = FailInDirectory(operations_ahead // 4, self._dice, self._node.log_directories[-1])
        if not await self._has_struck(fault):
            return
        await asyncio.sleep(self._dice.randint(0, LIVES_ON_MS_MAX) / 1000)
        self._node.disk_fault = None
        await self._crash(CrashKind.POWER)

    async def _fill_disk(self) -> None:
        disk = self._node.disk
        capacity_bytes = disk.capacity_bytes
        disk.capacity_bytes = disk.used_bytes + self._dice.choice((0, 100, 5_000, 50_000))
        await asyncio.sleep(self._dice.randint(1_000, FULL_MS_MAX) / 1000)
        disk.capacity_bytes = capacity_bytes
        self._scene.note("fate", "there is room again")
        if not self._node.is_running:
            # The quorum's log had no room either, and without it there is no node.
            for partition in self._scene.histories():
                partition.crashed(self._scene.now_ms, is_power_cut=False)

    def _damage_snapshot(self) -> None:
        disk = self._node.disk
        mount = disk.mount()
        paths = [
            f"{directory}/{name}/{file}"
            for directory in self._node.log_directories
            for name in mount.list_directories(directory)
            for file in mount.list_names(f"{directory}/{name}")
            if file.endswith(PRODUCER_SNAPSHOT_SUFFIX) and mount.size(f"{directory}/{name}/{file}")
        ]
        mount.end()
        if not paths:
            return
        path = self._dice.choice(paths)
        self._scene.note("fate", f"a bit of {path} has turned", {"byte": disk.flip_bit(path, self._dice)})
        for partition in self._scene.histories():
            partition.is_snapshot_damaged = True

    async def _bring_up(self) -> None:
        """Start the node; at times the machine dies while it starts, and is started again."""
        for _ in self._attempts():
            await asyncio.sleep(self._dice.randint(0, DOWN_MS_MAX) / 1000)
            try:
                await self._node.start()
            except NodeFailed:
                if not self._node.is_dying:
                    raise
                self._node.disk_fault = None
                await self._crash(self._some_kind())
            else:
                self._node.disk_fault = None
                return

    def _attempts(self) -> Iterator[int]:
        for attempt in range(STARTS_MAX):
            if self._node.is_running:
                return
            if attempt < STARTS_MAX - 1 and self._dice.random() < 0.2:
                self._node.disk_fault = CrashInOperation(self._dice.randint(0, OPERATIONS_AHEAD_MAX), self._dice)
            yield attempt

    async def _crash(self, kind: CrashKind) -> None:
        for partition in self._scene.histories():
            partition.crashed(self._scene.now_ms, is_power_cut=kind is CrashKind.POWER)
        if self._node.is_running:
            await self._node.crash(kind)
        else:
            self._node.lose_power(kind)

    def _some_kind(self) -> CrashKind:
        return self._dice.choice(self._crash_kinds)
