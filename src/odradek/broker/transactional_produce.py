"""Produce of a producer that does not say where it will write (version 12 and newer): its transaction is told before anything is written.

Usually the coordinator is here and has nothing against it: then the partitions are added, and the batches written, in the turn in which
they came. A transaction that is just ending is given a moment. Between the look at the coordinator's state and the staging of the
batch nothing else runs, so no marker can come between them.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.partition import Partition
from odradek.broker.produce_frame import ProducedPart, ProduceFrame
from odradek.broker.transaction_verification import as_produce_says, partitions_to_join, refusal
from odradek.config.broker_transaction_settings import ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS, ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS
from odradek.net.frame_connection import FrameConnection
from odradek.records.header import BatchHeader

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.produce_path import ProducePath

# The transaction version of a producer that does not announce its partitions.
CLIENT_VERSION: Final = 2

# Refusals that a code alone says too little about.
SENTENCES: Final = {
    ErrorCode.INVALID_TXN_STATE: "The partition was not added to the transaction.",
    ErrorCode.NOT_ENOUGH_REPLICAS: "Whether the partition was added to the transaction cannot be found out now.",
}

Missing = list[tuple[Partition, tuple[int, int]]]


@final
class TransactionalProduce:
    """What Produce asks of the transactions of one node."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def joins(self, connection: FrameConnection, frame: ProduceFrame, data: bytes, produce: ProducePath) -> bool:
        """Where the producer's transaction does not know of all partitions yet, have it know of them and decide the request then.

        Its connection's next request waits so long. False where the transaction knows of all.
        """
        node = self._node
        missing = partitions_to_join(node, frame, data)
        if not missing:
            return False
        connection.is_blocked = True
        producer, places = _wish(missing)
        if not node.transactions.add_partitions(
            frame.transactional_id or "",
            producer,
            places,
            CLIENT_VERSION,
            lambda code: _decide(connection, frame, data, produce, code),
        ):
            node.transactions.spawn(join(node, connection, frame, data, produce))
        return True

    def refusal(self, frame: ProduceFrame, partition: Partition, header: BatchHeader, part: ProducedPart) -> int:
        """Why a transactional batch may not be written, 0 if it may; with a sentence in `part` where the code needs one."""
        code = refusal(self._node, frame, partition, header)
        if code is not NO_ERROR:
            part.error_message = SENTENCES.get(code)
        return code


async def join(node: Node, connection: FrameConnection, frame: ProduceFrame, data: bytes, produce: ProducePath) -> None:
    """Add what is missing to the transaction, perhaps after a while, and decide the request."""
    try:
        code = await _add(node, frame, data)
    except Exception as error:  # a mistake of ours: this connection ends, everybody else goes on
        connection.close(f"a transactional produce request could not be decided: {error!r}")
        connection.unblock()
    else:
        _decide(connection, frame, data, produce, code)


def _decide(connection: FrameConnection, frame: ProduceFrame, data: bytes, produce: ProducePath, code: ErrorCode) -> None:
    """Decide the request after its partitions were added or not; a refusal is the answer to all of it."""
    try:
        if code is not NO_ERROR:
            frame.refusal_code = as_produce_says(code, frame)
        produce.decide(connection, frame, data)
    except Exception as error:  # as above
        connection.close(f"a transactional produce request could not be decided: {error!r}")
    finally:
        connection.unblock()


def _wish(missing: Missing) -> tuple[tuple[int, int], frozenset[tuple[str, int]]]:
    return missing[0][1], frozenset([(partition.topic, partition.index) for partition, _ in missing])


async def _add(node: Node, frame: ProduceFrame, data: bytes) -> ErrorCode:
    """Add the partitions; a transaction that is just ending is given a moment, as a broker does for its clients."""
    transactional_id = frame.transactional_id or ""
    missing = partitions_to_join(node, frame, data)
    if not missing:
        return NO_ERROR
    producer, places = _wish(missing)
    wait_ms = node.configuration[ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS]
    deadline_ms = node.clock.monotonic_ms() + node.configuration[ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS]
    while True:
        try:
            await node.transactions.ask(
                transactional_id,
                lambda shard, ticket, now: shard.add_partitions(ticket, transactional_id, producer, places, CLIENT_VERSION, now),
            )
            code = NO_ERROR
        except RequestRefused as refused:
            code = refused.code
        if code is not ErrorCode.CONCURRENT_TRANSACTIONS or node.clock.monotonic_ms() >= deadline_ms:
            return code
        await asyncio.sleep(wait_ms / 1000)
