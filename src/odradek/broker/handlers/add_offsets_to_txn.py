"""AddOffsetsToTxn (key 25): a producer says that it will commit the offsets of a group in its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.request import RequestContext
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

PRODUCER_FENCED_VERSION_MIN: Final = 2


async def handle(node: Node, request: AddOffsetsToTxnRequest, context: RequestContext) -> AddOffsetsToTxnResponse:
    """The partition that keeps the group's offsets is in the transaction, or why it is not."""
    code = await add_offsets_partition(
        node, request.transactional_id, (request.producer_id, request.producer_epoch), request.group_id, client_version=0
    )
    if code is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_VERSION_MIN:
        code = ErrorCode.INVALID_PRODUCER_EPOCH
    return AddOffsetsToTxnResponse(error_code=code)


async def add_offsets_partition(
    node: Node, transactional_id: str, producer: tuple[int, int], group_id: str, *, client_version: int
) -> ErrorCode:
    """Add the partition that keeps the offsets of `group_id` to a transaction."""
    index = node.groups.partition_index_of(group_id)
    if index is None:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    place = frozenset({(GROUP_METADATA_TOPIC, index)})
    try:
        await node.transactions.ask(
            transactional_id,
            lambda shard, ticket, now: shard.add_partitions(ticket, transactional_id, producer, place, client_version, now),
        )
    except RequestRefused as refused:
        return refused.code
    return ErrorCode.NONE
