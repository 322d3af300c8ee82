"""InitProducerId (key 22): a producer id, for an idempotent producer a new one (KIP-98), for a transactional one that of its name.

A transactional producer gets an epoch that fences whoever bore its name before; what that had open is aborted first, and the new one
is told to ask again meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

NO_PRODUCER_EPOCH: Final = -1
# Older clients know a fenced producer by the error of Produce.
PRODUCER_FENCED_VERSION_MIN: Final = 4


async def handle(node: Node, request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    """The id and its epoch."""
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH):
        return _refused(ErrorCode.INVALID_REQUEST)
    transactional_id = request.transactional_id
    if transactional_id is None:
        return InitProducerIdResponse(producer_id=await node.producer_ids.next_id(), producer_epoch=0)
    if transactional_id == "":
        return _refused(ErrorCode.INVALID_REQUEST)
    try:
        fresh_id = await node.transactions.producer_id_for(transactional_id)
        answer = await node.transactions.ask(
            transactional_id, lambda shard, ticket, now: shard.init_producer_id(ticket, request, fresh_id, now)
        )
    except RequestRefused as refused:
        return _refused(refused.code)
    response = cast(InitProducerIdResponse, answer)
    if response.error_code == ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_VERSION_MIN:
        response.error_code = ErrorCode.INVALID_PRODUCER_EPOCH
    return response


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH)
