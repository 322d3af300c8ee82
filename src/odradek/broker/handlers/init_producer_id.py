"""InitProducerId: a producer id for an idempotent producer (KIP-98). Transactional ids have their coordinator in a later release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

NO_PRODUCER_EPOCH = -1


async def handle(node: Node, request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
    """A fresh id in epoch 0; a producer without a transactional id gets a new one also when it brings one along."""
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH):
        return _refused(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is None:
        return InitProducerIdResponse(producer_id=await node.producer_ids.next_id(), producer_epoch=0)
    if request.transactional_id == "":
        return _refused(ErrorCode.INVALID_REQUEST)
    return _refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH)
