"""What is asked about transactions: which there are, how they stand, who writes in a partition, and that one be ended
(`ListTransactionsHandler`, `DescribeTransactionsHandler`, `DescribeProducersHandler`, `AbortTransactionHandler`, `FenceProducersHandler`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.core.keyed_call import AT_COORDINATOR, Answered, Ask, Lookup, RetryRule, in_parts
from odradek.client.core.lookups import CoordinatorKind, CoordinatorLookup, KnownBroker, LeaderLookup, each_broker
from odradek.client.errors import ClientError
from odradek.protocol.message import Message
from odradek.protocol.messages.describe_producers import DescribeProducersRequest, DescribeProducersResponse, TopicRequest
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

_NONE: Final = -1
_LISTING_RULE: Final = RetryRule(again=frozenset({ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}))
_PRODUCERS_RULE: Final = RetryRule(elsewhere=frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}))
_MARKERS_RULE: Final = RetryRule(
    elsewhere=frozenset(
        {
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.REPLICA_NOT_AVAILABLE,
            ErrorCode.BROKER_NOT_AVAILABLE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        }
    )
)


@final
@dataclass(frozen=True, slots=True)
class TransactionListing:
    """A transactional id as its coordinator lists it."""

    transactional_id: str
    producer_id: int
    state: str
    coordinator_id: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionDescription:
    """A transactional id. `start_ms` is None while no transaction is open; `partitions` are those that still wait for its end."""

    transactional_id: str
    coordinator_id: int
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    start_ms: int | None
    partitions: tuple[TopicPartition, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerDescription:
    """A producer that has written to a partition. None where the partition does not know."""

    producer_id: int
    producer_epoch: int
    coordinator_epoch: int | None
    last_sequence: int
    last_timestamp_ms: int
    transaction_start_offset: int | None


@final
@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are listed. Empty, or -1 for the duration, means any; `pattern` is a regular expression of RE2 for the id."""

    states: Sequence[str] = ()
    producer_ids: Sequence[int] = ()
    duration_ms: int = _NONE
    pattern: str | None = None


@final
class UnknownStates(ClientError):
    """The coordinator does not know states that were asked for."""

    def __init__(self, states: Sequence[str]) -> None:
        super().__init__(f"there is no state {', '.join(states)} of a transaction")


@final
class ListTransactions:
    """The transactional ids that each broker coordinates."""

    def __init__(self, wanted: TransactionFilter) -> None:
        self.lookup = each_broker()
        self._wanted = wanted

    def asks(self, keys: Collection[int]) -> Iterator[Ask[int]]:
        wanted = self._wanted
        request = ListTransactionsRequest(
            state_filters=list(wanted.states),
            producer_id_filters=list(wanted.producer_ids),
            duration_filter=wanted.duration_ms,
            transactional_id_pattern=wanted.pattern,
        )
        yield Ask(request, ListTransactionsResponse, list(keys))

    def read(self, node_id: int, ask: Ask[int], response: Message) -> Answered[int, list[TransactionListing]]:
        assert isinstance(response, ListTransactionsResponse)
        answered: Answered[int, list[TransactionListing]] = Answered()
        if response.error_code != ErrorCode.NONE:
            answered.judge(node_id, response.error_code, None, _LISTING_RULE)
        elif response.unknown_state_filters:
            answered.refused[node_id] = UnknownStates(response.unknown_state_filters)
        else:
            answered.done[node_id] = [
                TransactionListing(found.transactional_id, found.producer_id, found.transaction_state, node_id)
                for found in response.transaction_states
            ]
        return answered


@final
class DescribeTransactions:
    """How the transactions of transactional ids stand."""

    def __init__(self) -> None:
        self.lookup = CoordinatorLookup(CoordinatorKind.TRANSACTION)

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for part in in_parts(keys):
            yield Ask(DescribeTransactionsRequest(transactional_ids=list(part)), DescribeTransactionsResponse, part)

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, TransactionDescription]:
        assert isinstance(response, DescribeTransactionsResponse)
        answered: Answered[str, TransactionDescription] = Answered()
        for found in response.transaction_states:
            if found.error_code != ErrorCode.NONE:
                answered.judge(found.transactional_id, found.error_code, None, AT_COORDINATOR)
                continue
            answered.done[found.transactional_id] = TransactionDescription(
                transactional_id=found.transactional_id,
                coordinator_id=node_id,
                state=found.transaction_state,
                producer_id=found.producer_id,
                producer_epoch=found.producer_epoch,
                timeout_ms=found.transaction_timeout_ms,
                start_ms=found.transaction_start_time_ms if found.transaction_start_time_ms >= 0 else None,
                partitions=tuple(sorted(TopicPartition(topic.topic, index) for topic in found.topics for index in topic.partitions)),
            )
        return answered


