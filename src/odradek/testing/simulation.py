"""One simulation: a node, its clients, and what goes wrong, all out of one seed.

    outcome = simulate(17, SimulationPlan(seconds=60))
    assert outcome.failure is None, outcome.story()

The seed decides every delay, wish, crash and fault; nothing else does, so the same seed gives the same trace (`Outcome.digest`) in any
process. In the end nothing is the matter any more: the node is up, everything is read once more, the node stops in good order,
must start without building anything anew, and everything is read again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field

from odradek.testing.checkers import Judge, all_checkers
from odradek.testing.client import NoAnswer
from odradek.testing.consumers import Consumer, read_everything
from odradek.testing.disk_operations import CHANGES, Fault, Operation
from odradek.testing.fault_schedule import FaultBudget, FaultSchedule
from odradek.testing.history import BrokenPromise, TopicHistory
from odradek.testing.keeper import Keeper
from odradek.testing.producers import Producer, ProducerKind
from odradek.testing.scene import Scene
from odradek.testing.simulated_node import LOG_DIRECTORY, SECOND_LOG_DIRECTORY
from odradek.testing.trace import LINES_KEPT_DEFAULT
from odradek.testing.tube import Tube

SECONDS_DEFAULT = 20
# What the last looks may take beyond the seconds of the plan.
ENDING_S_MAX = 900
READS_OF_ALL_MAX = 5
SECONDS_BETWEEN_LOOKS = 3
NODE = "node-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """How long, with how much of what. `settings` are the node's, over `simulated_node.SETTINGS`."""

    seconds: int = SECONDS_DEFAULT
    topics_count: int = 2
    producers_per_topic: int = 2
    budget: FaultBudget = field(default_factory=FaultBudget)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed. `failure` is the promise that was broken, or the error that ended the run; None if all is well."""

    seed: int
    failure: str | None
    digest: str
    lines_count: int
    lines: tuple[str, ...]
    counts: Mapping[str, int]

    def story(self) -> str:
        """The failure, and the events that led to it."""
        return "\n".join([*self.lines, f"seed {self.seed}: {self.failure or 'all is well'}"])


def simulate(seed: int, plan: SimulationPlan | None = None, *, lines_max: int | None = LINES_KEPT_DEFAULT) -> Outcome:
    """Run the simulation of `seed`. The last `lines_max` lines of its trace are kept, all for None."""
    return _Run(seed, plan or SimulationPlan(), lines_max).outcome()


def run_story(tube: Tube, story: Coroutine[object, object, None], scene: Scene) -> Outcome:
    """Let a story happen in its tube, and say what became of it."""
    failure: str | None = None
    try:
        tube.run(story)
    except BaseExceptionGroup as errors:
        failure = _told(_first_of(errors))
    except Exception as error:
        failure = _told(error)
    if failure is None and tube.mistakes:
        failure = f"the node made a mistake: {tube.mistakes[0]}"
    trace = tube.trace
    return Outcome(tube.seed, failure, trace.digest, trace.lines_count, tuple(trace.lines), dict(scene.counts))


class _Run:
    def __init__(self, seed: int, plan: SimulationPlan, lines_max: int | None) -> None:
        self._plan = plan
        self._tube = Tube(seed, lines_max=lines_max)
        settings = drawn_settings(self._tube.dice_for("settings")) | dict(plan.settings)
        self._scene = Scene(self._tube.around, self._tube.node(NODE, settings), Judge(all_checkers()))

    def outcome(self) -> Outcome:
        return run_story(self._tube, self._story(), self._scene)

    async def _story(self) -> None:
        async with asyncio.timeout(self._plan.seconds + ENDING_S_MAX):
            scene = self._scene
            await scene.node.start()
            async with asyncio.TaskGroup() as actors:
                keeper = Keeper(scene, "keeper", lambda topic: self._people(topic, actors))
                for _ in range(self._plan.topics_count):
                    await keeper.create_topic()
                actors.create_task(keeper.run(), name="keeper")
                await FaultSchedule(scene, self._plan.budget, self._plan.seconds).run()
                scene.is_over = True
            await self._look_at_everything("first look")
            await self._restart_in_good_order()
            await self._look_at_everything("second look")
            await scene.node.stop()

    def _people(self, topic: TopicHistory, actors: asyncio.TaskGroup) -> None:
        """Give a topic its producers and a consumer."""
        scene = self._scene
        number = len(scene.topics)
        dice = scene.dice_for(f"people {number}")
        kinds = [ProducerKind.IDEMPOTENT, *(dice.choice(list(ProducerKind)) for _ in range(self._plan.producers_per_topic - 1))]
        for index, kind in enumerate(kinds):
            name = f"producer-{number}{'abcdefgh'[index]}"
            actors.create_task(Producer(scene, name, topic, kind).run(), name=name)
        actors.create_task(Consumer(scene, f"consumer-{number}", topic).run(), name=f"consumer-{number}")

    async def _look_at_everything(self, name: str) -> None:
        scene = self._scene
        reason: NoAnswer | None = None
        for _ in range(READS_OF_ALL_MAX):
            try:
                await Keeper(scene, name, lambda topic: None).check_topics()
                await read_everything(scene, name)
            except NoAnswer as silence:
                # An answer can be under way for longer than a client waits, and what a full disk has refused is tried again at its hour.
                reason = silence
                scene.note(name, "got no answer", {"reason": silence})
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            return
        raise BrokenPromise("serves again", f"nothing is the matter with the node any more, and yet: {reason}")

    async def _restart_in_good_order(self) -> None:
        """Stop and start. What was left in good order is only looked at."""
        scene = self._scene
        await scene.node.stop()
        for partition in scene.histories():
            partition.stopped()
        rebuilt: list[str] = []

        def look(operation: Operation, path: str, size: int) -> Fault | None:
            if operation in CHANGES and path.endswith((".log", "index")) and "__cluster_metadata" not in path:
                rebuilt.append(f"{operation.value} {path}")
            return None

        scene.node.disk_fault = look
        await scene.node.start()
        scene.node.disk_fault = None
        if rebuilt:
            raise BrokenPromise("clean start", f"after a stop in good order the start did: {rebuilt[0]}")


def drawn_settings(dice: random.Random) -> dict[str, str]:
    """A node with one log directory or two, whose quorum begins new segments and writes snapshots now and then."""
    drawn = {"log.dirs": dice.choice((LOG_DIRECTORY, f"{LOG_DIRECTORY},{SECOND_LOG_DIRECTORY}"))}
    if dice.random() < 0.5:
        drawn |= {"metadata.log.max.record.bytes.between.snapshots": str(dice.choice((1, 1_500, 6_000))), "metadata.log.segment.ms": "900"}
    return drawn


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error that is not a group."""
    first = errors.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, BrokenPromise) else repr(error)
