"""A whole node in a test tube: `broker.assembly.NodeRun` over a simulated disk, pool and network, in the loop's virtual time.

    node = SimulatedNode("node-1", surroundings)
    await node.start()
    await node.crash(CrashKind.POWER)
    await node.start()          # finds what the crash has left
    await node.stop()

The disk outlives the node's lives. A crash ends everything at one moment: the disk takes nothing more, what the pool had under way
never happens, every connection breaks. The code of the node is then cancelled and runs to its end without being able to do anything.
A node whose process ends by itself, because its disk failed, is found in `failure`, and its disk is as `kill -9` leaves it.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from odradek.base.clock import ManualClock
from odradek.broker.assembly import NodeRun
from odradek.broker.formatting import format_if_empty
from odradek.broker.ready_report import ReadyReport
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.precedence import log_directories
from odradek.testing.disk_operations import CHANGES, SYNCS, Fault, MachineCrashed, Operation
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from odradek.testing.simulated_filesystem import SimulatedFileSystem
from odradek.testing.simulated_network import SimulatedNetwork
from odradek.testing.simulated_pool import SimulatedPool
from odradek.testing.trace import Trace, is_of_the_disk
from odradek.testing.virtual_loop import LIFE, Life, VirtualLoop

CLIENT_PORT = 9092
CONTROLLER_PORT = 9093
LOG_DIRECTORY = "/data"
SECOND_LOG_DIRECTORY = "/more"
# A start reads and writes some hundred times, a stop too; each may have to wait for a slow disk.
START_S_MAX = 120
STOP_S_MAX = 120
DEATH_S_MAX = 60

# Everything by the clock comes round often enough for a story of a minute.
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": LOG_DIRECTORY,
    "offsets.topic.replication.factor": "1",
    "auto.create.topics.enable": "false",
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "3000",
    "log.flush.offset.checkpoint.interval.ms": "5000",
    "log.flush.start.offset.checkpoint.interval.ms": "5000",
    "log.segment.delete.delay.ms": "4000",
}


class NodeFailed(Exception):
    """The node ended though nobody asked it to, or did not do what was asked of it in time."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machines of one simulation share. `dice_for` gives each user its own dice, by name."""

    loop: VirtualLoop
    clock: ManualClock
    network: SimulatedNetwork
    trace: Trace
    dice_for: Callable[[str], random.Random]


# Asked before every operation on the node's disk: what becomes of it.
DiskFault = Callable[[Operation, str, int], Fault | None]


