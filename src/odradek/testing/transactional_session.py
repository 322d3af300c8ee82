"""A transactional producer of a simulation, from its InitProducerId until it is fenced, closed or gives up, in both protocols.

It asks as Kafka's clients do, records what it does in the history of transactions, and holds the node to what only the producer can know:
that it is fenced for a reason, which is another producer of its name or a transaction that took too long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.protocol.message import Message
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from odradek.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.testing.coordinated_scene import CoordinatedScene, GaveUp, Refused
from odradek.testing.history import BrokenPromise
from odradek.testing.transaction_operations import (
    Acknowledged,
    EndAsked,
    EndTold,
    OffsetAcknowledged,
    OffsetSent,
    Place,
    ProducerBegan,
    Sent,
    TransactionBegan,
)

PRODUCE_TIMEOUT_MS = 3_000
VERSION_BY_ID = 13
FENCED = frozenset({ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH})
# The group has another idea of who its members are.
NOT_A_MEMBER = frozenset(
    {
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.FENCED_MEMBER_EPOCH,
        ErrorCode.REBALANCE_IN_PROGRESS,
    }
)
# A request that another producer of the name sent so long ago may still have its effect.
TAKEOVER_MS_MAX = 30_000

ResponseType = TypeVar("ResponseType", bound=Message)


class TransactionProtocol(Enum):
    """Transaction version 0 or 1, in which partitions are announced, and version 2, in which every transaction has its own epoch."""

    OLD = "old"
    NEW = "new"


class Fenced(Exception):
    """The session is over: another has its name, or its transaction took too long."""


class TransactionalSession:
    """One producer. What raises `Refused` leaves the transaction to be aborted; `Fenced` and `GaveUp` end the session."""

    def __init__(self, scene: CoordinatedScene, name: str, transactional_id: str, protocol: TransactionProtocol, timeout_ms: int) -> None:
        self.name = name
        self._scene = scene
        self._history = scene.transactions
        self._transactional_id = transactional_id
        self._is_new = protocol is TransactionProtocol.NEW
        self._timeout_ms = timeout_ms
        self._dice = scene.dice_for(name)
        self._client = scene.client(name)
        self._producer = (-1, -1)
        self._began_ms = 0
        self._sequences: dict[Place, int] = {}
        self._transactions_count = 0
        self.transaction = ""
        self._transaction_began_ms = 0
        self._announced: set[Place | str] = set()
        # Whether something was sent of which nobody knows whether it arrived; sequences are of no use then.
        self._is_in_doubt = False
        # A repetition of InitProducerId that says the epoch it had is not known any more after a crash, as in Kafka.
        self._may_be_its_own_zombie = False

    def close(self) -> None:
        self._client.close()

    async def begin(self) -> None:
        """Become the producer of the transactional id.

        Raises:
            Fenced, GaveUp: the session is over.
        """
        scene, attempts = self._scene, 0
        self._began_ms = scene.now_ms
        takeovers = scene.takeovers.setdefault(self._transactional_id, [])

        def on_attempt() -> None:
            nonlocal attempts
            attempts += 1
            self._may_be_its_own_zombie = attempts > 1 and self._producer[0] >= 0
            takeovers.append((scene.now_ms, self.name))

        request = InitProducerIdRequest(
            transactional_id=self._transactional_id,
            transaction_timeout_ms=self._timeout_ms,
            producer_id=self._producer[0],
            producer_epoch=self._producer[1],
        )
        asked_at = self._history.moment()
        response = await self._ask("init producer id", request, InitProducerIdResponse, 4, lambda it: it.error_code, on_attempt=on_attempt)
        self._producer = (response.producer_id, response.producer_epoch)
        self._history.add(
            ProducerBegan(asked_at=asked_at, at=self._history.moment(), transactional_id=self._transactional_id, session=self.name)
        )
        scene.note(self.name, "is producer", {"id": response.producer_id, "epoch": response.producer_epoch})
        self._sequences.clear()
        self._is_in_doubt = False

    def start(self) -> str:
        """Begin a transaction, of which the node hears with its first record or offset; its name."""
        self._transactions_count += 1
        self.transaction = f"{self.name}/{self._transactions_count}"
        self._transaction_began_ms = self._scene.now_ms
        self._announced.clear()
        self._history.add(TransactionBegan(at=self._history.moment(), transaction=self.transaction, session=self.name))
        return self.transaction

    async def send(self, place: Place, values: Sequence[str]) -> None:
        """Write records and wait until they are acknowledged."""
        if not self._is_new and place not in self._announced:
            await self._announce(place)
            self._announced.add(place)
        now_ms, sequence = self._scene.now_ms, self._sequences.get(place, 0)
        batch = encode_batch(
            [Record(timestamp=now_ms, value=value.encode()) for value in values],
            producer_id=self._producer[0],
            producer_epoch=self._producer[1],
            base_sequence=sequence,
            is_transactional=True,
        )
        for value in values:
            at = self._history.moment()
            self._history.add(Sent(at=at, transaction=self.transaction, topic=place[0], partition=place[1], value=value))
        self._is_in_doubt = True
        version = self._dice.choice((12, VERSION_BY_ID) if self._is_new else (9, 11))
        request = ProduceRequest(
            transactional_id=self._transactional_id,
            acks=-1,
            timeout_ms=PRODUCE_TIMEOUT_MS,
            topic_data=[self._topic_data(place, batch, version)],
        )
        response = await self._ask(
            f"produce to {place[0]}-{place[1]}",
            request,
            ProduceResponse,
            version,
            lambda it: it.responses[0].partition_responses[0].error_code,
        )
        self._is_in_doubt = False
        self._sequences[place] = sequence + len(values)
        base_offset = response.responses[0].partition_responses[0].base_offset
        for offset, value in enumerate(values, base_offset):
            self._history.add(Acknowledged(at=self._history.moment(), value=value, offset=offset))
        self._scene.count("acknowledged in transactions", len(values))
        self._announced.add(place)

    def _topic_data(self, place: Place, batch: bytes, version: int) -> TopicProduceData:
        data = [PartitionProduceData(index=place[1], records=batch)]
        if version >= VERSION_BY_ID:
            return TopicProduceData(topic_id=self._scene.growing[place[0]].topic_id, partition_data=data)
        return TopicProduceData(name=place[0], partition_data=data)

    async def _announce(self, place: Place) -> None:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self._transactional_id,
            v3_and_below_producer_id=self._producer[0],
            v3_and_below_producer_epoch=self._producer[1],
            v3_and_below_topics=[AddPartitionsToTxnTopic(place[0], [place[1]])],
        )
        await self._ask(
            f"add {place[0]}-{place[1]}",
            request,
            AddPartitionsToTxnResponse,
            3,
            lambda it: it.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code,
        )

    async def send_offsets(self, group: str, offsets: Mapping[Place, int], member_id: str, generation: int) -> None:
        """Commit offsets of a group in the transaction, in the name of one of its members."""
        if not self._is_new and group not in self._announced:
            producer_id, producer_epoch = self._producer
            announcement = AddOffsetsToTxnRequest(self._transactional_id, producer_id, producer_epoch, group)
            await self._ask(f"add offsets of {group}", announcement, AddOffsetsToTxnResponse, 3, lambda it: it.error_code)
        topics = [
            TxnOffsetCommitRequestTopic(
                topic, [TxnOffsetCommitRequestPartition(index, offset) for (name, index), offset in offsets.items() if name == topic]
            )
            for topic in dict.fromkeys(topic for topic, _ in offsets)
        ]
        commits = [f"{self.transaction}/{topic}-{index}@{offset}" for (topic, index), offset in offsets.items()]
        for commit, ((topic, index), offset) in zip(commits, offsets.items(), strict=True):
            at = self._history.moment()
            self._history.add(
                OffsetSent(at=at, commit=commit, transaction=self.transaction, group=group, topic=topic, partition=index, offset=offset)
            )
        request = TxnOffsetCommitRequest(
            transactional_id=self._transactional_id,
            group_id=group,
            producer_id=self._producer[0],
            producer_epoch=self._producer[1],
            generation_id=generation,
            member_id=member_id,
            topics=topics,
        )
        self._announced.add(group)
        await self._ask(
            f"commit offsets of {group}",
            request,
            TxnOffsetCommitResponse,
            5 if self._is_new else 3,
            lambda it: max(partition.error_code for topic in it.topics for partition in topic.partitions),
            refusals=NOT_A_MEMBER,
        )
        for commit in commits:
            self._history.add(OffsetAcknowledged(at=self._history.moment(), commit=commit))

    async def end(self, *, is_commit: bool) -> None:
        """Commit or abort."""
        if not self._announced and not self._is_in_doubt:
            return
        self._history.add(EndAsked(at=self._history.moment(), transaction=self.transaction, is_commit=is_commit))
        producer_id, producer_epoch = self._producer
        request = EndTxnRequest(self._transactional_id, producer_id, producer_epoch, is_commit)
        what = "commit" if is_commit else "abort"
        try:
            response = await self._ask(
                what, request, EndTxnResponse, 5 if self._is_new else 4, lambda it: it.error_code, refusals=(ErrorCode.INVALID_TXN_STATE,)
            )
        except Refused as refused:
            if self._is_new and is_commit:
                # In the new protocol an abort by somebody else looks like one that the producer has asked for before.
                self._check_reason(refused.code, what)
                raise Fenced(self.name) from None
            if is_commit or not self._is_in_doubt:
                raise BrokenPromise("no nonsense", f"{self.name} cannot {what} {self.transaction}, which is open") from None
            # What has never arrived has begun nothing that could be aborted.
        else:
            self._history.add(EndTold(at=self._history.moment(), transaction=self.transaction, is_commit=is_commit))
            self._scene.count("transactions committed" if is_commit else "transactions aborted")
            if self._is_new:
                self._producer = (response.producer_id, response.producer_epoch)
                self._sequences.clear()
                self._is_in_doubt = False
        if self._is_in_doubt:
            # What is under way may arrive in the next transaction: only another epoch keeps it out (KIP-360).
            await self.begin()

    async def _ask(
        self,
        what: str,
        request: Message,
        response_type: type[ResponseType],
        version: int,
        code_of: Callable[[ResponseType], int],
        *,
        refusals: Sequence[ErrorCode] | frozenset[ErrorCode] = (),
        on_attempt: Callable[[], None] = lambda: None,
    ) -> ResponseType:
        scene = self._scene
        try:
            return await scene.insist(
                self.name,
                what,
                self._client,
                self._dice,
                request,
                response_type,
                version,
                code_of,
                refusals=FENCED.union(refusals),
                on_attempt=on_attempt,
            )
        except Refused as refused:
            if refused.code not in FENCED:
                raise
            self._check_reason(refused.code, what)
            raise Fenced(self.name) from None

    def _check_reason(self, code: ErrorCode, what: str) -> None:
        is_late = bool(self.transaction) and self._scene.now_ms - self._transaction_began_ms >= self._timeout_ms
        is_taken_over = any(
            asked_ms >= self._began_ms - TAKEOVER_MS_MAX and session != self.name
            for asked_ms, session in self._scene.takeovers.get(self._transactional_id, ())
        )
        if not is_late and not is_taken_over and not self._may_be_its_own_zombie:
            raise BrokenPromise("fenced for a reason", f"{self.name} was answered {code.name} to {what}, and nobody has taken its name")


__all__ = ["Fenced", "GaveUp", "Refused", "TransactionProtocol", "TransactionalSession"]
