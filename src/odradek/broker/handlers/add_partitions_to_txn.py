"""AddPartitionsToTxn (key 24): a producer says where it will write, before it does; other brokers ask whether it has (KIP-890).

Clients send one transaction (up to version 3), brokers several (from 4 on), some of them only to be verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.request import RequestContext
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node

BATCHED_VERSION_MIN: Final = 4
# Older clients know a fenced producer by the error of Produce.
PRODUCER_FENCED_VERSION_MIN: Final = 2


async def handle(node: Node, request: AddPartitionsToTxnRequest, context: RequestContext) -> AddPartitionsToTxnResponse:
    """One code for each partition."""
    if context.api_version >= BATCHED_VERSION_MIN:
        results = [
            AddPartitionsToTxnResult(it.transactional_id, await _decide(node, it, client_version=EPOCH_BUMP_VERSION))
            for it in request.transactions
        ]
        return AddPartitionsToTxnResponse(results_by_transaction=results)
    transaction = AddPartitionsToTxnTransaction(
        request.v3_and_below_transactional_id,
        request.v3_and_below_producer_id,
        request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    topics = await _decide(node, transaction, client_version=0)
    if context.api_version < PRODUCER_FENCED_VERSION_MIN:
        for result in (it for topic in topics for it in topic.results_by_partition):
            if result.partition_error_code == ErrorCode.PRODUCER_FENCED:
                result.partition_error_code = ErrorCode.INVALID_PRODUCER_EPOCH
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=topics)


async def _decide(node: Node, it: AddPartitionsToTxnTransaction, *, client_version: int) -> list[AddPartitionsToTxnTopicResult]:
    places = [(topic.name, index) for topic in it.topics for index in topic.partitions]
    unknown = {place for place in places if node.image.topics.partition(*place) is None}
    if unknown:
        # All or none: what exists is not added either.
        by_place = {
            place: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if place in unknown else ErrorCode.OPERATION_NOT_ATTEMPTED for place in places
        }
        return _results(it.topics, by_place)
    producer = (it.producer_id, it.producer_epoch)
    if it.verify_only:
        try:
            shard = node.transactions.peek(it.transactional_id)
        except RequestRefused as refused:
            return _results(it.topics, dict.fromkeys(places, refused.code))
        return _results(it.topics, {place: shard.verify_partition(it.transactional_id, producer, place) for place in places})
    try:
        await node.transactions.ask(
            it.transactional_id,
            lambda shard, ticket, now: shard.add_partitions(ticket, it.transactional_id, producer, frozenset(places), client_version, now),
        )
        code = ErrorCode.NONE
    except RequestRefused as refused:
        code = refused.code
    return _results(it.topics, dict.fromkeys(places, code))


def _results(topics: list[AddPartitionsToTxnTopic], by_place: dict[tuple[str, int], ErrorCode]) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            topic.name, [AddPartitionsToTxnPartitionResult(index, by_place[topic.name, index]) for index in topic.partitions]
        )
        for topic in topics
    ]