class SimulatedNode:
    """A machine that runs a node, through any number of lives."""

    def __init__(self, name: str, surroundings: Surroundings, settings: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.address = (name, CLIENT_PORT)
        self.disk = SimulatedDisk(surroundings.clock.now_ms)
        self.disk_fault: DiskFault | None = None
        self.failure: BaseException | None = None
        self.lives_count = 0
        self._surroundings = surroundings
        self._settings = load_broker_settings(
            dict(SETTINGS)
            | {
                "listeners": f"PLAINTEXT://{name}:{CLIENT_PORT},CONTROLLER://{name}:{CONTROLLER_PORT}",
                "controller.quorum.bootstrap.servers": f"{name}:{CONTROLLER_PORT}",
            }
            | dict(settings or {})
        )
        self._host = surroundings.network.host(name)
        self._dice = surroundings.dice_for(f"{name}/crash")
        self._life: Life | None = None
        self._mount: SimulatedFileSystem | None = None
        self._pool: SimulatedPool | None = None
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def log_directories(self) -> list[str]:
        """Where the node keeps its logs; the first one also has that of the quorum."""
        return log_directories(self._settings)

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it on its way up or down."""
        return self._task is not None and not self._task.done()

    @property
    def is_dying(self) -> bool:
        """Whether its life is over and nobody has completed that with `crash` yet."""
        return self._life is not None and self._life.is_dying and not self._life.is_over

    async def start(self) -> None:
        """Start the node's process and wait until it serves; the first time the disk is formatted.

        Raises:
            NodeFailed: it ended before it was ready, or took too long.
        """
        assert not self.is_running, f"{self.name} runs already"
        around = self._surroundings
        self.lives_count += 1
        self.failure = None
        self._is_stopping = False
        self._life = life = Life(self.name)
        self._stop = asyncio.Event()
        dice = around.dice_for(f"{self.name}/life {self.lives_count}")
        if self.lives_count == 1:
            format_if_empty(self._settings, filesystem=self.disk.mount(), clock=around.clock, dice=dice)
            self.disk.settle()
        self._mount = self.disk.mount(self)
        self._pool = SimulatedPool(around.loop, random.Random(dice.random()))
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        is_ready: asyncio.Future[None] = around.loop.create_future()
        around.trace.note(self.name, "starts", {"life": self.lives_count})
        self._task = around.loop.create_task(self._live(life, self._mount, dice, is_ready), context=context, name=self.name)
        await asyncio.wait([self._task, is_ready], timeout=START_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        # A machine can die at the very moment in which it is ready.
        if not is_ready.done() or self.is_dying or not self.is_running:
            raise NodeFailed(f"{self.name} is not ready: {self.failure!r}")
        around.trace.note(self.name, "is ready")

    async def stop(self) -> None:
        """Stop as SIGTERM does, and wait.

        Raises:
            NodeFailed: it failed while stopping, or does not come to an end.
        """
        assert self._stop is not None
        assert self._task is not None
        self._surroundings.trace.note(self.name, "is asked to stop")
        self._is_stopping = True
        self._stop.set()
        await asyncio.wait([self._task], timeout=STOP_S_MAX)
        if not self._task.done() or self.failure is not None or self.is_dying:
            raise NodeFailed(f"{self.name} did not stop in good order: {self.failure!r}")
        self._surroundings.trace.note(self.name, "has stopped")

    async def crash(self, kind: CrashKind) -> None:
        """End the process, or the machine under it, at this moment; or complete what `die` has begun."""
        assert self._task is not None
        self.die()
        self._surroundings.trace.note(self.name, "crash", {"kind": kind.value})
        self._task.cancel()
        await asyncio.wait([self._task], timeout=DEATH_S_MAX)
        assert self._task.done(), f"the code of {self.name} does not come to an end after a crash"
        self._bury(kind)

    def lose_power(self, kind: CrashKind) -> None:
        """As `crash`, for a machine whose process has ended by itself already."""
        assert not self.is_running
        self._surroundings.trace.note(self.name, "crash", {"kind": kind.value})
        self.disk.crash(kind, self._dice)

    def die(self) -> None:
        """From this moment on the process has no effect on anything; `crash` says what its disk looks like afterwards."""
        assert self._life is not None
        assert self._mount is not None
        assert self._pool is not None
        if not self._life.is_dying:
            self._life.is_dying = True
            self._mount.end()
            self._pool.crash()
            self._host.crash()

    def before(self, operation: Operation, path: str, size: int) -> Fault | None:
        """As `disk_operations.Faults`: note what the disk is asked to do, and let `disk_fault` decide what becomes of it."""
        fault = self.disk_fault(operation, path, size) if self.disk_fault is not None else None
        if fault is not None:
            self._surroundings.trace.note(self.name, f"disk {operation.value} {path} {size} fails", {"error": repr(fault.error)})
            if isinstance(fault.error, MachineCrashed):
                self.die()
        elif operation in CHANGES or operation in SYNCS:
            self._surroundings.trace.note(self.name, f"disk {operation.value} {path}", {"size": size} if size else None)
        return fault

    async def _live(self, life: Life, mount: SimulatedFileSystem, dice: random.Random, is_ready: asyncio.Future[None]) -> None:
        assert self._stop is not None

        def on_ready(report: ReadyReport) -> None:
            if not is_ready.done():
                is_ready.set_result(None)

        clock = self._surroundings.clock
        try:
            await NodeRun(self._settings, mount, clock, dice, pool=self._pool, network=self._host).run(self._stop, on_ready)
        except BaseException as failure:
            if not life.is_dying:
                self._fail(failure)
        else:
            assert self._is_stopping, f"{self.name} stopped by itself"
            self._host.crash()
            self._surroundings.loop.end_life(life)

    def _fail(self, failure: BaseException) -> None:
        """The process ends with an error of its own: for its disk that is a kill."""
        self.failure = failure
        self._surroundings.trace.note(self.name, "process ended by itself", {"error": repr(failure)})
        self.die()
        self._bury(CrashKind.PROCESS)

    def _bury(self, kind: CrashKind) -> None:
        assert self._life is not None
        self._surroundings.loop.end_life(self._life)
        self.disk.crash(kind, self._dice)


def on_unhandled(report: Callable[[str], None]) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    """A loop's exception handler that reports what no code has caught, unless it comes from a machine that is dying."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        handle_context = getattr(context.get("handle"), "_context", None)
        life = handle_context.get(LIFE) if isinstance(handle_context, contextvars.Context) else None
        is_of_the_dying = life is not None and life.is_dying
        is_expected = isinstance(error, MachineCrashed | GeneratorExit | asyncio.CancelledError) or is_of_the_disk(error)
        if not is_of_the_dying and not is_expected:
            report(f"{context.get('message')}: {error!r}")

    return handle
