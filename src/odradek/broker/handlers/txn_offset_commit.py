"""TxnOffsetCommit (key 28): a producer commits the offsets of a group in its transaction, together with what it has written.

A producer of transaction version 2 (from request version 5 on) does not announce the group beforehand: that is done here for it. Of
older ones it is verified that they have, so that nothing late of a fenced producer gets into the offsets (KIP-890).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.handlers.add_offsets_to_txn import add_offsets_partition
from odradek.broker.handlers.group_asking import caller_of
from odradek.broker.request import RequestContext
from odradek.config.broker_log_settings import TRANSACTION_PARTITION_VERIFICATION_ENABLE
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node

EPOCH_BUMP_VERSION_MIN: Final = 5
ABORTABLE_VERSION_MIN: Final = 4
# Before it, clients know a coordinator that is loading only as one that is not there.
LOAD_IN_PROGRESS_VERSION_MIN: Final = 2


async def handle(node: Node, request: TxnOffsetCommitRequest, context: RequestContext) -> TxnOffsetCommitResponse:
    """One code for each partition."""
    places = [(topic.name, it.partition_index) for topic in request.topics for it in topic.partitions]
    codes = {place: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION for place in places if node.image.topics.partition(*place) is None}
    known = [
        TxnOffsetCommitRequestTopic(topic.name, existing)
        for topic in request.topics
        if (existing := [it for it in topic.partitions if (topic.name, it.partition_index) not in codes])
    ]
    if known:
        request.topics = known
        codes.update(await _commit(node, request, context))
    # Who is told first: the partitions that do not exist.
    by_topic: dict[str, TxnOffsetCommitResponseTopic] = {}
    for (topic, index), code in codes.items():
        answered = by_topic.setdefault(topic, TxnOffsetCommitResponseTopic(topic, []))
        answered.partitions.append(TxnOffsetCommitResponsePartition(index, code))
    return TxnOffsetCommitResponse(topics=list(by_topic.values()))


async def _commit(node: Node, request: TxnOffsetCommitRequest, context: RequestContext) -> dict[tuple[str, int], ErrorCode]:
    places = [(topic.name, it.partition_index) for topic in request.topics for it in topic.partitions]
    if not request.group_id:
        return dict.fromkeys(places, ErrorCode.INVALID_GROUP_ID)
    try:
        code = await _join_transaction(node, request, context)
        if code is not ErrorCode.NONE:
            raise RequestRefused(_as_commits_say(code, context.api_version))
        caller = caller_of(context)
        answer = await node.groups.ask(
            request.group_id, lambda shard, ticket, now: shard.commit_offsets_in_transaction(ticket, request, caller, now)
        )
    except RequestRefused as refused:
        code = refused.code
        if code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and context.api_version < LOAD_IN_PROGRESS_VERSION_MIN:
            code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        return dict.fromkeys(places, code)
    response = cast(TxnOffsetCommitResponse, answer)
    return {(topic.name, it.partition_index): ErrorCode(it.error_code) for topic in response.topics for it in topic.partitions}


async def _join_transaction(node: Node, request: TxnOffsetCommitRequest, context: RequestContext) -> ErrorCode:
    """Make sure that the transaction knows of the group."""
    producer = (request.producer_id, request.producer_epoch)
    if context.api_version >= EPOCH_BUMP_VERSION_MIN:
        return await add_offsets_partition(node, request.transactional_id, producer, request.group_id, client_version=EPOCH_BUMP_VERSION)
    index = node.groups.partition_index_of(request.group_id)
    if index is None:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if not node.configuration[TRANSACTION_PARTITION_VERIFICATION_ENABLE]:
        return ErrorCode.NONE
    shard = node.transactions.peek(request.transactional_id)
    return shard.verify_partition(request.transactional_id, producer, (GROUP_METADATA_TOPIC, index))


def _as_commits_say(code: ErrorCode, version: int) -> ErrorCode:
    """Why the group is not in the transaction, in words that the producer's version knows (`AddPartitionsToTxnManager`)."""
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and version < ABORTABLE_VERSION_MIN:
        return ErrorCode.INVALID_TXN_STATE
    return code
