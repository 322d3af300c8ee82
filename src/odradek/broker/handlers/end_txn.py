"""EndTxn (key 26): a producer commits its transaction, or aborts it. From version 5 on it gets another epoch with that (KIP-890)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.broker.request import RequestContext
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node

PRODUCER_FENCED_VERSION_MIN: Final = 2
EPOCH_BUMP_VERSION_MIN: Final = 5


async def handle(node: Node, request: EndTxnRequest, context: RequestContext) -> EndTxnResponse:
    """The outcome is decided, or why it is not."""
    transactional_id = request.transactional_id
    client_version = EPOCH_BUMP_VERSION if context.api_version >= EPOCH_BUMP_VERSION_MIN else 0
    try:
        fresh_id = NO_PRODUCER_ID
        if client_version >= EPOCH_BUMP_VERSION and node.transactions.peek(transactional_id).get(transactional_id) is not None:
            fresh_id = await node.transactions.producer_id_for(transactional_id)
        answer = await node.transactions.ask(
            transactional_id,
            lambda shard, ticket, now: shard.end(
                ticket,
                transactional_id,
                (request.producer_id, request.producer_epoch),
                is_commit=request.committed,
                client_version=client_version,
                fresh_producer_id=fresh_id,
                now=now,
            ),
        )
    except RequestRefused as refused:
        return EndTxnResponse(error_code=refused.code)
    response = cast(EndTxnResponse, answer)
    if response.error_code == ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_VERSION_MIN:
        response.error_code = ErrorCode.INVALID_PRODUCER_EPOCH
    return response
