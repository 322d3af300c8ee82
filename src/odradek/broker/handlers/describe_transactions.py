"""DescribeTransactions (key 65): what the coordinator knows of transactional ids (KIP-664)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.request import RequestContext
from odradek.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


def handle(node: Node, request: DescribeTransactionsRequest, context: RequestContext) -> DescribeTransactionsResponse:
    """One answer for each id."""
    return DescribeTransactionsResponse(transaction_states=[_describe(node, it) for it in request.transactional_ids])


def _describe(node: Node, transactional_id: str) -> TransactionState:
    answered = TransactionState(transactional_id=transactional_id)
    if not transactional_id:
        answered.error_code = ErrorCode.INVALID_REQUEST
        return answered
    try:
        transaction = node.transactions.peek(transactional_id).get(transactional_id)
    except RequestRefused as refused:
        answered.error_code = refused.code
        return answered
    if transaction is None:
        answered.error_code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        return answered
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(transaction.partitions):
        by_topic.setdefault(topic, []).append(index)
    answered.transaction_state = transaction.state.label
    answered.transaction_timeout_ms = transaction.timeout_ms
    answered.transaction_start_time_ms = transaction.start_ms
    answered.producer_id = transaction.producer_id
    answered.producer_epoch = transaction.epoch
    answered.topics = [TopicData(topic, indexes) for topic, indexes in by_topic.items()]
    return answered
