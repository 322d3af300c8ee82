"""EndTxn and AddPartitionsToTxn, from the frame to the coordinator's log: read in place, decided, staged, answered; no message objects.

Whatever is out of the ordinary is left to `handlers.end_txn` and `handlers.add_partitions_to_txn`, which decide anew and say what is
wrong. Beside these two a transaction is its records, and what `transaction_markers` writes behind the answer.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.strings import read_i16_be
from mypy_extensions import i64

from odradek.broker.transaction_answer import EPOCH_BUMP_VERSION_MIN, encode_end_answer, encode_join_answer
from odradek.broker.waiting_answer import WaitingAnswer
from odradek.coordinator.transaction.producer_requests import read_end_request, read_join_request
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from odradek.net.frame_connection import FrameConnection

if TYPE_CHECKING:
    from odradek.broker.node import Node

# From here on AddPartitionsToTxn is what brokers say to each other, of several transactions.
BATCHED_VERSION_MIN: Final[i64] = 4
# The protocol of producers that name their partitions and keep their epoch.
OLD_CLIENT_VERSION: Final = 0


@final
class TransactionPath:
    """Decides for one node what all transactions ask for."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def handle_end(self, connection: FrameConnection, data: bytes, start: i64, end: i64) -> bool:
        """Decide the EndTxn `data[start:end]`; False, and nothing is done, where that is for the handler.

        Raises:
            ProtocolViolation: the frame cannot be read.
        """
        request = read_end_request(data, start, end)
        if request is None:
            return False
        waiting = WaitingAnswer(connection, lambda code: encode_end_answer(request, code))
        client_version = EPOCH_BUMP_VERSION if request.producer.version >= EPOCH_BUMP_VERSION_MIN else OLD_CLIENT_VERSION
        if not self._node.transactions.end(request, client_version, waiting.answer):
            return False
        waiting.wait()
        return True

    def handle_join(self, connection: FrameConnection, data: bytes, start: i64, end: i64) -> bool:
        """Decide the AddPartitionsToTxn `data[start:end]`; otherwise as `handle_end`.

        Raises:
            ProtocolViolation: the frame cannot be read.
        """
        if i64(read_i16_be(data, start + 2)) >= BATCHED_VERSION_MIN:
            return False
        request = read_join_request(data, start, end)
        if request is None:
            return False
        topics = self._node.image.topics
        for topic in request.topics:
            found = topics.by_name.get(topic.name)
            if found is None:
                return False
            for index in topic.indexes:
                if index not in found.partitions:
                    return False
        asked = request.producer
        producer = (int(asked.producer_id), int(asked.producer_epoch))
        waiting = WaitingAnswer(connection, lambda code: encode_join_answer(request, code))
        if not self._node.transactions.add_partitions(
            asked.transactional_id, producer, request.places(), OLD_CLIENT_VERSION, waiting.answer
        ):
            return False
        waiting.wait()
        return True
