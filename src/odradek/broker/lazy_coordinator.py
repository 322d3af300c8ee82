"""A coordinator that comes to life with its topic: a node that never had a group, or a transaction, loads nothing of them.

What groups and transactions have in common here: until the topic is there nobody can be asked, from then on the `coordinator_driver` is.
mypyc compiles this module and the two; they also run as they stand.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage

if TYPE_CHECKING:
    from odradek.broker.append_turn import AppendTurn
    from odradek.broker.coordinator_driver import CoordinatorDriver
    from odradek.broker.node import Node
    from odradek.coordinator.shard import Answer, Moment, Outcome, Shard, Ticket

AnyShard = TypeVar("AnyShard", bound="Shard")


class LazyCoordinator(ABC, Generic[AnyShard]):
    """A subscriber of the metadata, after the partition registry. Its state is in `topic`."""

    def __init__(self, topic: str, node: Node, appends: AppendTurn, tasks: asyncio.TaskGroup, loop: asyncio.AbstractEventLoop) -> None:
        self._topic = topic
        self._node = node
        self._appends = appends
        self._tasks = tasks
        self._loop = loop
        self._driver: CoordinatorDriver[AnyShard] | None = None

    @abstractmethod
    def _make_driver(self) -> CoordinatorDriver[AnyShard]:
        """Called once, when the topic is there; what only a coordinator needs is imported in here."""

    def _present_driver(self) -> CoordinatorDriver[AnyShard]:
        if self._driver is None:
            raise RequestRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return self._driver

    async def ask(self, key: str, question: Callable[[AnyShard, Ticket, Moment], Outcome]) -> Answer:
        """The answer of the shard that keeps `key`.

        Raises:
            RequestRefused: it refuses, is loading, or is not on this node.
        """
        return await self._present_driver().ask(key, question)

    def shards(self) -> Iterator[AnyShard]:
        """Every shard of this node, for reading.

        Raises:
            RequestRefused: one is loading.
        """
        return iter(()) if self._driver is None else self._driver.shards()

    def loaded_shards(self) -> list[AnyShard]:
        """The shards of this node that can be read now; those that are loading are left out."""
        return [] if self._driver is None else self._driver.loaded_shards()

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        if self._driver is None and self._topic in image.topics.by_name:
            self._driver = self._make_driver()
        if self._driver is not None:
            self._driver.on_metadata_update(delta, image)

    def close(self) -> None:
        """The node stops: whoever waits is told to look for another coordinator."""
        if self._driver is not None:
            self._driver.close()
