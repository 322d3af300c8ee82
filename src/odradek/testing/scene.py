"""What the actors of a simulation share: the time, the topics and their histories, the judge, the trace, and how to get a client.

An actor is a task that asks the node for one thing at a time, and puts what it asked and what it was told into the trace. Each has dice of
its own, so that what one does has no influence on the wishes of another.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from odradek.base.error_codes import ErrorCode
from odradek.testing.checkers import Judge
from odradek.testing.client import SimulatedClient
from odradek.testing.history import BrokenPromise, PartitionHistory, TopicHistory
from odradek.testing.simulated_node import SimulatedNode, Surroundings

# A node that has just come up, or whose disk is slow: the same request is good a moment later.
RETRIABLE = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.BROKER_NOT_AVAILABLE,
    }
)
UNKNOWN = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.INCONSISTENT_TOPIC_ID})
BACK_OFF_MS_MAX = 300


@dataclass(slots=True)
class Scene:
    """One run of a simulation, as its actors see it."""

    around: Surroundings
    node: SimulatedNode
    judge: Judge
    topics: list[TopicHistory] = field(default_factory=list)
    # Actors finish what they have begun and leave.
    is_over: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def now_ms(self) -> int:
        return self.around.clock.now_ms()

    def client(self, name: str, *, timeout_ms: int = 5_000) -> SimulatedClient:
        return SimulatedClient(self.around.loop, self.around.network.host(name), self.node.address, timeout_ms=timeout_ms)

    def dice_for(self, name: str) -> random.Random:
        return self.around.dice_for(name)

    def note(self, who: str, event: str, fields: Mapping[str, object] | None = None) -> None:
        self.around.trace.note(who, event, fields)

    def count(self, what: str, number: int = 1) -> None:
        """For the report: how often something happened."""
        self.counts[what] = self.counts.get(what, 0) + number

    def living_topics(self) -> list[TopicHistory]:
        """The topics that nobody has asked to delete."""
        return [topic for topic in self.topics if not topic.is_delete_asked]

    def check_unknown(self, topic: TopicHistory, code: int) -> None:
        """The node has said that it does not know `topic`.

        Raises:
            BrokenPromise: it was created, and nobody has deleted it.
        """
        if not topic.is_delete_asked:
            raise BrokenPromise("topics kept", f"{topic.name} is not known any more ({ErrorCode(code).name}), and nobody has deleted it")

    def histories(self) -> list[PartitionHistory]:
        return [partition for topic in self.topics for partition in topic.partitions]


async def back_off(dice: random.Random) -> None:
    """Wait a little before trying again."""
    await asyncio.sleep(dice.randint(1, BACK_OFF_MS_MAX) / 1000)
