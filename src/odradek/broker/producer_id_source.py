"""Producer ids for idempotent producers, taken from blocks that the controller hands out (KIP-730; `RPCProducerIdManager`).

Ids of one block are given out from memory. The next block is fetched when the first request finds this one used up; requests that come
meanwhile wait for the same block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from odradek.protocol.message import Message
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse


class ControllerDoor(Protocol):
    """The way to the controller for the node's own requests."""

    async def decide(self, message: Message, api_version: int) -> Message: ...


class ProducerIdSource:
    """Gives every caller another producer id."""

    __slots__ = ("_broker_epoch", "_controller", "_end", "_fetching", "_next", "_node_id")

    def __init__(self, controller: ControllerDoor, node_id: int, broker_epoch: Callable[[], int]) -> None:
        self._controller = controller
        self._node_id = node_id
        self._broker_epoch = broker_epoch
        self._next = 0
        self._end = 0
        self._fetching: asyncio.Lock | None = None

    async def next_id(self) -> int:
        """An id that nobody in the cluster holds.

        Raises:
            RequestRefused: the controller does not hand out a block now.
        """
        while self._next == self._end:
            if self._fetching is None:
                self._fetching = asyncio.Lock()
            async with self._fetching:
                if self._next == self._end:
                    await self._fetch_block()
        producer_id = self._next
        self._next += 1
        return producer_id

    async def _fetch_block(self) -> None:
        request = AllocateProducerIdsRequest(broker_id=self._node_id, broker_epoch=self._broker_epoch())
        response = cast(AllocateProducerIdsResponse, await self._controller.decide(request, 0))
        self._next = response.producer_id_start
        self._end = response.producer_id_start + response.producer_id_len
