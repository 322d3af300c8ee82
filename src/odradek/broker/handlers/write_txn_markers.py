"""WriteTxnMarkers (key 27): a coordinator, or an operator who ends a hanging transaction, has markers written into partitions here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: WriteTxnMarkersRequest, context: RequestContext) -> WriteTxnMarkersResponse:
    """One code for each partition of each marker."""
    return WriteTxnMarkersResponse(markers=[await _write(node, marker) for marker in request.markers])


async def _write(node: Node, marker: WritableTxnMarker) -> WritableTxnMarkerResult:
    result = WritableTxnMarkerResult(producer_id=marker.producer_id)
    for topic in marker.topics:
        answered = WritableTxnMarkerTopicResult(name=topic.name)
        result.topics.append(answered)
        for index in topic.partition_indexes:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if node.partitions.get(topic.name, index) is not None:
                code = await node.transactions.markers.write(
                    (topic.name, index),
                    marker.producer_id,
                    marker.producer_epoch,
                    marker.coordinator_epoch,
                    is_commit=marker.transaction_result,
                )
            answered.partitions.append(WritableTxnMarkerPartitionResult(partition_index=index, error_code=code))
    return result