@final
class DescribeProducers:
    """Who has written to partitions: as their leaders know, or as one broker that holds them does."""

    def __init__(self, broker_id: int | None = None) -> None:
        self.lookup: Lookup[TopicPartition] = LeaderLookup() if broker_id is None else KnownBroker(lambda _: broker_id)
        # Of a broker that was named, an answer that it does not hold the partition is the answer.
        self._rule = _PRODUCERS_RULE if broker_id is None else RetryRule()

    def asks(self, keys: Collection[TopicPartition]) -> Iterator[Ask[TopicPartition]]:
        for part in in_parts(sorted(keys)):
            topics = [
                TopicRequest(name=name, partition_indexes=[partition.partition for partition in partitions])
                for name, partitions in groupby(part, key=lambda partition: partition.topic)
            ]
            yield Ask(DescribeProducersRequest(topics=topics), DescribeProducersResponse, part)

    def read(self, node_id: int, ask: Ask[TopicPartition], response: Message) -> Answered[TopicPartition, tuple[ProducerDescription, ...]]:
        assert isinstance(response, DescribeProducersResponse)
        answered: Answered[TopicPartition, tuple[ProducerDescription, ...]] = Answered()
        for topic in response.topics:
            for found in topic.partitions:
                partition = TopicPartition(topic.name, found.partition_index)
                if found.error_code != ErrorCode.NONE:
                    answered.judge(partition, found.error_code, found.error_message, self._rule)
                    continue
                answered.done[partition] = tuple(
                    ProducerDescription(
                        producer_id=producer.producer_id,
                        producer_epoch=producer.producer_epoch,
                        coordinator_epoch=producer.coordinator_epoch if producer.coordinator_epoch >= 0 else None,
                        last_sequence=producer.last_sequence,
                        last_timestamp_ms=producer.last_timestamp,
                        transaction_start_offset=producer.current_txn_start_offset if producer.current_txn_start_offset >= 0 else None,
                    )
                    for producer in found.active_producers
                )
        return answered


@final
class AbortTransaction:
    """The end of a transaction that its coordinator has forgotten: an abort marker, written by the partition's leader."""

    def __init__(self, *, producer_id: int, producer_epoch: int, coordinator_epoch: int) -> None:
        self.lookup = LeaderLookup()
        self._producer_id = producer_id
        self._producer_epoch = producer_epoch
        self._coordinator_epoch = coordinator_epoch

    def asks(self, keys: Collection[TopicPartition]) -> Iterator[Ask[TopicPartition]]:
        for partition in keys:
            marker = WritableTxnMarker(
                producer_id=self._producer_id,
                producer_epoch=self._producer_epoch,
                transaction_result=False,
                topics=[WritableTxnMarkerTopic(name=partition.topic, partition_indexes=[partition.partition])],
                coordinator_epoch=self._coordinator_epoch,
            )
            yield Ask(WriteTxnMarkersRequest(markers=[marker]), WriteTxnMarkersResponse, [partition])

    def read(self, node_id: int, ask: Ask[TopicPartition], response: Message) -> Answered[TopicPartition, None]:
        assert isinstance(response, WriteTxnMarkersResponse)
        (partition,) = ask.keys
        answered: Answered[TopicPartition, None] = Answered()
        codes = [
            found.error_code
            for marker in response.markers
            for topic in marker.topics
            for found in topic.partitions
            if TopicPartition(topic.name, found.partition_index) == partition
        ]
        if codes == [ErrorCode.NONE]:
            answered.done[partition] = None
        elif len(codes) == 1:
            answered.judge(partition, codes[0], None, _MARKERS_RULE)
        else:
            answered.refused[partition] = ClientError(f"broker {node_id} did not say what became of the marker")
        return answered


@final
@dataclass(frozen=True, slots=True)
class FencedProducer:
    """The producer that now has the transactional id: whoever had it before is shut out, and its transaction aborted."""

    producer_id: int
    producer_epoch: int


@final
class FenceProducer:
    """Takes a transactional id away from whoever has it, which aborts an open transaction (`Admin.fenceProducers`, KIP-588, KIP-939)."""

    def __init__(self, timeout_ms: int) -> None:
        """`timeout_ms` becomes the transaction timeout of the id; a coordinator refuses what exceeds its `transaction.max.timeout.ms`."""
        self.lookup = CoordinatorLookup(CoordinatorKind.TRANSACTION)
        self._timeout_ms = timeout_ms

    def asks(self, keys: Collection[str]) -> Iterator[Ask[str]]:
        for transactional_id in keys:
            request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=self._timeout_ms)
            yield Ask(request, InitProducerIdResponse, [transactional_id])

    def read(self, node_id: int, ask: Ask[str], response: Message) -> Answered[str, FencedProducer]:
        assert isinstance(response, InitProducerIdResponse)
        (transactional_id,) = ask.keys
        answered: Answered[str, FencedProducer] = Answered()
        if response.error_code == ErrorCode.NONE:
            answered.done[transactional_id] = FencedProducer(response.producer_id, response.producer_epoch)
        else:
            # The transaction is being aborted; once it is, the id is free.
            rule = AT_COORDINATOR.also_again(ErrorCode.CONCURRENT_TRANSACTIONS)
            answered.judge(transactional_id, response.error_code, None, rule)
        return answered
