"""The test tube itself: a loop on virtual time, a network, a trace and all dice, out of one seed.

    tube = Tube(seed=17)
    node = tube.node("node-1")

    async def story() -> None:
        await node.start()
        response = await tube.client("somebody", node).request(...)
        await node.stop()

    tube.run(story())

Any number of nodes and clients live in one tube, each with its own disk and dice. Nothing else decides anything, so the same story of the
same seed leaves the same trace in any process.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Coroutine, Mapping
from typing import TypeVar

from odradek.base.clock import ManualClock
from odradek.testing.client import TIMEOUT_MS_DEFAULT, SimulatedClient
from odradek.testing.simulated_network import SimulatedNetwork
from odradek.testing.simulated_node import SimulatedNode, Surroundings, on_unhandled
from odradek.testing.trace import LINES_KEPT_DEFAULT, Trace, TraceHandler
from odradek.testing.virtual_loop import VirtualLoop

T = TypeVar("T")

# What the tasks of a story that has ended badly may take to come to their own end.
ABANDONING_S_MAX = 900


class Tube:
    """One seed's world. `mistakes` are exceptions that no code has caught, and errors that a node logged with a traceback."""

    def __init__(self, seed: int, *, lines_max: int | None = LINES_KEPT_DEFAULT) -> None:
        self.seed = seed
        self.mistakes: list[str] = []
        self.nodes: list[SimulatedNode] = []
        clock = ManualClock()
        self._loop = VirtualLoop(clock, self.dice_for("loop"))
        self._loop.set_exception_handler(on_unhandled(self.mistakes.append))
        network = SimulatedNetwork(self._loop, self.dice_for("network"))
        self.trace = Trace(clock, lines_max)
        self.around = Surroundings(self._loop, clock, network, self.trace, self.dice_for)

    def dice_for(self, name: str) -> random.Random:
        """Dice that nobody else throws. A text seeds them the same in every process, other than `hash` would."""
        return random.Random(f"{self.seed}/{name}")

    def node(self, name: str, settings: Mapping[str, str] | None = None) -> SimulatedNode:
        """A machine that runs a node when it is started."""
        made = SimulatedNode(name, self.around, settings)
        self.nodes.append(made)
        return made

    def client(self, name: str, node: SimulatedNode, *, timeout_ms: int = TIMEOUT_MS_DEFAULT) -> SimulatedClient:
        """A client on a machine of its own."""
        return SimulatedClient(self._loop, self.around.network.host(name), node.address, timeout_ms=timeout_ms)

    def run(self, story: Coroutine[object, object, T]) -> T:
        """The outcome of `story`; whatever it leaves running is ended without effect. A tube is for one story."""
        # What the collector does, and when, depends on what the process did before; here it must not decide when a file is closed.
        was_collecting = gc.isenabled()
        gc.disable()
        try:
            with TraceHandler(self.trace) as handler:
                try:
                    return self._loop.run_until_complete(story)
                finally:
                    self._abandon()
                    self.mistakes.extend(handler.mistakes)
        finally:
            if was_collecting:
                gc.enable()

    def _abandon(self) -> None:
        for node in self.nodes:
            if node.is_running:
                node.die()
        self._loop.set_exception_handler(lambda loop, context: None)
        tasks = sorted(asyncio.all_tasks(self._loop), key=lambda task: task.get_name())
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=ABANDONING_S_MAX))
        self._loop.close()
