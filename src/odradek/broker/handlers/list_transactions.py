"""ListTransactions (key 66): the transactional ids that this node coordinates, by state, producer id, duration and name (KIP-664)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.coordinator.transaction.transaction import Transaction
from odradek.coordinator.transaction.transaction import TransactionState as State
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse, TransactionState

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: ListTransactionsRequest, context: RequestContext) -> ListTransactionsResponse:
    """Those that pass every filter that is set."""
    from odradek.coordinator.group import topic_regex

    labels = {state.label for state in State}
    unknown = [name for name in request.state_filters if name not in labels]
    pattern = request.transactional_id_pattern
    if pattern and topic_regex.complaint_about(pattern) is not None:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    now_ms = node.clock.now_ms()
    found = [it for shard in node.transactions.shards() for it in shard if _passes(it, request, now_ms)]
    if pattern:
        matching = topic_regex.matching(pattern, {it.transactional_id for it in found})
        found = [it for it in found if it.transactional_id in matching]
    states = [TransactionState(it.transactional_id, it.producer_id, it.state.label) for it in found]
    return ListTransactionsResponse(unknown_state_filters=unknown, transaction_states=states)


def _passes(transaction: Transaction, request: ListTransactionsRequest, now_ms: int) -> bool:
    if request.producer_id_filters and transaction.producer_id not in request.producer_id_filters:
        return False
    if request.state_filters and transaction.state.label not in request.state_filters:
        return False
    return request.duration_filter < 0 or now_ms - transaction.start_ms > request.duration_filter
